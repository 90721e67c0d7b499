//! Faults: how the receiver misbehaves on request.
//!
//! [`Faults`] is the plan (a library value and the command's flags alike), [`FaultSwitch`] changes it while the
//! receiver runs, [`Fate`] is one connection's share. When a fault strikes is said in one grammar, `when.rs`.
//!
//! Everything that struck is in the counts, so that a test can see that it did. Nothing here touches a socket:
//! The front accepts or
//! does not, and asks a connection's fate before it does anything: see `backend.rs`.

mod fate;
mod plan;
mod when;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

pub(crate) use fate::Fate;
pub use plan::Faults;
use plan::{Kind, Plan};
pub use when::{Occasions, Offsets};

/// What an HTTP request is answered with instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) code: u16,
    pub(crate) retry_after: Option<u64>,
}

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Struck {
    Lost,
    Cut,
    /// Its length is announced wrong by so much.
    Length(i64),
}

/// Changes the faults of a running receiver, from any thread.
pub struct FaultSwitch {
    plan: Mutex<Plan>,
    orders: watch::Sender<Orders>,
    /// Whether points have to be asked about at all.
    of_points: AtomicBool,
}

/// What is switched: the plan, and what was ordered beside it.
pub(crate) struct Now {
    pub(crate) faults: Faults,
    /// The port is closed.
    pub(crate) is_down: bool,
    pub(crate) stalls_reading: bool,
    pub(crate) stalls_answers: bool,
}

/// What every connection, and the listener, obeys at once.
#[derive(Clone, Debug, Default)]
struct Orders {
    stall_reading: bool,
    stall_answers: bool,
    stopping: bool,
    /// Connections are refused.
    deaf: bool,
    /// As `deaf`, and those that stand are reset.
    down: bool,
    strike: Strike,
    /// A new number is a restart.
    restart: u64,
}

/// The latest order to reset all connections; a new number makes it a new order.
#[derive(Clone, Copy, Debug, Default)]
struct Strike {
    number: u64,
    after: u64,
}

impl FaultSwitch {
    pub(crate) fn new(faults: Faults) -> FaultSwitch {
        let switch = FaultSwitch {
            plan: Mutex::new(Plan::of(Faults::default())),
            orders: watch::Sender::default(),
            of_points: AtomicBool::new(false),
        };
        switch.set(faults);
        switch
    }

    /// Replaces the plan: it counts connections, answers and points from now on, its stalls hold for all at once.
    pub fn set(&self, faults: Faults) {
        let stalls = (faults.stall_reading, faults.stall_answers, faults.stopping);
        *self.plan() = Plan::of(faults);
        self.notice();
        self.orders.send_modify(|orders| {
            (orders.stall_reading, orders.stall_answers, orders.stopping) = stalls;
            (orders.deaf, orders.down) = (false, false);
        });
    }

    /// Resets each open connection once it has received `after` further bytes; 0 is now.
    pub fn reset_all(&self, after: u64) {
        self.orders.send_modify(|orders| orders.strike(after));
    }

    /// Stops reading from all connections, or reads again.
    pub fn stall_reading(&self, stall: bool) {
        self.orders.send_modify(|orders| orders.stall_reading = stall);
    }

    /// Stops writing replies, or writes again, beginning with those that waited.
    pub fn stall_answers(&self, stall: bool) {
        self.orders.send_modify(|orders| orders.stall_answers = stall);
    }

    /// Closes the port, so that connections are refused, or listens on it again; those that stand are left alone.
    pub fn listen(&self, listen: bool) {
        self.orders
            .send_modify(|orders| (orders.deaf, orders.down) = (!listen, false));
    }

    /// Stops as InfluxDB does, or is itself again: see [`Faults::stopping`].
    pub fn stopping(&self, stopping: bool) {
        self.orders.send_modify(|orders| orders.stopping = stopping);
    }

    /// Dies and comes back: resets all connections, forgets the points that are younger than `Config::forget`, listens
    /// on the same port after [`Faults::down`]. Counted as `restarts` when it listens again.
    pub fn restart(&self) {
        self.orders.send_modify(|orders| {
            orders.strike(0);
            orders.restart += 1;
        });
    }

    /// Dies and stays dead, until it is told to [`listen`](FaultSwitch::listen) or to [`resume`](FaultSwitch::resume):
    /// resets all connections, refuses new ones, and forgets the points that are younger than `Config::forget`.
    pub fn die(&self) {
        self.orders.send_modify(|orders| {
            orders.strike(0);
            orders.down = true;
        });
    }

    /// Answers these HTTP requests, counted from now on, with a status and perhaps `Retry-After` in seconds; nothing of
    /// them is stored. The other faults stay as they are, here and in the methods that follow.
    pub fn fail(&self, status: u16, retry_after: Option<u64>, requests: Occasions) {
        self.change(Some(Kind::Status), |faults| {
            (faults.status, faults.retry_after, faults.status_on) = (status, retry_after, requests);
        });
    }

    /// Drops these points, counted from now on, as [`Faults::throttle`] says.
    pub fn throttle(&self, points: Occasions) {
        self.change(Some(Kind::Throttle), |faults| faults.throttle = points);
    }

    /// Never sends these answers, counted from now on, as [`Faults::lose_answers`] says.
    pub fn lose_answers(&self, answers: Occasions) {
        self.change(Some(Kind::Lose), |faults| faults.lose_answers = answers);
    }

