//! Faults: how the receiver misbehaves on request.
//!
//! [`Faults`] is the plan (a library value and the command's flags alike), [`FaultSwitch`] changes it while the receiver
//! runs, [`Fate`] is one connection's share: after how many received bytes it is cut, and whether it reads and answers.
//!
//! ```text
//! bytes received:   0 ........ n          the bytes up to n are processed, nothing after them is
//!                              ^ cut: reset (RST, replies lost) or closed
//! ```
//!
//! `telnet.rs` and `http.rs` ask their connection's [`Fate`] before each read and write. Nothing here touches a socket.

use std::num::ParseIntError;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

/// How a receiver misbehaves; the default is not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// A connection is reset (RST) after that many received bytes.
    pub reset_after: Offsets,
    /// A connection is closed after that many received bytes.
    pub close_after: Offsets,
    /// Connections are accepted, and nothing is read from them.
    pub stall_reading: bool,
    /// Points are read and stored, and no reply is ever written.
    pub stall_answers: bool,
}

/// After how many received bytes which connection is struck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Offsets {
    /// None is.
    #[default]
    Never,
    /// Every one, after the same number of bytes.
    Every(u64),
    /// The first connection after the first number, the second after the second; those beyond the list never.
    Each(Vec<u64>),
    /// Each after another number in `1..=below`, the same ones for the same seed; only the first `connections`.
    Random {
        /// What makes the numbers repeatable.
        seed: u64,
        /// The largest number.
        below: u64,
        /// How many connections are struck.
        connections: u64,
    },
}

impl Offsets {
    fn of(&self, connection: u64) -> Option<u64> {
        match self {
            Offsets::Never => None,
            Offsets::Every(offset) => Some(*offset),
            Offsets::Each(offsets) => usize::try_from(connection)
                .ok()
                .and_then(|index| offsets.get(index))
                .copied(),
            Offsets::Random {
                seed,
                below,
                connections,
            } => (connection < *connections).then(|| scramble(seed.wrapping_add(connection)) % (*below).max(1) + 1),
        }
    }
}

/// `5000` for every connection, `100,7000` for the first and the second, `7:50000:20` for seed, largest and how many.
impl FromStr for Offsets {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Offsets, ParseIntError> {
        let numbers = |separator| {
            text.split(separator)
                .map(|number| number.trim().parse())
                .collect::<Result<Vec<_>, _>>()
        };
        if text.contains(',') {
            return numbers(',').map(Offsets::Each);
        }
        match numbers(':')?[..] {
            [seed, below, connections] => Ok(Offsets::Random {
                seed,
                below,
                connections,
            }),
            [seed, below] => Ok(Offsets::Random {
                seed,
                below,
                connections: u64::MAX,
            }),
            _ => text.trim().parse().map(Offsets::Every),
        }
    }
}

