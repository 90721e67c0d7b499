//! Conduct: how the front behaves towards one connection, and at its port, beyond the rules.
//!
//! A server that behaves says nothing here: `impl Conduct for Session {}`, and `()` as its gate. One that is full stops
//! reading by it, and one for tests misbehaves. Nothing here touches a socket: the front asks before each read and write,
//! and whenever [`Conduct::changed`] or [`Gate::changed`] says so.

use std::future::{Future, pending};
use std::time::Duration;

/// How one connection is treated.
pub trait Conduct: Send + 'static {
    /// How many of `wanted` bytes may be read before something happens.
    fn room(&self, wanted: usize) -> usize {
        wanted
    }

    /// So many bytes came, at most as many as there was room for.
    fn received(&mut self, _bytes: usize) {}

    /// Whether anything is read now: a backend that is full reads on later. Lines that were read already, and not taken,
    /// wait with it.
    fn reads(&self) -> bool {
        true
    }

    /// Whether it wants to see, now and once, what the kernel holds of the peer's lines while nothing is read; the front
    /// then calls [`Conduct::ahead`]. Not over TLS, where nothing can be seen before it is read.
    fn looks_ahead(&mut self) -> bool {
        false
    }

    /// What the kernel holds, as far as it was looked at; it will be read later as if nobody had seen it.
    fn ahead(&mut self, _bytes: &[u8]) {}

    /// Whether the front ends its side: no further line or request is read, what there is to write still is, and then the
    /// connection is closed. A server that stops says so to one connection after the other.
    fn leaves(&self) -> bool {
        false
    }

    /// Whether anything is written now.
    fn answers(&self) -> bool {
        true
    }

    /// The end this connection has come to, if a fault ended it.
    fn ending(&self) -> Option<Ending> {
        None
    }

    /// Applies what changed meanwhile; true if there was anything.
    fn refresh(&mut self) -> bool {
        false
    }

    /// Waits for the next change, and applies it. May be given up at any time.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }
}

/// How a fault ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By RST; what was not delivered is gone, both ways.
    Reset,
    /// By closing it; what was not written is gone.
    Close,
    /// By closing it once what there is to write is written.
    Written,
}

/// What the listener obeys.
pub trait Gate: Send + 'static {
    /// What to do now. What changes from here on, [`Gate::changed`] tells.
    fn order(&mut self) -> Order {
        Order::Accept
    }

    /// Waits for the next change since the last order. May be given up at any time.
    fn changed(&mut self) -> impl Future<Output = ()> + Send {
        pending()
    }

    /// It listens, for the first time or after a restart, and accepts after this.
    fn listens(&mut self, _again: bool) -> Duration {
        Duration::ZERO
    }

    /// Whether a connection is served; otherwise it is reset.
    fn admits(&mut self) -> bool {
        true
    }

    /// For how long a connection that has not said anything yet keeps all others waiting, as VictoriaMetrics does.
    fn first_byte(&self) -> Option<Duration> {
        None
    }

    /// A connection said nothing for that long, and was closed.
    fn mute(&mut self) {}
}

impl Gate for () {}

/// What a listener is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// To listen, and to accept.
    Accept,
    /// To close its port until something changes, and with `all` to reset the connection that it accepted last.
    Close {
        /// Whether that one goes too.
        all: bool,
    },
    /// To close its port, and to listen on it again after this.
    Restart(Duration),
}
