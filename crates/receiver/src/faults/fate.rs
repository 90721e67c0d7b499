//! A fate: one connection's faults, from its first byte to its end.
//!
//! ```text
//! bytes received:   0 ........ n          the bytes up to n are processed, nothing after them is
//!                              ^ reset (RST, replies lost), closed, or half-open: neither read nor answered nor ended
//! ```
//!
//! The front asks it before each read and write, `telnet.rs` at each line. No socket here.

use potsdb_front::Ending;
use tokio::sync::watch;

use super::{FaultSwitch, Orders};

#[derive(Clone, Copy, Debug)]
struct Cut {
    at: u64,
    ending: Ending,
}

/// One connection's faults.
pub(crate) struct Fate {
    cut: Option<Cut>,
    half_open: Option<u64>,
    /// No fault strikes it.
    is_spared: bool,
    /// That it is half-open was said.
    told: bool,
    line: Option<u64>,
    overlong: bool,
    received: u64,
    struck: u64,
    orders: watch::Receiver<Orders>,
    now: Orders,
}

impl Fate {
    /// What the next connection is in for, which has seen the strikes up to this number.
    pub(super) fn new(switch: &FaultSwitch, struck: u64) -> Fate {
        let mut orders = switch.orders.subscribe();
        let mut plan = switch.plan();
        let connection = plan.connections;
        plan.connections += 1;
        let faults = &plan.faults;
        let cut = |at, ending| Cut { at, ending };
        let reset = faults.reset_after.of(connection).map(|at| cut(at, Ending::Reset));
        let close = faults.close_after.of(connection).map(|at| cut(at, Ending::Close));
        let now = orders.borrow_and_update().clone();
        // Struck between being accepted and being served.
        let ordered = (now.strike.number != struck).then_some(cut(now.strike.after, Ending::Reset));
        Fate {
            cut: [ordered, reset, close].into_iter().flatten().min_by_key(|cut| cut.at),
            half_open: faults.half_open_after.of(connection),
            is_spared: false,
            told: false,
            line: faults.close_at_line.of(connection),
            overlong: faults.close_overlong,
            received: 0,
            struck: now.strike.number,
            orders,
            now,
        }
    }

    /// Spares the connection every fault from here on: it is the page's, which switches them.
    pub(crate) fn spare(&mut self) {
        self.is_spared = true;
        (self.cut, self.half_open, self.line, self.overlong) = (None, None, None, false);
    }

    /// How many of `wanted` bytes may be read before something happens.
    pub(crate) fn room(&self, wanted: usize) -> usize {
        let next = self.cut.map(|cut| cut.at).into_iter().chain(self.half_open).min();
        let room = next.map_or(u64::MAX, |at| at.saturating_sub(self.received));
        usize::try_from(room).map_or(wanted, |room| room.min(wanted))
    }

    /// Counts received bytes, at most as many as there was room for.
    pub(crate) fn received(&mut self, bytes: usize) {
        self.received += bytes as u64;
    }

    /// True once, when the connection has become half-open.
    pub(crate) fn goes_half_open(&mut self) -> bool {
        let goes = self.is_half_open() && !self.told;
        self.told |= goes;
        goes
    }

    /// The end this connection has come to, if it has.
    pub(crate) fn ending(&self) -> Option<Ending> {
        self.cut.filter(|cut| cut.at <= self.received).map(|cut| cut.ending)
    }

    /// Whether the connection ends at this line, the first being 1, whose length is this.
    pub(crate) fn ends_at(&self, line: u64, length: usize) -> bool {
        self.line == Some(line) || (self.overlong && length > LONGEST)
    }

    pub(crate) fn reads(&self) -> bool {
        self.is_spared || !self.now.stall_reading && !self.is_half_open()
    }

    pub(crate) fn answers(&self) -> bool {
        self.is_spared || !self.now.stall_answers && !self.is_half_open()
    }

    /// Whether the server is stopping: it reads and answers, and stores nothing.
    pub(crate) fn is_stopping(&self) -> bool {
        self.now.stopping
    }

    /// Waits for the next change of the switch, and applies it; for ever once the switch is gone.
    pub(crate) async fn changed(&mut self) {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.apply();
    }

    /// Applies what the switch has been told meanwhile; true if there was anything.
    pub(crate) fn refresh(&mut self) -> bool {
        let changed = self.orders.has_changed().unwrap_or(false);
        if changed {
            self.apply();
        }
        changed
    }

    fn is_half_open(&self) -> bool {
        self.half_open.is_some_and(|at| at <= self.received)
    }

    fn apply(&mut self) {
        self.now = self.orders.borrow_and_update().clone();
        if self.now.strike.number != self.struck && !self.is_spared {
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

/// The longest line that OpenTSDB always takes.
const LONGEST: usize = 1024;