/// One step of splitmix64 (Steele, Lea, Flood 2014): neighbouring seeds give unrelated numbers.
fn scramble(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Changes the faults of a running receiver, from any thread.
pub struct FaultSwitch {
    plan: Mutex<Plan>,
    orders: watch::Sender<Orders>,
}

/// What connections yet to come are dealt.
struct Plan {
    faults: Faults,
    connections: u64,
}

/// What every connection obeys at once.
#[derive(Clone, Debug, Default)]
struct Orders {
    stall_reading: bool,
    stall_answers: bool,
    strike: Strike,
}

/// The latest order to reset all connections; a new number makes it a new order.
#[derive(Clone, Copy, Debug, Default)]
struct Strike {
    number: u64,
    after: u64,
}

impl FaultSwitch {
    pub(crate) fn new(faults: Faults) -> FaultSwitch {
        let orders = Orders {
            stall_reading: faults.stall_reading,
            stall_answers: faults.stall_answers,
            strike: Strike::default(),
        };
        FaultSwitch {
            plan: Mutex::new(Plan { faults, connections: 0 }),
            orders: watch::Sender::new(orders),
        }
    }

    /// Replaces the plan: its offsets count from the next connection on, its stalls hold for all at once.
    pub fn set(&self, faults: Faults) {
        self.orders.send_modify(|orders| {
            orders.stall_reading = faults.stall_reading;
            orders.stall_answers = faults.stall_answers;
        });
        *self.plan.lock().unwrap_or_else(PoisonError::into_inner) = Plan { faults, connections: 0 };
    }

    /// Resets each open connection once it has received `after` further bytes; 0 is now.
    pub fn reset_all(&self, after: u64) {
        self.orders.send_modify(|orders| {
            orders.strike = Strike {
                number: orders.strike.number + 1,
                after,
            }
        });
    }

    /// Stops reading from all connections, or reads again.
    pub fn stall_reading(&self, stall: bool) {
        self.orders.send_modify(|orders| orders.stall_reading = stall);
    }

    /// Stops writing replies, or writes again, beginning with those that waited.
    pub fn stall_answers(&self, stall: bool) {
        self.orders.send_modify(|orders| orders.stall_answers = stall);
    }

    /// Ends every fault.
    pub fn resume(&self) {
        self.set(Faults::default());
    }

    /// What the next connection is in for.
    pub(crate) fn fate(&self) -> Fate {
        let mut orders = self.orders.subscribe();
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let connection = plan.connections;
        plan.connections += 1;
        let reset = plan.faults.reset_after.of(connection).map(|at| Cut {
            at,
            ending: Ending::Reset,
        });
        let close = plan.faults.close_after.of(connection).map(|at| Cut {
            at,
            ending: Ending::Close,
        });
        let cut = reset.into_iter().chain(close).min_by_key(|cut| cut.at);
        let now = orders.borrow_and_update().clone();
        Fate {
            cut,
            received: 0,
            struck: now.strike.number,
            orders,
            now,
        }
    }
}

/// How a fault ends a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Reset,
    Close,
}

#[derive(Clone, Copy, Debug)]
struct Cut {
    at: u64,
    ending: Ending,
}

/// One connection's faults.
pub(crate) struct Fate {
    cut: Option<Cut>,
    received: u64,
    struck: u64,
    orders: watch::Receiver<Orders>,
    now: Orders,
}

impl Fate {
    /// How many of `wanted` bytes may be read before the cut.
    pub(crate) fn room(&self, wanted: usize) -> usize {
        let room = self.cut.map_or(u64::MAX, |cut| cut.at - self.received);
        usize::try_from(room).map_or(wanted, |room| room.min(wanted))
    }

    /// Counts received bytes, at most as many as there was room for.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// The end this connection has come to, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.cut.filter(|cut| cut.at <= self.received).map(|cut| cut.ending)
    }

    pub(crate) fn reads(&self) -> bool {
        !self.now.stall_reading
    }

    pub(crate) fn answers(&self) -> bool {
        !self.now.stall_answers
    }

    /// Something to wait on for the next change of the switch; [`Fate::refresh`] then applies it.
    pub(crate) fn switched(&self) -> Switched {
        Switched(self.orders.clone())
    }

    /// Applies what the switch has been told meanwhile; true if there was anything.
    pub(crate) fn refresh(&mut self) -> bool {
        let changed = self.orders.has_changed().unwrap_or(false);
        if changed {
            self.apply();
        }
        changed
    }

    fn apply(&mut self) {
        self.now = self.orders.borrow_and_update().clone();
        if self.now.strike.number != self.struck {
            self.struck = self.now.strike.number;
            let at = self.received.saturating_add(self.now.strike.after);
            if self.cut.is_none_or(|cut| at < cut.at) {
                self.cut = Some(Cut {
                    at,
                    ending: Ending::Reset,
                });
            }
        }
    }
}

/// Tells when the switch was turned.
pub(crate) struct Switched(watch::Receiver<Orders>);

impl Switched {
    /// Waits for the next change; for ever once the switch is gone.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
