//! The client: the handle callers hold.
//!
//! Everything here runs on the caller's thread: check, render, append under a short lock. The worker
//! (`worker.rs`) does the rest. Clones share one queue and one worker; the last handle to go closes.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use potsdb_wire::{InvalidPoint, MAX_LINE, SeriesText, Timestamp, Value, line};

use crate::clock;
use crate::config::builder::Builder;
use crate::config::endpoint::Endpoint;
use crate::config::options::{Options, Repeats};
use crate::error::{ConfigError, FlushError, SendError};
use crate::face::barrier::Barrier;
use crate::face::series::{IntoValue, Series};
use crate::face::tags::Tags;
use crate::process::instance::{ProcessInstance, Setup};
use crate::process::source::Occasion;
use crate::queue::bulk::{self, SentLines};
use crate::queue::repeat::CachedSeries;
use crate::queue::sync::is_worker;
use crate::queue::{Progress, Sent, Wait};
use crate::stats::Stats;

/// Time the worker gets beyond a close's deadline to write its last words into the ledger. It never
/// blocks, so this passes only on a machine that gives it no processor.
const LAST_TURN: Duration = Duration::from_secs(2);

/// How long a client that was let go of without waiting still delivers: see `ClientBinding::detach`.
///
/// Long enough for a server's restart and for most outages. After it the points that are left are dropped, with the
/// reason `closed`: with a server that never comes back, a program that makes client after client would keep the thread
/// and the queue of each.
pub const DETACHED_GRACE: Duration = Duration::from_secs(3600);

/// Room for the line of a series whose names are as long as names usually are, and for any line.
const USUAL_LINE: usize = 256;
const LONGEST_LINE: usize = MAX_LINE + 1 + line::MIDDLE_LEN;

thread_local! {
    /// Where `send` renders names and tags. Taken out while in use: an `AsRef` that sends finds none and makes one, and
    /// so does a destructor that runs after this one's.
    static SCRATCH: Cell<Option<SeriesText>> = const { Cell::new(None) };
}

/// A client of one store: takes points without ever waiting, and accounts for each.
///
/// `Client` is cheap to clone and usable from any number of threads. The last handle to go, clones
/// and [`Series`] included, closes the client with [`Options::close_grace`]; a client in a `static`
/// is never dropped and is to be closed by the program. After a fork the child starts empty.
///
/// ```
/// use std::time::Duration;
///
/// // `test_mode` does everything but talk to the network, and counts what it takes as dropped.
/// let client = potsdb::Client::open("tsdb://localhost:4242?test_mode=true")?;
/// client.send("host.load", 0.7, [("core", "1")])?;
/// let stats = client.close(Duration::from_secs(5));
/// assert_eq!((stats.accepted, stats.dropped.test_mode), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

struct Handle {
    setup: Setup,
    instance: ProcessInstance,
    detached: AtomicBool,
}

impl Client {
    /// Opens a client: `tsdb://host:4242?option=value`.
    ///
    /// ```
    /// let client = potsdb::Client::open("tsdb://tsd1,tsd2:4243?queue_points=1000000&test_mode=true")?;
    /// assert_eq!(client.endpoints()[1].to_string(), "tsdb://tsd2:4243");
    /// assert_eq!(client.options().queue_points, 1_000_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// See [`Builder::build`].
    pub fn open(url: &str) -> Result<Client, ConfigError> {
        Client::builder(url).build()
    }

    /// Opens the client that the environment variable `POTSDB_URL` describes.
    ///
    /// # Errors
    ///
    /// The variable is missing; and see [`Builder::build`].
    pub fn from_env() -> Result<Client, ConfigError> {
        match std::env::var("POTSDB_URL") {
            Ok(url) => Client::open(&url),
            Err(_) => Builder::failed(ConfigError::environment()).build(),
        }
    }

