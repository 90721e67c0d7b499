//! The rounds: a thread that looks after what nobody tells.
//!
//! Room in a store is offered to those who wait for it, should a word of the store be missed, and files with secrets and
//! certificates are read again when they have changed.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::door::KeyRing;
use crate::shared::Shared;

/// It ends with this.
pub(crate) struct Rounds(Option<(Sender<()>, thread::JoinHandle<()>)>);

/// How long room may go unnoticed.
const EVERY: Duration = Duration::from_millis(20);

/// Rounds between two looks at files.
const FILES: u64 = 100;

impl Rounds {
    pub(crate) fn start(shared: Arc<Shared>, ring: Arc<KeyRing>) -> io::Result<Rounds> {
        let (ends, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("potsdb-rounds".into()).spawn(move || {
            for round in 1_u64.. {
                if ended.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                shared.stores.iter().for_each(|store| store.progressed());
                if round % FILES == 0 {
                    look_at_files(&shared, &ring);
                }
            }
        })?;
        Ok(Rounds(Some((ends, thread))))
    }
}

fn look_at_files(shared: &Shared, ring: &KeyRing) {
    match ring.look() {
        Ok(false) => {}
        Ok(true) => shared.note("secrets and certificates were read again".into()),
        Err(error) => shared.note(format!("secrets and certificates stay as they were: {error}")),
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        if let Some((ends, thread)) = self.0.take() {
            drop(ends);
            let _ = thread.join();
        }
    }
}
