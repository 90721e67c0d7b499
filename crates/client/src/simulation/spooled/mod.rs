//! Histories with a spool: outages, kills, power cuts, restarts and disks that fail, with the real queue, engine, driver and
//! spool, on a virtual network and a simulated disk.
//!
//! ```text
//!   life 1                      life 2                                last life
//!   send, sync, flush .. kill   open: adopts .. send .. close         everything works: delivers all there is
//!        '------------------------- one disk, one server --------------------'
//! ```
//!
//! The laws, looked at after every turn of the worker and at the end of every life:
//!
//! 1. accepted + adopted = acknowledged + unconfirmed + rejected + dropped + pending, always.
//! 2. What a sync called safe is on the server in the end, whatever was killed in between; but for points that a full spool
//!    dropped and counted.
//! 3. A flush returns when every point before it is on the server, or counted as dropped.
//! 4. What a close left, the next life adopts; nothing of a life that was closed is missing beyond what it dropped.
//! 5. Nothing is on the server that was not sent.
//! 6. The disk never holds more than `spool_bytes`.
//! 7. The worker rests, a close ends in its time, and when everything works all is delivered within minutes.
//! 8. Once the disk works, a sync returns within seconds; once the server works, too, a flush within two minutes.
//!
//! That they find something: each of these was put in by itself, and 400 seeds were run. The seeds are those of the day.
//!
//! | defect | first seed | law |
//! |---|---|---|
//! | a point on its way to disk counts as safe | 9 | 2, 4 |
//! | refused lines are forgotten | 10 | 8 |
//! | a flush does not wait for what is on disk | 2 | 3 |
//! | adopted points are not counted | below 400 | the ledger's own assertion |
//! | nothing wakes the worker to hand over | 133 | 7 |
//! | what the engine holds gets no copy | 150 | 2, 4 |
//! | lines with a verdict are not written again from disk | 178 | 3 |
//! | a copy that was refused counts as secured | 259 | 8 |
//! | a mailbox that was full stays so | 25 | 8 |
//! | what was dropped of adopted points stays pending | below 400 | 7 |
//! | an ended client has reached everything | 13 | 3 |
//! | what was not synced when the slot moved is forgotten | 10 | 8 |
//! | a close does not wait for the sync | none | none: what is not known to be synced counts as dropped |

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use potsdb_spool::Spool;
use potsdb_spool::disk::simulated::{self, Call};
use potsdb_spool::store::OpenError;
use potsdb_spool::writer::Executor;

mod cases;
mod disk;
mod server;

use disk::{Handle, Open, Writer};
use server::{Server, Wire};

use super::Dice;
use crate::config::endpoint::{Endpoint, Scheme};
use crate::config::options::{Options, Overflow, SpoolMode};
use crate::engine::Engine;
use crate::exchange::Protocol;
use crate::net::driver::Driver;
use crate::queue::{Queue, Sent, Wait};
use crate::spooling::{Spooling, spool_options};

const STORE: &str = "tsdb-store-4242";

/// A client from its start to its end.
struct Life {
    driver: Driver<Wire>,
    queue: Arc<Queue>,
    writer: Arc<Mutex<Writer>>,
    woken: Arc<AtomicBool>,
    /// The line at each position.
    lines: Vec<Vec<u8>>,
    /// Positions that a sync, a flush waits for.
    syncs: Vec<u64>,
    flushes: Vec<u64>,
    is_closing: bool,
    turns: (Duration, u32),
}

struct Run {
    dice: Dice,
    options: Options,
    disk: simulated::Disk,
    server: Arc<Mutex<Server>>,
    started: Instant,
    now: Duration,
    /// Lines that were called safe, or lie before a flush that returned.
    must: BTreeSet<Vec<u8>>,
    /// Points that lives dropped, and counted; of a server that forgets also those that had not settled at a close.
    dropped: u64,
    /// The disk never fails in this history, and the server may forget what it has answered for.
    server_forgets: bool,
    sent: u64,
    trace: Option<String>,
}

type Law = Result<(), String>;

