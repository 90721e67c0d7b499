//! `potsdb compare`: two stores side by side.

use crate::command::{foreign, potsdb, potsdb_fed, receiver};

fn fill(url: &str, lines: &str) {
    potsdb_fed(lines.as_bytes(), &["pipe", "--url", url]).with_code(0);
}

#[test]
fn stores_that_are_the_same_are_said_to_be_and_others_are_told_apart() {
    let (a, b) = (receiver(), receiver());
    let lines: String = (0..5000)
        .map(|n| format!("m {} {n}.5 h=a t={}\n", 1_767_225_600 + n, n % 3))
        .collect();
    fill(&a.url(), &lines);
    fill(&b.url(), &lines);
    let urls = [a.url(), b.url()];
    let compare = |more: &[&str]| {
        let line = [
            "compare",
            &urls[0],
            &urls[1],
            "--metric",
            "m",
            "--start",
            "1767225600",
            "--end",
            "1767232800",
        ];
        potsdb(&[&line[..], more].concat())
    };
    let same = compare(&[]).with_code(0);
    assert_eq!(
        same.out,
        "m: 5000 points the same, 0 in A alone, 0 in B alone, 0 of another value\n"
    );
    fill(&a.url(), "m 1767225700 7 h=b\nm 1767225701 7 h=c\n");
    fill(&b.url(), "m 1767225700 7 h=x\nm 1767225701 8 h=c\n");
    let differ = compare(&["--step", "10m"]).with_code(1);
    assert_eq!(
        differ.out,
        "m{h=b} at 1767225700000: 7 in A alone\nm{h=c} at 1767225701000: 7 in A, 8 in B\n\
         m{h=x} at 1767225700000: 7 in B alone\n\
         m: 5000 points the same, 1 in A alone, 1 in B alone, 1 of another value\n"
    );
    let json = compare(&["--json", "--list", "1", "--metric", "never"])
        .with_code(1)
        .json();
    assert_eq!(json["same"], false);
    assert_eq!(
        (&json["metrics"][0]["differ"], &json["metrics"][1]["same"]),
        (&1.into(), &0.into())
    );
    assert_eq!(json["metrics"][0]["differences"].as_array().map(Vec::len), Some(1));
}

#[test]
fn what_cannot_be_read_is_exit_code_2() {
    let a = receiver();
    let stranger = foreign(b"hello\n", true);
    let ended = potsdb(&["compare", &a.url(), &stranger, "--metric", "m", "--start", "1h"]).with_code(2);
    assert!(ended.err.contains("cannot read tsdb://127.0.0.1:"), "{}", ended.err);
    let ended = potsdb(&["compare", "a", "b", "--metric", "m", "--start", "5", "--end", "5"]).with_code(2);
    assert!(ended.err.contains("--start is not before --end"), "{}", ended.err);
}
