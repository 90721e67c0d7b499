//! The callers: a random history of sends, flushes and faults, and the options it runs under.
//!
//! Made whole before anything runs, so that the history of a seed does not depend on what the
//! client does with it.

use std::collections::VecDeque;
use std::time::Duration;

use potsdb_wire::Server as Known;

use super::Dice;
use super::server::Kind;
use crate::config::options::{Ack, Options, Overflow};

#[derive(Clone, Debug)]
pub(super) enum Action {
    /// So many points at once.
    Send {
        points: u64,
    },
    Flush {
        timeout: Duration,
    },
    Close {
        timeout: Option<Duration>,
    },
    Stop,
    /// The process dies with what it holds in memory.
    Kill {
        server: usize,
        down: Duration,
    },
    /// It ends in good order.
    Restart {
        server: usize,
        down: Duration,
    },
    StallReading {
        server: usize,
        lasts: Duration,
    },
    StallAnswering {
        server: usize,
        lasts: Duration,
    },
    Throttle {
        server: usize,
        lasts: Duration,
        percent: u64,
    },
    ReadOnly {
        server: usize,
        lasts: Duration,
    },
    /// Its storage takes nothing, and it says so of each point, or body; over telnet perhaps long after its answer.
    Fail {
        server: usize,
        lasts: Duration,
        late: bool,
    },
    /// Attempts to connect get no answer.
    Unreachable {
        server: usize,
        lasts: Duration,
    },
    /// Something in front of the server answers so many of a hundred requests for it.
    Front {
        server: usize,
        lasts: Duration,
        status: u16,
        percent: u64,
        retry_after: Option<Duration>,
    },
    /// It takes no longer bodies.
    Narrow {
        server: usize,
        lasts: Duration,
        bytes: usize,
    },
    /// So many of a hundred answers are said in part only.
    CutAnswers {
        server: usize,
        lasts: Duration,
        percent: u64,
    },
    /// So many of a hundred answers have no end, or come a few bytes at a time and so far apart.
    Linger {
        server: usize,
        lasts: Duration,
        percent: u64,
        gap: Option<Duration>,
    },
    /// It talks without end, in small pieces.
    Chatter {
        server: usize,
        lasts: Duration,
    },
    /// Something else listens in its place, which swallows what it is given and says this, or that.
    Foreign {
        server: usize,
        lasts: Duration,
        foreign: Foreign,
    },
    /// The network resets the connections there are.
    Reset {
        server: usize,
    },
    /// The server closes the connections there are.
    HangUp {
        server: usize,
    },
}

/// A program that speaks another protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Foreign {
    pub(super) says: &'static [u8],
    /// Before it has read anything.
    pub(super) first: bool,
    /// It closes the connection once it has said that.
    pub(super) closes: bool,
}

/// What a client and its servers speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Telnet,
    Http,
}

/// What a server is like, all through a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Temper {
    Well,
    /// Nobody is there for most of the time.
    Dead,
    /// Connects, and then does not read.
    Stalled,
    /// Reads, and then says nothing.
    Mute,
    /// Takes no point, and says so of each.
    Failing,
    /// Every way to it and back takes long.
    Far,
}

/// How long it takes until the name of a server is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameTemper {
    Known,
    Slow(Duration),
    /// The question is never answered.
    Hangs,
}

impl Action {
    /// For how long it does harm. `None`: nobody knows.
    fn harms(&self) -> Option<Duration> {
        match self {
            Action::Kill { down, .. } | Action::Restart { down, .. } => Some(*down),
            Action::Front { lasts, retry_after, .. } => {
                Some(*lasts + retry_after.unwrap_or_default().min(LONGEST_REST))
            }
            // The last such answer has as long as the client waits for it.
            Action::Linger { lasts, .. } => Some(*lasts + LONGEST_ANSWER),
            Action::StallReading { lasts, .. }
            | Action::StallAnswering { lasts, .. }
            | Action::Throttle { lasts, .. }
            | Action::ReadOnly { lasts, .. }
            | Action::Fail { lasts, .. }
            | Action::Unreachable { lasts, .. }
            | Action::Narrow { lasts, .. }
            | Action::CutAnswers { lasts, .. }
            | Action::Foreign { lasts, .. }
            | Action::Chatter { lasts, .. } => Some(*lasts),
            Action::Send { .. } | Action::Flush { .. } | Action::Close { .. } | Action::Stop => Some(Duration::ZERO),
            Action::Reset { .. } | Action::HangUp { .. } => Some(Duration::ZERO),
        }
    }
}

