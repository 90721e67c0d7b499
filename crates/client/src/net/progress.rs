//! Progress: how far a client has come, for whoever answers to others for what it sends.
//!
//! A flush waits on a caller's thread. A server with a thousand peers cannot: it keeps the position behind what a peer has
//! sent, and answers that peer once the client has passed it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::queue::Progress;
use crate::queue::sync::{Mutex, lock};

type Listener = Arc<dyn Fn(Progress) + Send + Sync>;

/// Who is told of progress.
#[derive(Default)]
pub(crate) struct Listeners {
    /// There is one.
    is_there: AtomicBool,
    listener: Mutex<(Option<Listener>, Progress)>,
}

impl Listeners {
    /// From now on it is told: of what there is at once.
    pub(crate) fn set(&self, listener: Listener, progress: Progress) {
        listener(progress);
        *lock(&self.listener) = (Some(listener), progress);
        self.is_there.store(true, Ordering::Release);
    }

    /// Tells it, if there is anything new.
    pub(crate) fn tell(&self, progress: Progress) {
        if !self.is_there.load(Ordering::Acquire) {
            return;
        }
        let listener = {
            let mut told = lock(&self.listener);
            if told.1 == progress {
                return;
            }
            told.1 = progress;
            told.0.clone()
        };
        if let Some(listener) = listener {
            listener(progress);
        }
    }
}
