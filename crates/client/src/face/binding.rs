//! What bindings and crates that build on this one call, and programs do not need.
//!
//! Traits, so that a program does not meet these methods among its own. Nothing here is under semantic versioning: the
//! crates of this workspace are released together.

use std::io;
use std::net::SocketAddr;
use std::sync::Weak;
use std::time::Duration;

use potsdb_wire::Timestamp;

pub use crate::config::credentials::base64;
pub use crate::config::options::duration;
pub use crate::face::client::DETACHED_GRACE;
pub use crate::net::visit::Visit;
pub use crate::process::source;
pub use crate::queue::Wait;

use crate::config::builder::Builder;
use crate::config::endpoint::Endpoint;
use crate::config::options::Options;
use crate::error::SendError;
use crate::face::barrier::Barrier;
use crate::face::client::Client;
use crate::face::series::{IntoValue, Series};
use crate::face::tags::Tags;
use crate::net::check;
use crate::net::files::Secrets;
use crate::process::source::{Occasion, Source};
use crate::queue::Sent;
use crate::report::Report;

/// Of [`Builder`].
pub trait BuilderBinding: sealed::Builder {
    /// Begins to build a client over defaults of the caller's: the URL's query goes before them. `port` is for the hosts
    /// that name none; a host with another one is an error.
    fn over(defaults: Options, url: &str, port: Option<u16>) -> Self;

    /// Notes that an option was asked for by name, if its value was put into [`options`](Builder::options) by other means:
    /// a default that has no effect is refused only if somebody asked for it.
    #[must_use]
    fn mention(self, name: &str) -> Self;

    /// Names the program whose processes [`worker_tag`](field@Options::worker_tag) numbers. By default it is the name of
    /// the file that was started, which for a binding is the interpreter's.
    #[must_use]
    fn program(self, program: &str) -> Self;
}

impl BuilderBinding for Builder {
    fn over(defaults: Options, url: &str, port: Option<u16>) -> Builder {
        Builder::new_over(defaults, url, port)
    }

    fn mention(mut self, name: &str) -> Builder {
        self.given.push(name.to_owned());
        self
    }

    fn program(mut self, program: &str) -> Builder {
        self.program = Some(program.to_owned());
        self
    }
}

