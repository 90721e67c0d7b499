//! The second thread: what may block for long and cannot be interrupted.
//!
//! `potsdb-io` resolves names and reads the files that secrets and certificates are in, and starts when the first of
//! them has to be. Both happen before every attempt to connect: addresses move, secrets and certificates are rotated.
//! The worker asks by channel and is woken when the answer is there. Closing abandons it: it ends when its channel
//! does.

use std::fs::File;
use std::io::{self, Read};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::auth::Auth;
use crate::credentials::Credentials;
use crate::endpoint::Endpoint;
use crate::kernel::without_signals;
use crate::options::Options;
use crate::secret::Secret;
use crate::tls::{Files, Opening, Trust, Wrong};

/// The longest file that is read: a secret, and certificates.
const LONGEST: u64 = 16 << 20;

/// What an attempt to connect needs.
pub(crate) struct Found {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) credentials: Credentials,
    /// Over TLS.
    pub(crate) opening: Option<Opening>,
}

/// That of the attempt numbered `attempt`, or why it cannot be made.
pub(crate) struct Resolved {
    pub(crate) attempt: u64,
    pub(crate) found: Result<Found, String>,
}

pub(crate) struct Io {
    desk: Desk,
    wake: Arc<dyn Fn() + Send + Sync>,
    requests: Option<Sender<(u64, Endpoint)>>,
    answers: Receiver<Resolved>,
    answer: Sender<Resolved>,
}

impl Io {
    pub(crate) fn new(options: &Options, wake: Arc<dyn Fn() + Send + Sync>) -> Io {
        let (answer, answers) = channel();
        Io {
            desk: Desk::new(options),
            wake,
            requests: None,
            answers,
            answer,
        }
    }

    /// Asks for what an attempt to connect needs. Where nothing has to be looked up, it is answered at once.
    pub(crate) fn resolve(&mut self, attempt: u64, endpoint: &Endpoint) {
        if !self.desk.may_block(endpoint) {
            let found = self.desk.find(endpoint);
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
        let mut desk = self.desk.clone();
        let thread = std::thread::Builder::new().name("potsdb-io".to_owned());
        let work = move || {
            for (attempt, endpoint) in asked {
                let found = desk.find(&endpoint);
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

/// What is looked up, and where.
#[derive(Clone)]
struct Desk {
    auth: Option<Auth>,
    headers: Vec<(String, Secret)>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    /// Made of the files as they were; kept as long as they are the same, so that sessions are resumed.
    trust: Option<(Files, Trust)>,
}

impl Desk {
    fn new(options: &Options) -> Desk {
        Desk {
            auth: options.auth.clone(),
            headers: options.headers.clone(),
            ca: options.ca.clone(),
            cert: options.cert.clone(),
            key: options.key.clone(),
            trust: None,
        }
    }

    /// Names and files are for the other thread, and so are the system's authorities, which are in files too.
    fn may_block(&self, endpoint: &Endpoint) -> bool {
        let secret = self.auth.as_ref().is_some_and(|auth| auth.file().is_some());
        endpoint.literal().is_none() || secret || endpoint.scheme().is_tls()
    }

    fn find(&mut self, endpoint: &Endpoint) -> Result<Found, String> {
        let credentials = Credentials::new(self.auth.as_ref(), &self.headers, |path| {
            String::from_utf8(read(path)?).map_err(|_| io::Error::other("it is not UTF-8"))
        })?;
        let opening = match endpoint.scheme().is_tls() {
            true => {
                let trust = self
                    .trust()
                    .map_err(|(option, rule)| format!("option {option}: {rule}"))?;
                Some(trust.opening(endpoint)?)
            }
            false => None,
        };
        let addresses = match endpoint.literal() {
            Some(address) => vec![address],
            None => (endpoint.host(), endpoint.port())
                .to_socket_addrs()
                .map_err(|error| error.to_string())?
                .collect(),
        };
        Ok(Found {
            addresses,
            credentials,
            opening,
        })
    }

    fn trust(&mut self) -> Result<&Trust, Wrong> {
        let files = Files {
            ca: pem("ca", self.ca.as_ref())?,
            cert: pem("cert", self.cert.as_ref())?,
            key: pem("key", self.key.as_ref())?,
        };
        let known = self.trust.take().filter(|(known, _)| *known == files);
        let known = match known {
            Some(known) => known,
            None => {
                let trust = Trust::new(&files)?;
                (files, trust)
            }
        };
        Ok(&self.trust.insert(known).1)
    }
}

/// What the first connection over TLS will find, so that what is wrong with it is found while building.
pub(crate) fn trust(options: &Options) -> Result<Trust, Wrong> {
    Desk::new(options).trust().cloned()
}

/// What a connection to this endpoint begins with, now.
pub(crate) fn opening(options: &Options, endpoint: &Endpoint) -> io::Result<Option<Opening>> {
    if !endpoint.scheme().is_tls() {
        return Ok(None);
    }
    let trust = trust(options).map_err(|(option, rule)| io::Error::other(format!("option {option}: {rule}")))?;
    trust.opening(endpoint).map(Some).map_err(io::Error::other)
}

fn pem(option: &'static str, path: Option<&PathBuf>) -> Result<Option<(PathBuf, Vec<u8>)>, Wrong> {
    let Some(path) = path else { return Ok(None) };
    match read(path) {
        Ok(text) => Ok(Some((path.clone(), text))),
        Err(error) => Err((option, format!("{}: {error}", path.display()))),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
