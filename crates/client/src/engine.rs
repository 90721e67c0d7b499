//! The engine: every decision about connections and lines, without I/O.
//!
//! ```text
//!   slot:  idle --connect--> resolving --dialling--> connecting --connected--> live (an exchange) --ended, cut--> idle
//!            ^                   |                       |                                                     |
//!            +---- back-off -----+-----------------------+-----------------------------------------------------+
//! ```
//!
//! `step(now, input)` is all there is: the worker, or a simulation, says what happened and when,
//! and takes [`Output`]s from [`poll`](Engine::poll). Time is a `Duration` since the client was
//! opened; randomness comes from a seed. Equal inputs give equal outputs.
//!
//! A *peer* is what is known of an endpoint over all its connections; a *slot* is the place of one
//! connection; what becomes of both is `engine/slots.rs`'s. Lines that lost their connection wait in `verdicts.again` and
//! go before new ones; lines that a server failed, and precautions, wait in `retries` and go beside new ones, which is
//! `engine/resend.rs`'s.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::{Duration, Instant};

use crate::config::options::{Ack, Options};
use crate::delivery::backoff::{Backoff, Random};
use crate::delivery::outstanding::Outstanding;
use crate::delivery::pace::Pace;
use crate::delivery::retries::Retries;
use crate::delivery::verdicts::{Reason, Verdict, Verdicts};
use crate::exchange::{Credit, Due, Exchange, Protocol, ServerProfile, Terms, Timer};
use crate::queue::block::Lines;
use crate::stats::EndpointStats;

mod beside;
mod peer;
mod resend;
mod slots;
mod spooled;
mod step;

use peer::{Peer, Slot, State};
pub(crate) use step::{EnginePhase, Input, Output};

/// How long a connection attempt has for itself before another endpoint is tried beside it.
const STAGGER: Duration = Duration::from_millis(250);

pub(crate) struct Engine {
    terms: Terms,
    connect_timeout: Duration,
    connection_max_age: Option<Duration>,
    max_age: Option<Duration>,
    /// One bound for lines that settle and lines that rest, over all connections.
    settle_bytes: usize,
    fixed: Option<ServerProfile>,
    test_mode: bool,
    pace: Pace,
    random: Random,
    peers: Vec<Peer>,
    slots: Vec<Slot>,
    /// Connections to an endpoint, but for those that are about to end because of their age.
    connections: usize,
    /// The endpoint that is tried first: not the same one for all clients of a fleet.
    first_peer: usize,
    verdicts: Verdicts,
    retries: Retries,
    /// Bytes of precautions given beyond those of new lines, while both wait.
    precautions_ahead: i64,
    /// When to look next for what has become too old.
    expires_at: Duration,
    stage: Stage,
    outputs: VecDeque<Output>,
    now: Duration,
    queued: bool,
    precautions_on_disk: bool,
    urgent: bool,
    phase: EnginePhase,
}

/// How far the client's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Running,
    /// It closes, and nothing rests any longer.
    Hurried,
    /// It has begun to end its connections: a precaution is no reason for another one.
    Finishing,
    /// Everything has its verdict, and every connection has ended.
    Done,
}

impl Engine {
    /// Each endpoint has a name and the wire it speaks.
    pub(crate) fn new(options: &Options, endpoints: Vec<(String, Protocol)>, seed: u64) -> Engine {
        let connections = options.connections();
        let mut random = Random::new(seed);
        let first_peer = (random.next() >> 32) as usize % endpoints.len();
        let fixed = match (options.ack, options.server) {
            (Ack::None, _) => Some(ServerProfile::Silent { until: Duration::MAX }),
            (_, Some(server)) if server.answers_version() => Some(ServerProfile::Answers(server)),
            (_, Some(_)) => Some(ServerProfile::Silent { until: Duration::MAX }),
            (_, None) => None,
        };
        Engine {
            terms: Terms {
                window_bytes: options.window_bytes,
                window_points: if options.queue_points == 0 {
                    u64::MAX
                } else {
                    options.queue_points as u64
                },
                first_window_bytes: options.window_bytes,
                settle: options.settle,
                write_timeout: options.write_timeout,
                answer_timeout: options.answer_timeout,
                must_answer: options.ack == Ack::Accepted,
                stored: options.ack == Ack::Stored,
                gzip: options.gzip,
            },
            connect_timeout: options.connect_timeout,
            connection_max_age: options.connection_max_age,
            max_age: options.max_age,
            settle_bytes: options.settle_bytes,
            fixed,
            test_mode: options.test_mode,
            pace: Pace::new(options.mps),
            random,
            slots: (0..connections * endpoints.len())
                .map(|slot| Slot::new(slot % endpoints.len()))
                .collect(),
            connections,
            first_peer,
            peers: endpoints
                .into_iter()
                .map(|(name, protocol)| {
                    let profile = protocol
                        .profile(options.server)
                        .unwrap_or(fixed.unwrap_or(ServerProfile::Unknown));
                    Peer::new(
                        name,
                        protocol,
                        profile,
                        Backoff::new(options.backoff),
                        options.window_bytes,
                    )
                })
                .collect(),
            verdicts: Verdicts::default(),
            retries: Retries::default(),
            precautions_ahead: 0,
            expires_at: Duration::ZERO,
            stage: Stage::Running,
            outputs: VecDeque::new(),
            now: Duration::ZERO,
            queued: false,
            precautions_on_disk: false,
            urgent: false,
            phase: EnginePhase::Open,
        }
    }

