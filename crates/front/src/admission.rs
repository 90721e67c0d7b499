//! Admission: how many connections there are, in all and of each peer, and how many bytes of them are unfinished.
//!
//! A [`Place`] is one connection's, a [`Share`] its part of the bytes; dropping either gives it back.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::Limits;

pub(crate) struct Admission {
    places: Mutex<Places>,
    unfinished: AtomicUsize,
    most_unfinished: usize,
}

#[derive(Default)]
struct Places {
    all: usize,
    of_peers: HashMap<IpAddr, usize>,
}

/// One connection's place.
pub(crate) struct Place {
    admission: Arc<Admission>,
    peer: IpAddr,
}

impl Admission {
    pub(crate) fn new(limits: &Limits) -> Arc<Admission> {
        Arc::new(Admission {
            places: Mutex::default(),
            unfinished: AtomicUsize::new(0),
            most_unfinished: limits.unfinished,
        })
    }

    /// A place for a connection, unless all are taken, or all that its peer may have.
    pub(crate) fn place(self: &Arc<Admission>, address: IpAddr, limits: &Limits) -> Option<Place> {
        let peer = peer(address);
        let is_limited = limits.limits_loopback || !address.to_canonical().is_loopback();
        let mut places = self.places();
        if places.all >= limits.connections {
            return None;
        }
        let of_peer = places.of_peers.entry(peer).or_default();
        if is_limited && *of_peer >= limits.connections_per_peer {
            return None;
        }
        *of_peer += 1;
        places.all += 1;
        Some(Place {
            admission: Arc::clone(self),
            peer,
        })
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// An empty share of the unfinished bytes.
    pub(crate) fn share(&self) -> Share {
        Share {
            admission: Arc::clone(&self.admission),
            bytes: 0,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut places = self.admission.places();
        places.all -= 1;
        if let Some(of_peer) = places.of_peers.get_mut(&self.peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                places.of_peers.remove(&self.peer);
            }
        }
    }
}

/// One connection's part of the bytes that are unfinished.
pub(crate) struct Share {
    admission: Arc<Admission>,
    bytes: usize,
}

/// What each connection may keep without asking.
const FREE: usize = 4096;

impl Share {
    /// Grows or shrinks to so many bytes; false where there is no room for more.
    pub(crate) fn set(&mut self, bytes: usize) -> bool {
        let bytes = bytes.saturating_sub(FREE);
        if bytes <= self.bytes {
            self.admission
                .unfinished
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            return true;
        }
        let more = bytes - self.bytes;
        let most = self.admission.most_unfinished;
        let fits = |now: usize| now.checked_add(more).filter(|sum| *sum <= most);
        let updated = self
            .admission
            .unfinished
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits);
        if updated.is_ok() {
            self.bytes = bytes;
        }
        updated.is_ok()
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Who counts as one peer: an IPv4 address, or an IPv6 network of 64 bits.
fn peer(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            let network = address.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits {
            connections: 3,
            connections_per_peer: 2,
            unfinished: 1000,
            ..Limits::default()
        }
    }

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn places_are_bounded_in_all_and_for_each_peer_and_come_back() {
        let (limits, admission) = (limits(), Admission::new(&limits()));
        let place = |text| admission.place(address(text), &limits);
        let (first, _second) = (place("192.0.2.1"), place("::ffff:192.0.2.1"));
        assert!(first.is_some() && place("192.0.2.1").is_none(), "two of one peer");
        let _third = place("192.0.2.2").expect("another peer");
        assert!(
            place("192.0.2.3").is_none() && place("127.0.0.1").is_none(),
            "three in all"
        );
        drop(first);
        assert!(place("192.0.2.1").is_some());
    }

    #[test]
    fn an_ipv6_network_is_one_peer_and_this_machine_none() {
        let limits = Limits {
            connections: 100,
            ..limits()
        };
        let admission = Admission::new(&limits);
        let place = |text| admission.place(address(text), &limits);
        let _network = (place("2001:db8::1"), place("2001:db8::2"));
        assert!(place("2001:db8::3").is_none() && place("2001:db8:0:1::3").is_some());
        let here: Vec<Place> = ["::1", "127.0.0.1"]
            .iter()
            .flat_map(|text| (0..9).filter_map(move |_| place(text)))
            .collect();
        assert_eq!(here.len(), 18);
    }

    #[test]
    fn unfinished_bytes_are_shared_and_given_back() {
        let limits = Limits {
            connections_per_peer: 100,
            ..limits()
        };
        let admission = Admission::new(&limits);
        let place = admission.place(address("192.0.2.1"), &limits).expect("a place");
        let (mut one, mut other) = (place.share(), place.share());
        assert!(one.set(FREE + 600) && !other.set(FREE + 401) && other.set(FREE + 400));
        assert!(other.set(FREE), "what is free needs no room");
        drop(one);
        assert!(other.set(FREE + 1000) && !other.set(FREE + 1001));
    }
}