/// Whoever asks for more rest is asked again after that.
pub(super) const LONGEST_REST: Duration = Duration::from_secs(600);

/// Ten times the longest answer timeout there is here.
const LONGEST_ANSWER: Duration = Duration::from_secs(100);

/// What programs of other protocols say to a line, or before one.
const FOREIGN: [&[u8]; 6] = [
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"220 mail.example.org ESMTP\r\n",
    b"-ERR unknown command 'put'\r\n",
    b"\xff\xfd\x18\x00\x9c",
];

/// Longer than any run.
const FOR_EVER: Duration = Duration::from_secs(1_000_000);

/// How long a verdict takes at most once all faults are over.
const FED: Duration = Duration::from_secs(20);

/// How many answers that takes where each comes late, and for each series that is looked for: five parts, three tries of each.
const ANSWERS: (u64, u64) = (40, 15);

/// How long a verdict takes where nothing goes wrong, and how much longer for each endpoint that takes connections and never
/// answers.
const PROMPT: Duration = Duration::from_secs(5);
const HUNG: Duration = Duration::from_secs(1);

/// The first point's timestamp.
const EPOCH: usize = 1_000_000_000;

/// One run, before it runs.
pub(super) struct History {
    pub(super) options: Options,
    pub(super) protocol: Protocol,
    pub(super) kind: Kind,
    pub(super) endpoints: usize,
    /// One for each endpoint.
    pub(super) tempers: Vec<Temper>,
    /// Whether what is wrong with it never ends.
    lasting: Vec<bool>,
    /// How many of them take connections and never answer, where nothing else goes wrong.
    pub(super) hung: usize,
    pub(super) names: Vec<NameTemper>,
    /// Nothing goes wrong, no way is long: nothing needs to be done twice.
    pub(super) calm: bool,
    pub(super) kernel_tells: bool,
    /// Of a hundred connections, how many are reset at some byte.
    pub(super) resets: u64,
    pub(super) actions: VecDeque<(Duration, Action)>,
    /// All faults are over, and long over, when the client closes: nothing may be left undone.
    pub(super) rested: bool,
    /// All servers are killed at the moment the client has closed.
    pub(super) kill_at_end: bool,
    /// A close without a deadline ends by then.
    pub(super) patience: Duration,
    longest: usize,
    bad: u64,
    /// What the storage says of the series it never takes, of a hundred points how many are of one, and how many there are.
    pub(super) poison: Option<Poison>,
    sick: u64,
    sick_series: u64,
    /// All faults are over from then on. `None`: something is wrong all through the run.
    quiet_from: Option<Duration>,
    points: u64,
}

/// How a server fails the points of the series that its storage never takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Poison {
    /// Telnet: each of them, long after it was answered for.
    Late,
    /// Telnet: each of them, at once.
    AtOnce,
    /// HTTP: the body that one of them is in, with this status.
    Body(u16),
    /// HTTP, with `ack=stored`: each of them, by name.
    Named,
    /// HTTP, with `ack=stored`: their number, and no name.
    Unnamed,
    /// HTTP, a server that counts what it takes: their number, and no name.
    Counted,
    /// The server closes the connection on which one of them comes.
    HangUp,
}