/// Of [`Client`].
pub trait ClientBinding: sealed::Client {
    /// Sends a point, waits for room as `wait` says, and shows `queued` the line that was queued, newline included. No
    /// lock is held meanwhile, and nothing was copied.
    ///
    /// # Errors
    ///
    /// See [`Client::send`]; [`SendError::WouldBlock`] if `wait` forbids waiting.
    fn send_with(
        &self,
        metric: &str,
        value: impl IntoValue,
        timestamp: Option<Timestamp>,
        tags: impl Tags,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError>;

    /// Stops accepting and returns at once. The worker drains for at most `timeout`, and ends; what is pending then is
    /// dropped, with the reason `closed`. Of several deadlines the earliest counts. [`Client::wait_closed`] waits.
    fn begin_close(&self, timeout: Duration);

    /// Closes as [`begin_close`](ClientBinding::begin_close), within [`DETACHED_GRACE`].
    /// A forked child that has not sent has nothing to close, and no worker is started for it.
    fn let_go(&self);

    /// Makes dropping the last handle return at once: it begins to close and does not wait. What is queued is still
    /// delivered, for at most [`DETACHED_GRACE`].
    fn detach(&self);

    /// As [`Client::barrier`], at the program's end: what counts in the process has its last word before it. For exit
    /// hooks, which drain and do not close.
    fn exit_barrier(&self) -> Barrier;

    /// Gives up what is left at the program's end, and returns at once. Points sent from then on, by threads that outlive
    /// it, are accepted and dropped too. The reason is `closed`, as at a close's deadline. For exit hooks, after they
    /// drained.
    fn abandon(&self);

    /// Attaches what sends points by itself: from now on flush and close call it first, in this process. It is forgotten
    /// when it is gone.
    fn attach(&self, source: Weak<dyn Source>);

    /// Tells the program of something, as the worker does: to the `log` facade, and to
    /// [`take_reports`](ClientBinding::take_reports). Nothing here limits how often.
    fn report(&self, report: Report);

    /// Whether [`take_reports`](ClientBinding::take_reports) has something to take. One load.
    #[must_use]
    fn has_reports(&self) -> bool;

    /// Takes the reports that were made since the last call, for a log of another language's. They went to the `log`
    /// facade already.
    #[must_use]
    fn take_reports(&self) -> Vec<Report>;

    /// Counts a point that was refused before it came here: a binding's numbers and times can be what no
    /// [`Value`](crate::Value) or [`Timestamp`] is.
    fn count_invalid(&self);

    /// Keeps this process's number of [`worker_tag`](field@Options::worker_tag) from every other process until that second
    /// since 1970 is over, even if this one ends before. For crates that choose the times of points: its points are, or
    /// are about to be, as late as that.
    fn keep_number_until(&self, second: u64);

    /// Connects to an endpoint as the worker does, over TLS with the handshake, and hangs up. Takes at most `timeout`.
    ///
    /// # Errors
    ///
    /// Of the name's resolution, of the last address tried, or of TLS, in its words.
    fn check(&self, endpoint: &Endpoint, timeout: Duration) -> io::Result<SocketAddr>;

    /// Connects to an address of an endpoint as the worker does, over TLS with the handshake, and stays: to ask a server
    /// what it is. All that the visit does takes at most `timeout`.
    ///
    /// # Errors
    ///
    /// Of the connection, of TLS, or of a file that `auth`, `ca`, `cert` or `key` names.
    fn visit(&self, endpoint: &Endpoint, address: SocketAddr, timeout: Duration) -> io::Result<Visit>;

    /// Reads the files that `auth`, `ca`, `cert` and `key` name, as every connection does.
    ///
    /// # Errors
    ///
    /// Which cannot be used, and why.
    fn read_secrets(&self) -> Result<(), String>;
}

impl ClientBinding for Client {
    fn send_with(
        &self,
        metric: &str,
        value: impl IntoValue,
        timestamp: Option<Timestamp>,
        tags: impl Tags,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError> {
        self.put(metric, value, timestamp, tags, wait, queued)
    }

    fn begin_close(&self, timeout: Duration) {
        self.close_instance(self.instance(), timeout);
    }

    fn let_go(&self) {
        if let Some(instance) = self.existing_instance() {
            self.close_instance(instance, DETACHED_GRACE);
        }
    }

    fn detach(&self) {
        self.set_detached();
    }

    fn exit_barrier(&self) -> Barrier {
        self.barrier_on(Occasion::Exit)
    }

    fn abandon(&self) {
        if let Some(instance) = self.existing_instance() {
            instance.queue().abandon();
            instance.sources().call(Occasion::Stop);
        }
    }

    fn attach(&self, source: Weak<dyn Source>) {
        self.instance().sources().attach(source);
    }

    fn report(&self, report: Report) {
        self.instance().shared().reports.publish(report);
    }

    #[inline]
    fn has_reports(&self) -> bool {
        self.existing_instance()
            .is_some_and(|instance| instance.shared().reports.has_any())
    }

    fn take_reports(&self) -> Vec<Report> {
        self.existing_instance()
            .map(|instance| instance.shared().reports.take())
            .unwrap_or_default()
    }

    fn count_invalid(&self) {
        self.instance().queue().count_invalid();
    }

    fn keep_number_until(&self, second: u64) {
        self.instance().keep_number_until(self.setup(), second);
    }

    fn check(&self, endpoint: &Endpoint, timeout: Duration) -> io::Result<SocketAddr> {
        let tls_target = crate::net::files::tls_target(self.options(), endpoint)?;
        check::check(endpoint, tls_target.as_ref(), timeout)
    }

    fn visit(&self, endpoint: &Endpoint, address: SocketAddr, timeout: Duration) -> io::Result<Visit> {
        Visit::new(self.options(), endpoint, address, timeout)
    }

    fn read_secrets(&self) -> Result<(), String> {
        let mut endpoints = self.endpoints().iter();
        endpoints.try_for_each(|endpoint| Secrets::now(self.options(), endpoint).map(drop))
    }
}

/// Of [`Series`].
pub trait SeriesBinding: sealed::Series {
    /// Sends a value, waits for room as `wait` says, and shows `queued` the line that was queued, newline included. No
    /// lock is held meanwhile, and nothing was copied.
    ///
    /// # Errors
    ///
    /// See [`ClientBinding::send_with`].
    fn send_with(
        &self,
        value: impl IntoValue,
        timestamp: Option<Timestamp>,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError>;

    /// Whether it was made in this process, and so costs no look-up. In a forked child a new one does.
    #[must_use]
    fn is_of_this_process(&self) -> bool;

    /// Whether its lines are ASCII from end to end.
    #[must_use]
    fn is_ascii(&self) -> bool;
}

impl SeriesBinding for Series {
    #[inline]
    fn send_with(
        &self,
        value: impl IntoValue,
        timestamp: Option<Timestamp>,
        wait: Wait,
        queued: impl FnOnce(&[u8]),
    ) -> Result<Sent, SendError> {
        self.put(value, timestamp, wait, queued)
    }

    #[inline]
    fn is_of_this_process(&self) -> bool {
        self.client.instance().id() == self.instance
    }

    fn is_ascii(&self) -> bool {
        self.known.text.bytes().is_ascii()
    }
}

/// No other type has these methods, so they may change.
mod sealed {
    pub trait Builder: Sized {}
    impl Builder for super::Builder {}

    pub trait Client {}
    impl Client for super::Client {}

    pub trait Series {}
    impl Series for super::Series {}
}
