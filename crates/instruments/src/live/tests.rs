use proptest::prelude::*;

use super::*;
use crate::style::Style;

const INTERVAL: u64 = 10;

/// An instrument with its series by name, and what was sent of it.
struct Told {
    outputs: Outputs<String>,
    live: Live,
    points: Vec<Point<String>>,
}

impl Told {
    fn new(outputs: Outputs<String>, birth: u64) -> Told {
        let live = Live::new(&outputs, birth);
        Told {
            outputs,
            live,
            points: Vec::new(),
        }
    }

    fn counter(birth: u64) -> Told {
        Told::new(Outputs::Counter("hits".to_owned()), birth)
    }

    fn histogram(birth: u64, bounds: &[f64]) -> Told {
        let made: Result<_, ()> = Style::Dotted.histogram("took", &[0.5, 0.99], bounds, |metric, extra| {
            let metric = metric.trim_start_matches("took").to_owned();
            Ok(extra.map_or(metric.clone(), |(tag, value)| format!("{metric} {tag}={value}")))
        });
        Told::new(Outputs::Histogram(Box::new(made.unwrap())), birth)
    }

    /// Makes the points of a moment, as `series value@time`.
    fn at(&mut self, moment: Moment, reading: Reading) -> Vec<String> {
        self.idle_at(moment, reading, None)
    }

    fn idle_at(&mut self, moment: Moment, reading: Reading, idle: Option<u64>) -> Vec<String> {
        let before = self.points.len();
        self.live
            .collect(&self.outputs, reading, moment, idle, &mut self.points);
        let new = self.points[before..].iter();
        new.map(|point| format!("{} {}@{}", point.series, point.value, point.at))
            .collect()
    }
}

fn total(whole: u64) -> Reading {
    Reading::Counter(Total { whole, part: 0.0 })
}

fn gauge(value: f64) -> Reading {
    Reading::Gauge { value, touched: true }
}

fn values(values: &[f64]) -> Reading {
    let cell = crate::cell::HistogramCell::new([1.0, 2.0].into());
    values.iter().for_each(|value| cell.record(*value));
    Reading::Histogram(cell.take())
}

#[test]
fn a_counter_begins_with_zero_and_is_said_at_every_tick() {
    let mut hits = Told::counter(1003);
    assert_eq!(hits.at(Moment::Tick(1010), total(5)), ["hits 0@1003", "hits 5@1010"]);
    assert_eq!(hits.at(Moment::Tick(1020), total(5)), ["hits 5@1020"]);
    assert_eq!(hits.at(Moment::Tick(1030), total(8)), ["hits 8@1030"]);
}

#[test]
fn a_tick_before_or_in_the_second_of_the_birth_is_not_the_counters_yet() {
    let mut hits = Told::counter(1010);
    assert!(hits.at(Moment::Tick(1010), total(5)).is_empty());
    assert_eq!(hits.at(Moment::Tick(1020), total(5)), ["hits 0@1010", "hits 5@1020"]);
}

#[test]
fn flushes_send_what_changed_in_seconds_of_their_own() {
    let mut hits = Told::counter(1003);
    assert_eq!(hits.at(Moment::Flush(1003), total(1)), ["hits 0@1003", "hits 1@1004"]);
    assert!(hits.at(Moment::Flush(1003), total(1)).is_empty());
    assert_eq!(hits.at(Moment::Flush(1003), total(2)), ["hits 2@1005"]);
    assert_eq!(hits.at(Moment::Last(1004), total(3)), ["hits 3@1006"]);
}

#[test]
fn a_tick_whose_second_has_a_point_is_left_out() {
    let mut hits = Told::counter(1008);
    assert_eq!(hits.at(Moment::Flush(1009), total(1)).last().unwrap(), "hits 1@1009");
    assert_eq!(hits.at(Moment::Flush(1009), total(2)), ["hits 2@1010"]);
    assert!(hits.at(Moment::Tick(1010), total(2)).is_empty());
    assert_eq!(hits.at(Moment::Tick(1020), total(2)), ["hits 2@1020"]);
}

