//! A client's home: what it has in one process. Queue, worker and known series.
//!
//! After a fork the child must not touch its parent's home: the lock may be held by a thread the
//! child does not have, the sockets are the parent's, and so are the points. So the child makes a
//! home of its own the first time it sends, and each home knows the next:
//!
//! ```text
//! handle --> home of the parent --next--> home of the child --next--> home of the grandchild
//!            guard: forked? yes           guard: forked? no: this is the one
//! ```
//!
//! The chain is written once per process and read without a lock ([`Next`]); whether a home is this process's
//! own is one load, kept up to date by a handler the fork itself runs (crate `forkguard`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use potsdb_wire::SeriesText;

use crate::endpoint::Endpoint;
use crate::ledger::{Stats, Tally};
use crate::options::Options;
use crate::publish::Shared;
use crate::queue::Queue;
use crate::repeat::{Known, Registry};
use crate::source::Sources;
use crate::worker::Worker;

mod next;

pub use next::Next;

/// Numbers homes, so that a series can tell whose timestamps it remembers.
static HOMES: AtomicU64 = AtomicU64::new(1);

pub(crate) struct Home {
    guard: forkguard::Guard,
    id: u64,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    registry: Registry,
    sources: Sources,
    next: Next<Box<Home>>,
}

impl Home {
    pub(crate) fn start(options: &Options, endpoints: &[Endpoint]) -> io::Result<Home> {
        let (poll, waker) = Worker::waker()?;
        // A full pipe of wake-ups is a wake-up; nothing else can fail here.
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || drop(waker.wake()));
        let home = Home::silent(options, wake.clone());
        Worker::start(
            options,
            endpoints.to_vec(),
            home.queue.clone(),
            home.shared.clone(),
            poll,
            wake,
        )?;
        Ok(home)
    }

    /// A home whose worker does not run.
    fn silent(options: &Options, wake: Arc<dyn Fn() + Send + Sync>) -> Home {
        let queue = Queue::new(
            options.queue_points,
            options.queue_bytes(),
            options.overflow,
            Box::new(move || wake()),
        );
        Home {
            guard: forkguard::new(),
            id: HOMES.fetch_add(1, Ordering::Relaxed),
            queue: Arc::new(queue),
            shared: Arc::default(),
            registry: Registry::default(),
            sources: Sources::default(),
            next: Next::default(),
        }
    }

    /// Whether this home is of the running process, not of one it was forked from.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        !self.guard.clone().detected_fork()
    }

    /// The running process's home, made if it has none yet.
    #[inline]
    pub(crate) fn current(&self, options: &Options, endpoints: &[Endpoint]) -> &Home {
        if self.is_current() {
            self
        } else {
            self.after_fork(options, endpoints)
        }
    }

    #[cold]
    fn after_fork(&self, options: &Options, endpoints: &[Endpoint]) -> &Home {
        let mut home = self;
        while !home.is_current() {
            home = match home.next.get() {
                Some(next) => next,
                None => home.make_next(options, endpoints),
            };
        }
        home
    }

    /// Makes a home for the process that this one's was forked into, unless another thread is quicker.
    fn make_next(&self, options: &Options, endpoints: &[Endpoint]) -> &Home {
        let (own, failed) = match Home::start(options, endpoints) {
            Ok(own) => (own, None),
            Err(error) => {
                // No thread, no descriptors: the points of this process are dropped, and counted.
                let own = Home::silent(options, Arc::new(|| {}));
                own.queue.stop();
                own.queue.end(&Tally::default());
                (own, Some(error))
            }
        };
        own.queue.inherit(&self.queue);
        let (next, late) = self.next.put(Box::new(own));
        if let Some(late) = late {
            late.queue.stop();
        } else if let Some(error) = failed {
            // Now, because a log may send.
            log::error!(target: "potsdb", "the worker could not be started after fork: {error}");
        }
        next
    }

    /// The running process's home, if it has one.
    pub(crate) fn existing(&self) -> Option<&Home> {
        let mut home = self;
        while !home.is_current() {
            home = home.next.get()?;
        }
        Some(home)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn intern(&self, text: &SeriesText) -> Arc<Known> {
        self.registry.intern(text)
    }

    pub(crate) fn stats(&self) -> Stats {
        let (ledger, oldest, status) = {
            let state = self.queue.lock();
            (state.ledger(), state.oldest(), state.status())
        };
        let fresh = status.rated_at.is_some_and(|at| at.elapsed().as_secs() < 2);
        let stats = ledger.stats();
        Stats {
            endpoints: status.endpoints.clone(),
            last_rejections: status.words.to_vec(),
            oldest_pending: oldest
                .filter(|_| stats.pending() > 0)
                .map(|since| Instant::now().saturating_duration_since(since)),
            last_answer: status.last_answer,
            rate: if fresh { status.rate } else { 0.0 },
            ..stats
        }
    }
}
