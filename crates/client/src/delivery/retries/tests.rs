//! A server that fails some lines, and how long the others wait for them.

use super::*;
use crate::delivery::verdicts::{Verdict, Verdicts};
use crate::queue::block::{BLOCK_BYTES, Block};

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Points of as many series, at positions from `first` on.
fn batch(first: u64, points: u64) -> Batch {
    batch_of(first, first..first + points)
}

/// A point of each of these series.
fn batch_of(first: u64, series: impl IntoIterator<Item = u64>) -> Batch {
    let mut block = Block::new(Vec::with_capacity(BLOCK_BYTES));
    for n in series {
        block.append(&[format!("put m 1700000000 1 h={n}\n").as_bytes()], 1);
    }
    let lines = block.into_lines(first, &mut Vec::new());
    Batch {
        lines: vec![Outstanding::new(lines, Duration::ZERO)],
    }
}

impl Retries {
    /// Takes whatever is ready.
    fn next(&mut self, now: Duration, bytes: usize, points: u64, each: bool) -> Option<Batch> {
        let kinds = [Kind::Tries, Kind::Failed, Kind::Precautions];
        let kind = kinds.into_iter().find(|kind| self.is_ready(now, *kind))?;
        self.take(now, kind, bytes, points, each)
    }

    fn ready_at(&self) -> Option<Duration> {
        self.ready_times().min()
    }

    fn fails(&mut self, now: Duration, batch: Batch, blame: Blame, words: &Arc<str>, taken: u64) {
        let takes = Takes {
            ever: taken,
            here: taken,
        };
        self.failed(now, batch, blame, words, takes);
        self.look();
    }

    fn recovers(&mut self, now: Duration, line: &[u8]) {
        self.recovered(now, line);
        self.look();
    }
}

/// A server that fails whatever holds the point of one series, and says no more than that.
struct Server {
    retries: Retries,
    now: Duration,
    taken: u64,
    tries: u64,
}

const WORDS: &str = "HTTP 500 no";

impl Server {
    fn new() -> Server {
        Server {
            retries: Retries::default(),
            now: Duration::ZERO,
            taken: 0,
            tries: 0,
        }
    }

    fn judge(&mut self, batch: Batch, sick: &[&str]) {
        let is_sick = |batch: &Batch| {
            let lines = batch
                .lines
                .iter()
                .flat_map(|held| held.lines.bytes().split(|byte| *byte == b'\n'));
            let mut lines = lines.map(|line| String::from_utf8_lossy(line).into_owned());
            lines.any(|line| sick.iter().any(|sick| line.ends_with(sick)))
        };
        self.tries += 1;
        if is_sick(&batch) {
            return self
                .retries
                .fails(self.now, batch, Blame::Some, &Arc::from(WORDS), self.taken);
        }
        self.taken += batch.points();
        let mut verdicts = Verdicts::default();
        for held in batch.lines {
            verdicts.end(held, Verdict::Acknowledged);
        }
        for lines in verdicts.heard.recovered {
            self.retries.recovers(self.now, lines.bytes());
        }
    }

    /// Tries whatever is ready until then.
    fn pass(&mut self, until: Duration, sick: &[&str]) {
        self.pass_where(until, |_| sick);
    }

    /// The same, where one point is failed and no series.
    fn pass_but(&mut self, until: Duration, position: u64) {
        let is_in =
            |held: &Outstanding| (held.lines.first()..held.lines.first() + held.lines.points()).contains(&position);
        self.pass_where(until, |batch| {
            let fails = batch.lines.iter().any(is_in);
            if fails { &["h=1"] } else { &[] }
        });
    }

    fn pass_where<'a>(&mut self, until: Duration, sick: impl Fn(&Batch) -> &'a [&'a str]) {
        while let Some(at) = self.retries.ready_at().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            let batch = self.retries.next(self.now, usize::MAX, u64::MAX, false);
            let batch = batch.expect("it said that something is ready");
            let sick = sick(&batch);
            self.judge(batch, sick);
        }
        self.now = until;
    }
}

