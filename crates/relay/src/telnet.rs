//! The relay's telnet: `put` lines to the stores, many at once, and OpenTSDB's commands.
//!
//! `version` is answered when everything before it on its connection is safe, and never later than `patience.answer`: then,
//! and where something was refused, the answer stands behind a `Throttling exception`, after which a client sends the
//! interval again.

use std::sync::Arc;

use potsdb::InvalidPoint;
use potsdb_front::{Conduct as _, Flow, Replies, Taken};

use crate::counts::add;
use crate::session::{Session, TURN};
use crate::shared::Shared;
use crate::status;

const HELP: &[u8] = b"available commands: put version stats help exit\n";

/// Takes whole lines.
pub(crate) fn lines(session: &mut Session, lines: &[u8], replies: &mut Replies) -> Taken {
    refuse(&std::mem::take(&mut session.unsaid), replies);
    let mut bytes = 0;
    let mut flow = Flow::On;
    while bytes < lines.len() && flow == Flow::On && session.reads() && !replies.is_full() {
        let rest = &lines[bytes..];
        let run = puts(rest);
        if run > 0 {
            refuse(&session.give(&rest[..run]), replies);
            bytes += run;
            continue;
        }
        let length = memchr::memchr(b'\n', rest).map_or(rest.len(), |newline| newline + 1);
        flow = command(session, rest[..length].trim_ascii(), replies);
        bytes += length;
    }
    // A peer that waits for room and has asked already will not hear from us otherwise.
    if session.intake.is_owing() && !session.asks {
        session.asks = asks(&lines[bytes..]);
    }
    Taken { bytes, flow }
}

/// How many bytes of lines begin with the command `put`.
fn puts(lines: &[u8]) -> usize {
    let mut run = 0;
    for newline in memchr::memchr_iter(b'\n', lines) {
        if !lines[run..].starts_with(b"put ") || (run > 0 && newline >= TURN) {
            break;
        }
        run = newline + 1;
    }
    run
}

/// Whether one of the lines asks for an answer.
pub(crate) fn asks(lines: &[u8]) -> bool {
    memchr::memmem::find_iter(lines, b"version").any(|at| {
        let (before, after) = (&lines[..at], &lines[at + b"version".len()..]);
        matches!(before.last(), None | Some(b'\n')) && matches!(after.first(), Some(b'\n' | b'\r' | b' '))
    })
}

/// Says what is wrong with lines: of each, so that a client can count them.
pub(crate) fn refuse(bad: &[InvalidPoint], replies: &mut Replies) {
    for error in bad {
        replies.refusal(format!("put: illegal argument: {error}\n").as_bytes());
    }
}

fn command(session: &mut Session, line: &[u8], replies: &mut Replies) -> Flow {
    let command = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    match command {
        b"" => {}
        b"version" => version(session, replies),
        b"help" => drop(replies.answer(HELP)),
        b"stats" => drop(replies.answer(status::stats(&session.shared).as_bytes())),
        b"exit" => return Flow::Leaves,
        b"put" => {
            session.count_invalid(1);
            replies.refusal(b"put: illegal argument: not enough arguments (need least 4, got 0)\n");
        }
        b"rollup" | b"histogram" => {
            session.count_invalid(1);
            let command = String::from_utf8_lossy(command);
            replies.refusal(format!("{command}: illegal argument: this relay forwards put alone\n").as_bytes());
        }
        _ => {
            add(&session.shared.counts.unknown, 1);
            let shown: String = String::from_utf8_lossy(command)
                .chars()
                .filter(|c| !c.is_control())
                .take(64)
                .collect();
            replies.refusal(format!("unknown command: {shown}.  Try `help'.\n").as_bytes());
        }
    }
    Flow::On
}

fn version(session: &mut Session, replies: &mut Replies) {
    session.asks = true;
    let patience = session.patience();
    session.has_answers = true;
    let is_spoiled = std::mem::take(&mut session.is_spoiled);
    let (ticket, shared) = (session.intake.ticket(), Arc::clone(&session.shared));
    if is_spoiled {
        replies.answer(&answer(&shared, Some(FULL)));
        return;
    }
    replies.later(async move {
        let is_safe = ticket.safe_within(patience).await;
        answer(&shared, (!is_safe).then_some(UNSAFE))
    });
}

/// The answer to `version`, and what stands before it where not everything is safe.
fn answer(shared: &Shared, unsafe_as: Option<&[u8]>) -> Vec<u8> {
    let counts = &shared.counts;
    add(
        if unsafe_as.is_some() {
            &counts.answered_unsafe
        } else {
            &counts.answered_safe
        },
        1,
    );
    [unsafe_as.unwrap_or_default(), shared.version().as_bytes()].concat()
}

/// What clients take for: send again what you sent since the last answer. Something of it was refused.
const FULL: &[u8] = b"put: Throttling exception: relay spool is full\n";

/// The same, for what was not safe in time or was given up.
const UNSAFE: &[u8] = b"put: Throttling exception: relay cannot say that this is safe\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_of_puts_alone_and_bounded() {
        assert_eq!(puts(b"put a\nput b\nversion\nput c\n"), 12);
        assert_eq!(puts(b"version\nput c\n"), 0);
        let many = b"put some.metric 1767225600 1 h=a\n".repeat(10_000);
        let run = puts(&many);
        assert!(run <= TURN && run > TURN - 64 && run.is_multiple_of(33));
        let long = [&b"put "[..], &[b'x'; 2 * TURN], b"\nput b\n"].concat();
        assert_eq!(puts(&long), 2 * TURN + 5, "one line is taken whole");
    }

    #[test]
    fn only_a_line_of_its_own_asks() {
        assert!(asks(b"put a\nversion\n") && asks(b"version \r\n"));
        assert!(!asks(b"put version\n") && !asks(b"versions\n") && !asks(b"put a\nversio"));
    }
}