impl History {
    pub(super) fn new(dice: &mut Dice) -> History {
        let kind = dice.pick(&[Kind::OpenTsdb, Kind::OpenTsdb, Kind::InfluxDb, Kind::VictoriaMetrics]);
        let endpoints = dice.pick(&[1, 1, 1, 2, 2, 3, 4]);
        let calm = dice.chance(8);
        let hung = calm && endpoints > 1 && dice.chance(60);
        let temper = |dice: &mut Dice| match dice.below(10) {
            0 => Temper::Dead,
            1 => Temper::Stalled,
            2 => Temper::Far,
            3 => Temper::Failing,
            _ => Temper::Well,
        };
        let tempers = (0..endpoints).map(|_| match () {
            () if hung => dice.pick(&[Temper::Well, Temper::Stalled, Temper::Mute]),
            () if calm || endpoints == 1 => Temper::Well,
            () => temper(dice),
        });
        let mut tempers: Vec<Temper> = tempers.collect();
        if hung && !tempers.contains(&Temper::Well) {
            tempers[dice.below(endpoints as u64) as usize] = Temper::Well;
        }
        // One at least answers, and takes what it is given; the others may do as they like.
        let well = tempers.iter().position(|temper| *temper == Temper::Well);
        let names = (0..endpoints).map(|endpoint| match dice.below(12) {
            _ if hung => NameTemper::Known,
            0..2 if well.is_some_and(|well| well != endpoint) => NameTemper::Hangs,
            2..4 => NameTemper::Slow(dice.time(1_000, 8_000_000)),
            _ => NameTemper::Known,
        });
        let names: Vec<NameTemper> = names.collect();
        let lasting = |temper: &Temper| !matches!(temper, Temper::Well | Temper::Far);
        let lasting = tempers
            .iter()
            .map(|temper| well.is_some() && lasting(temper) && (hung || dice.chance(40)));
        let lasting = lasting.collect();
        let long = dice.chance(12);
        let points = dice.pick(&[20, 60, 200, if long { 900 } else { 400 }]);
        let protocol = dice.pick(&[Protocol::Telnet, Protocol::Http]);
        let mut options = options(kind, points, dice);
        if protocol == Protocol::Http && dice.chance(15) {
            options.ack = Ack::Stored;
        }
        let mut history = History {
            protocol,
            kind,
            endpoints,
            hung: tempers.iter().filter(|temper| hung && **temper != Temper::Well).count(),
            lasting,
            tempers,
            names,
            calm,
            kernel_tells: dice.chance(90),
            resets: if dice.chance(25) && !calm { 60 } else { 0 },
            actions: VecDeque::new(),
            rested: dice.chance(50),
            kill_at_end: dice.chance(40),
            patience: Duration::ZERO,
            longest: if long {
                dice.pick(&[900, 980])
            } else {
                dice.pick(&[1, 1, 40])
            },
            bad: dice.pick(&[0, 0, 10, 50]),
            poison: None,
            sick: 0,
            sick_series: 1,
            quiet_from: None,
            points,
            options,
        };
        if dice.chance(15) {
            history.poison(dice);
        }
        history.rested &= history.can_end();
        history.calm &= history.can_end();
        if history.calm && protocol == Protocol::Http {
            // Longer than anybody takes to store points.
            history.options.answer_timeout = history.options.answer_timeout.max(Duration::from_secs(2));
        }
        history.plan(points, dice);
        history
    }

    /// The line of the point at this position.
    pub(super) fn line(&self, position: usize, dice: &mut Dice) -> Vec<u8> {
        let end = match dice.chance(self.bad) {
            true => ".5",
            false => dice.pick(&["", "", ".25"]),
        };
        let metric = dice.pick(&["m.a", "m.b"]);
        let pad = "x".repeat(dice.between(1, self.longest as u64) as usize);
        if dice.chance(self.sick) {
            let series = dice.below(self.sick_series);
            return format!("put m.s {} {position} h=sick{series}\n", EPOCH + position / 8).into_bytes();
        }
        // Neighbours are often alike in everything but their value.
        format!("put {metric} {} {position}{end} h={pad}\n", EPOCH + position / 8).into_bytes()
    }

    /// The storage never takes some series. All others go on: with room for what waits, nothing of them is lost.
    fn poison(&mut self, dice: &mut Dice) {
        self.poison = match (self.protocol, self.options.ack, self.kind) {
            (Protocol::Telnet, _, Kind::OpenTsdb) => Some(dice.pick(&[Poison::Late, Poison::AtOnce, Poison::HangUp])),
            (Protocol::Telnet, _, Kind::InfluxDb) => Some(Poison::HangUp),
            (Protocol::Telnet, ..) => None,
            (Protocol::Http, Ack::Stored, Kind::OpenTsdb) => {
                Some(dice.pick(&[Poison::Named, Poison::Unnamed, Poison::Body(500), Poison::HangUp]))
            }
            (Protocol::Http, _, Kind::OpenTsdb) => {
                Some(dice.pick(&[Poison::Body(500), Poison::Body(503), Poison::HangUp]))
            }
            (Protocol::Http, ..) => {
                Some(dice.pick(&[Poison::Body(500), Poison::Body(503), Poison::Counted, Poison::HangUp]))
            }
        };
        if self.poison.is_none() {
            return;
        }
        self.sick = dice.pick(&[2, 10, 40]);
        self.sick_series = dice.pick(&[1, 5, 20]);
        self.calm = false;
        self.options = Options {
            queue_points: 100_000,
            queue_bytes: None,
            max_age: None,
            mps: 0.0,
            ..self.options.clone()
        };
    }

