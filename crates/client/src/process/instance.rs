//! A client's instance: what it has in one process. Queue, worker and known series.
//!
//! After a fork the child must not touch its parent's instance: the lock may be held by a thread the
//! child does not have, the sockets are the parent's, and so are the points. So the child makes an
//! instance the first time it sends, and each instance knows the next:
//!
//! ```text
//! handle --> the parent's --next--> the child's --next--> the grandchild's
//!            guard: forked? yes     guard: forked? no: this is the one
//! ```
//!
//! The chain is written once per process and read without a lock ([`Next`]); whether an instance is this process's
//! is one load, kept up to date by a handler the fork itself runs (crate `forkguard`).

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use potsdb_wire::{Additions, Rules, SeriesText};

use crate::config::endpoint::Endpoint;
use crate::config::options::Options;
use crate::net::progress::Listeners;
use crate::net::publish::{Shared, stats_of};
use crate::net::worker::Worker;
use crate::process::per_process::Next;
use crate::process::self_metrics::{self, Through, Watched};
use crate::process::sibling;
use crate::process::source::Sources;
use crate::queue::Queue;
use crate::queue::census::Census;
use crate::queue::ledger::Tally;
use crate::queue::repeat::{CachedSeries, Registry};
use crate::report::{Report, Reports};
use crate::stats::Stats;

/// Numbers homes, so that a series can tell whose timestamps it remembers.
static HOMES: AtomicU64 = AtomicU64::new(1);

/// What a client was built with: what each of its homes is made of.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) endpoints: Vec<Endpoint>,
    pub(crate) options: Options,
    pub(crate) rules: Rules,
    /// The value of the tag `host`.
    pub(crate) host_tag: Option<String>,
    /// The program whose processes `worker_tag` numbers.
    pub(crate) program: String,
    /// It tells nobody of what happens to it.
    pub(crate) quiet: bool,
}

pub(crate) struct ProcessInstance {
    guard: forkguard::Guard,
    id: u64,
    /// What goes into every line: the prefix, and the client's own tags.
    own: Additions,
    /// The value of `worker_tag` in this process.
    worker: Option<String>,
    queue: Arc<Queue>,
    shared: Arc<Shared>,
    registry: Registry,
    sources: Sources,
    /// What its statistics are sent through.
    self_metrics: Option<Box<ProcessInstance>>,
    next: Next<Box<ProcessInstance>>,
}

impl Setup {
    /// The value of `worker_tag` in this process, and what is to be reported of it.
    fn worker(&self) -> (Option<String>, Option<String>) {
        let Some(tag) = &self.options.worker_tag else {
            return (None, None);
        };
        match sibling::number(&self.program) {
            Ok(number) => (Some(number.to_string()), None),
            Err(error) => {
                // As good as a number to tell processes apart, but not used again.
                let value = format!("p{}", std::process::id());
                let words = format!("option worker_tag: no number ({error}): this process has {tag}={value}");
                (Some(value), Some(words))
            }
        }
    }

    /// What goes into every line of a process with that value of `worker_tag`.
    fn own(&self, worker: Option<&str>) -> Additions {
        let Options {
            prefix,
            tags,
            worker_tag,
            ..
        } = &self.options;
        let tags = tags.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let host = self.host_tag.as_deref().map(|host| ("host", host));
        let worker = worker_tag.as_deref().zip(worker);
        Additions::new(prefix, tags.chain(host).chain(worker))
    }
}

impl ProcessInstance {
    pub(crate) fn start(setup: &Setup) -> io::Result<ProcessInstance> {
        let (poll, waker) = Worker::waker()?;
        // A full pipe of wake-ups is a wake-up; nothing else can fail here.
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::new(move || drop(waker.wake()));
        let mut instance = ProcessInstance::silent(setup, wake.clone());
        Worker::start(
            &setup.options,
            setup.endpoints.clone(),
            instance.queue.clone(),
            instance.shared.clone(),
            poll,
            wake,
        )?;
        if let Some(every) = setup.options.self_metrics {
            instance.self_metrics = Some(instance.tell_of_itself(setup, every)?);
        }
        Ok(instance)
    }

