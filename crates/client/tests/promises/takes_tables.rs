//! Arrow record batches: each cell of a value column is a point, in whichever layout it came.

use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_schema::{Field, Schema};
use potsdb::Precision;
use potsdb::frame::{BAD_CELLS, Columns, FrameError, SentFrame};

use super::*;

mod at_random;

fn table(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field = |(name, array): &(&str, ArrayRef)| Field::new(*name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect()).unwrap()
}

fn times(count: i64) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values((0..count).map(|n| 1_700_000_000 + n)))
}

/// Sends the batch, closes, and gives what the call said and what the server got.
fn sent(client: &Client, receiver: &Receiver, batch: &RecordBatch, columns: &Columns) -> (SentFrame, Vec<String>) {
    let sent = client.send_frame(batch, columns, LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.accepted, stats.invalid), (sent.queued, sent.invalid));
    (sent, receiver.lines())
}

#[test]
fn every_layout_of_strings_is_the_same_tag() {
    let texts = ["eu", "us", "eu", "eu"];
    let layouts: [ArrayRef; 6] = [
        Arc::new(StringArray::from_iter_values(texts)),
        Arc::new(LargeStringArray::from_iter_values(texts)),
        Arc::new(StringViewArray::from_iter_values(texts)),
        Arc::new(texts.into_iter().collect::<DictionaryArray<Int8Type>>()),
        Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>()),
        // A slice begins in the middle of what it lies in.
        Arc::new(StringArray::from_iter_values(["no", "eu", "us", "eu", "eu", "no"]).slice(1, 4)),
    ];
    for layout in layouts {
        let receiver = recording();
        let batch = table(vec![
            ("time", times(4)),
            ("dc", layout),
            ("v", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
        ]);
        let columns = Columns::new().value("v", "m").timestamp("time").tag("dc");
        let (said, lines) = sent(&open(&receiver), &receiver, &batch, &columns);
        assert_eq!((said.queued, said.skipped, said.invalid, said.rows), (4, 0, 0, 4));
        assert_eq!(
            lines,
            [
                "put m 1700000000 1 dc=eu",
                "put m 1700000001 2 dc=us",
                "put m 1700000002 3 dc=eu",
                "put m 1700000003 4 dc=eu"
            ]
        );
    }
}

#[test]
fn every_type_of_number_is_a_value() {
    let numbers: Vec<(&str, ArrayRef, &str)> = vec![
        ("i8", Arc::new(Int8Array::from(vec![-8])), "-8"),
        ("i16", Arc::new(Int16Array::from(vec![-16])), "-16"),
        ("i32", Arc::new(Int32Array::from(vec![-32])), "-32"),
        (
            "i64",
            Arc::new(Int64Array::from(vec![i64::MIN])),
            "-9223372036854775808",
        ),
        ("u8", Arc::new(UInt8Array::from(vec![8])), "8"),
        ("u16", Arc::new(UInt16Array::from(vec![16])), "16"),
        ("u32", Arc::new(UInt32Array::from(vec![u32::MAX])), "4294967295"),
        (
            "u64",
            Arc::new(UInt64Array::from(vec![i64::MAX as u64])),
            "9223372036854775807",
        ),
        ("f32", Arc::new(Float32Array::from(vec![0.5])), "0.5"),
        ("f64", Arc::new(Float64Array::from(vec![0.1])), "0.1"),
    ];
    let receiver = recording();
    let mut columns = Columns::new().timestamp("time").tag_as("where", "dc");
    let mut arrays: Vec<(&str, ArrayRef)> =
        vec![("time", times(1)), ("where", Arc::new(StringArray::from(vec!["eu"])))];
    for (name, array, _) in &numbers {
        columns = columns.value(*name, format!("m.{name}"));
        arrays.push((name, array.clone()));
    }
    let (said, lines) = sent(&open(&receiver), &receiver, &table(arrays), &columns);
    assert_eq!(said.queued, 10);
    let expected = numbers
        .iter()
        .map(|(name, _, text)| format!("put m.{name} 1700000000 {text} dc=eu"));
    assert_eq!(lines, expected.collect::<Vec<_>>());
}