    fn plan(&mut self, points: u64, dice: &mut Dice) {
        let span = dice.pick(&[200_000, 3_000_000, 20_000_000]);
        let mut plan = Vec::new();
        let mut left = points;
        while left > 0 {
            let most = dice.pick(&[1, 30, 400]).min(left);
            let count = dice.between(1, most);
            let start = dice.time(0, span);
            if dice.chance(30) {
                // A trickle, one by one.
                let gap = dice.time(200, 300_000);
                plan.extend((0..count.min(60)).map(|n| (start + gap * n as u32, Action::Send { points: 1 })));
            } else {
                plan.push((start, Action::Send { points: count }));
            }
            left -= count;
        }
        for _ in 0..dice.below(5) {
            let timeout = dice.pick(&[10_000, 500_000, 5_000_000, 60_000_000]);
            let timeout = dice.time(0, timeout);
            plan.push((dice.time(0, span + span / 4), Action::Flush { timeout }));
        }
        for (server, temper) in self.tempers.iter().enumerate() {
            let lasts = match self.lasting[server] {
                true => FOR_EVER,
                false => Duration::from_micros(span),
            };
            let fault = match temper {
                Temper::Dead if dice.chance(50) => Action::Unreachable { server, lasts },
                Temper::Dead => Action::Kill { server, down: lasts },
                Temper::Stalled => Action::StallReading { server, lasts },
                Temper::Mute => Action::StallAnswering { server, lasts },
                Temper::Failing => Action::Fail {
                    server,
                    lasts,
                    late: dice.chance(50),
                },
                Temper::Far | Temper::Well => continue,
            };
            plan.push((Duration::ZERO, fault));
        }
        let faults = if self.calm { 0 } else { dice.pick(&[0, 1, 2, 3, 8, 14]) };
        for _ in 0..faults {
            plan.push((dice.time(0, span), self.fault(dice)));
        }
        let mut end = plan.iter().map(|(at, _)| *at).max().unwrap_or_default();
        self.patience = Duration::from_secs(200);
        if self.protocol == Protocol::Http {
            self.patience += LONGEST_REST * 2;
            // Half of them bad and not named, and each question and answer on a long way.
            self.patience += Duration::from_secs(points * if self.poison.is_some() { 8 } else { 3 });
        }
        // What a late error may be about settles some times more, in a few groups.
        self.patience += self.options.settle * 20;
        if self.poison == Some(Poison::Late) {
            // What settles is tried one by one until none of its failures names nobody.
            self.patience += Duration::from_secs(points * 10);
        }
        if self.options.mps > 0.0 {
            self.patience += Duration::from_secs_f64(points as f64 * 4.0 / self.options.mps);
        }
        if self.rested {
            end += self.patience;
            if dice.chance(50) {
                plan.push((end, Action::Flush { timeout: self.patience }));
                end += self.patience;
            }
            plan.push((
                end,
                Action::Close {
                    timeout: Some(self.patience),
                },
            ));
        } else {
            end += dice.time(0, 2_000_000);
            plan.push((end, self.ending(dice)));
        }
        plan.sort_by_key(|(at, _)| *at);
        let mut passing = plan.iter().filter(|(_, action)| action.harms() != Some(FOR_EVER));
        self.quiet_from = passing.try_fold(Duration::ZERO, |quiet, (at, action)| {
            Some(quiet.max(*at + action.harms()?))
        });
        self.actions = plan.into();
    }

    /// Whether nothing goes wrong but with points that the storage never takes, and with bad ones.
    pub(super) fn only_sick(&self) -> bool {
        let well = self.tempers.iter().all(|temper| *temper == Temper::Well);
        let faults = self.actions.iter().any(|(_, action)| {
            !matches!(
                action,
                Action::Send { .. } | Action::Flush { .. } | Action::Close { .. } | Action::Stop
            )
        });
        let steady = self.resets == 0 && self.bad == 0 && self.options.connection_max_age.is_none();
        // What a late error may be about is written again every minute, as a precaution.
        let named = self.poison.is_some_and(|poison| poison != Poison::Late);
        named && well && !faults && steady
    }

