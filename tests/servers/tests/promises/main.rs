//! The promises against real servers, a module per server: what is sent is stored, value by value, through deaths of the
//! server where it can answer; what is not is counted; the ledger is even at the end of each.
//!
//! Run by `scripts/test-servers`, which says where the jars, the command and an interpreter with the module are. The sizes
//! are those of an everyday run; `POTSDB_FULL=1` makes them whole.

#![expect(clippy::print_stdout, reason = "the figures are part of the proof")]

mod faces;
mod influxdb;
mod kairosdb;
mod load;
mod opentsdb;
mod transcripts;
mod victoriametrics;
mod workers;
