//! The rounds: a thread that offers the room in each store to those who wait for it, should a word of the store be missed.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use crate::stores::Store;

/// It ends with this.
pub(crate) struct Rounds(Option<(Sender<()>, thread::JoinHandle<()>)>);

/// How long room may go unnoticed.
const EVERY: Duration = Duration::from_millis(20);

impl Rounds {
    pub(crate) fn start(stores: Arc<[Arc<Store>]>) -> io::Result<Rounds> {
        let (ends, ended) = mpsc::channel::<()>();
        let thread = thread::Builder::new().name("potsdb-rounds".into()).spawn(move || {
            while ended.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                stores.iter().for_each(|store| store.progressed());
            }
        })?;
        Ok(Rounds(Some((ends, thread))))
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
