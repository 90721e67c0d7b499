//! The intake of one connection: what it gave, store by store, and what that is worth.
//!
//! ```text
//! lines --> store 1: taken               owed: nothing      a ticket: the position in each store
//!       '-> store 2: taken up to here    owed: the rest     that everything so far is below
//!       '-> mirror:  taken up to here    cut, counted
//! ```
//!
//! No line is given to a store twice, and no further one before all of them have the last. So what a connection can be owed
//! is bounded by what is given at once.

use std::sync::Arc;
use std::time::Duration;

use potsdb::InvalidPoint;
use tokio::time::timeout;

use crate::peers::Peer;
use crate::stores::Store;
use crate::turns::Turn;

pub(crate) struct Intake {
    stores: Arc<[Arc<Store>]>,
    peer: Peer,
    parts: Vec<Part>,
    turn: Option<Turn<Peer>>,
    /// Nothing was given since the last ticket.
    is_fresh: bool,
    /// Points that the first store took.
    pub(crate) points: u64,
}

/// What there is of one store.
#[derive(Default)]
struct Part {
    /// It has no room for these yet.
    owed: Vec<u8>,
    /// The position behind the last point it took.
    upto: u64,
    /// What it had given up when the interval began.
    given_up: u64,
}

/// A place in every store: everything a connection gave before.
pub(crate) struct Ticket {
    stores: Arc<[Arc<Store>]>,
    /// Position, and what was given up before.
    places: Vec<(u64, u64)>,
}

impl Intake {
    pub(crate) fn new(stores: Arc<[Arc<Store>]>, peer: Peer) -> Intake {
        Intake {
            parts: stores.iter().map(|_| Part::default()).collect(),
            is_fresh: true,
            stores,
            peer,
            turn: None,
            points: 0,
        }
    }

    /// Gives whole lines to every store. Returns those that are no points; see also [`Intake::give_owed`].
    pub(crate) fn give(&mut self, lines: &[u8]) -> Vec<InvalidPoint> {
        debug_assert!(!self.is_owing(), "nothing is given before that is taken");
        let mut bad = Vec::new();
        let is_fresh = std::mem::take(&mut self.is_fresh);
        for (number, (store, part)) in self.stores.iter().zip(&mut self.parts).enumerate() {
            if is_fresh {
                part.given_up = store.upstream.progress().given_up;
            }
            let taken = store.take(lines);
            part.upto = part.upto.max(taken.upto);
            if number == 0 {
                // All have the same rules.
                self.points += taken.points;
                bad = taken.bad.into_iter().map(|line| line.error).collect();
            }
            let rest = &lines[taken.bytes..];
            match store.is_waited_for() {
                true => part.owed.extend_from_slice(rest),
                false => store.cut(rest),
            }
        }
        self.wait_for_turn();
        bad
    }

    /// Whether some store has yet to take something.
    pub(crate) fn is_owing(&self) -> bool {
        self.turn.is_some()
    }

    /// Waits for the turn to give what is owed; for ever if nothing is.
    pub(crate) async fn turn(&self) {
        match &self.turn {
            Some(turn) => turn.called().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the turn has come.
    pub(crate) fn is_called(&self) -> bool {
        self.turn.as_ref().is_some_and(Turn::came)
    }

    /// Gives what is owed, as far as there is room; returns lines of it that are no points.
    pub(crate) fn give_owed(&mut self) -> Vec<InvalidPoint> {
        let (mut bad, mut taken_of_any) = (Vec::new(), false);
        for (number, (store, part)) in self.stores.iter().zip(&mut self.parts).enumerate() {
            if part.owed.is_empty() {
                continue;
            }
            let taken = store.take(&part.owed);
            part.upto = part.upto.max(taken.upto);
            taken_of_any |= taken.bytes > 0;
            part.owed.drain(..taken.bytes);
            if number == 0 {
                self.points += taken.points;
                bad = taken.bad.into_iter().map(|line| line.error).collect();
            }
        }
        match (&self.turn, taken_of_any) {
            (Some(turn), false) if turn.came() => turn.in_vain(),
            (_, false) => {}
            (_, true) => {
                self.turn = None;
                self.wait_for_turn();
            }
        }
        bad
    }

    /// Gives up what is owed; returns how many lines some store did not get.
    pub(crate) fn forget_owed(&mut self) -> u64 {
        self.turn = None;
        let lines = |part: &mut Part| memchr::memchr_iter(b'\n', &std::mem::take(&mut part.owed)).count();
        self.parts.iter_mut().map(lines).max().unwrap_or(0) as u64
    }

    /// A place behind all that was given; the next interval begins.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.is_fresh = true;
        let places = self.stores.iter().zip(&self.parts).map(|(store, part)| {
            if store.is_waited_for() && part.upto > 0 {
                store.upstream.secure(part.upto);
            }
            (part.upto, part.given_up)
        });
        Ticket {
            places: places.collect(),
            stores: Arc::clone(&self.stores),
        }
    }

    fn wait_for_turn(&mut self) {
        let mut both = self.stores.iter().zip(&self.parts);
        if let Some((store, _)) = both.find(|(_, part)| !part.owed.is_empty()) {
            self.turn = Some(store.turns.join(self.peer));
        }
    }
}

impl Ticket {
    /// Waits until everything before it is safe in every store; false if something in it may have been given up.
    pub(crate) async fn safe(&self) -> bool {
        for (store, (upto, given_up)) in self.waited_for() {
            store.safe(*upto).await;
            if *upto > 0 && store.upstream.progress().given_up != *given_up {
                return false;
            }
        }
        true
    }

