//! The second thread: what may block for long and cannot be interrupted.
//!
//! `potsdb-io` resolves names, and starts when the first one has to be. The worker asks by channel
//! and is woken when the answer is there. Closing abandons it: it ends when its channel does.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::endpoint::Endpoint;
use crate::kernel::without_signals;

/// Addresses of an endpoint, or why there are none; for the attempt numbered `attempt`.
pub(crate) struct Resolved {
    pub(crate) attempt: u64,
    pub(crate) addresses: io::Result<Vec<SocketAddr>>,
}

pub(crate) struct Io {
    wake: Arc<dyn Fn() + Send + Sync>,
    requests: Option<Sender<(u64, Endpoint)>>,
    answers: Receiver<Resolved>,
    answer: Sender<Resolved>,
}

impl Io {
    pub(crate) fn new(wake: Arc<dyn Fn() + Send + Sync>) -> Io {
        let (answer, answers) = channel();
        Io {
            wake,
            requests: None,
            answers,
            answer,
        }
    }

    /// Asks for an endpoint's addresses. Those written as addresses are answered at once.
    pub(crate) fn resolve(&mut self, attempt: u64, endpoint: &Endpoint) {
        if let Some(address) = endpoint.literal() {
            let _ = self.answer.send(Resolved {
                attempt,
                addresses: Ok(vec![address]),
            });
            return;
        }
        if self.requests.is_none() {
            match self.start() {
                Ok(requests) => self.requests = Some(requests),
                Err(error) => {
                    let _ = self.answer.send(Resolved {
                        attempt,
                        addresses: Err(error),
                    });
                    return;
                }
            }
        }
        if let Some(requests) = &self.requests {
            let _ = requests.send((attempt, endpoint.clone()));
        }
    }

    /// The next answer that has come.
    pub(crate) fn resolved(&self) -> Option<Resolved> {
        self.answers.try_recv().ok()
    }

    fn start(&self) -> io::Result<Sender<(u64, Endpoint)>> {
        let (requests, asked) = channel::<(u64, Endpoint)>();
        let answer = self.answer.clone();
        let wake = self.wake.clone();
        let thread = std::thread::Builder::new().name("potsdb-io".to_owned());
        let work = move || {
            for (attempt, endpoint) in asked {
                let addresses = (endpoint.host(), endpoint.port())
                    .to_socket_addrs()
                    .map(Iterator::collect);
                if answer.send(Resolved { attempt, addresses }).is_err() {
                    return;
                }
                wake();
            }
        };
        without_signals(|| thread.spawn(work))?;
        Ok(requests)
    }
}