    /// Starts what sends its statistics.
    fn tell_of_itself(&self, setup: &Setup, every: Duration) -> io::Result<Box<ProcessInstance>> {
        let through = ProcessInstance::start(&Setup {
            options: self_metrics::options(&setup.options),
            quiet: true,
            ..setup.clone()
        })?;
        let watched = Watched {
            id: self.id,
            queue: self.queue.clone(),
            shared: self.shared.clone(),
        };
        let sends = Through {
            queue: through.queue.clone(),
            rules: setup.rules.clone(),
            own: through.own.clone(),
            program: through.worker.as_ref().map(|_| setup.program.clone()),
        };
        self_metrics::start(every, watched, sends)?;
        Ok(Box::new(through))
    }

    /// A home whose worker does not run.
    fn silent(setup: &Setup, wake: Arc<dyn Fn() + Send + Sync>) -> ProcessInstance {
        let options = &setup.options;
        let (worker, no_number) = setup.worker();
        let shared = Arc::new(Shared {
            reports: Reports::new(setup.quiet),
            census: Census::new(options.by_metric),
            progress: Listeners::default(),
        });
        if let Some(words) = no_number {
            shared.reports.publish(Report::Source { words });
        }
        let queue = Queue::new(
            options.queue_points,
            options.queue_bytes(),
            options.overflow,
            Box::new(move || wake()),
        );
        ProcessInstance {
            guard: forkguard::new(),
            id: HOMES.fetch_add(1, Ordering::Relaxed),
            own: setup.own(worker.as_deref()),
            worker,
            queue: Arc::new(queue),
            shared,
            registry: Registry::default(),
            sources: Sources::default(),
            self_metrics: None,
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
    pub(crate) fn current(&self, setup: &Setup) -> &ProcessInstance {
        if self.is_current() {
            self
        } else {
            self.after_fork(setup)
        }
    }

    #[cold]
    fn after_fork(&self, setup: &Setup) -> &ProcessInstance {
        let mut instance = self;
        while !instance.is_current() {
            instance = match instance.next.get() {
                Some(next) => next,
                None => instance.make_next(setup),
            };
        }
        instance
    }

    /// Makes a home for the process that this one's was forked into, unless another thread is quicker.
    fn make_next(&self, setup: &Setup) -> &ProcessInstance {
        let (own, failed) = match ProcessInstance::start(setup) {
            Ok(own) => (own, None),
            Err(error) => {
                // No thread, no descriptors: the points of this process are dropped, and counted.
                let own = ProcessInstance::silent(setup, Arc::new(|| {}));
                own.queue.stop();
                own.queue.end(&Tally::default(), None);
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
    pub(crate) fn existing(&self) -> Option<&ProcessInstance> {
        let mut instance = self;
        while !instance.is_current() {
            instance = instance.next.get()?;
        }
        Some(instance)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// What goes into every line of this process.
    #[inline]
    pub(crate) fn own(&self) -> &Additions {
        &self.own
    }

    /// Keeps its number from other processes until that second is over: see `sibling.rs`.
    pub(crate) fn keep_number_until(&self, setup: &Setup, second: u64) {
        if self.worker.is_some() {
            sibling::keep_number_until(&setup.program, second);
        }
    }

    /// The value of `worker_tag` in this process.
    pub(crate) fn worker(&self) -> Option<&str> {
        self.worker.as_deref()
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// What its statistics are sent through, if they are.
    pub(crate) fn self_metrics(&self) -> Option<&ProcessInstance> {
        self.self_metrics.as_deref()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn intern(&self, text: &SeriesText) -> Arc<CachedSeries> {
        self.registry.intern(text)
    }

    pub(crate) fn stats(&self) -> Stats {
        stats_of(&self.queue, &self.shared)
    }
}
