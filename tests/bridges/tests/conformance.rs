//! The same input, the same points through every bridge, to the byte of series and value; and, in the table, where a
//! bridge's model has something else to say.

use std::collections::BTreeMap;

use potsdb::Client;
use potsdb_bridges::Input::{Cost, Flush, Heat, Hits, Open, Took};
use potsdb_bridges::{BRIDGES, Bridge, Input, LONG, Settings};
use potsdb_instruments::{Names, RELATIVE_ERROR, Style};
use potsdb_receiver::{Config, Receiver};

/// What a bridge says in another way than the instruments do.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Differs {
    /// Counters of `metrics` have no fractions: the input is not for it.
    NoFractions,
    /// OpenTelemetry's SDK lets a counter fall before the exporter sees it. What is less than zero is refused here, with all that was
    /// counted since the export before, and the export is an error.
    FallsBefore,
    /// Buckets tell in which bucket a quantile is, and no more: it lies between these bounds.
    QuantilesWithin(f64, f64),
    /// Exponential buckets tell a quantile within the error of their scale, and the sketch's.
    QuantilesAbout,
    /// Exponential histograms have no bounds of the program's.
    NoBuckets,
    /// An export of OpenTelemetry says again what did not change; a flush of instruments does not. With deltas the SDK's reader
    /// does not export at all if nothing changed.
    SaysAgain,
    /// Between two flushes within a tick the instruments' quantiles go on from the first; an export's begin anew, and with cumulative
    /// buckets the least and greatest value are the ends of buckets, if they were there before.
    OtherInterval,
}

/// Whether it is of a bridge.
type Of = fn(Bridge) -> bool;

struct Case {
    name: &'static str,
    inputs: &'static [Input],
    settings: Settings,
    /// What the instruments' points are, unless they are quantiles.
    arrives: &'static [(&'static str, &'static [&'static str])],
    differs: &'static [(Of, Differs)],
}

fn is_otel(bridge: Bridge) -> bool {
    bridge.is_otel()
}

fn is_cumulative(bridge: Bridge) -> bool {
    use opentelemetry_sdk::metrics::Temporality::Cumulative;
    matches!(bridge, Bridge::Otel(Cumulative) | Bridge::Exponential(Cumulative))
}

fn is_bucketed(bridge: Bridge) -> bool {
    matches!(bridge, Bridge::Otel(_))
}

fn is_exponential(bridge: Bridge) -> bool {
    matches!(bridge, Bridge::Exponential(_))
}

fn is_metrics(bridge: Bridge) -> bool {
    bridge.counts_whole_numbers()
}

