//! An exporter of OpenTelemetry metrics to OpenTSDB, and to everything that speaks its write protocol.
//!
//! ```
//! use opentelemetry::KeyValue;
//! use opentelemetry::metrics::MeterProvider;
//! use opentelemetry_opentsdb::Exporter;
//! use opentelemetry_sdk::metrics::SdkMeterProvider;
//!
//! # let url = "tsdb://localhost:4242?test_mode=true";
//! let client = potsdb::Client::open(url)?;
//! let exporter = Exporter::builder(&client).build()?;
//! let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).build();
//!
//! let requests = provider.meter("web").u64_counter("web.requests").build();
//! requests.add(1, &[KeyValue::new("path", "/login")]);
//!
//! provider.shutdown()?; // exports once more, and waits until it was delivered
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | OpenTelemetry | OpenTSDB |
//! |---|---|
//! | gauge | its value; it ends when it is not exported any more |
//! | sum that only grows | its total, after a zero at the export before |
//! | sum that falls, too | its value |
//! | histogram | `.count .sum`, which grow; `.min .max .p50 .p90 .p99 .p999` of the interval; `le` tags if asked for ([`Builder::buckets`]) |
//! | exponential histogram | the same, without `le` |
//! | attributes | tags, all or those of a list ([`Builder::keep_attributes`], [`Builder::skip_attributes`]) |
//! | resource attributes | tags, those of a list ([`Builder::resource_attributes`]) |
//! | unit, description | kept, for [`Exporter::instruments`] |
//! | scope, exemplars | left out |
//!
//! **Series that fall together are added up**, because attributes were left out or characters replaced: what is sent is the sum of
//! their changes. Sums of fractions may differ in their last digit from what the SDK counted.
//!
//! **Quantiles** are of what was counted since the export before, estimated within the SDK's buckets: values are taken to lie evenly
//! in them. Exponential buckets are as exact as their scale: half a bucket, and
//! [`RELATIVE_ERROR`](potsdb_instruments::RELATIVE_ERROR) more. The SDK's least and greatest
//! value are since the program's start. The interval's are exact if they changed, and the ends of the outermost buckets otherwise. With
//! [`Temporality::Delta`](opentelemetry_sdk::metrics::Temporality) they are always exact.
//!
//! **Time.** All points of an export have one timestamp: the last multiple of the interval ([`Builder::align`]), so that processes that
//! export at different moments can be added up. If that time is taken, by an export that was forced, it is the second of the
//! export, or the first that is free.
//!
//! **Results are honest.** The SDK's reader calls nothing but `export` to flush, so `export` waits: it is `Ok` when all its points were
//! delivered within [`Builder::deliver_within`], on the reader's thread. Otherwise the error says how many are pending, rejected
//! or dropped, which metrics cannot be sent, or how many values were beyond the limit of series.
//! What is pending goes on, and the statistics of the client tell what became of it.

#![forbid(unsafe_code)]

mod builder;
mod clock;
mod distribution;
mod exponential;
mod export;
mod exporter;
mod series;
mod totals;

pub use potsdb_instruments::{Names, SettingError, Style};

pub use crate::builder::{Builder, DEFAULT_DELIVER_WITHIN, DEFAULT_RESOURCE_ATTRIBUTES};
pub use crate::exporter::Exporter;