    /// Takes in what happened and decides. The outputs are taken from [`poll`](Engine::poll).
    pub(crate) fn step(&mut self, now: Duration, input: Input<'_>) {
        if self.is_done() {
            return;
        }
        self.now = self.now.max(now);
        match input {
            Input::Callers {
                queued,
                precautions,
                urgent,
                phase,
            } => {
                self.queued = queued;
                self.precautions_on_disk = precautions;
                self.urgent = urgent;
                self.phase = phase;
            }
            Input::Lines { slot, lines } => self.take(slot, lines),
            Input::Dialling { slot } => self.dialling(slot),
            Input::Connected { slot, credentials } => self.connected(slot, credentials),
            Input::Refused { slot, why } => self.fail_for_now(slot, why),
            Input::Wrote { slot, bytes } => {
                let Slot { peer, state, .. } = &mut self.slots[slot];
                if let State::Live(exchange) = state {
                    exchange.wrote(now, bytes);
                    self.verdicts.tally.bytes_written += bytes;
                    let repeated = exchange.take_repeated();
                    self.pace.take(self.now, repeated);
                    self.peers[*peer].overload.take_again(self.now, repeated);
                }
            }
            Input::Received { slot, bytes } => {
                let Slot { peer, state, .. } = &mut self.slots[slot];
                if let State::Live(exchange) = state {
                    exchange.received(now, bytes, &mut self.verdicts);
                    self.peers[*peer].learn(exchange.profile());
                    self.apply_feedback(slot);
                }
            }
            Input::KernelHas { slot, bytes } => self.kernel_has(slot, bytes),
            Input::Ended { slot, kernel } => {
                let kernel = kernel.unwrap_or(u64::MAX);
                self.kernel_has(slot, kernel);
                self.disconnected(slot, true, "the server closed the connection".to_owned());
            }
            Input::Broken { slot, why, kernel } => {
                // Where the kernel cannot tell, what it took counts as received.
                self.kernel_has(slot, kernel.unwrap_or(u64::MAX));
                self.disconnected(slot, false, why);
            }
        }
        self.advance();
        if self.is_done() {
            self.verdicts.check_complete();
        }
    }

    /// Closing, and nothing is left to be given.
    fn is_finishing(&self) -> bool {
        let unposted = self.queued || !self.verdicts.again.is_empty() || self.retries.unposted() > 0;
        let precautions = self.stage < Stage::Finishing && self.retries.is_waited_for();
        self.phase != EnginePhase::Open && !unposted && !precautions
    }

    pub(crate) fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Which slot takes new lines now, and how many.
    pub(crate) fn wants(&mut self) -> Option<(usize, Credit)> {
        let allowance = self.pace.allowance(self.now);
        if allowance == 0 || self.is_done() || !self.verdicts.again.is_empty() || self.is_full_of_failures() {
            return None;
        }
        if self.test_mode {
            return Some((
                0,
                Credit {
                    bytes: usize::MAX,
                    points: allowance,
                },
            ));
        }
        let (slot, credit) = self.most_credit(false)?;
        Some((
            slot,
            Credit {
                points: credit.points.min(allowance),
                ..credit
            },
        ))
    }

