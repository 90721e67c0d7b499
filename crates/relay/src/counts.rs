//! What the relay counts of its own; what became of points is each store's to say.

use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counts {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Counters since the start, each exact.
        #[derive(Debug, Default)]
        pub(crate) struct Counts {
            $($(#[doc = $doc])+ pub(crate) $name: AtomicU64,)+
        }

        impl Counts {
            /// Every counter by its name, in an order that stays.
            pub(crate) fn pairs(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.load(Ordering::Relaxed)),)+]
            }
        }
    };
}

counts! {
    /// Connections that were served.
    connections,
    /// Connections that found no place, or were not wanted.
    turned_away,
    /// Points that the first store took.
    points,
    /// Lines, and points of bodies, that are no points.
    invalid,
    /// Points that a rule dropped.
    filtered,
    /// Lines that were refused because some store had no room.
    refused,
    /// Last lines without their end, which are dropped.
    torn,
    /// Lines beyond the limit.
    overlong,
    /// Commands nobody knows.
    unknown,
    /// Answers that said: everything before is safe.
    answered_safe,
    /// Answers that said: not everything before is.
    answered_unsafe,
    /// Replies that were left out because a peer does not read.
    unread,
    /// HTTP requests.
    requests,
    /// Bodies that were answered with 503.
    unavailable,
    /// Peers that did not log in as they should.
    unauthorised,
    /// Connections that were closed because they were too slow.
    late,
    /// Bodies and long lines there was no room for.
    no_room,
}

/// Adds to a counter.
pub(crate) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}