    /// Begins to build a client.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = potsdb::Client::builder("tsdb://localhost?test_mode=true")
    ///     .prefix("shop.".to_owned())
    ///     .settle(Duration::from_secs(10))
    ///     .build()?;
    /// assert_eq!(client.options().prefix, "shop.");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn builder(url: &str) -> Builder {
        Builder::new(url)
    }

    pub(crate) fn start(setup: Setup) -> io::Result<Client> {
        let instance = ProcessInstance::start(&setup)?;
        let detached = AtomicBool::new(false);
        Ok(Client {
            handle: Arc::new(Handle {
                setup,
                instance,
                detached,
            }),
        })
    }

    /// Sends a point, at the present time.
    ///
    /// Never blocks and never does I/O, but for `overflow=block`. The line carries `tags` in their
    /// order, then the client's own, then `host`; an own tag that is among `tags` is left out.
    ///
    /// ```
    /// use potsdb::{Client, SendError, Sent};
    ///
    /// let client = Client::open("tsdb://localhost?test_mode=true")?;
    /// assert_eq!(client.send("web.requests", 1, [("path", "/login")])?, Sent::Queued);
    /// let refused = client.send("web requests", 1, ());
    /// assert!(matches!(refused, Err(SendError::Invalid(_))));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::Invalid`] names what is illegal and the rule; [`SendError::Full`] under
    /// `overflow=block`; [`SendError::Closed`]. What is wrong with the server is never an error here.
    pub fn send(&self, metric: &str, value: impl IntoValue, tags: impl Tags) -> Result<Sent, SendError> {
        self.put(metric, value, None, tags, Wait::Configured, |_| ())
    }

    /// Sends a point at a time of the caller's.
    ///
    /// # Errors
    ///
    /// See [`send`](Client::send).
    pub fn send_at(
        &self,
        metric: &str,
        value: impl IntoValue,
        timestamp: Timestamp,
        tags: impl Tags,
    ) -> Result<Sent, SendError> {
        self.put(metric, value, Some(timestamp), tags, Wait::Configured, |_| ())
    }

    /// Makes a series: checks and renders metric and tags once, for many points.
    ///
    /// ```
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// let latency = client.series("web.latency", [("path", "/login")])?;
    /// for seconds in [0.012, 0.009, 0.031] {
    ///     latency.send(seconds)?;
    /// }
    /// assert_eq!(client.stats().accepted + client.stats().repeated, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is illegal, and the rule.
    pub fn series(&self, metric: &str, tags: impl Tags) -> Result<Series, InvalidPoint> {
        let instance = self.instance();
        self.rendered(instance, metric, tags, |text, ends_in_worker| Series {
            client: self.clone(),
            known: instance.intern(text),
            instance: instance.id(),
            ends_in_worker,
        })
    }

    /// Sends many points given as lines, with or without `put`; blank lines and comments, which begin with `#`, are passed
    /// over.
    ///
    /// The client's prefix goes before every metric. Its own tags and `host` go behind the line's, each where the line has
    /// none of that name, so a line without tags is a point, too. A client without them (`host_tag=false`) takes legal
    /// lines as they are. Repeats are not looked for, as in tables. Waits for room when the queue is full, at most `timeout`:
    /// [`overflow`](field@Options::overflow) is for calls.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// let lines = b"put a 1767225600 1 h=x\n# a comment\nb 1767225600 2 h=x\nno line\n";
    /// let sent = client.send_lines(lines, Duration::from_secs(5))?;
    /// assert_eq!((sent.queued, sent.passed_over, sent.consumed), (2, 1, lines.len()));
    /// assert_eq!(sent.bad[0].number, 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] when nothing at all was taken because the client is closed.
    pub fn send_lines(&self, lines: &[u8], timeout: Duration) -> Result<SentLines, SendError> {
        self.send_bulk(self.instance(), false, lines, timeout)
    }

    /// As [`send_lines`](Client::send_lines), but a second point of a series at one time is counted as repeated and not
    /// sent, as by [`send`](Client::send). That costs a look-up and a lock per line. With `repeats=keep` it is
    /// `send_lines`.
    ///
    /// # Errors
    ///
    /// See [`send_lines`](Client::send_lines).
    pub fn send_lines_once(&self, lines: &[u8], timeout: Duration) -> Result<SentLines, SendError> {
        let once = self.options().repeats == Repeats::First;
        self.send_bulk(self.instance(), once, lines, timeout)
    }

    fn send_bulk(
        &self,
        instance: &ProcessInstance,
        once: bool,
        lines: &[u8],
        timeout: Duration,
    ) -> Result<SentLines, SendError> {
        let treatment = bulk::Treatment {
            rules: &self.handle.setup.rules,
            additions: instance.own(),
            repeats: once.then(|| (instance.registry(), instance.id())),
        };
        bulk::send(instance.queue(), treatment, lines, clock::deadline(timeout))
    }

    /// Waits until every point accepted before the call has its verdict and no re-send of it is under
    /// way, at most `timeout`.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// client.send("jobs.done", 1, ())?;
    /// client.flush(Duration::from_secs(5))?;
    /// assert_eq!(client.stats().pending(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The deadline came first, or the client ended and left points in its spool; says how many points of the client were without
    /// a verdict then.
    pub fn flush(&self, timeout: Duration) -> Result<(), FlushError> {
        match self.barrier().wait(timeout) {
            true => Ok(()),
            false => Err(FlushError {
                pending: self.stats().pending(),
            }),
        }
    }

    /// Waits until every point accepted before the call has its verdict, or is in the spool and synced to the disk, at most
    /// `timeout`; a server need not be there. Without a [`spool`](field@Options::spool) it is [`flush`](Client::flush).
    ///
    /// What it has waited for comes out even if the program is killed or the machine loses its power: the next client with
    /// the same spool and endpoints delivers it.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// client.send("jobs.done", 1, ())?;
    /// client.sync(Duration::from_secs(5))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The deadline came first; says how many points of the client were without a verdict then.
    pub fn sync(&self, timeout: Duration) -> Result<(), FlushError> {
        match self.sync_barrier().wait(timeout) {
            true => Ok(()),
            false => Err(FlushError {
                pending: self.stats().pending(),
            }),
        }
    }

    /// Marks this place in the order of sending, as [`barrier`](Client::barrier), for what [`sync`](Client::sync) waits for.
    pub fn sync_barrier(&self) -> Barrier {
        if self.options().spool.is_none() {
            return self.barrier();
        }
        let instance = self.existing_instance();
        if let Some(instance) = instance {
            instance.sources().call(Occasion::Flush);
        }
        let to = instance.map_or(0, |instance| instance.queue().sync_barrier());
        Barrier::of_sync(self.clone(), instance.map(ProcessInstance::id), to)
    }

    /// How far it has come, in positions: what [`SentLines::upto`](crate::SentLines::upto) is compared with.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.existing_instance()
            .map_or_else(Progress::default, |instance| instance.queue().progress())
    }

    /// Asks that every point below a position be safe soon: its verdict, or in the spool and synced. Does not wait; see
    /// [`progress`](Client::progress).
    pub fn secure(&self, upto: u64) {
        let Some(instance) = self.existing_instance() else {
            return;
        };
        match self.options().spool {
            Some(_) => instance.queue().secure(upto),
            None => _ = instance.queue().barrier(),
        }
    }

    /// Calls `listener` now and whenever progress was made, from the worker's thread and with no lock held. It must not
    /// wait. There is one: a second one takes the first one's place.
    pub fn on_progress(&self, listener: impl Fn(Progress) + Send + Sync + 'static) {
        let instance = self.instance();
        let progress = instance.queue().progress();
        instance.shared().progress.set(Arc::new(listener), progress);
    }

    /// Marks this place in the order of sending, to wait for it in slices or from elsewhere.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// client.send("jobs.done", 1, ())?;
    /// let barrier = client.barrier();
    /// while !barrier.wait(Duration::from_millis(100)) && !barrier.is_over() {
    ///     // Look at something else, and wait again.
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn barrier(&self) -> Barrier {
        self.barrier_on(Occasion::Flush)
    }

    pub(super) fn barrier_on(&self, occasion: Occasion) -> Barrier {
        let instance = self.existing_instance();
        if let Some(instance) = instance {
            instance.sources().call(occasion);
        }
        let to = instance.map_or(0, |instance| instance.queue().barrier());
        Barrier::new(self.clone(), instance.map(ProcessInstance::id), to)
    }

    /// Stops accepting, waits until everything has its verdict, at most `timeout`, and returns the
    /// final statistics: what was pending at the deadline is dropped, with the reason `closed`.
    ///
    /// All clones are closed with it. A second close returns the statistics as they are.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use potsdb::SendError;
    ///
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// client.send("jobs.done", 1, ())?;
    /// let stats = client.close(Duration::from_secs(5));
    /// assert!(stats.is_balanced() && stats.pending() == 0);
    /// assert_eq!(client.send("jobs.done", 2, ()), Err(SendError::Closed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self, timeout: Duration) -> Stats {
        if let Some(instance) = self.existing_instance() {
            instance.sources().call(Occasion::Close);
            close(instance, timeout);
        }
        self.stats()
    }

    /// Waits for the worker's end, at most `timeout`; returns whether it has ended.
    #[must_use]
    pub fn wait_closed(&self, timeout: Duration) -> bool {
        self.existing_instance()
            .is_none_or(|instance| instance.queue().wait_ended(clock::deadline(timeout)))
    }

    /// Gives up what is queued and in flight, with the reason `stopped`, and returns at once. Points
    /// sent from then on are accepted and dropped for the same reason.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use potsdb::{Client, Sent};
    ///
    /// let client = Client::open("tsdb://localhost?test_mode=true")?;
    /// client.stop();
    /// assert!(client.wait_closed(Duration::from_secs(5)));
    /// assert_eq!(client.send("jobs.done", 1, ())?, Sent::Dropped);
    /// assert_eq!(client.stats().dropped.stopped, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stop(&self) {
        let instance = self.instance();
        instance.queue().stop();
        instance.sources().call(Occasion::Stop);
    }

    /// Whether the client was closed, or is closing.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        use crate::queue::Phase;
        self.existing_instance()
            .is_some_and(|instance| matches!(instance.queue().lock().phase(), Phase::Closing(_)))
    }

    /// Whether the worker has not ended. In a forked child that has not sent yet: true.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.existing_instance()
            .is_none_or(|instance| !instance.queue().lock().has_ended())
    }

    /// The statistics at this instant.
    ///
    /// ```
    /// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
    /// client.send("jobs.done", 1, ())?;
    /// let stats = client.stats();
    /// assert!(stats.is_balanced());
    /// println!("{stats}"); // 1 accepted: 0 acknowledged, 1 pending
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.existing_instance().map(ProcessInstance::stats).unwrap_or_default()
    }

    /// The options the client was built with.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.handle.setup.options
    }

    /// Where it sends to.
    #[must_use]
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.handle.setup.endpoints
    }

    /// The value of the tag `host` that points without one get.
    #[must_use]
    pub fn host_tag(&self) -> Option<&str> {
        self.handle.setup.host_tag.as_deref()
    }

    /// This process's value of the tag that [`worker_tag`](field@Options::worker_tag) names. In a forked child that has not
    /// sent yet it is taken now.
    #[must_use]
    pub fn worker(&self) -> Option<&str> {
        self.instance().worker()
    }

    pub(super) fn put(
        &self,
        metric: &str,
        value: impl IntoValue,
        timestamp: Option<Timestamp>,
        tags: impl Tags,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError> {
        let instance = self.instance();
        let value = value.into_value().map_err(|error| self.invalid(instance, error))?;
        let sent = self.rendered(instance, metric, tags, |text, _| {
            let known = (self.options().repeats == Repeats::First).then(|| instance.intern(text));
            self.append(instance, text, known.as_ref(), value, timestamp, wait, queued)
        });
        sent.map_err(SendError::Invalid)?
    }

    /// Begins to close, and does not wait.
    pub(super) fn close_instance(&self, instance: &ProcessInstance, timeout: Duration) {
        instance.sources().call(Occasion::Close);
        instance.queue().close(clock::deadline(timeout));
    }

    pub(super) fn set_detached(&self) {
        self.handle.detached.store(true, Ordering::Relaxed);
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.handle.setup
    }

    #[inline]
    pub(crate) fn instance(&self) -> &ProcessInstance {
        self.handle.instance.current(&self.handle.setup)
    }

    pub(crate) fn existing_instance(&self) -> Option<&ProcessInstance> {
        self.handle.instance.existing()
    }

    /// Renders metric and tags, and calls `with` on the result, and on whether its last tag is `worker_tag`'s. Counts what
    /// is illegal.
    fn rendered<T>(
        &self,
        instance: &ProcessInstance,
        metric: &str,
        tags: impl Tags,
        with: impl FnOnce(&SeriesText, bool) -> T,
    ) -> Result<T, InvalidPoint> {
        let mut text = SCRATCH.try_with(Cell::take).ok().flatten().unwrap_or_default();
        text.clear();
        let rendered = self.render(instance, &mut text, metric, tags);
        let result = rendered.map(|ends_in_worker| with(&text, ends_in_worker));
        match &result {
            Ok(_) if text.replaced() > 0 => instance.queue().count_replaced(text.replaced()),
            Ok(_) => {}
            Err(_) => instance.queue().count_invalid(),
        }
        // Not where the thread's locals are gone: it ends, and one of them sends.
        let _ = SCRATCH.try_with(|scratch| scratch.set(Some(text)));
        result
    }

    /// Returns whether the last tag is `worker_tag`'s.
    pub(crate) fn render(
        &self,
        instance: &ProcessInstance,
        text: &mut SeriesText,
        metric: &str,
        tags: impl Tags,
    ) -> Result<bool, InvalidPoint> {
        let Setup { rules, options, .. } = &self.handle.setup;
        text.metric(rules, &options.prefix, metric)?;
        tags.try_for_each(|name, value| text.tag(rules, name, value))?;
        let mut added = None;
        for (name, value) in instance.own().tags() {
            if !text.has_tag(name) {
                text.tag(rules, name, value)?;
                added = Some(name);
            }
        }
        text.finish(rules)?;
        Ok(instance.worker().is_some() && added == options.worker_tag.as_deref())
    }

    /// Appends one point of a rendered series to the queue.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one point and where they go; a struct would be built for this call alone"
    )]
    pub(crate) fn append(
        &self,
        instance: &ProcessInstance,
        text: &SeriesText,
        known: Option<&Arc<CachedSeries>>,
        value: Value,
        timestamp: Option<Timestamp>,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError> {
        let timestamp = match timestamp {
            Some(timestamp) => timestamp,
            None => self.now().map_err(|error| self.invalid(instance, error))?,
        };
        // Clearing the buffer is a part of the cost: few lines need the large one.
        if text.bytes().len() + line::MIDDLE_LEN <= USUAL_LINE {
            self.write(
                instance,
                text,
                known,
                value,
                timestamp,
                wait,
                queued,
                &mut [0; USUAL_LINE],
            )
        } else {
            self.write(
                instance,
                text,
                known,
                value,
                timestamp,
                wait,
                queued,
                &mut [0; LONGEST_LINE],
            )
        }
    }

    /// Writes the line into `buffer`, so that under the lock there is one copy, and hands it over.
    #[inline]
    #[expect(
        clippy::too_many_arguments,
        reason = "as append, which calls it with a large buffer or a small one"
    )]
    fn write<const ROOM: usize>(
        &self,
        instance: &ProcessInstance,
        text: &SeriesText,
        known: Option<&Arc<CachedSeries>>,
        value: Value,
        timestamp: Timestamp,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
        buffer: &mut [u8; ROOM],
    ) -> Result<Sent, SendError> {
        let line = line::write(text, timestamp, value, buffer).map_err(|error| self.invalid(instance, error))?;
        let repeat = match (known, self.options().repeats) {
            (Some(known), Repeats::First) => Some((known, instance.id(), timestamp)),
            _ => None,
        };
        let sent = instance.queue().append(line, repeat, wait)?;
        if sent != Sent::Repeated {
            queued(line);
        }
        Ok(sent)
    }

    /// Counts an illegal point that was refused.
    #[cold]
    pub(crate) fn invalid(&self, instance: &ProcessInstance, error: InvalidPoint) -> SendError {
        instance.queue().count_invalid();
        SendError::Invalid(error)
    }

    /// Whether times are written as milliseconds.
    #[cfg(feature = "frame")]
    pub(crate) fn writes_millis(&self) -> bool {
        self.options().precision == crate::config::options::Precision::Milliseconds
    }

    /// The present, as the option `precision` has it.
    pub(crate) fn now(&self) -> Result<Timestamp, InvalidPoint> {
        clock::now(self.options().precision)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let endpoints: Vec<String> = self.endpoints().iter().map(ToString::to_string).collect();
        write!(f, "Client({})", endpoints.join(","))
    }
}