impl Run {
    fn new(seed: u64, traced: bool) -> Run {
        let mut dice = Dice::new(seed);
        let mut options = Options {
            queue_points: dice.pick(&[20, 200, 2_000]),
            queue_bytes: Some(64 * 1024),
            spool: Some("spool".into()),
            spool_mode: dice.pick(&[SpoolMode::Overflow, SpoolMode::Always]),
            spool_bytes: dice.pick(&[2 << 20, 64 << 20]),
            spool_free: Some(0),
            settle: dice.pick(&[Duration::ZERO, Duration::from_secs(2), Duration::from_secs(300)]),
            spool_sync: dice.pick(&[Duration::from_secs(1), Duration::from_secs(3_600)]),
            settle_bytes: 64 * 1024,
            backoff: (Duration::from_millis(100), Duration::from_secs(5)),
            ..Options::default()
        };
        if dice.chance(30) {
            options.overflow = Overflow::DropNewest;
        }
        // What it may forget is then on disk, until it has settled.
        let keeps = options.spool_mode == SpoolMode::Always && options.spool_bytes > 2 << 20;
        let server_forgets = keeps && !options.settle.is_zero() && dice.chance(70);
        let server = Server {
            latency: dice.time(100, 200_000),
            takes: dice.size(100, 1 << 20),
            forgets: if server_forgets {
                options.settle / 3
            } else {
                Duration::ZERO
            },
            ..Server::default()
        };
        Run {
            disk: simulated::Disk::new(dice.below(u64::MAX), 512),
            server: Arc::new(Mutex::new(server)),
            started: Instant::now() + Duration::from_secs(86_400),
            now: Duration::ZERO,
            must: BTreeSet::new(),
            dropped: 0,
            server_forgets,
            sent: 0,
            trace: traced.then(|| format!("{options:?}\n")),
            options,
            dice,
        }
    }

    fn note(&mut self, what: impl FnOnce() -> String) {
        use std::fmt::Write as _;
        if let Some(trace) = &mut self.trace {
            let _ = writeln!(trace, "{:>14.6?} {}", self.now, what());
        }
    }

