//! A barrier: a place in the order of sending.

use std::time::Duration;

use crate::clock;
use crate::face::client::Client;
use crate::process::instance::ProcessInstance;

/// A place in the order of sending. From [`Client::barrier`].
///
/// ```
/// use std::time::Duration;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// client.send("jobs.done", 1, ())?;
/// let barrier = client.barrier();
/// client.send("jobs.done", 2, [("of", "another")])?; // not waited for
/// assert!(barrier.wait(Duration::from_secs(5)) && barrier.is_reached());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a barrier is there to be waited for"]
pub struct Barrier {
    client: Client,
    instance: Option<u64>,
    to: u64,
    /// What is on disk and synced is waited for no longer.
    of_sync: bool,
}

impl Barrier {
    pub(crate) fn new(client: Client, instance: Option<u64>, to: u64) -> Barrier {
        Barrier {
            client,
            instance,
            to,
            of_sync: false,
        }
    }

    pub(crate) fn of_sync(client: Client, instance: Option<u64>, to: u64) -> Barrier {
        Barrier {
            of_sync: true,
            ..Barrier::new(client, instance, to)
        }
    }

    /// Whether every point sent before it has its verdict, and none is being sent again; of [`Client::sync_barrier`], whether
    /// every one is safe.
    pub fn is_reached(&self) -> bool {
        self.in_instance().is_none_or(|instance| match self.of_sync {
            true => instance.queue().is_safe(self.to),
            false => instance.queue().is_reached(self.to),
        })
    }

    /// Whether there is nothing more to wait for: it is reached, or the client has ended and left points in its spool.
    pub fn is_over(&self) -> bool {
        self.is_reached() || self.in_instance().is_none_or(|instance| instance.queue().has_ended())
    }

    /// Waits until it is reached, at most `timeout`; returns whether it is. If it [`is_over`](Barrier::is_over), returns at
    /// once.
    pub fn wait(&self, timeout: Duration) -> bool {
        let deadline = clock::deadline(timeout);
        self.in_instance().is_none_or(|instance| match self.of_sync {
            true => instance.queue().wait_safe(self.to, deadline),
            false => instance.queue().wait_reached(self.to, deadline),
        })
    }

    /// The process it was made in: after a fork its points are the parent's to wait for.
    fn in_instance(&self) -> Option<&ProcessInstance> {
        self.client
            .existing_instance()
            .filter(|instance| Some(instance.id()) == self.instance)
    }
}
