//! Opening the spool of a client, on the thread that owns the disk.

use std::io;
use std::sync::Arc;
use std::time::Instant;

use potsdb_spool::disk::unix::Folder;
use potsdb_spool::{Full, Spool, Tried, Writer, store_name};

use super::Spooling;
use super::disk::Thread;
use crate::config::endpoint::Endpoint;
use crate::config::options::{Options, Overflow};

/// Starts the thread that owns the disk, where the options ask for a spool.
pub(crate) fn open(
    options: &Options,
    endpoints: &[Endpoint],
    wake: Arc<dyn Fn() + Send + Sync>,
    started: Instant,
) -> io::Result<Option<Spooling>> {
    let Some(path) = options.spool.clone().filter(|_| !options.test_mode) else {
        return Ok(None);
    };
    // Without secrets: an endpoint prints as scheme, host and port.
    let names: Vec<String> = endpoints.iter().map(ToString::to_string).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let name = store_name(options.spool_name.as_deref(), &names);
    let program = std::env::args().next().unwrap_or_default();
    let about = format!("endpoints: {}\nprogram: {program}", names.join(" "));
    let of_spool = spool_options(options);
    let open = move |now| {
        let path = path.clone();
        let root = Box::new(move || Folder::at(&path));
        Spool::open(root, &name, &about, of_spool.clone(), now)
    };
    let writer = Writer::start(open, wake)?;
    let wire = match endpoints[0].scheme().is_http() {
        true => Tried::Http,
        false => Tried::Telnet,
    };
    Ok(Some(Spooling::new(
        options,
        wire,
        Box::new(Thread { writer, started }),
        started,
    )))
}

pub(crate) fn spool_options(options: &Options) -> potsdb_spool::Options {
    potsdb_spool::Options {
        spool_bytes: options.spool_bytes as u64,
        spool_free: options.spool_free.map(|bytes| bytes as u64),
        spool_sync: options.spool_sync,
        full: match options.overflow {
            Overflow::DropOldest => Full::DropOldest,
            Overflow::DropNewest | Overflow::Block(_) => Full::Refuse,
        },
        max_age: options.max_age,
        ..potsdb_spool::Options::default()
    }
}