    fn server(&self) -> MutexGuard<'_, Server> {
        self.server.lock().expect("nobody panics with it")
    }

    fn begin_life(&mut self) -> Life {
        let folder = self.disk.process();
        let of_spool = spool_options(&self.options);
        let open: Open = Box::new(move |now| {
            let folder = folder.again().map_err(OpenError::Disk)?;
            let root: potsdb_spool::slots::Root<_> = Box::new(move || folder.again());
            Spool::open(root, STORE, "a simulation", of_spool.clone(), now)
        });
        let writer = Arc::new(Mutex::new(Writer {
            executor: Executor::new(open),
            commands: Vec::new(),
            told: Vec::new(),
            now: self.now,
            busy_until: Duration::ZERO,
            is_closed: false,
        }));
        let woken = Arc::new(AtomicBool::new(false));
        let wake = woken.clone();
        let options = &self.options;
        let queue = Arc::new(Queue::new(
            options.queue_points,
            options.queue_bytes(),
            options.overflow,
            Box::new(move || wake.store(true, Ordering::Relaxed)),
        ));
        let endpoint = Endpoint::of(Scheme::Tsdb, "store", 4242);
        let engine = Engine::new(
            options,
            vec![(endpoint.to_string(), Protocol::of(&endpoint))],
            self.dice.below(u64::MAX),
        );
        let wire = Wire {
            server: self.server.clone(),
            now: self.now,
        };
        let spooling = Spooling::new(
            options,
            potsdb_spool::Tried::Telnet,
            Box::new(Handle(writer.clone())),
            self.started,
        );
        let driver = Driver::new(
            options,
            Scheme::Tsdb,
            engine,
            queue.clone(),
            Arc::default(),
            self.started,
            wire,
        );
        Life {
            driver: driver.with_spool(Some(spooling)),
            queue,
            writer,
            woken,
            lines: Vec::new(),
            syncs: Vec::new(),
            flushes: Vec::new(),
            is_closing: false,
            turns: (Duration::ZERO, 0),
        }
    }

    /// Sends a point.
    fn send(&mut self, life: &mut Life) {
        let line = format!(
            "put m {} {} h={}\n",
            1_700_000_000 + self.sent,
            self.sent,
            "x".repeat(self.dice.below(60) as usize)
        );
        self.sent += 1;
        // What was not queued has no position.
        if let Ok(Sent::Queued) = life.queue.append(line.as_bytes(), None, Wait::No) {
            life.lines.push(line.into_bytes());
        }
    }

    /// A turn of the worker, and what must hold after it.
    fn turn(&mut self, life: &mut Life) -> Law {
        life.writer.lock().expect("nobody panics with it").run(self.now);
        life.driver.network.now = self.now;
        life.driver.readable(|_| true);
        life.driver.turn();
        let ledger = life.queue.lock().ledger();
        if !ledger.stats().is_balanced() {
            return Err(format!("1, the sum: {:?}", ledger.stats()));
        }
        if self.disk.peak() > self.options.spool_bytes as u64 {
            return Err(format!("6, {} bytes on disk", self.disk.peak()));
        }
        life.turns = if life.turns.0 == self.now {
            (self.now, life.turns.1 + 1)
        } else {
            (self.now, 0)
        };
        if life.turns.1 > 300 {
            return Err(format!("7, the worker does not rest at {:?}", self.now));
        }
        self.hear_waits(life)
    }

    fn hear_waits(&mut self, life: &mut Life) -> Law {
        let syncs: Vec<_> = life.syncs.extract_if(.., |to| life.queue.is_safe(*to)).collect();
        for to in syncs {
            self.note(|| format!("a sync to {to} returned"));
            self.must.extend(life.lines[..to as usize].iter().cloned());
        }
        let flushes: Vec<_> = life.flushes.extract_if(.., |to| life.queue.is_reached(*to)).collect();
        for to in flushes {
            self.note(|| format!("a flush to {to} returned"));
            let server = self.server();
            let missing = life.lines[..to as usize]
                .iter()
                .filter(|line| !server.stored.contains_key(*line));
            let missing = missing.count() as u64;
            let stats = life.queue.lock().ledger().stats();
            let dropped = stats.dropped.total();
            // A client that closes waits no longer to send again what a server forgot. Law 4 looks for it in the next life.
            let is_forgotten = self.server_forgets && life.is_closing;
            if missing > dropped && !is_forgotten {
                return Err(format!(
                    "3, {missing} points before a flush are nowhere, {dropped} dropped"
                ));
            }
        }
        Ok(())
    }

    /// Lets time pass until then, with all that the client does meanwhile.
    fn pass(&mut self, life: &mut Life, until: Duration) -> Law {
        loop {
            self.turn(life)?;
            if life.driver.is_done() {
                return Ok(());
            }
            let rest = life.driver.rest();
            if life.woken.swap(false, Ordering::Relaxed) {
                continue;
            }
            let due = rest.map(|rest| self.now + rest);
            let writer = life.writer.lock().expect("nobody panics with it");
            let told = (!writer.told.is_empty()).then_some(self.now);
            let disk = writer.next().map(|at| at.max(self.now + Duration::from_micros(50)));
            drop(writer);
            let answer = self.server().next();
            let next = [due, told, disk, answer].into_iter().flatten().min();
            match next {
                Some(next) if next < until => self.now = self.now.max(next),
                _ => {
                    self.now = self.now.max(until);
                    return Ok(());
                }
            }
        }
    }

    fn step(&mut self, life: &mut Life) -> Law {
        match self.dice.below(12) {
            0..=4 => {
                let points = self.dice.pick(&[1, 10, 100, 500]);
                self.note(|| format!("{points} points are sent"));
                for _ in 0..points {
                    self.send(life);
                }
            }
            5 => {
                let to = life.queue.sync_barrier();
                self.note(|| format!("a sync to {to}"));
                life.syncs.push(to);
            }
            6 => {
                let to = life.queue.barrier();
                self.note(|| format!("a flush to {to}"));
                life.flushes.push(to);
            }
            7 => {
                self.server().turn();
                let is_down = self.server().is_down;
                self.note(|| format!("the server is down: {is_down}"));
            }
            8 => {
                self.note(|| "connections are reset".to_owned());
                self.server().reset_all();
            }
            9..=11 if self.server_forgets => {}
            9 => {
                let hang = self.dice.time(1_000, 60_000_000);
                self.note(|| format!("the disk hangs for {hang:?}"));
                life.writer.lock().expect("nobody panics with it").busy_until = self.now + hang;
            }
            10 => {
                let percent = self.dice.pick(&[0, 0, 5, 30]);
                self.note(|| format!("the disk fails {percent} of a hundred calls"));
                self.disk.fail_sometimes(percent);
                if percent == 0 {
                    self.disk.mend();
                }
            }
            _ => {
                let call = self
                    .dice
                    .pick(&[Call::Write, Call::Sync, Call::Create, Call::SyncFolder]);
                let times = self.dice.below(4);
                self.note(|| format!("{times} calls of {call:?} fail"));
                self.disk.fail(call, self.dice.below(5), times, simulated::EIO);
            }
        }
        let pause = self.dice.time(10, 20_000_000);
        let until = self.now + pause;
        self.pass(life, until)
    }

    /// Closes the client, and looks at what it leaves.
    fn close(&mut self, mut life: Life) -> Result<u64, String> {
        let time = self.dice.time(0, 20_000_000);
        let deadline = self.now + time;
        self.note(|| format!("it is closed, until {deadline:?}"));
        life.queue.close(Some(self.started + deadline));
        life.is_closing = true;
        // Waits that the end is to answer, and truly.
        life.syncs.push(life.queue.sync_barrier());
        life.flushes.push(life.queue.barrier());
        let by = deadline + Duration::from_secs(2);
        while !life.driver.is_done() {
            if self.now >= by {
                return Err(format!("7, not ended at {:?}", self.now));
            }
            self.pass(&mut life, by)?;
        }
        let tally = life.driver.end();
        life.queue.end(&tally, life.driver.left_in_spool());
        self.hear_waits(&mut life)?;
        let stats = life.queue.lock().ledger().stats();
        self.note(|| format!("{stats}, {} spooled, dropped: {:?}", stats.spooled, stats.dropped));
        if stats.pending() != stats.spooled || !stats.is_balanced() {
            return Err(format!("1, at the end: {stats:?}"));
        }
        if life.flushes.is_empty() && stats.spooled > stats.adopted {
            return Err(format!(
                "3, a flush returned although points are on disk alone: {stats:?}"
            ));
        }
        self.dropped += stats.dropped.total();
        if self.server_forgets {
            self.dropped += stats.unsettled;
        }
        // Nothing of it is missing, beyond what it dropped. What it had adopted and dropped is no line of its own.
        self.must.extend(life.lines);
        Ok(stats.spooled)
    }

    /// The disk works again, and then the server: nothing is waited for in vain.
    fn calm(&mut self, life: &mut Life) -> Law {
        self.note(|| "the disk works".to_owned());
        self.disk.mend();
        life.writer.lock().expect("nobody panics with it").busy_until = self.now;
        // A disk that failed is tried again after half a minute.
        self.pass(life, self.now + Duration::from_secs(65))?;
        let to = life.queue.sync_barrier();
        self.pass(life, self.now + Duration::from_secs(5))?;
        // A full spool may take no more, as the options say.
        if !life.queue.is_safe(to) && self.disk.used() < self.options.spool_bytes as u64 / 2 {
            return Err(format!("8, a sync to {to} does not return although the disk works"));
        }
        self.note(|| "the server works".to_owned());
        self.server().is_down = false;
        let to = life.queue.barrier();
        self.pass(life, self.now + Duration::from_secs(120))?;
        match life.queue.is_reached(to) {
            true => Ok(()),
            false => Err(format!("8, a flush to {to} does not return although all works")),
        }
    }

    fn kill(&mut self, mut life: Life) -> Law {
        let power = !self.server_forgets && self.dice.chance(50);
        if self.server_forgets {
            // What has its verdict is on disk by then; nobody else has it, should the server forget it.
            self.pass(&mut life, self.now + Duration::from_millis(100))?;
        }
        self.note(|| {
            if power {
                "the power is cut".to_owned()
            } else {
                "it is killed".to_owned()
            }
        });
        self.dropped += life.queue.lock().ledger().stats().dropped.total();
        drop(life);
        match power {
            true => self.disk.cut_power(),
            false => self.disk.kill(),
        }
        Ok(())
    }

    fn run(&mut self) -> Law {
        for _ in 0..1 + self.dice.below(4) {
            let mut life = self.begin_life();
            for _ in 0..self.dice.below(30) {
                self.step(&mut life)?;
            }
            if self.dice.chance(50) {
                self.calm(&mut life)?;
            }
            match self.dice.chance(50) {
                true => self.kill(life)?,
                false => _ = self.close(life)?,
            }
            self.server().connections.clear();
        }
        self.last_life()
    }

    fn last_life(&mut self) -> Law {
        self.disk.mend();
        self.server().is_down = false;
        self.note(|| "the last life: everything works".to_owned());
        let mut life = self.begin_life();
        let until = self.now + Duration::from_secs(600);
        let mut found = 0;
        while self.now < until {
            let next = self.now + Duration::from_secs(61);
            self.pass(&mut life, next)?;
            let stats = life.queue.lock().ledger().stats();
            // Orphans are looked for once a minute.
            if stats.pending() == 0 && stats.adopted == found {
                break;
            }
            found = stats.adopted;
        }
        let stats = life.queue.lock().ledger().stats();
        if stats.pending() > 0 {
            return Err(format!("7, not delivered in ten minutes: {stats:?}"));
        }
        self.close(life)?;
        let server = self.server();
        let missing = self
            .must
            .iter()
            .filter(|line| !server.stored.contains_key(*line))
            .count() as u64;
        if missing > self.dropped {
            let first = self.must.iter().find(|line| !server.stored.contains_key(*line));
            let first = first.map(|line| String::from_utf8_lossy(line).into_owned());
            return Err(format!(
                "2, 4, {missing} points are missing, {} were dropped: {first:?}",
                self.dropped
            ));
        }
        let foreign = |line: &&Vec<u8>| {
            let text = String::from_utf8_lossy(line);
            let mut words = text.split(' ').skip(2);
            let second: Option<u64> = words.next().and_then(|word| word.parse().ok());
            let value: Option<u64> = words.next().and_then(|word| word.parse().ok());
            !(text.starts_with("put m ")
                && value.is_some_and(|value| value < self.sent && second == Some(1_700_000_000 + value)))
        };
        match server.stored.keys().find(foreign) {
            Some(line) => Err(format!("5, {:?} was never sent", String::from_utf8_lossy(line))),
            None => Ok(()),
        }
    }
}

