//! The second thread: what may block for long and cannot be interrupted.
//!
//! `potsdb-io` resolves names and reads the file a secret is in, and starts when the first of them has to be. Both
//! happen before every attempt to connect: addresses move and secrets are rotated. The worker asks by channel and is
//! woken when the answer is there. Closing abandons it: it ends when its channel does.

use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::auth::Auth;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::kernel::without_signals;
use crate::options::Options;
use crate::secret::Secret;

/// The longest file that is read for a secret.
const SECRET_MAX: u64 = 64 * 1024;

/// What the attempt to connect numbered `attempt` needs, or why it cannot be made.
pub(crate) struct Resolved {
    pub(crate) attempt: u64,
    pub(crate) found: Result<(Vec<SocketAddr>, Credentials), String>,
}

pub(crate) struct Io {
    login: Login,
    wake: Arc<dyn Fn() + Send + Sync>,
    requests: Option<Sender<(u64, Endpoint)>>,
    answers: Receiver<Resolved>,
    answer: Sender<Resolved>,
}

/// What credentials are made of.
#[derive(Clone)]
struct Login {
    auth: Option<Auth>,
    headers: Vec<(String, Secret)>,
}

impl Io {
    pub(crate) fn new(options: &Options, wake: Arc<dyn Fn() + Send + Sync>) -> Io {
        let (answer, answers) = channel();
        Io {
            login: Login {
                auth: options.auth.clone(),
                headers: options.headers.clone(),
            },
            wake,
            requests: None,
            answers,
            answer,
        }
    }

    /// Asks for an endpoint's addresses and what to say there. Where nothing has to be looked up, it is answered at
    /// once.
    pub(crate) fn resolve(&mut self, attempt: u64, endpoint: &Endpoint) {
        if endpoint.literal().is_some() && !self.login.is_in_file() {
            let found = resolve(endpoint, &self.login);
            let _ = self.answer.send(Resolved { attempt, found });
            return;
        }
        if self.requests.is_none() {
            match self.start() {
                Ok(requests) => self.requests = Some(requests),
                Err(error) => {
                    let _ = self.answer.send(Resolved {
                        attempt,
                        found: Err(error.to_string()),
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
        let login = self.login.clone();
        let thread = std::thread::Builder::new().name("potsdb-io".to_owned());
        let work = move || {
            for (attempt, endpoint) in asked {
                let found = resolve(&endpoint, &login);
                if answer.send(Resolved { attempt, found }).is_err() {
                    return;
                }
                wake();
            }
        };
        without_signals(|| thread.spawn(work))?;
        Ok(requests)
    }
}

impl Login {
    fn is_in_file(&self) -> bool {
        self.auth.as_ref().is_some_and(|auth| auth.file().is_some())
    }
}

fn resolve(endpoint: &Endpoint, login: &Login) -> Result<(Vec<SocketAddr>, Credentials), String> {
    let credentials = Credentials::new(login.auth.as_ref(), &login.headers, read)?;
    let addresses = match endpoint.literal() {
        Some(address) => vec![address],
        None => (endpoint.host(), endpoint.port())
            .to_socket_addrs()
            .map_err(|error| error.to_string())?
            .collect(),
    };
    Ok((addresses, credentials))
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(SECRET_MAX).read_to_string(&mut text)?;
    Ok(text)
}