    /// Resets the connection in place of these answers, counted from now on, as [`Faults::cut_answers`] says.
    pub fn cut_answers(&self, answers: Occasions) {
        self.change(Some(Kind::Cut), |faults| faults.cut_answers = answers);
    }

    /// Refuses the points of these metrics, as [`Faults::refuse_points`] says, or with an empty list those of none.
    pub fn refuse_points(&self, metrics: Vec<String>) {
        self.change(None, |faults| faults.refuse_points = metrics);
    }

    /// Changes the plan, and counts the occasions of one kind anew.
    fn change(&self, kind: Option<Kind>, change: impl FnOnce(&mut Faults)) {
        let mut plan = self.plan();
        change(&mut plan.faults);
        if let Some(kind) = kind {
            plan.begin(kind);
        }
        drop(plan);
        self.notice();
    }

    /// Notices whether points have to be asked about.
    fn notice(&self) {
        let plan = self.plan();
        let faults = &plan.faults;
        let by_number = faults.throttle != Occasions::Never || faults.restart != Occasions::Never;
        let of_points = by_number || !faults.refuse_points.is_empty();
        self.of_points.store(of_points, Ordering::Relaxed);
    }

    /// Ends every fault.
    pub fn resume(&self) {
        self.set(Faults::default());
    }

    /// What is switched now.
    pub(crate) fn now(&self) -> Now {
        let orders = self.orders.borrow().clone();
        Now {
            faults: self.plan().faults.clone(),
            is_down: orders.down || orders.deaf,
            stalls_reading: orders.stall_reading,
            stalls_answers: orders.stall_answers,
        }
    }

    /// What a connection is in for that was accepted after the listener last looked.
    pub(crate) fn fate_of_accepted(&self, listening: &Listening) -> Fate {
        Fate::new(self, listening.now.strike.number)
    }

    /// What the listener has to obey.
    pub(crate) fn listener(&self) -> Listening {
        let mut orders = self.orders.subscribe();
        let now = orders.borrow_and_update().clone();
        Listening {
            // Those that were ordered before it came to listen are still to be done.
            restarts: 0,
            orders,
            now,
        }
    }

    /// Whether the next connection is reset at once.
    pub(crate) fn refuses(&self) -> bool {
        self.plan().strikes(Kind::Refuse)
    }

    /// Whether points have to be counted or asked about at all.
    #[inline]
    pub(crate) fn strikes_points(&self) -> bool {
        self.of_points.load(Ordering::Relaxed)
    }

    /// Whether the next point is dropped as if there were no room for it; asked for good points alone.
    pub(crate) fn throttles(&self) -> bool {
        self.strikes_points() && self.plan().strikes(Kind::Throttle)
    }

    /// Whether points of this metric are refused.
    pub(crate) fn refuses_points(&self, metric: &str) -> bool {
        self.strikes_points() && self.plan().refuses_points(metric)
    }

    /// Whether the word about such a point comes late.
    pub(crate) fn is_late(&self) -> bool {
        self.plan().faults.throttle_late
    }

    /// What the next HTTP request is answered with, if not as it should be.
    pub(crate) fn status(&self) -> Option<Status> {
        let mut plan = self.plan();
        plan.strikes(Kind::Status).then(|| Status {
            code: plan.faults.status,
            retry_after: plan.faults.retry_after,
        })
    }

    /// What becomes of the next answer; `with_length` is an HTTP answer.
    pub(crate) fn answer(&self, with_length: bool) -> Option<Struck> {
        let mut plan = self.plan();
        let (lost, cut) = (plan.strikes(Kind::Lose), plan.strikes(Kind::Cut));
        let length = with_length && plan.strikes(Kind::Length);
        if lost {
            Some(Struck::Lost)
        } else if cut {
            Some(Struck::Cut)
        } else {
            length.then_some(Struck::Length(plan.faults.length_error))
        }
    }

    /// Restarts if that is due now that so many more points have arrived.
    pub(crate) fn arrived(&self, points: u64) {
        let mut plan = self.plan();
        let seen = plan.points;
        plan.points += points;
        let mut these = seen + 1..=plan.points;
        if plan.faults.restart != Occasions::Never && these.any(|number| plan.faults.restart.include(number)) {
            drop(plan);
            self.restart();
        }
    }

    /// How long it is down, and how long it then accepts nobody.
    pub(crate) fn pauses(&self) -> (Duration, Duration) {
        let plan = self.plan();
        (plan.faults.down, plan.faults.slow_start)
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Orders {
    fn strike(&mut self, after: u64) {
        self.strike = Strike {
            number: self.strike.number + 1,
            after,
        };
    }
}

/// What the listener obeys.
pub(crate) struct Listening {
    orders: watch::Receiver<Orders>,
    /// As it looked last.
    now: Orders,
    /// How many it has done.
    restarts: u64,
}

impl Listening {
    /// Looks what there is to obey. What is ordered from here on is a change.
    pub(crate) fn look(&mut self) {
        self.now = self.orders.borrow_and_update().clone();
    }

    /// Whether it listens at all.
    pub(crate) fn is_open(&self) -> bool {
        !self.now.deaf && !self.now.down && !self.now.stopping
    }

    /// Whether it is dead.
    pub(crate) fn is_down(&self) -> bool {
        self.now.down
    }

    /// Whether there is a restart to do; once each.
    pub(crate) fn restarts(&mut self) -> bool {
        let ordered = self.now.restart;
        std::mem::replace(&mut self.restarts, ordered) != ordered
    }

    /// Waits for the next change since it looked; for ever once the switch is gone.
    pub(crate) async fn changed(&mut self) {
        if self.orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