#[test]
fn instants_of_every_unit_and_zone_are_written_as_the_precision_says() {
    let second = 1_700_000_000;
    for (precision, texts) in [
        (
            Precision::Seconds,
            ["1700000000", "1700000000", "1700000000", "1700000000"],
        ),
        (
            Precision::Milliseconds,
            ["1700000000000", "1700000000999", "1700000000999", "1700000000999"],
        ),
    ] {
        let receiver = recording();
        let arrays: [ArrayRef; 4] = [
            Arc::new(TimestampSecondArray::from(vec![second])),
            Arc::new(TimestampMillisecondArray::from(vec![second * 1_000 + 999]).with_timezone("+02:00")),
            Arc::new(TimestampMicrosecondArray::from(vec![second * 1_000_000 + 999_999])),
            Arc::new(
                TimestampNanosecondArray::from(vec![second * 1_000_000_000 + 999_999_999])
                    .with_timezone("Europe/Berlin"),
            ),
        ];
        let client = builder(&receiver)
            .set(
                "precision",
                if precision == Precision::Seconds {
                    "seconds"
                } else {
                    "milliseconds"
                },
            )
            .set("tags", "dc=eu")
            .set("prefix", "p.")
            .build()
            .unwrap();
        for (n, array) in (0..).zip(arrays) {
            let batch = table(vec![("time", array), ("v", Arc::new(Int32Array::from(vec![n])))]);
            let sent = client
                .send_frame(&batch, &Columns::new().value("v", "m").timestamp("time"), Duration::MAX)
                .unwrap();
            assert_eq!(sent.queued, 1);
        }
        ended(&client.close(LONG));
        let expected = (0..).zip(texts).map(|(n, text)| format!("put p.m {text} {n} dc=eu"));
        assert_eq!(receiver.lines(), expected.collect::<Vec<_>>());
    }
}

#[test]
fn what_is_null_makes_no_point_and_is_counted() {
    let receiver = recording();
    let dictionary = DictionaryArray::<Int8Type>::try_new(
        Int8Array::from(vec![Some(0), Some(1), None, Some(0), Some(0), Some(0)]),
        Arc::new(StringArray::from(vec![Some("eu"), None])),
    );
    let batch = table(vec![
        (
            "time",
            Arc::new(Int64Array::from(vec![
                Some(1_700_000_000),
                Some(1_700_000_001),
                Some(1_700_000_002),
                None,
                Some(1_700_000_004),
                Some(1_700_000_005),
            ])),
        ),
        ("dc", Arc::new(dictionary.unwrap())),
        ("path", Arc::new(StringArray::from(vec![Some("/a"); 6]))),
        (
            "a",
            Arc::new(Float64Array::from(vec![
                Some(0.5),
                Some(1.5),
                Some(2.5),
                Some(3.5),
                None,
                Some(f64::NAN),
            ])),
        ),
        (
            "b",
            Arc::new(Int32Array::from(vec![
                Some(0),
                Some(1),
                None,
                Some(3),
                Some(4),
                Some(5),
            ])),
        ),
        ("c", Arc::new(NullArray::new(6))),
    ]);
    let columns = Columns::new().value("a", "a").value("b", "b").value("c", "c");
    let (said, lines) = sent(
        &open(&receiver),
        &receiver,
        &batch,
        &columns.timestamp("time").tag("dc").tag("path"),
    );
    // A null tag is left out; the row without a time counts with each of its cells.
    assert_eq!((said.queued, said.skipped, said.invalid, said.rows), (7, 11, 0, 6));
    assert_eq!(
        lines,
        [
            "put a 1700000000 0.5 dc=eu path=/a",
            "put b 1700000000 0 dc=eu path=/a",
            "put a 1700000001 1.5 path=/a",
            "put b 1700000001 1 path=/a",
            "put a 1700000002 2.5 path=/a",
            "put b 1700000004 4 dc=eu path=/a",
            "put b 1700000005 5 dc=eu path=/a",
        ]
    );
}