fn simulate(seed: u64, traced: bool) -> (Law, String) {
    let mut run = Run::new(seed, traced);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run.run()));
    let outcome = outcome.unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().cloned();
        Err(format!(
            "a panic: {}",
            words
                .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
                .unwrap_or_default()
        ))
    });
    (outcome, run.trace.take().unwrap_or_default())
}

#[test]
#[expect(clippy::print_stdout, reason = "a replay is there to be read")]
fn with_a_spool_every_law_holds_in_every_seed() {
    let number = |name: &str| {
        std::env::var(name)
            .ok()
            .map(|text| text.parse::<u64>().expect("a number"))
    };
    if let Some(seed) = number("POTSDB_SPOOL_SEED") {
        let (outcome, trace) = simulate(seed, true);
        println!("{trace}");
        return outcome.expect("the laws hold");
    }
    let (seeds, started) = (number("POTSDB_SPOOL_SEEDS").unwrap_or(400), Instant::now());
    let survey = std::env::var_os("POTSDB_SURVEY").is_some();
    let mut broken = 0;
    for seed in 0..seeds {
        if let (Err(law), _) = simulate(seed, false) {
            assert!(
                survey,
                "law {law}\nreplay: POTSDB_SPOOL_SEED={seed} cargo test -p potsdb --all-features spooled -- --nocapture"
            );
            println!("seed {seed}: {law}");
            broken += 1;
        }
    }
    println!(
        "{seeds} seeds, {:.0} a second, {broken} broken",
        seeds as f64 / started.elapsed().as_secs_f64()
    );
    assert_eq!(broken, 0, "the laws hold");
}
