//! Tables at random, in every layout, against lines put together cell by cell.
//!
//! What is quick about a table depends on its layout: dictionaries of few strings are an index, long names are copied otherwise
//! than short ones, columns without nulls are not asked for them. The lines must not depend on it.

use arrow_array::builder::{LargeStringBuilder, StringBuilder, StringViewBuilder};
use arrow_array::types::{ArrowDictionaryKeyType, Int16Type, Int64Type, UInt8Type, UInt32Type};
use arrow_buffer::ArrowNativeType;
use potsdb::Value;

use super::*;

const TABLES: u64 = 300;

#[test]
fn the_lines_are_those_of_the_cells_in_whichever_layout() {
    let receiver = recording();
    let client = builder(&receiver)
        .set("tags", "own=tag")
        .set("queue_points", "0")
        .build()
        .unwrap();
    let mut expected = Vec::new();
    for seed in 0..TABLES {
        let mut random = Random(seed);
        let table = Table::of(&mut random);
        let batch = table.batch(&mut random);
        let mut columns = Columns::new().timestamp("time").tag("path").tag_as("dc", "where");
        for index in 0..table.values.len() {
            columns = match table.metric.is_some() {
                true => columns.value_of(format!("v{index}"), "metric"),
                false => columns.value(format!("v{index}"), format!("m{index}")),
            };
        }
        // In two batches, the second from a row in its middle on.
        let cut = random.below(table.rows + 1);
        let mut frame = client.frame(columns);
        let first = frame.send(&batch.slice(0, cut), 0, Duration::MAX).unwrap();
        let second = frame.send(&batch, cut, Duration::MAX).unwrap();
        let (lines, skipped) = table.lines();
        assert_eq!(first.queued + second.queued, lines.len() as u64, "seed {seed}");
        assert_eq!(first.skipped + second.skipped, skipped, "seed {seed}");
        assert_eq!(
            (first.invalid + second.invalid, second.rows),
            (0, table.rows),
            "seed {seed}"
        );
        expected.extend(lines);
    }
    ended(&client.close(LONG));
    let lines = receiver.lines();
    for (n, (line, expected)) in lines.iter().zip(&expected).enumerate() {
        assert_eq!(line, expected, "line {n}");
    }
    assert_eq!(lines.len(), expected.len());
}

/// What is in a table, without a layout.
struct Table {
    rows: usize,
    times: Vec<Option<i64>>,
    metric: Option<Vec<Option<String>>>,
    path: Vec<Option<String>>,
    dc: Vec<Option<String>>,
    values: Vec<Numbers>,
}

enum Numbers {
    Floats(Vec<Option<f64>>),
    Integers(Vec<Option<i64>>),
}

impl Table {
    fn of(random: &mut Random) -> Table {
        // Around the size of a chunk, and some chunks.
        let rows = [0, 1, 127, 128, 129, 600][random.below(6)];
        let nulls = [0, 0, 5][random.below(3)];
        let start = 1_700_000_000 + random.below(100_000) as i64;
        let step = [0, 1, 977][random.below(3)];
        let times = (0..rows).map(|n| random.unless(nulls, |_| start + n as i64 * step));
        let times = times.collect();
        let metric = (random.below(4) == 0).then(|| strings(random, rows, nulls));
        let (path, dc) = (strings(random, rows, nulls), strings(random, rows, nulls));
        let values = (0..1 + random.below(9)).map(|_| match random.below(2) {
            0 => Numbers::Floats(
                (0..rows)
                    .map(|n| {
                        random.unless(nulls, |random| {
                            [n as f64 * 1e-6, f64::NAN, random.float()][random.below(3)]
                        })
                    })
                    .collect(),
            ),
            _ => Numbers::Integers(
                (0..rows)
                    .map(|_| random.unless(nulls, |random| random.next() as i64 >> random.below(64)))
                    .collect(),
            ),
        });
        let values = values.collect();
        Table {
            rows,
            times,
            metric,
            path,
            dc,
            values,
        }
    }

    fn batch(&self, random: &mut Random) -> RecordBatch {
        let mut columns = vec![
            ("time".to_owned(), instants(random, &self.times)),
            ("path".to_owned(), layout(random, &self.path)),
            ("dc".to_owned(), layout(random, &self.dc)),
        ];
        if let Some(metric) = &self.metric {
            columns.push(("metric".to_owned(), layout(random, metric)));
        }
        for (index, values) in self.values.iter().enumerate() {
            let array: ArrayRef = match values {
                Numbers::Floats(values) => Arc::new(Float64Array::from(values.clone())),
                Numbers::Integers(values) => Arc::new(Int64Array::from(values.clone())),
            };
            columns.push((format!("v{index}"), array));
        }
        table(
            columns
                .iter()
                .map(|(name, array)| (name.as_str(), array.clone()))
                .collect(),
        )
    }

