//! Files: those that secrets and certificates are in, read on a thread of their own.
//!
//! A file may be on a server that hangs, and then nobody can interrupt it. So the worker asks, goes on, and is woken when
//! the answer is there; closing does not wait. They are read before every attempt to connect, because they are rotated; one
//! reading at a time is under way, and all attempts that begin meanwhile wait for the same. Names are `resolver.rs`'s,
//! and neither waits for the other.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use crate::config::auth::Auth;
use crate::config::credentials::Credentials;
use crate::config::endpoint::Endpoint;
use crate::config::options::Options;
use crate::config::secret::Secret;
use crate::net::kernel::without_signals;
use crate::net::resolver::Question;
use crate::net::tls::{Files, TlsConfig, TlsTarget, Wrong};

/// The longest file that is read: a secret, and certificates.
const LONGEST: u64 = 16 << 20;

/// What a connection needs that is in files.
#[derive(Clone)]
pub(crate) struct Secrets {
    credentials: Credentials,
    /// Over TLS.
    trust: Option<Arc<(Files, TlsConfig)>>,
}

impl Secrets {
    /// Reads them on the caller's thread.
    pub(crate) fn now(options: &Options, endpoint: &Endpoint) -> Result<Secrets, String> {
        Places::new(options, endpoint.scheme().is_tls()).read()
    }

    pub(crate) fn credentials(&self) -> Credentials {
        self.credentials.clone()
    }

    /// What a connection to this endpoint begins with, over TLS.
    pub(crate) fn tls_target(&self, endpoint: &Endpoint) -> Result<Option<TlsTarget>, String> {
        let tls_target = self.trust.as_ref().map(|trust| trust.1.tls_target(endpoint.host()));
        tls_target.transpose().map_err(str::to_owned)
    }
}

/// Reads them.
pub(crate) struct Reader {
    places: Places,
    question: Question<Secrets>,
    wake: Arc<dyn Fn() + Send + Sync>,
    answers: Receiver<Result<Secrets, String>>,
    answer: Sender<Result<Secrets, String>>,
}

impl Reader {
    /// `wake` is called on another thread when an answer is there.
    pub(crate) fn new(options: &Options, endpoints: &[Endpoint], wake: Arc<dyn Fn() + Send + Sync>) -> Reader {
        let (answer, answers) = channel();
        Reader {
            places: Places::new(options, endpoints.iter().any(|endpoint| endpoint.scheme().is_tls())),
            question: Question::default(),
            wake,
            answers,
            answer,
        }
    }

    /// An attempt begins; the number of the reading it waits for. If there is no file to read, it is over at once.
    pub(crate) fn wait(&mut self) -> u64 {
        let (number, is_new) = self.question.join();
        if is_new && !self.places.may_block() {
            self.question.answered(self.places.read());
        } else if is_new && let Err(error) = self.start() {
            self.question.answered(Err(error.to_string()));
        }
        number
    }

    /// What that reading found, once it is over.
    pub(crate) fn secrets(&mut self, reading: u64) -> Option<Result<Secrets, String>> {
        if let Ok(answer) = self.answers.try_recv() {
            if let Ok(secrets) = &answer {
                self.places.trust.clone_from(&secrets.trust);
            }
            self.question.answered(answer);
        }
        self.question.answer(reading).cloned()
    }

    /// Whether that reading is known to be over.
    pub(crate) fn is_over(&self, reading: u64) -> bool {
        self.question.answer(reading).is_some()
    }

    fn start(&self) -> io::Result<()> {
        let (answer, wake) = (self.answer.clone(), self.wake.clone());
        let mut places = self.places.clone();
        let thread = std::thread::Builder::new().name("potsdb-files".to_owned());
        let work = move || {
            // Whoever has closed meanwhile does not want it any more.
            if answer.send(places.read()).is_ok() {
                wake();
            }
        };
        without_signals(|| thread.spawn(work))?;
        Ok(())
    }
}

/// What is read, and where it is.
#[derive(Clone)]
struct Places {
    auth: Option<Auth>,
    headers: Vec<(String, Secret)>,
    ca: Option<PathBuf>,
    cert: Option<PathBuf>,
    key: Option<PathBuf>,
    tls: bool,
    /// Made of the files as they were; kept while they are the same, so that sessions are resumed.
    trust: Option<Arc<(Files, TlsConfig)>>,
}

impl Places {
    fn new(options: &Options, tls: bool) -> Places {
        Places {
            auth: options.auth.clone(),
            headers: options.headers.clone(),
            ca: options.ca.clone(),
            cert: options.cert.clone(),
            key: options.key.clone(),
            tls,
            trust: None,
        }
    }

    /// Files are for the other thread, and the system's authorities are in files, too.
    fn may_block(&self) -> bool {
        self.tls || self.auth.as_ref().is_some_and(|auth| auth.file().is_some())
    }

    fn read(&mut self) -> Result<Secrets, String> {
        let credentials = Credentials::new(self.auth.as_ref(), &self.headers, |path| {
            String::from_utf8(read(path)?).map_err(|_| io::Error::other("it is not UTF-8"))
        })?;
        let trust = match self.tls {
            true => Some(
                self.trust()
                    .map_err(|(option, rule)| format!("option {option}: {rule}"))?,
            ),
            false => None,
        };
        Ok(Secrets { credentials, trust })
    }

    fn trust(&mut self) -> Result<Arc<(Files, TlsConfig)>, Wrong> {
        let files = Files {
            ca: pem("ca", self.ca.as_ref())?,
            cert: pem("cert", self.cert.as_ref())?,
            key: pem("key", self.key.as_ref())?,
        };
        let known = self.trust.take().filter(|known| known.0 == files);
        let known = match known {
            Some(known) => known,
            None => {
                let trust = TlsConfig::new(&files)?;
                Arc::new((files, trust))
            }
        };
        Ok(self.trust.insert(known).clone())
    }
}

/// What the first connection over TLS will find, so that what is wrong with it is found while building.
pub(crate) fn trust(options: &Options) -> Result<TlsConfig, Wrong> {
    Ok(Places::new(options, true).trust()?.1.clone())
}

/// What a connection to this endpoint begins with, now.
pub(crate) fn tls_target(options: &Options, endpoint: &Endpoint) -> io::Result<Option<TlsTarget>> {
    if !endpoint.scheme().is_tls() {
        return Ok(None);
    }
    let trust = trust(options).map_err(|(option, rule)| io::Error::other(format!("option {option}: {rule}")))?;
    trust.tls_target(endpoint.host()).map(Some).map_err(io::Error::other)
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