#[test]
fn the_line_to_blame_is_found_within_seconds_and_the_others_are_taken() {
    let mut server = Server::new();
    server.judge(batch(0, 1000), &["h=613"]);
    server.judge(batch(1000, 1), &["h=613"]);
    server.pass(millis(3_000), &["h=613"]);
    assert_eq!(server.taken, 1000);
    assert_eq!(
        (server.retries.points(), server.retries.low().map(|(at, _)| at)),
        (1, Some(613))
    );
    assert!(server.tries < 40, "{} tries", server.tries);
}

#[test]
fn a_line_that_is_alone_is_tried_ever_more_seldom() {
    let mut server = Server::new();
    server.judge(batch(0, 2), &["h=1"]);
    server.judge(batch(2, 1), &["h=1"]);
    server.pass(millis(10_000), &["h=1"]);
    let before = server.tries;
    server.pass(millis(610_000), &["h=1"]);
    assert!(
        (8..=14).contains(&(server.tries - before)),
        "{} tries in ten minutes",
        server.tries - before
    );
}

#[test]
fn later_points_of_a_sick_series_wait_with_it_and_all_go_when_it_is_well() {
    let mut server = Server::new();
    server.judge(batch(0, 2), &["h=1"]);
    server.pass(millis(1_000), &["h=1"]);
    assert_eq!(server.taken, 1);
    let mut others = Vec::new();
    for held in batch_of(10, [1]).lines.into_iter().chain(batch_of(20, 0..5).lines) {
        others.extend(server.retries.sift(held));
    }
    let others: u64 = others.iter().map(|held| held.lines.points()).sum();
    assert_eq!((others, server.retries.points()), (4, 3), "two more of them wait");
    server.pass(millis(120_000), &[]);
    assert_eq!(
        (server.taken, server.retries.points(), server.retries.unposted()),
        (4, 0, 0)
    );
    let well = server.retries.sift(batch_of(30, 0..5).lines.remove(0));
    assert_eq!(well.len(), 1, "nothing is kept back any more");
}