fn table() -> Vec<Case> {
    let prometheus = || Settings {
        style: Style::Prometheus,
        bounds: vec![0.1, 1.0, 10.0],
        ..Settings::default()
    };
    let named = |names| Settings {
        names,
        ..Settings::default()
    };
    vec![
        Case {
            name: "counts become a total, after a zero",
            inputs: &[Hits("/", 1), Hits("/login", 40), Hits("/", 1), Hits("/", 7)],
            settings: Settings::default(),
            arrives: &[("hits path=/", &["0", "9"]), ("hits path=/login", &["0", "40"])],
            differs: &[],
        },
        Case {
            name: "a count of nothing makes the counter known",
            inputs: &[Hits("/", 0)],
            settings: Settings::default(),
            arrives: &[("hits path=/", &["0", "0"])],
            differs: &[],
        },
        Case {
            name: "whole numbers beyond a float's are exact",
            inputs: &[Hits("/", 9_007_199_254_740_993), Hits("/", 2)],
            settings: Settings::default(),
            arrives: &[("hits path=/", &["0", "9007199254740995"])],
            differs: &[],
        },
        Case {
            name: "totals go on over a flush",
            inputs: &[Hits("/", 3), Flush, Hits("/", 4), Flush, Hits("/", 1)],
            settings: Settings::default(),
            arrives: &[("hits path=/", &["0", "3", "7", "8"])],
            differs: &[],
        },
        Case {
            name: "what did not change",
            inputs: &[Hits("/", 3), Flush, Flush],
            settings: Settings::default(),
            arrives: &[("hits path=/", &["0", "3"])],
            differs: &[(is_cumulative, Differs::SaysAgain)],
        },
        Case {
            name: "fractions of counters",
            inputs: &[Cost("/", 0.1), Cost("/", 0.2), Cost("/", 0.25), Cost("/", f64::NAN)],
            settings: Settings::default(),
            arrives: &[("cost path=/", &["0", "0.55"])],
            differs: &[(is_metrics, Differs::NoFractions)],
        },
        Case {
            name: "what would make a counter fall",
            inputs: &[Cost("/", 0.5), Cost("/", -3.0)],
            settings: Settings::default(),
            arrives: &[("cost path=/", &["0", "0.5"])],
            differs: &[(is_metrics, Differs::NoFractions), (is_otel, Differs::FallsBefore)],
        },
        Case {
            name: "gauges that are moved, and flushed between",
            inputs: &[Open("/", 5), Open("/", -7), Flush, Open("/", 12)],
            settings: Settings::default(),
            arrives: &[("open path=/", &["-2", "10"])],
            differs: &[],
        },
        Case {
            name: "gauges that are set: the last counts, and what is no number is passed over",
            inputs: &[
                Heat("/", 0.1),
                Heat("/", -1.5e-7),
                Heat("/", f64::NAN),
                Heat("/b", 7.0),
                Heat("/b", f64::INFINITY),
            ],
            settings: Settings::default(),
            arrives: &[("heat path=/", &["-1.5e-7"]), ("heat path=/b", &["7"])],
            differs: &[],
        },
        Case {
            name: "observations",
            inputs: &[
                Took("/", 6.0),
                Took("/", 7.0),
                Took("/", 7.5),
                Took("/", 8.0),
                Took("/", f64::INFINITY),
            ],
            settings: Settings::default(),
            arrives: &[
                ("took.count path=/", &["0", "4"]),
                ("took.sum path=/", &["0", "28.5"]),
                ("took.min path=/", &["6"]),
                ("took.max path=/", &["8"]),
            ],
            differs: &[
                (is_bucketed, Differs::QuantilesWithin(6.0, 8.0)),
                (is_exponential, Differs::QuantilesAbout),
            ],
        },
        Case {
            name: "negative observations and zeros",
            inputs: &[Took("/", -3.0), Took("/", 0.0), Took("/", -0.5)],
            settings: Settings::default(),
            arrives: &[
                ("took.count path=/", &["0", "3"]),
                ("took.sum path=/", &["0", "-3.5"]),
                ("took.min path=/", &["-3"]),
                ("took.max path=/", &["0"]),
            ],
            differs: &[
                (is_bucketed, Differs::QuantilesWithin(-3.0, 0.0)),
                (is_exponential, Differs::QuantilesAbout),
            ],
        },
        Case {
            name: "buckets of the program's, in the style of Prometheus",
            inputs: &[Took("/", 0.1), Took("/", 0.25), Took("/", 0.5), Took("/", 64.0)],
            settings: prometheus(),
            arrives: &[
                ("took_count path=/", &["0", "4"]),
                ("took_sum path=/", &["0", "64.85"]),
                ("took_max path=/", &["64"]),
                ("took_bucket le=0.1 path=/", &["0", "1"]),
                ("took_bucket le=1 path=/", &["0", "3"]),
                ("took_bucket le=10 path=/", &["0", "3"]),
                ("took_bucket le=inf path=/", &["0", "4"]),
            ],
            differs: &[
                (is_bucketed, Differs::QuantilesWithin(0.1, 64.0)),
                (is_exponential, Differs::QuantilesAbout),
                (is_exponential, Differs::NoBuckets),
            ],
        },
        Case {
            name: "observations before and after a flush",
            inputs: &[Took("/", 1.0), Took("/", 8.0), Flush, Took("/", 2.0), Took("/", 2.5)],
            settings: Settings::default(),
            arrives: &[
                ("took.count path=/", &["0", "2", "4"]),
                ("took.sum path=/", &["0", "9", "13.5"]),
            ],
            differs: &[(is_otel, Differs::OtherInterval)],
        },
        Case {
            name: "illegal characters are replaced",
            inputs: &[Hits("/users/{id}", 2), Heat("1.2+g3", 1.0), Hits("", 1)],
            settings: named(Names::Replace),
            arrives: &[
                ("hits path=/users/_id_", &["0", "2"]),
                ("hits path=_", &["0", "1"]),
                ("heat path=1.2_g3", &["1"]),
            ],
            differs: &[],
        },
        Case {
            name: "names that fall together are one series",
            inputs: &[
                Hits("a b", 2),
                Hits("a:b", 3),
                Hits("a_b", 5),
                Open("a b", 2),
                Open("a:b", -3),
            ],
            settings: named(Names::Replace),
            arrives: &[("hits path=a_b", &["0", "10"]), ("open path=a_b", &["-1"])],
            differs: &[],
        },
        Case {
            name: "illegal characters are escaped, and nothing falls together",
            inputs: &[Hits("a b", 2), Hits("a:b", 3), Hits("a_b", 5)],
            settings: named(Names::Escape),
            arrives: &[
                ("hits path=a_20b", &["0", "2"]),
                ("hits path=a_.b", &["0", "3"]),
                ("hits path=a__b", &["0", "5"]),
            ],
            differs: &[],
        },
    ]
}

/// What arrives, by series without what the client adds: the values in the order of time.
type Arrived = BTreeMap<String, Vec<String>>;