    /// The same, until it takes too long.
    pub(crate) async fn safe_within(&self, time: Duration) -> bool {
        let is_safe = timeout(time, self.safe()).await;
        if is_safe.is_err() {
            self.waited_for().for_each(|(store, (upto, _))| store.was_late(*upto));
        }
        is_safe == Ok(true)
    }

    /// Waits until every point before it has its verdict upstream; false if something may have been given up.
    pub(crate) async fn stored(&self) -> bool {
        for (store, (upto, given_up)) in self.waited_for() {
            store.reached(*upto).await;
            if *upto > 0 && store.upstream.progress().given_up != *given_up {
                return false;
            }
        }
        true
    }

    fn waited_for(&self) -> impl Iterator<Item = (&Arc<Store>, &(u64, u64))> {
        let both = self.stores.iter().zip(&self.places);
        both.filter(|(store, _)| store.is_waited_for())
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::sync::atomic::Ordering;
    use std::task::{Context, Poll, Waker};

    use super::*;
    use crate::stores::Role;
    use crate::upstream::obedient::Obedient;

    fn poll(future: impl Future<Output = bool>) -> Poll<bool> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    fn intake(upstreams: &[(&Arc<Obedient>, Role)]) -> Intake {
        let stores = upstreams
            .iter()
            .map(|(upstream, role)| Store::new("s".into(), *role, Box::new(Arc::clone(upstream))));
        Intake::new(
            stores.collect(),
            Peer::of(&potsdb_front::Peer::plain(([127, 0, 0, 1], 1).into())),
        )
    }

    #[test]
    fn a_ticket_is_safe_when_every_store_says_so_and_no_mirror_is_asked() {
        let (one, two, mirror) = (Obedient::with_room(9), Obedient::with_room(9), Obedient::with_room(1));
        let mut intake = intake(&[(&one, Role::Store), (&two, Role::Store), (&mirror, Role::Mirror)]);
        assert_eq!(poll(intake.ticket().safe()), Poll::Ready(true), "nothing was given");
        intake.give(b"a\nb\nc\n");
        assert!(!intake.is_owing());
        let ticket = intake.ticket();
        assert_eq!((one.secured(), two.secured(), mirror.secured()), (3, 3, 0));
        one.safe(3);
        assert_eq!(poll(ticket.safe()), Poll::Pending);
        two.safe(2);
        assert_eq!(poll(ticket.safe()), Poll::Pending);
        two.safe(3);
        assert_eq!(poll(ticket.safe()), Poll::Ready(true));
        assert_eq!(mirror.lines(), "a\n");
        assert_eq!(intake.stores[2].cut.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn what_a_store_has_no_room_for_is_owed_to_it_alone_and_given_once() {
        let (one, two) = (Obedient::with_room(9), Obedient::with_room(1));
        let mut intake = intake(&[(&one, Role::Store), (&two, Role::Store)]);
        intake.give(b"a\nb\nc\n");
        assert!(intake.is_owing() && !intake.is_called());
        two.add_room(1);
        assert!(intake.is_called());
        intake.give_owed();
        assert!(intake.is_owing(), "one more");
        two.add_room(5);
        intake.give_owed();
        assert!(!intake.is_owing());
        assert_eq!((one.lines(), two.lines()), ("a\nb\nc\n".into(), "a\nb\nc\n".into()));
    }

    #[test]
    fn what_was_given_up_is_not_safe_and_the_next_interval_may_be() {
        let one = Obedient::with_room(9);
        let mut intake = intake(&[(&one, Role::Store)]);
        intake.give(b"a\n");
        let ticket = intake.ticket();
        one.give_up(1);
        one.safe(1);
        assert_eq!(poll(ticket.safe()), Poll::Ready(false));
        intake.give(b"b\n");
        one.safe(2);
        assert_eq!(poll(intake.ticket().safe()), Poll::Ready(true));
    }

    #[test]
    fn what_is_owed_can_be_given_up_and_is_counted_once() {
        let (one, two) = (Obedient::with_room(0), Obedient::with_room(1));
        let mut intake = intake(&[(&one, Role::Store), (&two, Role::Store)]);
        intake.give(b"a\nb\n");
        assert_eq!(intake.forget_owed(), 2);
        assert!(!intake.is_owing());
    }
}
