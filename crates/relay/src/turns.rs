//! Turns: who goes next, of all connections that wait for room in a store, one peer after the other.
//!
//! ```text
//! peer A: [a1 a2 a3 ...]     next: a1, b1, a2, c1, ...   a peer with a thousand connections gets no more
//! peer B: [b1]                                           turns than one with one
//! peer C: [c1]
//! ```
//!
//! A turn is worth at most one read, 64 KiB. Whoever had one and got what it wanted passes it on by dropping it, so that room
//! which came at once is shared out to its end. Whoever found none is the first at the next.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::Notify;

/// Those who wait; `P` is a peer.
pub(crate) struct Turns<P> {
    waiting: Mutex<Waiting<P>>,
}

struct Waiting<P> {
    /// The peers of whom somebody waits, each once.
    order: VecDeque<P>,
    of_peers: HashMap<P, VecDeque<Weak<Call>>>,
}

#[derive(Default)]
struct Call {
    notify: Notify,
    came: AtomicBool,
}

/// A place among those who wait.
pub(crate) struct Turn<P: Copy + Eq + Hash> {
    turns: Arc<Turns<P>>,
    peer: P,
    call: Arc<Call>,
}

impl<P: Copy + Eq + Hash> Turns<P> {
    pub(crate) fn new() -> Arc<Turns<P>> {
        Arc::new(Turns {
            waiting: Mutex::new(Waiting {
                order: VecDeque::new(),
                of_peers: HashMap::new(),
            }),
        })
    }

    /// Waits from now on, behind the others of the same peer.
    pub(crate) fn join(self: &Arc<Self>, peer: P) -> Turn<P> {
        let call = Arc::new(Call::default());
        let waiting = &mut *self.lock();
        let of_peer = waiting.of_peers.entry(peer).or_default();
        if of_peer.is_empty() {
            waiting.order.push_back(peer);
        }
        of_peer.push_back(Arc::downgrade(&call));
        Turn {
            turns: Arc::clone(self),
            peer,
            call,
        }
    }

    /// Whether nobody waits who has not been called.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().order.is_empty()
    }

    /// Calls the next one, if there is one.
    pub(crate) fn next(&self) {
        let mut waiting = self.lock();
        while let Some(peer) = waiting.order.pop_front() {
            let Some(of_peer) = waiting.of_peers.get_mut(&peer) else {
                continue;
            };
            let next = std::iter::from_fn(|| of_peer.pop_front()).find_map(|call| call.upgrade());
            match of_peer.is_empty() {
                true => drop(waiting.of_peers.remove(&peer)),
                false => waiting.order.push_back(peer),
            }
            if let Some(call) = next {
                call.came.store(true, Ordering::Relaxed);
                call.notify.notify_one();
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<P>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<P: Copy + Eq + Hash> Turn<P> {
    /// Waits until it is called. May be given up at any time.
    pub(crate) async fn called(&self) {
        if !self.came() {
            self.call.notify.notified().await;
        }
    }

    pub(crate) fn came(&self) -> bool {
        self.call.came.load(Ordering::Relaxed)
    }

    /// There was no room after all: it is the first to be called again, and nobody is called now.
    pub(crate) fn in_vain(&self) {
        self.call.came.store(false, Ordering::Relaxed);
        let waiting = &mut *self.turns.lock();
        let of_peer = waiting.of_peers.entry(self.peer).or_default();
        if !of_peer.is_empty() {
            waiting.order.retain(|peer| *peer != self.peer);
        }
        of_peer.push_front(Arc::downgrade(&self.call));
        waiting.order.push_front(self.peer);
    }
}

impl<P: Copy + Eq + Hash> Drop for Turn<P> {
    fn drop(&mut self) {
        if self.came() {
            self.turns.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(turns: &Arc<Turns<char>>, waiting: &mut Vec<(&str, Turn<char>)>) -> String {
        let mut order = Vec::new();
        turns.next();
        while let Some(index) = waiting.iter().position(|(_, turn)| turn.came()) {
            order.push(waiting.remove(index).0);
        }
        order.join(" ")
    }

    fn join<'a>(turns: &Arc<Turns<char>>, names: &[&'a str]) -> Vec<(&'a str, Turn<char>)> {
        let peer = |name: &str| name.chars().next().expect("a name");
        names.iter().map(|name| (*name, turns.join(peer(name)))).collect()
    }

    #[test]
    fn peers_take_turns_however_many_connections_they_have() {
        let turns = Turns::new();
        let mut waiting = join(&turns, &["a1", "a2", "a3", "a4", "b1", "c1", "c2"]);
        assert_eq!(order(&turns, &mut waiting), "a1 b1 c1 a2 c2 a3 a4");
        assert!(turns.lock().of_peers.is_empty() && turns.lock().order.is_empty());
    }

    #[test]
    fn one_that_is_gone_is_passed_over_and_one_that_had_the_turn_passes_it_on() {
        let turns = Turns::new();
        let mut waiting = join(&turns, &["a1", "b1", "c1"]);
        waiting.remove(0);
        turns.next();
        assert!(waiting[0].1.came() && !waiting[1].1.came());
        waiting.remove(0);
        assert!(waiting[0].1.came());
    }

    #[test]
    fn one_that_found_no_room_is_the_first_again_and_calls_nobody() {
        let turns = Turns::new();
        let waiting = join(&turns, &["a1", "a2", "b1"]);
        turns.next();
        waiting[0].1.in_vain();
        assert!(waiting.iter().all(|(_, turn)| !turn.came()));
        turns.next();
        assert!(waiting[0].1.came() && !waiting[1].1.came());
    }
}
