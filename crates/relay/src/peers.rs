//! Peers: who sends, by address or user, what of each is counted, and how fast it may be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Who counts as one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Peer {
    /// An IPv4 address, or an IPv6 network of 64 bits.
    Address(IpAddr),
    /// A user of this machine, over a Unix socket.
    User(u32),
}

impl Peer {
    pub(crate) fn of(peer: &potsdb_front::Peer) -> Peer {
        match (peer.user, peer.address.ip().to_canonical()) {
            (Some(user), _) => Peer::User(user),
            (None, IpAddr::V6(address)) if !address.is_loopback() => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Peer::Address(Ipv6Addr::from_bits(network).into())
            }
            (None, address) => Peer::Address(address),
        }
    }
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Peer::Address(address) => write!(f, "{address}"),
            Peer::User(user) => write!(f, "user {user}"),
        }
    }
}

/// What there is of each peer.
#[derive(Default)]
pub(crate) struct Peers {
    known: Mutex<HashMap<Peer, Arc<OfPeer>>>,
}

/// One peer's counts, and how fast it may be.
#[derive(Default)]
pub(crate) struct OfPeer {
    connections: AtomicU64,
    pub(crate) points: AtomicU64,
    pub(crate) bytes: AtomicU64,
    pub(crate) invalid: AtomicU64,
    pub(crate) refused: AtomicU64,
    /// When it may send again, if it was too fast.
    free_at: Mutex<Option<Instant>>,
}

/// How fast each peer may be; 0: as fast as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Pace {
    pub(crate) points: f64,
    pub(crate) bytes: f64,
}

/// Peers that are remembered.
const REMEMBERED: usize = 10_000;

/// How much a peer may send at once, in seconds of its pace.
const BURST: Duration = Duration::from_secs(1);

impl Peers {
    /// A connection of a peer's began.
    pub(crate) fn connected(&self, peer: Peer) -> Arc<OfPeer> {
        let mut known = self.lock();
        if known.len() >= REMEMBERED && !known.contains_key(&peer) {
            forget_the_least(&mut known);
        }
        let of_peer = known.entry(peer).or_default();
        of_peer.connections.fetch_add(1, Ordering::Relaxed);
        Arc::clone(of_peer)
    }

    /// The peers that sent most: each with its connections, points, bytes, invalid and refused lines.
    pub(crate) fn top(&self, most: usize) -> Vec<(Peer, [u64; 5])> {
        let read = |of_peer: &OfPeer| {
            let OfPeer {
                connections,
                points,
                bytes,
                invalid,
                refused,
                ..
            } = of_peer;
            [connections, points, bytes, invalid, refused].map(|count| count.load(Ordering::Relaxed))
        };
        let mut all: Vec<_> = self
            .lock()
            .iter()
            .map(|(peer, of_peer)| (*peer, read(of_peer)))
            .collect();
        all.sort_by_key(|(_, [_, points, ..])| std::cmp::Reverse(*points));
        all.truncate(most);
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Peer, Arc<OfPeer>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes room: of those that are not connected, half go, those that sent least.
fn forget_the_least(known: &mut HashMap<Peer, Arc<OfPeer>>) {
    let gone = |of_peer: &OfPeer| of_peer.connections.load(Ordering::Relaxed) == 0;
    let sent = |of_peer: &OfPeer| of_peer.points.load(Ordering::Relaxed);
    let mut counts: Vec<u64> = known.values().filter(|of| gone(of)).map(|of| sent(of)).collect();
    let middle = counts.len() / 2;
    if counts.is_empty() {
        return;
    }
    let (_, median, _) = counts.select_nth_unstable(middle);
    let median = *median;
    known.retain(|_, of_peer| !gone(of_peer) || sent(of_peer) > median);
}

impl OfPeer {
    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// Counts what came, and says until when nothing more is read of the peer, if that was too fast.
    pub(crate) fn came(&self, points: u64, bytes: usize, pace: Pace, now: Instant) -> Option<Instant> {
        self.points.fetch_add(points, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        let seconds = |count: f64, pace: f64| if pace > 0.0 { count / pace } else { 0.0 };
        let cost = seconds(points as f64, pace.points).max(seconds(bytes as f64, pace.bytes));
        if cost == 0.0 {
            return None;
        }
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let from = free_at.unwrap_or(now).max(now.checked_sub(BURST).unwrap_or(now));
        let until = from + Duration::from_secs_f64(cost.min(MOST_SECONDS));
        *free_at = Some(until);
        (until > now).then_some(until)
    }
}

/// However slow a peer may be, it is read again some time.
const MOST_SECONDS: f64 = 60.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(number: u32) -> Peer {
        Peer::User(number)
    }

    #[test]
    fn the_peers_that_sent_most_are_told_and_the_least_are_forgotten() {
        let (peers, now) = (Peers::default(), Instant::now());
        for number in 0..=REMEMBERED as u32 {
            let of_peer = peers.connected(peer(number));
            of_peer.came(number.into(), 1, Pace::default(), now);
            of_peer.disconnected();
        }
        let top = peers.top(2);
        assert_eq!(top[0].0, peer(REMEMBERED as u32));
        assert_eq!(top[1].1, [0, REMEMBERED as u64 - 1, 1, 0, 0]);
        assert!(peers.lock().len() < REMEMBERED);
        let connected = peers.connected(peer(0));
        forget_the_least(&mut peers.lock());
        assert!(peers.lock().contains_key(&peer(0)), "it is connected");
        connected.disconnected();
    }

    #[test]
    fn a_peer_that_is_too_fast_waits_and_one_that_paused_may_burst() {
        let (of_peer, now) = (OfPeer::default(), Instant::now());
        let pace = Pace {
            points: 100.0,
            bytes: 0.0,
        };
        assert_eq!(of_peer.came(100, 1, Pace::default(), now), None);
        let until = of_peer.came(100, 1, pace, now).expect("a second of it");
        assert_eq!(until - now, Duration::from_secs(1));
        let later = now + Duration::from_secs(100);
        assert_eq!(of_peer.came(100, 1, pace, later), None, "a burst");
        assert!(of_peer.came(1, 1, pace, later).is_some());
        let slow = Pace {
            points: 0.0,
            bytes: 1.0,
        };
        let until = of_peer.came(1, 1 << 30, slow, later).expect("much");
        assert!(until - later <= Duration::from_secs(61));
    }
}