#[test]
fn a_server_that_takes_nothing_makes_no_series_sick() {
    let mut server = Server::new();
    server.judge(batch(0, 40), &["h"]);
    let all: Vec<String> = (0..40).map(|n| format!("h={n}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    server.judge(batch(0, 40), &all);
    server.pass(millis(60_000), &all);
    assert_eq!(server.retries.sift(batch(0, 40).lines.remove(0)).len(), 1);
    let before = server.tries;
    server.pass(millis(61_000), &all);
    assert!(
        server.tries - before <= 51,
        "{} tries in a second",
        server.tries - before
    );
    server.pass(millis(67_000), &[]);
    assert_eq!((server.retries.points(), server.retries.unposted()), (0, 0));
}

#[test]
fn points_that_are_named_rest_by_themselves_and_are_not_parted() {
    let mut retries = Retries::default();
    let words = Arc::from("Storage exception");
    let mut now = Duration::ZERO;
    let mut sizes = Vec::new();
    retries.fails(now, batch(0, 10), Blame::Each, &words, 1);
    for taken in 2..5 {
        now = retries.ready_at().unwrap();
        let Some(batch) = retries.next(now, usize::MAX, u64::MAX, false) else {
            break;
        };
        sizes.push(batch.points());
        retries.fails(now, batch, Blame::Each, &words, taken);
    }
    assert_eq!(sizes[..2], [10, 10], "all of them at once, as the server names each");
    assert_eq!(
        retries.sift(batch(0, 10).lines.remove(0)).len(),
        0,
        "each of the series is sick"
    );
}

#[test]
fn a_line_that_fails_alone_is_told_from_its_series() {
    let mut server = Server::new();
    let of_one = |first: u64, points: u64| batch_of(first, std::iter::repeat_n(1, points as usize));
    server.judge(batch(0, 2), &["h=1"]);
    server.pass(millis(2_000), &["h=1"]);
    assert_eq!(server.retries.points(), 1, "it is sick");
    let waiting: usize = of_one(10, 5)
        .lines
        .into_iter()
        .map(|held| server.retries.sift(held).len())
        .sum();
    assert_eq!((waiting, server.retries.points()), (0, 6));
    // Only the first of them is ever failed: the others differ from it in their position.
    server.pass_but(millis(62_000), 1);
    assert_eq!(server.retries.points(), 1, "the others were taken");
    assert_eq!(
        server.retries.sift(of_one(20, 1).lines.remove(0)).len(),
        1,
        "new ones pass"
    );
    server.pass_but(millis(600_000), 1);
    assert_eq!(
        server.retries.sift(of_one(21, 1).lines.remove(0)).len(),
        1,
        "and always will"
    );
    server.pass(millis(700_000), &[]);
    assert_eq!(server.retries.points(), 0);
}

#[test]
fn points_that_were_named_again_and_again_go_together_when_their_series_is_well() {
    let mut retries = Retries::default();
    let words = Arc::from("Please throttle");
    let of_one = batch_of(0, std::iter::repeat_n(1, 100));
    let mut now = Duration::ZERO;
    retries.fails(now, of_one, Blame::Each, &words, 1);
    for taken in 2..4 {
        now = retries.ready_at().unwrap();
        let batch = retries.next(now, usize::MAX, u64::MAX, false).expect("it is ready");
        assert_eq!(batch.points(), 100);
        retries.fails(now, batch, Blame::Each, &words, taken);
    }
    now = retries.ready_at().unwrap();
    let tried = retries.next(now, usize::MAX, u64::MAX, false).expect("it is ready");
    assert_eq!(tried.points(), 1, "the series is sick");
    retries.recovers(now, tried.lines[0].lines.bytes());
    now = retries.ready_at().unwrap();
    let others = retries.next(now, usize::MAX, u64::MAX, false).expect("it is ready");
    assert_eq!(others.points(), 99);
}

#[test]
fn lines_that_are_asked_about_one_by_one_are_few_at_a_time() {
    let mut retries = Retries::default();
    let words = Arc::from(WORDS);
    let of_one = batch_of(0, std::iter::repeat_n(1, 1_000));
    retries.fails(Duration::ZERO, of_one, Blame::Each, &words, 1);
    for taken in 2..4 {
        let now = retries.ready_at().unwrap();
        let batch = retries.next(now, usize::MAX, u64::MAX, true).expect("it is ready");
        assert_eq!(batch.points(), 1_000, "not yet");
        retries.fails(now, batch, Blame::Each, &words, taken);
    }
    let now = retries.ready_at().unwrap();
    let tried = retries.next(now, usize::MAX, u64::MAX, true).expect("it is ready");
    retries.recovers(now, tried.lines[0].lines.bytes());
    let mut left = 999;
    while let Some(now) = retries.ready_at() {
        let batch = retries.next(now, usize::MAX, u64::MAX, true).expect("it is ready");
        assert_eq!(batch.points(), left.min(EACH));
        left -= batch.points();
    }
    assert_eq!(left, 0);
}

#[test]
fn precautions_go_again_together_ever_more_seldom_and_make_no_series_sick() {
    let mut retries = Retries::default();
    let words = Arc::from("put: HBase error: x");
    let posted = |mut batch: Batch| {
        batch.lines.iter_mut().for_each(|held| held.verdict_posted = true);
        batch
    };
    retries.fails(Duration::ZERO, posted(batch(0, 4)), Blame::Unknown, &words, 0);
    let mut now = Duration::ZERO;
    for taken in 1..30 {
        now = now.max(retries.ready_at().unwrap());
        let tried = retries.next(now, usize::MAX, u64::MAX, false).expect("it is ready");
        assert_eq!(tried.points(), 4);
        retries.fails(now, tried, Blame::Unknown, &words, taken);
        assert_eq!(retries.is_waited_for(), taken + 1 < u64::from(NOT_WAITED_FOR));
    }
    assert!(now > PAUSE.2 * 15, "{now:?} for 30 tries");
    assert_eq!((retries.low(), retries.unposted()), (None, 0), "nobody waits for them");
    assert_eq!(retries.sift(batch(0, 4).lines.remove(0)).len(), 1);
    let mut given = 0;
    while let Some((held, said)) = retries.pop_precaution() {
        given += held.lines.points();
        assert_eq!(said, words);
    }
    assert_eq!(given, 4);
}

#[test]
fn a_precaution_is_waited_for_however_often_its_connection_ends() {
    let mut retries = Retries::default();
    let mut lines = batch(0, 4).lines;
    lines.iter_mut().for_each(|held| held.verdict_posted = true);
    let takes = Takes { ever: 0, here: 0 };
    let mut now = Duration::ZERO;
    for _ in 0..30 {
        retries.interrupted(now, lines, takes);
        retries.look();
        assert!(retries.is_waited_for());
        now = retries.ready_at().expect("it rests");
        lines = retries
            .next(now, usize::MAX, u64::MAX, false)
            .expect("it is ready")
            .lines;
    }
    assert!(now > PAUSE.2 * 15, "{now:?} for 30 tries");
    // A server that fails it is another matter.
    for taken in 0..u64::from(NOT_WAITED_FOR) {
        retries.fails(now, Batch { lines }, Blame::Unknown, &Arc::from(WORDS), taken);
        now = retries.ready_at().expect("it rests");
        lines = retries
            .next(now, usize::MAX, u64::MAX, false)
            .expect("it is ready")
            .lines;
    }
    retries.interrupted(now, lines, takes);
    retries.look();
    assert!(!retries.is_waited_for());
}

#[test]
fn no_pause_is_longer_than_what_failed_has_waited_already() {
    let mut retries = Retries::default();
    let words = Arc::from(WORDS);
    let mut failed = batch(0, 1);
    failed.lines[0].failures = 12;
    let mut now = millis(2_000);
    for _ in 0..3 {
        retries.fails(now, failed, Blame::Ended, &words, 0);
        let ready_at = retries.ready_at().expect("it rests");
        assert_eq!(ready_at, (now * 2).min(now + PAUSE.1));
        now = ready_at;
        failed = retries.next(now, usize::MAX, u64::MAX, false).expect("it is ready");
    }
}

#[test]
fn what_stood_beside_a_line_to_blame_goes_together_once_that_line_is_known() {
    let mut server = Server::new();
    server.judge(batch(0, 1024), &["h=0"]);
    while server.retries.points() != 1 {
        server.pass(server.now + millis(10), &["h=0"]);
    }
    assert_eq!(server.taken, 1023);
    // Three failures of all of them; then of five parts, each with a try of all that stood beside it.
    assert_eq!(server.tries, 3 + 5 * 2);
}

#[test]
fn for_want_of_memory_the_oldest_points_of_a_sick_series_go_and_no_others() {
    let mut server = Server::new();
    server.judge(batch(0, 2), &["h=1"]);
    server.pass(millis(1_000), &["h=1"]);
    server.judge(batch(10, 5), &["h=12"]);
    server.retries.sift(batch(1, 1).lines.remove(0));
    let before = server.retries.points();
    let mut given = Vec::new();
    while let Some((held, words)) = server.retries.pop_failing() {
        assert_eq!(&*words, WORDS);
        given.push(held.lines.first());
    }
    assert_eq!(given, [1, 1]);
    assert_eq!(server.retries.points(), before - 2);
}

#[test]
fn for_want_of_memory_a_line_that_fails_alone_goes_and_none_of_a_server_that_takes_nothing() {
    let mut server = Server::new();
    server.retries.sick = Sick::full(&Arc::from(WORDS));
    server.judge(batch(0, 1), &["h=0"]);
    server.pass(millis(2_000), &["h=0"]);
    assert!(
        server.retries.pop_failing().is_none(),
        "it may be that nothing is taken"
    );
    server.judge(batch(10, 1), &[]);
    // It fails once more.
    server.pass(millis(20_000), &["h=0"]);
    assert_eq!(
        server.retries.pop_failing().map(|(held, _)| held.lines.first()),
        Some(0)
    );
    assert_eq!((server.retries.points(), server.retries.unposted()), (0, 0));
}

#[test]
fn what_is_too_old_is_given_up_with_what_was_said_of_it() {
    let mut server = Server::new();
    server.judge(batch(0, 8), &["h=1"]);
    server.judge(batch(8, 1), &[]);
    server.pass(millis(2_000), &["h=1"]);
    server.judge(batch(20, 8), &["h=21"]);
    let old = server.retries.expire(Duration::ZERO);
    let points: u64 = old.iter().map(|(held, _)| held.lines.points()).sum();
    assert_eq!((points, server.retries.points(), server.retries.unposted()), (9, 0, 0));
    assert!(old.iter().all(|(_, words)| &**words == WORDS));
}

#[test]
fn at_the_end_a_sick_series_is_tried_once_more_and_then_given_up() {
    let mut server = Server::new();
    server.judge(batch(0, 2), &["h=1"]);
    server.pass(millis(20_000), &["h=1"]);
    let tries = server.tries;
    server.retries.hurry(server.now);
    assert!(server.retries.drain_failing(server.now).is_empty(), "it has its chance");
    server.pass(server.now, &["h=1"]);
    assert_eq!(server.tries, tries + 1);
    assert_eq!(server.retries.drain_failing(server.now).len(), 1);
    assert!(!server.retries.is_waited_for());
}

#[test]
fn at_the_end_a_line_is_given_up_that_failed_for_a_minute_even_if_nothing_else_is_sent() {
    let mut server = Server::new();
    server.judge(batch(0, 1), &["h=0"]);
    server.retries.hurry(server.now);
    server.pass(millis(50_000), &["h=0"]);
    assert!(server.retries.drain_failing(server.now).is_empty());
    server.pass(millis(70_000), &["h=0"]);
    assert_eq!(server.retries.drain_failing(server.now).len(), 1);
    assert!(!server.retries.is_waited_for());
}

/// Whatever fails and whatever is taken out, points and bytes are counted right.
#[test]
fn nothing_is_lost_or_counted_wrong_in_any_history() {
    for seed in 1..200 {
        let mut random = crate::delivery::backoff::Random::new(seed);
        let mut draw = |below: u64| (random.next() >> 20) % below;
        let mut retries = Retries::default();
        let (mut now, mut first, mut held, mut taken) = (Duration::ZERO, 0, Vec::new(), 0);
        let mut inside: u64 = 0;
        for _ in 0..300 {
            now += millis(draw(400));
            match draw(6) {
                0 => {
                    let points = 1 + draw(20);
                    first += points;
                    inside += points;
                    let blame = [Blame::Some, Blame::Each][draw(2) as usize];
                    retries.fails(now, batch(first, points), blame, &Arc::from("x"), taken);
                }
                1..4 => {
                    let batch = retries.next(now, 30 + draw(2000) as usize, 1 + draw(30), draw(2) == 0);
                    inside -= batch.as_ref().map_or(0, Batch::points);
                    held.extend(batch);
                }
                4 if !held.is_empty() => {
                    let batch: Batch = held.swap_remove(draw(held.len() as u64) as usize);
                    inside += batch.points();
                    let blame = [Blame::Some, Blame::Each][draw(2) as usize];
                    retries.fails(now, batch, blame, &Arc::from("x"), taken);
                }
                5 if !held.is_empty() => {
                    let batch: Batch = held.swap_remove(draw(held.len() as u64) as usize);
                    taken += 1;
                    for held in batch.lines {
                        retries.recovers(now, held.lines.bytes());
                    }
                }
                _ => {}
            }
            assert_eq!(retries.points(), inside, "seed {seed}");
            assert!(retries.posted() == 0 && (inside > 0) == (retries.unposted() > 0));
            assert_eq!(retries.is_waited_for(), inside > 0);
        }
        let left: u64 = retries.drain().iter().map(|(held, _)| held.lines.points()).sum();
        assert_eq!(left, inside, "seed {seed}");
    }
}
