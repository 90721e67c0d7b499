//! Peers: who sends, by address or user, what of each is counted, and how fast it may be.

use std::net::{IpAddr, Ipv6Addr};

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
