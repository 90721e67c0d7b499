//! A relay for OpenTSDB's protocol that tells the truth: what it answers for is on disk and synced, or acknowledged upstream.
//!
//! ```text
//! senders --telnet, HTTP--> front --lines--> an intake each --> every store: a client, its queue, its spool --> TSDs
//!    ^                                             |                  |
//!    '-- version, 204 -- when its ticket is safe --'<-- progress -----'
//! ```
//!
//! ```
//! use potsdb_relay::{Config, Relay, Role, StoreUrl};
//! use std::time::Duration;
//!
//! let config = Config {
//!     listen: vec!["127.0.0.1:0".parse()?],
//!     stores: vec![StoreUrl { url: "tsdb://localhost:4242".into(), role: Role::Store }],
//!     ..Config::default()
//! };
//! let relay = Relay::start(config)?;
//! println!("listening at {}", relay.places()[0]);
//! let ledger = relay.stop(Duration::from_secs(1));
//! assert!(ledger.is_balanced());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Not here: aggregation, statsd, a language for relabelling, clustering. The command is `potsdb relay`.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod backend;
mod config;
mod counts;
mod door;
mod http;
mod intake;
mod loops;
mod peers;
mod put;
mod relay;
mod rounds;
mod rules;
mod session;
mod settings;
mod shared;
mod status;
mod stores;
mod talkers;
mod telnet;
mod turns;
mod upstream;
mod waits;

// In `Config`, for `Relay::start_with`, and from `Relay::places`.
pub use potsdb_front::{Door, Limits, Where};

pub use crate::config::{Config, Listen, NoPlace, StoreUrl};
pub use crate::door::{Keys, Network};
pub use crate::relay::{Ledger, Relay, StartError, StoreLedger};
pub use crate::rules::{NoRule, Rule, Verdict, apply};
pub use crate::stores::Role;