    /// When to step again, whatever else happens, and why.
    pub(crate) fn next_timer(&self) -> Option<Due> {
        if self.is_done() {
            return None;
        }
        let retries_ready = self.retry_waits().is_some();
        let waiting = self.queued || !self.verdicts.again.is_empty() || retries_ready || self.copies_wait();
        let mut due = self.timers_of_lines(waiting);
        for slot in &self.slots {
            due = due
                .into_iter()
                .chain(self.timers_of_slot(slot, waiting, retries_ready))
                .min();
        }
        due
    }

    fn timers_of_lines(&self, waiting: bool) -> Option<Due> {
        let close = match self.phase {
            EnginePhase::Closing { deadline } => deadline,
            EnginePhase::Open | EnginePhase::Stopped => None,
        };
        let mut due = [
            Timer::Retry.at(self.retries.ready_after(self.now)),
            Timer::Expiry.at(self.next_expiry()),
            Timer::Close.at(close),
            Timer::Pace.at(self.pace.ready_at().filter(|at| waiting && *at > self.now)),
        ]
        .into_iter()
        .flatten()
        .min();
        if waiting {
            let overloads = self.peers.iter().filter_map(|peer| peer.overload.ready_at(self.now));
            due = due.into_iter().chain(Timer::Overload.at(overloads.min())).min();
        }
        due
    }

    fn timers_of_slot(&self, slot: &Slot, waiting: bool, retries_ready: bool) -> Option<Due> {
        let peer = &self.peers[slot.peer];
        let later = |at: &Duration| *at > self.now;
        let several = self.slots.len() > 1;
        match &slot.state {
            State::Idle => Timer::Backoff.at(Some(peer.not_before).filter(|at| waiting && later(at))),
            State::Resolving { since } | State::Connecting { since } => {
                let told = matches!(slot.state, State::Resolving { .. }) && peer.lost;
                let timers = [
                    Timer::Connect.at(Some(*since + self.connect_timeout).filter(|_| !told)),
                    Timer::Stagger.at(Some(*since + STAGGER).filter(|at| several && later(at))),
                ];
                timers.into_iter().flatten().min()
            }
            State::Live(exchange) => {
                let retires_at = self.retires_at(slot).map(|at| at.max(self.rests_at(slot)));
                let stands_still = exchange
                    .stands_still_from()
                    .filter(|at| waiting && several && later(at));
                let timers = [
                    exchange.next_timer(),
                    Timer::Age.at(retires_at.filter(later)),
                    Timer::Overdue.at(self.overdue_at(slot)),
                    Timer::AskKernel.at(exchange.ask_kernel_at()),
                    Timer::StandStill.at(stands_still),
                    Timer::Retry.at(Some(peer.retry_not_before).filter(|at| retries_ready && later(at))),
                    Timer::GiveWay.at(Some(slot.gives_way_until).filter(|at| retries_ready && later(at))),
                ];
                timers.into_iter().flatten().min()
            }
        }
    }

