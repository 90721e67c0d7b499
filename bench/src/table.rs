//! The table that `send_frame` is measured with: two tags of few values, a float and a time, a second from row to row.

use std::sync::Arc;

use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, RecordBatch, StringArray, TimestampNanosecondArray,
};
use potsdb::frame::Columns;

use crate::sending::START;

pub(crate) fn batch(rows: u32) -> RecordBatch {
    let keys = |of: u32| Int32Array::from_iter_values((0..rows).map(|n| (n * 7 % of).cast_signed()));
    let texts = |texts: &[&str]| -> ArrayRef { Arc::new(StringArray::from_iter_values(texts)) };
    let path = DictionaryArray::new(keys(5), texts(&["/login", "/logout", "/home", "/search", "/about"]));
    let dc = DictionaryArray::new(keys(3), texts(&["eu", "us", "ap"]));
    let latency = Float64Array::from_iter_values((0..rows).map(|n| f64::from(1_000 + n) * 1e-6));
    let time =
        TimestampNanosecondArray::from_iter_values((0..rows).map(|n| (START as i64 + i64::from(n)) * 1_000_000_000));
    let columns: [(&str, ArrayRef); 4] = [
        ("path", Arc::new(path)),
        ("dc", Arc::new(dc)),
        ("latency", Arc::new(latency)),
        ("time", Arc::new(time)),
    ];
    RecordBatch::try_from_iter(columns).expect("the columns are of one length")
}

pub(crate) fn columns() -> Columns {
    Columns::new()
        .value("latency", "bench.latency")
        .timestamp("time")
        .tag("path")
        .tag("dc")
}