    /// The lines, and how many cells make none.
    fn lines(&self) -> (Vec<String>, u64) {
        let (mut lines, mut skipped) = (Vec::new(), 0);
        for row in 0..self.rows {
            for (index, values) in self.values.iter().enumerate() {
                let value = match values {
                    Numbers::Floats(values) => values[row].and_then(|float| Value::try_from(float).ok()),
                    Numbers::Integers(values) => values[row].map(Value::from),
                };
                let metric = match &self.metric {
                    Some(metric) => metric[row].clone(),
                    None => Some(format!("m{index}")),
                };
                let (Some(value), Some(metric), Some(time)) = (value, metric, self.times[row]) else {
                    skipped += 1;
                    continue;
                };
                let mut line = format!("put {metric} {time} {value}");
                for (name, texts) in [("path", &self.path), ("where", &self.dc)] {
                    if let Some(text) = &texts[row] {
                        line += &format!(" {name}={text}");
                    }
                }
                lines.push(line + " own=tag");
            }
        }
        (lines, skipped)
    }
}

/// A column of few or many strings, short ones or long ones.
fn strings(random: &mut Random, rows: usize, nulls: usize) -> Vec<Option<String>> {
    let (count, length) = ([1, 3, 50, 400][random.below(4)], [1, 10, 70][random.below(3)]);
    let text = |random: &mut Random| {
        let number = random.below(count);
        format!("{}{number}", "x".repeat(length + number % 3))
    };
    (0..rows).map(|_| random.unless(nulls, text)).collect()
}

/// The same strings in one of Arrow's layouts.
fn layout(random: &mut Random, texts: &[Option<String>]) -> ArrayRef {
    macro_rules! plain {
        ($builder:ident) => {{
            let mut builder = $builder::new();
            texts.iter().for_each(|text| builder.append_option(text.as_deref()));
            Arc::new(builder.finish())
        }};
    }
    match random.below(8) {
        0 => plain!(StringBuilder),
        1 => plain!(LargeStringBuilder),
        2 => plain!(StringViewBuilder),
        3 => dictionary::<UInt8Type>(random, texts).unwrap_or_else(|| dictionary::<UInt32Type>(random, texts).unwrap()),
        4 => dictionary::<UInt32Type>(random, texts).unwrap(),
        5 => dictionary::<Int64Type>(random, texts).unwrap(),
        _ => dictionary::<Int16Type>(random, texts).unwrap(),
    }
}

/// A dictionary with strings that no row has, in an order of its own, some of them null; `None` if its keys are too small.
fn dictionary<K: ArrowDictionaryKeyType>(random: &mut Random, texts: &[Option<String>]) -> Option<ArrayRef> {
    let mut strings: Vec<Option<String>> = texts.iter().flatten().cloned().map(Some).collect();
    strings.sort();
    strings.dedup();
    strings.push(Some("unused".to_owned()));
    strings.push(None);
    let middle = random.below(strings.len());
    strings.rotate_left(middle);
    let null = strings.iter().position(Option::is_none)?;
    let keys: Option<Vec<Option<K::Native>>> = texts
        .iter()
        .map(|text| {
            let place = strings.iter().position(|string| string == text)?;
            let key = K::Native::from_usize(place).filter(|key| key.as_usize() == place)?;
            // A null is a null key, or the key of a null.
            Some((place != null || random.below(2) == 0).then_some(key))
        })
        .collect();
    let strings = StringArray::from(strings);
    let keys = PrimitiveArray::<K>::from_iter(keys?);
    Some(Arc::new(DictionaryArray::try_new(keys, Arc::new(strings)).unwrap()))
}

/// The same times in one of Arrow's units, or as numbers.
fn instants(random: &mut Random, times: &[Option<i64>]) -> ArrayRef {
    let kind = random.below(6);
    let mut scaled = |factor: i64| -> Vec<Option<i64>> {
        let fraction = random.below(factor as usize) as i64;
        times
            .iter()
            .map(|time| time.map(|time| time * factor + fraction))
            .collect()
    };
    match kind {
        0 => Arc::new(Int64Array::from(scaled(1))),
        1 => Arc::new(TimestampSecondArray::from(scaled(1))),
        2 => Arc::new(TimestampMillisecondArray::from(scaled(1_000))),
        3 => Arc::new(TimestampMicrosecondArray::from(scaled(1_000_000))),
        4 => Arc::new(UInt32Array::from_iter(
            times.iter().map(|time| time.map(|time| time as u32)),
        )),
        _ => Arc::new(TimestampNanosecondArray::from(scaled(1_000_000_000))),
    }
}

/// SplitMix64: every seed is another table, and the same one each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// A number of any size that is a number.
    fn float(&mut self) -> f64 {
        let float = f64::from_bits(self.next());
        if float.is_infinite() { 0.0 } else { float }
    }

    /// Nothing once in `nulls` times; never where that is 0.
    fn unless<T>(&mut self, nulls: usize, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
        let null = nulls > 0 && self.below(nulls) == 0;
        (!null).then(|| make(self))
    }
}