    /// By when a point has its verdict at the latest if nothing goes wrong but with names: after the shortest way to a name,
    /// what it takes to find out that a server is silent, and some more.
    pub(super) fn prompt(&self) -> Option<Duration> {
        let takes = self.names.iter().filter_map(|name| match name {
            NameTemper::Known => Some(Duration::ZERO),
            NameTemper::Slow(takes) => Some(*takes),
            NameTemper::Hangs => None,
        });
        // Halves, and many bodies, take long where points are stored one body after the other.
        let halves = self.options.ack == Ack::Stored && (self.bad > 0 || self.longest > 40);
        let prompt = self.calm && self.options.mps == 0.0 && self.can_end() && !halves;
        // Each of those that never answer is found out about by itself.
        let hung = HUNG * self.hung as u32;
        // Where nobody names them, each bad point costs some requests.
        let looks = match self.protocol {
            Protocol::Http if self.bad > 0 => Duration::from_millis(self.points * 40),
            _ => Duration::ZERO,
        };
        takes
            .min()
            .filter(|_| prompt)
            .map(|takes| takes + PROMPT + hung + looks)
    }

    /// From when on a good point has its verdict, within how long or how many answers, whatever became of other points.
    /// Every server is well by then, or so many of them that one is left.
    pub(super) fn fed(&self) -> Option<(Duration, Duration, u64)> {
        let takes = self
            .names
            .iter()
            .zip(self.tempers.iter().zip(&self.lasting))
            .filter_map(|(name, (temper, lasting))| match name {
                _ if *temper == Temper::Far || *lasting => None,
                NameTemper::Known => Some(Duration::ZERO),
                NameTemper::Slow(takes) => Some(*takes),
                NameTemper::Hangs => None,
            });
        let takes = takes.min()?;
        let steady = self.resets == 0 && self.options.mps == 0.0 && self.can_end();
        let within = match self.protocol {
            Protocol::Http if self.bad > 0 => FED + Duration::from_millis(self.points * 1_500),
            _ => FED,
        };
        // Whoever says 503 asks for rest, each time for longer.
        let within = match self.poison {
            Some(Poison::Body(503)) => within + FED * 5,
            // Each look for the line to blame costs a connection.
            Some(Poison::HangUp) => within + FED + self.options.backoff.0 * 40,
            _ => within,
        };
        let within = if self.longest > 40 { within * 4 } else { within };
        // Whoever refuses bodies for their length gets short ones for minutes.
        let narrow = |(_, action): &(Duration, Action)| matches!(action, Action::Narrow { .. });
        let within = match self.actions.iter().any(narrow) {
            true => within + Duration::from_millis(self.points * 200),
            false => within,
        };
        // A server that takes bytes and says nothing keeps a few points until its time is up.
        let within = match self.lasting.contains(&true) {
            true => within + FED * 3,
            false => within,
        };
        let sick = if self.poison.is_some() { self.sick_series } else { 0 };
        let answers = ANSWERS.0 + sick * ANSWERS.1;
        let quiet = self.quiet_from.filter(|_| steady);
        quiet.map(|quiet| (quiet + takes, within, answers))
    }

    /// Who insists on answers from a server that gives none waits for ever.
    fn can_end(&self) -> bool {
        match (self.options.ack, self.protocol) {
            (Ack::Accepted, Protocol::Telnet) => self.kind != Kind::VictoriaMetrics,
            (Ack::Stored, _) => self.kind == Kind::OpenTsdb,
            _ => true,
        }
    }

    fn ending(&self, dice: &mut Dice) -> Action {
        match dice.below(10) {
            0 => Action::Stop,
            1..4 if self.can_end() => Action::Close { timeout: None },
            1..7 => {
                let timeout = Some(dice.time(0, 400_000));
                Action::Close { timeout }
            }
            _ => {
                let timeout = Some(dice.time(1_000_000, 60_000_000));
                Action::Close { timeout }
            }
        }
    }