#[test]
fn a_metric_may_stand_in_a_column() {
    let receiver = recording();
    let batch = table(vec![
        (
            "name",
            Arc::new(StringArray::from(vec![Some("cpu"), None, Some("mem")])),
        ),
        ("host", Arc::new(StringArray::from(vec!["a", "a", "b"]))),
        ("time", times(3)),
        ("v", Arc::new(Int32Array::from(vec![1, 2, 3]))),
    ]);
    let columns = Columns::new().value_of("v", "name").timestamp("time").tag("host");
    let (said, lines) = sent(&open(&receiver), &receiver, &batch, &columns);
    assert_eq!((said.queued, said.skipped), (2, 1));
    assert_eq!(lines, ["put cpu 1700000000 1 host=a", "put mem 1700000002 3 host=b"]);
}

#[test]
fn illegal_cells_are_named_by_row_and_column_and_stop_nothing() {
    let receiver = recording();
    let batch = table(vec![
        (
            "time",
            Arc::new(Int64Array::from(vec![
                1_700_000_000,
                5,
                1_700_000_002,
                1_700_000_003,
                1_700_000_004,
            ])),
        ),
        ("dc", Arc::new(StringArray::from(vec!["eu", "eu", "e u", "eu", "eu"]))),
        (
            "v",
            Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0, f64::INFINITY, 5.0])),
        ),
        ("w", Arc::new(UInt64Array::from(vec![1, 2, 3, 4, u64::MAX]))),
    ]);
    let columns = Columns::new()
        .value("v", "v")
        .value("w", "w")
        .timestamp("time")
        .tag("dc");
    let (said, lines) = sent(&open(&receiver), &receiver, &batch, &columns);
    assert_eq!((said.queued, said.skipped, said.invalid, said.rows), (4, 0, 6, 5));
    let bad: Vec<(usize, &str)> = said.bad.iter().map(|bad| (bad.row, bad.column.as_str())).collect();
    assert_eq!(bad, [(1, "time"), (2, "dc"), (2, "dc"), (3, "v"), (4, "w")]);
    let said = said.bad[1].to_string();
    assert!(said.starts_with("row 2, column \"dc\": tag value"), "{said}");
    assert_eq!(lines.len(), 4);

    let receiver = recording();
    let batch = table(vec![("v", Arc::new(Float64Array::from(vec![f64::INFINITY; 1000])))]);
    let client = builder(&receiver).set("tags", "dc=eu").build().unwrap();
    let sent = client
        .send_frame(&batch, &Columns::new().value("v", "v"), Duration::MAX)
        .unwrap();
    assert_eq!((sent.invalid, sent.bad.len()), (1000, BAD_CELLS));
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.invalid, 1000);
}

