//! What is waited for: each reason to look again at some moment has a name, so that whoever looks can say why.

use std::time::Duration;

/// Why something is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    // Of a conversation.
    /// A question is asked about lines that were written.
    Ask,
    /// A question is asked whose answer lets lines settle.
    Settle,
    /// A server that does not answer is taken for silent.
    Silent,
    /// No answer for so long ends the connection.
    Answer,
    /// A kernel that takes no bytes for so long ends it.
    Write,
    /// The end of the stream is waited for no longer.
    LastWords,
    /// The server asked to be left alone until then.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP asks for a time"))]
    Rest,
    /// The answer to the login line is waited for no longer.
    Login,

    // Of a connection.
    /// A name or a connection takes longer than the option allows.
    Connect,
    /// Another endpoint is tried beside the one that takes its time.
    Stagger,
    /// An endpoint that was lost is tried again.
    Backoff,
    /// The connection has reached its age.
    Age,
    /// The kernel is asked what has arrived.
    AskKernel,
    /// The server has made no progress for so long that another is preferred.
    StandStill,
    /// Lines are overdue, and another endpoint is given them, too.
    Overdue,
    /// New lines have had their time, and what failed has its turn.
    GiveWay,

    // Of lines.
    /// What a server failed goes again.
    Retry,
    /// Lines become too old.
    Expiry,

    // Of the client.
    /// `mps` allows the next points.
    Pace,
    /// A server that asked for less takes some again.
    Overload,
    /// A close has its deadline.
    Close,
}

/// A moment, and why it matters.
pub(crate) type Due = (Duration, Timer);

impl Timer {
    /// This timer at that moment, if there is one.
    pub(crate) fn at(self, moment: Option<Duration>) -> Option<Due> {
        moment.map(|moment| (moment, self))
    }
}