    fn fault(&self, dice: &mut Dice) -> Action {
        let server = dice.below(self.endpoints as u64) as usize;
        let long = dice.pick(&[50_000, 1_000_000, 5_000_000, 15_000_000]);
        let lasts = dice.time(0, long);
        if self.protocol == Protocol::Http && dice.chance(50) {
            return front_fault(server, lasts, dice);
        }
        match dice.below(15) {
            13 | 14 if self.protocol == Protocol::Telnet => Action::Foreign {
                server,
                lasts,
                foreign: Foreign {
                    says: dice.pick(&FOREIGN),
                    first: dice.chance(50),
                    closes: dice.chance(50),
                },
            },
            0..3 => Action::Kill { server, down: lasts },
            3 => Action::Restart { server, down: lasts },
            4 => Action::StallReading { server, lasts },
            5 => Action::StallAnswering { server, lasts },
            6 | 7 => {
                let percent = dice.pick(&[2, 20, 80]);
                Action::Throttle { server, lasts, percent }
            }
            8 => Action::ReadOnly { server, lasts },
            9 => Action::Unreachable { server, lasts },
            10 => Action::Reset { server },
            11 => Action::Chatter { server, lasts },
            _ => Action::HangUp { server },
        }
    }
}

fn front_fault(server: usize, lasts: Duration, dice: &mut Dice) -> Action {
    match dice.below(12) {
        0..5 => Action::Front {
            server,
            lasts,
            status: dice.pick(&[200, 202, 400, 401, 403, 404, 405, 429, 500, 502, 503, 503, 504]),
            percent: dice.pick(&[10, 50, 100]),
            retry_after: dice
                .chance(40)
                .then(|| Duration::from_secs(dice.pick(&[1, 4, 8, 8, 900, 31_536_000]))),
        },
        5..7 => Action::Narrow {
            server,
            lasts,
            bytes: dice.size(10, 40_000),
        },
        7 | 8 => Action::Linger {
            server,
            lasts,
            percent: dice.pick(&[10, 50, 100]),
            gap: dice.chance(60).then(|| {
                let most = dice.pick(&[2_000, 100_000, 5_000_000]);
                dice.time(100, most)
            }),
        },
        _ => Action::CutAnswers {
            server,
            lasts,
            percent: dice.pick(&[10, 50, 100]),
        },
    }
}

fn options(kind: Kind, points: u64, dice: &mut Dice) -> Options {
    let usual = Options::default();
    let known = match kind {
        Kind::OpenTsdb => Known::OpenTsdb,
        Kind::InfluxDb => Known::InfluxDb,
        Kind::VictoriaMetrics => Known::VictoriaMetrics,
    };
    let slow = points <= 60 && dice.chance(20);
    Options {
        server: dice.chance(15).then_some(known),
        queue_points: dice.pick(&[100_000, 100_000, 0, 15, 150]),
        queue_bytes: dice.chance(10).then(|| dice.size(2_000, 100_000)),
        overflow: dice.pick(&[Overflow::DropOldest, Overflow::DropNewest, Overflow::Block(None)]),
        mps: match dice.below(10) {
            0 if slow => dice.between(1, 30) as f64,
            1 => dice.between(30, 5_000) as f64,
            _ => 0.0,
        },
        ack: match dice.below(20) {
            0 => Ack::None,
            1 => Ack::Accepted,
            _ => Ack::Auto,
        },
        window_bytes: dice.size(64 * 1024, 4 * 1024 * 1024),
        settle: match dice.below(20) {
            0..3 => Duration::ZERO,
            3..5 => dice.time(2_000_000, 30_000_000),
            _ => usual.settle,
        },
        settle_bytes: if dice.chance(10) {
            dice.size(100, 10_000)
        } else {
            usual.settle_bytes
        },
        connect_timeout: dice.time(500_000, 3_000_000),
        write_timeout: dice.time(500_000, 10_000_000),
        answer_timeout: dice.time(500_000, 10_000_000),
        backoff: (dice.time(1_000, 100_000), dice.time(100_000, 5_000_000)),
        connections: Some(dice.pick(&[1, 1, 2, 3])),
        connection_max_age: dice.chance(15).then(|| dice.time(10_000, 20_000_000)),
        max_age: dice.chance(12).then(|| dice.time(20_000, 5_000_000)),
        gzip: dice.chance(20),
        linger: if dice.chance(50) {
            usual.linger
        } else {
            Some(Duration::ZERO)
        },
        ..usual
    }
}