/// Closes a process's instance and waits for its end, at most `timeout` and the worker's last turn.
fn close(instance: &ProcessInstance, timeout: Duration) {
    let deadline = clock::deadline(timeout);
    instance.queue().close(deadline);
    instance
        .queue()
        .wait_ended(deadline.and_then(|deadline| deadline.checked_add(LAST_TURN)));
    if let Some(through) = instance.self_metrics() {
        through.queue().wait_ended(deadline);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // An instance inherited by fork is the parent's to close; a child without one has nothing to close.
        let Some(instance) = self.instance.existing() else {
            return;
        };
        if self.detached.load(Ordering::Relaxed) || is_worker() {
            instance.queue().close(clock::deadline(DETACHED_GRACE));
        } else {
            let before = instance.stats().dropped.total();
            close(instance, self.setup.options.close_grace);
            // The statistics cannot be asked for any more.
            let lost = instance.stats().dropped.total() - before;
            if lost > 0 {
                log::warn!("{lost} points were not delivered before the client ended (close_grace)");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Instant;

    use super::*;
    use crate::binding::ClientBinding;
    use crate::queue::Phase;

    #[test]
    fn a_detached_client_whose_server_is_gone_ends_some_time() {
        let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let client = Client::open(&format!("tsdb://{nobody}")).unwrap();
        client.send("m", 1, [("h", "a")]).unwrap();
        client.detach();
        let queue = client.instance().queue().clone();
        let latest = Instant::now() + DETACHED_GRACE + Duration::from_secs(60);
        drop(client);
        let Phase::Closing(Some(deadline)) = queue.lock().phase() else {
            panic!("closing with a deadline, not {:?}", queue.lock().phase());
        };
        assert!(deadline < latest);
        queue.stop();
        assert!(queue.wait_ended(Some(latest)));
    }
}
