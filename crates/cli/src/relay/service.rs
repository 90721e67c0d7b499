//! The service manager: sockets that it opened, and what it is told. Where there is none, nothing happens.

use std::time::{Duration, Instant};

use listenfd::ListenFd;
use potsdb_relay::Door;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sd_notify::NotifyState;

/// The sockets that were opened for this process; which are Unix sockets is told by themselves.
pub(super) fn inherited() -> anyhow::Result<Vec<(String, Door)>> {
    let mut sockets = ListenFd::from_env();
    let mut doors = Vec::new();
    for index in 0..sockets.len() {
        let name = format!("socket {} of LISTEN_FDS", index + 1);
        if let Ok(Some(socket)) = sockets.take_tcp_listener(index) {
            doors.push((name, Door::inherited_tcp(socket)));
        } else if let Ok(Some(socket)) = sockets.take_unix_listener(index) {
            doors.push((name, Door::inherited_unix(socket)));
        } else {
            anyhow::bail!("{name} does not listen: a stream socket is expected");
        }
    }
    Ok(doors)
}

/// Tells how things are, and that it lives.
#[derive(Debug)]
pub(super) struct Service {
    /// How often it has to say that it lives, if the manager wants that.
    watchdog: Option<Duration>,
    said_at: Instant,
    status_at: Instant,
}

/// How often the status line is told anew.
const STATUS: Duration = Duration::from_secs(10);

impl Service {
    pub(super) fn new() -> Service {
        Service {
            watchdog: sd_notify::watchdog_enabled(),
            said_at: Instant::now(),
            status_at: Instant::now(),
        }
    }

    pub(super) fn ready(&self, status: &str) {
        say(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// Its configuration is read again from here on.
    pub(super) fn reloading(&self) {
        if let Ok(now) = NotifyState::monotonic_usec_now() {
            say(&[NotifyState::Reloading, now]);
        }
    }

    pub(super) fn stopping(&self) {
        say(&[NotifyState::Stopping, NotifyState::Status("draining")]);
    }

    /// Says that it lives, if the loop that moves bytes does, and from time to time how things are.
    pub(super) fn lives(&mut self, is_alive: impl FnOnce() -> bool, status: impl FnOnce() -> String) {
        let now = Instant::now();
        if let Some(every) = self.watchdog
            && now.duration_since(self.said_at) >= every / 3
            && is_alive()
        {
            self.said_at = now;
            say(&[NotifyState::Watchdog]);
        }
        if now.duration_since(self.status_at) >= STATUS {
            self.status_at = now;
            say(&[NotifyState::Status(&status())]);
        }
    }
}

/// A manager that is gone is told nothing.
fn say(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}

/// Lets this process have as many descriptors as it may: a connection each.
pub(super) fn raise_descriptors() {
    let limits = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limits.maximum,
        ..limits
    };
    // What is not raised bounds the connections, and the front waits for those that end.
    let _ = setrlimit(Resource::Nofile, raised);
}
