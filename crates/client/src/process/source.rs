//! Sources: what adds points up in the process, and has something to send when a client flushes or closes.
//!
//! ```text
//! flush, close --caller's thread--> Source::on --send--> queue --> barrier, or the end
//! ```
//!
//! A client knows its sources weakly and per process: one that is gone is forgotten, and a forked child has none until it
//! attaches its own. No lock is held while a source is called, so it may send, attach or flush.
//!
//! For crates that build on this one, like `potsdb-instruments`; so are [`spawn`] and [`PerProcess`].

use std::sync::{Arc, Weak};
use std::thread;
use std::{fmt, io};

use crate::net::kernel::without_signals;
pub use crate::process::per_process::PerProcess;
use crate::queue::sync::{Mutex, lock};

/// What sends points on its own: see [`attach`](crate::binding::ClientBinding::attach).
pub trait Source: Send + Sync {
    /// Sends what there is to send, on the thread that flushes or closes, before it does so. Must not wait for long.
    fn on(&self, occasion: Occasion);
}

/// Why a source is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Occasion {
    /// A flush is about to take its barrier. What is sent now is behind that barrier.
    Flush,
    /// The program ends, and a barrier is about to be taken. Threads may go on for a moment.
    Exit,
    /// The client is about to close. What is sent now still goes out; nothing after it does.
    Close,
    /// The client gives everything up.
    Stop,
}

/// The sources of a client in one process.
#[derive(Default)]
pub(crate) struct Sources(Mutex<Vec<Weak<dyn Source>>>);

impl Sources {
    pub(crate) fn attach(&self, source: Weak<dyn Source>) {
        let mut sources = lock(&self.0);
        sources.retain(|source| source.strong_count() > 0);
        sources.push(source);
    }

    pub(crate) fn call(&self, occasion: Occasion) {
        let alive: Vec<Arc<dyn Source>> = lock(&self.0).iter().filter_map(Weak::upgrade).collect();
        for source in alive {
            source.on(occasion);
        }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sources({})", lock(&self.0).len())
    }
}

/// Starts a thread as this crate starts its own: it takes none of the program's signals.
///
/// # Errors
///
/// The system has no thread left.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    without_signals(|| thread::Builder::new().name(name.to_owned()).spawn(run))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::Client;
    use crate::binding::ClientBinding;

    /// Sends a point whenever it is called, and flushes, which must not come back to it for ever.
    struct Sends {
        client: Client,
        called: Mutex<Vec<Occasion>>,
    }

    impl Source for Sends {
        fn on(&self, occasion: Occasion) {
            let number = {
                let mut called = self.called.lock().unwrap();
                called.push(occasion);
                called.len()
            };
            let _ = self.client.send("m", number, [("h", number.to_string())]);
            if number == 1 {
                let _ = self.client.barrier();
            }
        }
    }

    #[test]
    fn a_source_sends_before_each_flush_and_close_until_it_is_gone() {
        use Occasion::{Close, Exit, Flush, Stop};
        let client = Client::open("tsdb://127.0.0.1:1?test_mode=true").unwrap();
        let source = Arc::new(Sends {
            client: client.clone(),
            called: Mutex::default(),
        });
        let weak: Weak<dyn Source> = Arc::<Sends>::downgrade(&source);
        client.attach(weak);
        assert!(client.barrier().wait(std::time::Duration::from_secs(60)));
        let stats = client.stats();
        assert_eq!((stats.accepted, stats.pending()), (2, 0));
        let _ = client.exit_barrier();
        client.close(std::time::Duration::from_secs(60));
        assert_eq!(client.stats().accepted, 4);
        client.stop();
        assert_eq!(*source.called.lock().unwrap(), [Flush, Flush, Exit, Close, Stop]);
        drop(source);
        client.close(std::time::Duration::from_secs(60));
    }
}