/// Plays a case, with a client that adds a prefix, a tag and a host.
fn arrived(case: &Case, bridge: Bridge) -> Arrived {
    let receiver = Receiver::start(Config::default()).expect("a free port on loopback");
    let url = format!("{}?prefix=shop.&tags=dc=eu&host_tag=web1", receiver.url());
    let client = Client::open(&url).expect("the options are right");
    let told = bridge.play(&client, &case.settings, case.inputs);
    let falls = case
        .differs
        .iter()
        .any(|(of, differs)| of(bridge) && *differs == Differs::FallsBefore);
    assert_eq!(told.is_err(), falls, "{}, {bridge:?}: {told:?}", case.name);
    let stats = client.close(LONG);
    assert!(stats.is_balanced() && stats.delivered() == stats.accepted, "{stats:?}");
    assert_eq!((stats.repeated, stats.invalid), (0, 0), "{}, {bridge:?}", case.name);
    let mut arrived: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    for point in receiver.points() {
        let mut series = point
            .series
            .metric
            .strip_prefix("shop.")
            .expect("the prefix")
            .to_owned();
        let mut added = 0;
        for (name, value) in &point.series.tags {
            match (name.as_str(), value.as_str()) {
                ("dc", "eu") | ("host", "web1") => added += 1,
                (name, value) => series.push_str(&format!(" {name}={value}")),
            }
        }
        assert_eq!(added, 2, "{}, {bridge:?}", case.name);
        arrived
            .entry(series)
            .or_default()
            .push((point.timestamp, point.value.clone()));
    }
    let in_order = |mut points: Vec<(i64, String)>| {
        points.sort();
        points.into_iter().map(|(_, value)| value).collect()
    };
    arrived
        .into_iter()
        .map(|(series, points)| (series, in_order(points)))
        .collect()
}

fn is_quantile(series: &str) -> bool {
    series.starts_with("took.p") || series.contains("quantile=")
}

/// Takes out of both what a bridge says in another way, and asserts what it says instead.
fn settle(differs: Differs, ours: &mut Arrived, theirs: &mut Arrived) {
    let number = |values: &Vec<String>| values[0].parse::<f64>().unwrap();
    match differs {
        Differs::NoFractions => unreachable!("it is not played"),
        Differs::FallsBefore => {
            assert_eq!(theirs.remove("cost path=/").unwrap(), ["0", "0"]);
            ours.clear();
        }
        Differs::QuantilesWithin(lower, upper) => {
            let told = theirs.iter().filter(|(series, _)| is_quantile(series));
            assert!(told.clone().count() == 4);
            told.for_each(|(series, values)| assert!((lower..=upper).contains(&number(values)), "{series} {values:?}"));
            theirs.retain(|series, _| !is_quantile(series));
            ours.retain(|series, _| !is_quantile(series));
        }
        Differs::QuantilesAbout => {
            for (series, values) in theirs.iter().filter(|(series, _)| is_quantile(series)) {
                let (told, exact) = (number(values), number(&ours[series]));
                // Of the widest of these cases the scale is 4: 160 buckets for ten octaves.
                let base = 2_f64.powf(2_f64.powi(-4));
                let error = (base - 1.0) / (base + 1.0) + 2.0 * RELATIVE_ERROR;
                assert!(
                    (told - exact).abs() <= error * exact.abs(),
                    "{series}: {told} for {exact}"
                );
            }
            theirs.retain(|series, _| !is_quantile(series));
            ours.retain(|series, _| !is_quantile(series));
        }
        Differs::NoBuckets => {
            assert!(!theirs.keys().any(|series| series.contains("bucket")));
            ours.retain(|series, _| !series.contains("bucket"));
        }
        Differs::SaysAgain => {
            // Two flushes, and the export of the shutdown.
            assert_eq!(theirs["hits path=/"], ["0", "3", "3", "3"]);
            theirs.values_mut().for_each(Vec::dedup);
        }
        Differs::OtherInterval => {
            let is_of_interval = |series: &str| is_quantile(series) || series.starts_with("took.m");
            for series in ["took.min path=/", "took.max path=/"] {
                assert_eq!(theirs[series][0], ours[series][0], "the first interval is the same");
            }
            let least: f64 = theirs["took.min path=/"][1].parse().unwrap();
            let greatest: f64 = theirs["took.max path=/"][1].parse().unwrap();
            assert!(
                (0.0..=2.0).contains(&least) && (2.5..=5.0).contains(&greatest),
                "{least} {greatest}"
            );
            theirs.retain(|series, _| !is_of_interval(series));
            ours.retain(|series, _| !is_of_interval(series));
        }
    }
}

#[test]
fn the_same_input_makes_the_same_points_through_every_bridge() {
    for case in table() {
        let mut instruments = arrived(&case, Bridge::Instruments);
        let exact = instruments.clone();
        instruments.retain(|series, _| !is_quantile(series));
        for (series, values) in case.arrives {
            assert_eq!(instruments[*series], *values, "{}", case.name);
        }
        for bridge in BRIDGES {
            let differs: Vec<Differs> = case
                .differs
                .iter()
                .filter(|(of, _)| of(bridge))
                .map(|(_, differs)| *differs)
                .collect();
            if differs.contains(&Differs::NoFractions) {
                continue;
            }
            let (mut ours, mut theirs) = (exact.clone(), arrived(&case, bridge));
            differs
                .into_iter()
                .for_each(|differs| settle(differs, &mut ours, &mut theirs));
            assert_eq!(theirs, ours, "{}, {bridge:?}", case.name);
        }
    }
}
