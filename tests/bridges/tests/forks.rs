//! A forked child starts at zero with what it updates itself, through the bridges as without them.

use std::collections::BTreeMap;
use std::process::Command;

use potsdb_receiver::{Config, Receiver};

#[test]
fn parent_and_child_each_send_what_they_counted() {
    let receiver = Receiver::start(Config::default()).unwrap();
    let url = format!("{}?host_tag=false", receiver.url());
    let ended = Command::new(env!("CARGO_BIN_EXE_forks")).arg(url).status().unwrap();
    assert!(ended.success());
    let mut last: BTreeMap<String, (i64, String)> = BTreeMap::new();
    for point in receiver.points() {
        let who = point.series.tags.first().map(|(_, who)| who.to_string()).unwrap();
        let now = (point.timestamp, point.value.clone());
        let before = last
            .entry(format!("{} {who}", point.series.metric))
            .or_insert_with(|| now.clone());
        *before = now.max(before.clone());
    }
    let last: Vec<String> = last
        .into_iter()
        .map(|(series, (_, value))| format!("{series} {value}"))
        .collect();
    assert_eq!(
        last,
        [
            "events child 5",
            "events parent 7",
            "jobs both 2",
            "jobs child 5",
            "jobs parent 7"
        ]
    );
}
