//! Loops: a relay that forwards to itself, at once or by way of others, would send its points round for ever.
//!
//! ```text
//! A asks B's /api/version: "relays": [B, and those that B heard of], "hops": 2      A in it: what B gets comes back
//! ```
//!
//! Each relay tells its own number and those of the relays behind it, so every one hears of all behind it, one hop a round. It is
//! asked beside the points: they carry nothing, and a store that is no relay tells no numbers.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::shared::Shared;

/// Relays that points may go through, this one included.
const MOST_HOPS: usize = 4;

/// How often it is asked.
const EVERY: Duration = Duration::from_secs(30);

/// What is known of the relays behind this one.
#[derive(Default)]
pub(crate) struct Behind {
    known: Mutex<Known>,
    is_wrong: AtomicBool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    /// Their numbers.
    relays: Vec<String>,
    /// How many of them a point goes through, at most.
    hops: usize,
}

impl Behind {
    /// What this relay tells those before it: its own number and the others', and how many a point goes through.
    pub(crate) fn told(&self, own: &str) -> (Vec<String>, usize) {
        let mut known = self.lock().clone();
        known.relays.push(own.to_owned());
        (known.relays, known.hops + 1)
    }

    /// Whether no point may be forwarded.
    pub(crate) fn is_wrong(&self) -> bool {
        self.is_wrong.load(Ordering::Relaxed)
    }

    fn set(&self, known: Known, own: &str) -> Option<&'static str> {
        let why = known.wrong(own);
        *self.lock() = known;
        self.is_wrong.store(why.is_some(), Ordering::Relaxed);
        why
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Of all answers: what a store says of itself is nothing.
    fn of(answers: impl Iterator<Item = Vec<u8>>) -> Known {
        let mut known = Known::default();
        for answer in answers {
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap_or_default();
            let relays = answer["relays"].as_array().into_iter().flatten();
            // Somebody else's list may be of any length.
            known
                .relays
                .extend(relays.filter_map(|relay| Some(relay.as_str()?.to_owned())).take(64));
            let hops = answer["hops"].as_u64().unwrap_or(0).min(64);
            known.hops = known.hops.max(hops as usize);
        }
        known.relays.sort();
        known.relays.dedup();
        known
    }

    /// Why no point may be forwarded, if that is so.
    fn wrong(&self, own: &str) -> Option<&'static str> {
        if self.relays.iter().any(|relay| relay == own) {
            return Some("it forwards to itself, at once or by way of another relay");
        }
        (self.hops >= MOST_HOPS).then_some("points would go through more than four relays")
    }
}

/// Asks, on a thread, until this is dropped. The thread may be at a server then, and is not waited for.
pub(crate) struct Asking {
    _ends: Sender<()>,
}

impl Asking {
    pub(crate) fn start(shared: Arc<Shared>) -> io::Result<Asking> {
        let (ends, ended) = mpsc::channel::<()>();
        thread::Builder::new().name("potsdb-loops".into()).spawn(move || {
            loop {
                ask(&shared);
                if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        })?;
        Ok(Asking { _ends: ends })
    }
}

fn ask(shared: &Shared) {
    let known = Known::of(shared.stores.iter().flat_map(|store| store.upstream.versions()));
    let was_wrong = shared.behind.is_wrong();
    match (was_wrong, shared.behind.set(known, &shared.id)) {
        (false, Some(why)) => shared.note(format!("nothing is taken: {why}")),
        (true, None) => shared.note("points can be forwarded again: the loop is gone".into()),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(answers: &[&str]) -> Option<&'static str> {
        Known::of(answers.iter().map(|answer| answer.as_bytes().to_vec())).wrong("a")
    }

    #[test]
    fn a_loop_and_a_chain_too_long_are_told_apart_from_a_store() {
        assert!(
            wrong(&[r#"{"version":"2.0.0","relays":["b","c","a"],"hops":3}"#])
                .is_some_and(|why| why.contains("itself"))
        );
        assert!(wrong(&[r#"{"relays":["b","c","d","e"],"hops":4}"#]).is_some_and(|why| why.contains("four")));
        let beside = r#"{"relays":["b","c"],"hops":2}"#;
        assert_eq!(
            wrong(&[beside, beside, beside, r#"{"relays":["d"],"hops":3}"#]),
            None,
            "beside each other"
        );
        for store in [r#"{"version":"2.4.1"}"#, "<html>", "", r#"{"relays":5,"hops":-1}"#] {
            assert_eq!(wrong(&[store]), None, "{store}");
        }
    }
}