    /// The bytes a slot is to write next.
    pub(crate) fn unwritten<'a>(&'a mut self, now: Duration, slot: usize, slices: &mut Vec<IoSlice<'a>>) {
        // The engine's own time stays what it has decided for: a deadline since then is still to come.
        let now = now.max(self.now);
        if let Some(exchange) = self.slots[slot].exchange_mut() {
            exchange.unwritten(now, slices);
        }
    }

    /// The slots whose kernel is to be asked now.
    pub(crate) fn asks_kernel(&self) -> impl Iterator<Item = usize> {
        let ask_at = |slot: &usize| self.slots[*slot].exchange().and_then(Exchange::ask_kernel_at);
        (0..self.slots.len()).filter(move |slot| ask_at(slot).is_some_and(|at| at <= self.now))
    }

    /// Everything has its verdict and every connection has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// What was learned since the last call; the caller posts it.
    pub(crate) fn verdicts(&mut self) -> &mut Verdicts {
        &mut self.verdicts
    }

    /// The lowest position held without a verdict or for a re-send, and since when its point waits.
    pub(crate) fn low(&self) -> Option<(u64, Instant)> {
        let live = self.slots.iter().filter_map(|slot| slot.exchange()?.low());
        live.chain(self.verdicts.again.low()).chain(self.retries.low()).min()
    }

    /// `zero` is what the wall clock showed at the time 0, in milliseconds since 1970.
    pub(crate) fn endpoint_states(&self, zero: i64) -> Vec<EndpointStats> {
        let slots = |peer| self.slots.iter().filter(move |slot| slot.peer == peer);
        self.peers
            .iter()
            .enumerate()
            .map(|(index, peer)| peer.state(self.now, zero, slots(index)))
            .collect()
    }

    /// New lines from the queue.
    fn take(&mut self, slot: usize, lines: Lines) {
        self.pace.take(self.now, lines.points());
        let held = Outstanding::new(lines, self.now);
        self.verdicts.took(&held);
        if self.test_mode {
            return self.verdicts.end(held, Verdict::Dropped(Reason::TestMode));
        }
        self.precautions_ahead = (self.precautions_ahead - held.lines.len() as i64).max(0);
        self.slots[slot].takes_new_lines(self.now);
        let Slot { peer, state, .. } = &mut self.slots[slot];
        for held in self.retries.sift(held) {
            self.peers[*peer].overload.take(self.now, held.lines.points());
            match state {
                State::Live(exchange) => exchange.give(self.now, held),
                // The slot was lost between asking for lines and getting them.
                _ => self.verdicts.again(held),
            }
        }
        self.keep_bounds();
    }

    /// Everything that follows from the state as it is now.
    fn advance(&mut self) {
        match self.phase {
            EnginePhase::Stopped => return self.give_up(),
            EnginePhase::Closing {
                deadline: Some(deadline),
            } if deadline <= self.now => return self.give_up(),
            EnginePhase::Closing { .. } | EnginePhase::Open => {}
        }
        self.expire();
        for slot in 0..self.slots.len() {
            self.look_beside(slot);
            self.tick(slot);
        }
        // What one found out may decide what another one is.
        for slot in 0..self.slots.len() {
            if self.look_beside(slot) {
                self.tick(slot);
            }
        }
        if self.phase != EnginePhase::Open {
            self.hurry();
        }
        self.resend();
        self.copy_overdue();
        if self.is_finishing() {
            self.finish();
        }
        if !self.is_done() {
            self.connect();
        }
    }

    /// The live slot with the most room, if any has some.
    fn most_credit(&self, posted: bool) -> Option<(usize, Credit)> {
        self.most_credit_of(posted, false, |_| true)
    }

    /// `again`: for lines that failed before, and have no verdict.
    fn most_credit_of(&self, posted: bool, again: bool, takes: impl Fn(&Slot) -> bool) -> Option<(usize, Credit)> {
        let credits = self.slots.iter().enumerate().filter(|(_, slot)| takes(slot));
        let credits = credits
            .filter_map(|(index, slot)| Some((index, self.peers[slot.peer].credit(slot, posted, again, self.now)?)));
        credits.max_by_key(|(index, credit)| {
            let slot = &self.slots[*index];
            let failures = if again || posted {
                self.peers[slot.peer].failures
            } else {
                0
            };
            (
                !self.stands_still(slot),
                Reverse(failures),
                credit.bytes,
                usize::MAX - self.turn(*index),
            )
        })
    }

    fn stands_still(&self, slot: &Slot) -> bool {
        let from = slot.exchange().and_then(Exchange::stands_still_from);
        from.is_some_and(|from| from <= self.now)
    }

    /// The place of a slot in the order in which this client goes over them.
    fn turn(&self, slot: usize) -> usize {
        let peers = self.peers.len();
        let turn = (self.slots[slot].peer + peers - self.first_peer) % peers;
        turn + slot / peers * peers
    }

    /// Ends every connection where it stands.
    fn abandon_all(&mut self) {
        for index in 0..self.slots.len() {
            if let Some(exchange) = self.slots[index].exchange_mut() {
                exchange.abandoned(&mut self.verdicts);
                self.part_twins(index);
            }
            if !self.slots[index].is_idle() {
                self.slots[index].state = State::Idle;
                self.outputs.push_back(Output::Disconnect { slot: index });
            }
        }
    }

    /// The deadline, or `stop`: what is held gets its verdict now.
    fn give_up(&mut self) {
        self.abandon_all();
        // All of it ends here, whoever is to blame.
        self.collect(0);
        let reason = match self.phase {
            EnginePhase::Stopped => Reason::Stopped,
            _ => Reason::Closed,
        };
        for held in self.verdicts.again.drain() {
            self.verdicts.end(held, Verdict::Dropped(reason));
        }
        self.give_up_retries(reason);
        self.stage = Stage::Done;
    }
}

#[cfg(test)]
mod tests;