#[test]
fn a_table_that_cannot_be_read_says_which_column_and_why() {
    let receiver = recording();
    let client = open(&receiver);
    let batch = table(vec![
        ("time", times(1)),
        ("dc", Arc::new(StringArray::from(vec!["eu"]))),
        ("flag", Arc::new(BooleanArray::from(vec![true]))),
        ("v", Arc::new(Int32Array::from(vec![1]))),
    ]);
    let say = |columns: &Columns| {
        client
            .send_frame(&batch, columns, Duration::MAX)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(say(&Columns::new()), "no column of values is named: one is needed");
    assert_eq!(say(&Columns::new().value("x", "m")), "column \"x\" is not in the table");
    let v = Columns::new().value("v", "m");
    assert_eq!(
        say(&Columns::new().value("flag", "m")),
        "column \"flag\" is of type Boolean: integers or floats are needed"
    );
    assert_eq!(
        say(&v.clone().tag("v")),
        "column \"v\" is of type Int32: strings, plain or in a dictionary, are needed"
    );
    assert_eq!(
        say(&v.clone().timestamp("flag")),
        "column \"flag\" is of type Boolean: timestamps, or integers of 10 or 13 digits, are needed"
    );
    ended(&client.close(LONG));
    let closed = client.send_frame(&batch, &v.clone().timestamp("time").tag("dc"), Duration::MAX);
    assert_eq!(closed, Err(FrameError::Closed));
    // Nothing of it is a point, and that is told whether or not anybody listens.
    let said = client.send_frame(&batch, &v.timestamp("time"), Duration::MAX).unwrap();
    assert_eq!(said.bad[0].to_string().split(": ").next(), Some("row 0, column \"v\""));
}

#[test]
fn a_full_queue_is_waited_for_and_what_was_not_taken_can_be_given_again() {
    // Nobody reads: what is taken stays.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::builder(&format!("tsdb://{}", nobody.local_addr().unwrap()))
        .set("host_tag", "false")
        .set("tags", "dc=eu")
        .set("queue_points", "1000")
        .set("window_bytes", "64KiB")
        .build()
        .unwrap();
    let batch = table(vec![
        ("time", times(5_000)),
        ("v", Arc::new(Int64Array::from_iter_values(0..5_000))),
    ]);
    let columns = Columns::new().value("v", "m").timestamp("time");
    let some = client.send_frame(&batch, &columns, Duration::from_millis(1)).unwrap();
    assert!(some.rows < 5_000 && some.rows > 0, "{some:?}");
    assert_eq!(some.queued, some.rows as u64);
    assert_eq!(client.stats().accepted, some.queued);
    client.stop();
    let rest = client.frame(columns).send(&batch, some.rows, LONG).unwrap();
    assert_eq!((rest.rows, rest.queued), (5_000, 5_000 - some.queued));
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.accepted, 5_000);

    let receiver = receiver(Config::default());
    let client = builder(&receiver)
        .set("tags", "h=a")
        .set("queue_points", "100")
        .build()
        .unwrap();
    let columns = Columns::new().value("v", "test.points").timestamp("time");
    assert_eq!(
        client.send_frame(&batch, &columns, Duration::MAX).unwrap().queued,
        5_000
    );
    ended(&client.close(LONG));
    stored(&receiver, 5_000);
}

#[test]
fn more_strings_than_are_known_at_once_stay_right() {
    let receiver = recording();
    let client = builder(&receiver).set("queue_points", "0").build().unwrap();
    let mut frame = client.frame(Columns::new().value("v", "m").timestamp("time").tag("path").tag("dc"));
    let count = 150_000_i64;
    let keys = Int32Array::from_iter_values((0..count).map(|n| i32::try_from(n % 2).unwrap()));
    let batch = table(vec![
        ("time", times(count)),
        (
            "path",
            Arc::new(StringArray::from_iter_values(
                (0..count).map(|n| format!("/p{}", n % 100_000)),
            )),
        ),
        (
            "dc",
            Arc::new(DictionaryArray::new(
                keys,
                Arc::new(StringArray::from(vec!["eu", "us"])),
            )),
        ),
        ("v", Arc::new(Int64Array::from_iter_values(0..count))),
    ]);
    // In two parts, as a table comes in chunks.
    let sent = frame.send(&batch.slice(0, 70_001), 0, Duration::MAX).unwrap();
    assert_eq!((sent.queued, sent.rows), (70_001, 70_001));
    assert_eq!(frame.send(&batch, 70_001, Duration::MAX).unwrap().queued, 79_999);
    ended(&client.close(LONG));
    let lines = receiver.lines();
    assert_eq!(lines.len() as i64, count);
    for (n, line) in (0..).zip(lines) {
        let dc = ["eu", "us"][n % 2];
        let expected = format!("put m {} {n} path=/p{} dc={dc}", 1_700_000_000 + n, n % 100_000);
        assert_eq!(line, expected);
    }
}