#[test]
fn a_program_that_flushes_all_the_time_has_no_points_of_tomorrow() {
    let mut hits = Told::counter(1000);
    for n in 1..=1000 {
        hits.at(Moment::Flush(1000), total(n));
    }
    assert_eq!(hits.points.last().unwrap().at, 1000 + AHEAD);
    assert_eq!(
        hits.at(Moment::Last(1000), total(1000)),
        [format!("hits 1000@{}", 1001 + AHEAD)]
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_silence_an_instrument() {
    let mut hits = Told::counter(5000);
    hits.at(Moment::Tick(5010), total(1));
    assert_eq!(hits.at(Moment::Tick(1010), total(2)), ["hits 2@1010"]);
    // A zero in the future is none.
    let mut born = Told::counter(5000);
    assert_eq!(born.at(Moment::Tick(1010), total(2)), ["hits 2@1010"]);
}

#[test]
fn a_gauge_has_no_zero_and_may_be_sent_in_its_first_second() {
    let mut load = Told::new(Outputs::Gauge("load".to_owned()), 1003);
    assert_eq!(load.at(Moment::Flush(1003), gauge(0.5)), ["load 0.5@1003"]);
    assert_eq!(load.at(Moment::Tick(1010), gauge(0.5)), ["load 0.5@1010"]);
}

#[test]
fn what_was_not_taken_goes_with_the_next_flush() {
    let mut hits = Told::counter(1003);
    hits.at(Moment::Flush(1004), total(1));
    hits.live.unsent();
    assert_eq!(hits.at(Moment::Flush(1006), total(1)), ["hits 1@1006"]);
}

#[test]
fn an_idle_instrument_ends_and_goes_on_when_it_is_updated() {
    let mut hits = Told::counter(1003);
    let idle = Some(20);
    assert_eq!(hits.idle_at(Moment::Tick(1010), total(1), idle).len(), 2);
    assert_eq!(hits.idle_at(Moment::Tick(1020), total(1), idle), ["hits 1@1020"]);
    assert!(hits.idle_at(Moment::Tick(1030), total(1), idle).is_empty() && hits.live.rests());
    assert_eq!(hits.idle_at(Moment::Tick(1040), total(2), idle), ["hits 2@1040"]);
    // A gauge that is set again, be it to the same value, is not idle.
    let mut load = Told::new(Outputs::Gauge("load".to_owned()), 1003);
    for tick in 1..100 {
        assert_eq!(load.idle_at(Moment::Tick(1000 + tick * 10), gauge(1.0), idle).len(), 1);
    }
}

#[test]
fn a_histogram_has_totals_and_the_quantiles_of_its_interval() {
    let mut took = Told::histogram(1003, &[1.0, 2.0]);
    assert_eq!(
        took.at(Moment::Flush(1005), values(&[0.5, 1.5])).join(", "),
        ".count 0@1003, .sum 0@1003, .bucket le=1 0@1003, .bucket le=2 0@1003, .bucket le=inf 0@1003, \
         .count 2@1005, .sum 2@1005, .bucket le=1 1@1005, .bucket le=2 2@1005, .bucket le=inf 2@1005, \
         .min 0.5@1005, .max 1.5@1005, .p50 0.50390625@1005, .p99 1.5@1005"
    );
    let tick = took.at(Moment::Tick(1010), values(&[8.0])).join(", ");
    assert_eq!(
        tick,
        ".count 3@1010, .sum 10@1010, .bucket le=1 1@1010, .bucket le=2 2@1010, .bucket le=inf 3@1010, \
         .min 0.5@1010, .max 8@1010, .p50 1.5078125@1010, .p99 8@1010"
    );
    assert_eq!(
        took.at(Moment::Tick(1020), values(&[])).join(", "),
        ".count 3@1020, .sum 10@1020, .bucket le=1 1@1020, .bucket le=2 2@1020, .bucket le=inf 3@1020"
    );
    assert_eq!(
        took.at(Moment::Tick(1030), values(&[4.0]))[5..],
        [".min 4@1030", ".max 4@1030", ".p50 4@1030", ".p99 4@1030"]
    );
}

#[test]
fn totals_beyond_what_a_point_can_say_exactly_are_rounded() {
    let mut hits = Told::counter(1003);
    hits.at(Moment::Tick(1010), total(i64::MAX as u64));
    assert_eq!(hits.points[1].value.to_string(), i64::MAX.to_string());
    assert_eq!(
        hits.at(Moment::Tick(1020), total(u64::MAX)),
        ["hits 1.8446744073709552e19@1020"]
    );
    let fractions = Reading::Counter(Total { whole: 2, part: 0.5 });
    assert_eq!(hits.at(Moment::Tick(1030), fractions), ["hits 2.5@1030"]);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add(u64),
    Pass(u64),
    Flush,
    /// The program ends, and goes on for a moment.
    Exit,
    /// A point was not taken.
    Refuse,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5_u64).prop_map(Step::Add),
        (0..25_u64).prop_map(Step::Pass),
        Just(Step::Flush),
        Just(Step::Exit),
        Just(Step::Refuse),
    ]
}

proptest! {
    /// Whatever the order of updates, ticks and flushes.
    #[test]
    fn times_increase_and_the_last_point_is_the_last_state(
        start in 1000..1020_u64,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let (mut now, mut count, mut exits) = (start, 1, 0);
        let mut hits = Told::counter(now);
        for step in steps {
            match step {
                Step::Add(more) => count += more,
                Step::Pass(seconds) => {
                    let first = now / INTERVAL + 1;
                    now += seconds;
                    for tick in first..=now / INTERVAL {
                        hits.at(Moment::Tick(tick * INTERVAL), total(count));
                    }
                }
                Step::Flush => {
                    hits.at(Moment::Flush(now), total(count));
                    let last = hits.points.last();
                    let said = last.is_some_and(|last| last.value == Value::try_from(count).unwrap());
                    prop_assert!(said || last.is_some_and(|last| last.at >= now + AHEAD));
                }
                Step::Exit => {
                    exits += 1;
                    hits.at(Moment::Last(now), total(count));
                    prop_assert_eq!(hits.points.last().unwrap().value, Value::try_from(count).unwrap());
                }
                Step::Refuse => hits.live.unsent(),
            }
        }
        hits.at(Moment::Last(now), total(count));
        let points = &hits.points;
        prop_assert!(points.windows(2).all(|pair| pair[0].at < pair[1].at));
        prop_assert_eq!(points[0].value, Value::from(0));
        prop_assert_eq!(points.last().unwrap().value, Value::try_from(count).unwrap());
        prop_assert!(points.iter().all(|point| point.at <= now + AHEAD + 1 + exits));
        // Every tick that the instrument lived to see is a point's time, unless flushes went ahead of it.
        let ahead = points.iter().filter(|point| point.at % INTERVAL != 0).count() > 2;
        for tick in start / INTERVAL + 1..=now / INTERVAL {
            prop_assert!(ahead || points.iter().any(|point| point.at == tick * INTERVAL));
        }
    }
}
