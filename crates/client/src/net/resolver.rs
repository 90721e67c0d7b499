//! Names: looking up the addresses of hosts, and nobody waits who need not.
//!
//! The system's resolver cannot be interrupted and may take as long as it likes, so each question is asked on a thread
//! that ends with it. One question a name is under way at any time. Its answer is kept however late it comes, and every
//! attempt to connect that waits for that name goes on with it. No name waits for another one.
//!
//! ```text
//!  attempt --wait--> is the name being asked for? --no--> thread --answer--> kept: the last good addresses
//!     '---- goes on with: the answer, or after HEAD_START with what is kept from before
//! ```
//!
//! Addresses move, so each attempt asks. But a name costs only the first connection its time: later ones go to the last
//! good addresses when the new answer fails, or takes longer than [`HEAD_START`].
//!
//! [`Name`] is that without threads; the simulation plays slow names with it.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use crate::net::kernel::without_signals;

/// The addresses of a host, each with port 0; what the system says, or what a test makes up.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// How long a new answer may take before the last good addresses are tried. Names in a cache are answered within that,
/// so a server that has moved is usually found at once.
const HEAD_START: Duration = Duration::from_millis(100);

/// More addresses of one name than that are not looked at.
const ADDRESSES: usize = 64;

/// Asks for names on threads of their own.
pub(crate) struct Resolver {
    lookup: Lookup,
    wake: Arc<dyn Fn() + Send + Sync>,
    names: Vec<(String, Name)>,
    answers: Receiver<(usize, Result<Vec<SocketAddr>, String>)>,
    answer: Sender<(usize, Result<Vec<SocketAddr>, String>)>,
}

/// An attempt that waits for a name.
pub(crate) struct NameWait {
    name: usize,
    wait: Wait,
}

impl Resolver {
    /// `wake` is called on another thread when an answer is there.
    pub(crate) fn new(lookup: Lookup, wake: Arc<dyn Fn() + Send + Sync>) -> Resolver {
        let (answer, answers) = channel();
        Resolver {
            lookup,
            wake,
            names: Vec::new(),
            answers,
            answer,
        }
    }

    /// An attempt begins that needs the addresses of a host.
    pub(crate) fn wait(&mut self, now: Duration, host: &str) -> NameWait {
        let known = self.names.iter().position(|(name, _)| name == host);
        let name = known.unwrap_or_else(|| {
            self.names.push((host.to_owned(), Name::default()));
            self.names.len() - 1
        });
        let (wait, is_new) = self.names[name].1.wait(now);
        if is_new {
            let (answer, wake) = (self.answer.clone(), self.wake.clone());
            let asked = ask(self.lookup.clone(), host.to_owned(), move |found| {
                // Whoever has closed meanwhile does not want it any more.
                if answer.send((name, found.map_err(|error| error.to_string()))).is_ok() {
                    wake();
                }
            });
            if let Err(error) = asked {
                self.names[name].1.answered(Err(error.to_string()));
            }
        }
        NameWait { name, wait }
    }

    /// What the attempt goes on with, once it can: addresses with port 0, or why there are none.
    pub(crate) fn addresses(&mut self, now: Duration, wait: &NameWait) -> Option<Result<Vec<SocketAddr>, String>> {
        // No more than one a name.
        while let Ok((name, answer)) = self.answers.try_recv() {
            self.names[name].1.answered(answer);
        }
        let (_, name) = &self.names[wait.name];
        Some(name.addresses(now, &wait.wait)?.map(<[SocketAddr]>::to_vec))
    }

    /// When to look again, whether or not an answer comes.
    pub(crate) fn deadline(&self, wait: &NameWait) -> Option<Duration> {
        self.names[wait.name].1.deadline(&wait.wait)
    }
}

/// One name: the question under way, and what is known from the ones before.
#[derive(Default)]
pub(crate) struct Name {
    question: Question<Vec<SocketAddr>>,
    /// The last good addresses.
    kept: Option<Vec<SocketAddr>>,
}

/// An attempt that waits for an answer.
pub(crate) struct Wait {
    question: u64,
    since: Duration,
}

impl Name {
    /// An attempt begins. True: it is the caller's to ask the question.
    pub(crate) fn wait(&mut self, now: Duration) -> (Wait, bool) {
        let (question, is_new) = self.question.join();
        (Wait { question, since: now }, is_new)
    }

    pub(crate) fn answered(&mut self, answer: Result<Vec<SocketAddr>, String>) {
        if let Ok(addresses) = &answer
            && !addresses.is_empty()
        {
            self.kept = Some(addresses.clone());
        }
        self.question.answered(answer);
    }

    pub(crate) fn addresses(&self, now: Duration, wait: &Wait) -> Option<Result<&[SocketAddr], String>> {
        match (self.question.answer(wait.question), &self.kept) {
            (Some(Ok(addresses)), _) => Some(Ok(addresses)),
            (Some(Err(_)), Some(kept)) => Some(Ok(kept)),
            (Some(Err(why)), None) => Some(Err(why.clone())),
            (None, Some(kept)) if now >= wait.since + HEAD_START => Some(Ok(kept)),
            (None, _) => None,
        }
    }

    pub(crate) fn deadline(&self, wait: &Wait) -> Option<Duration> {
        self.kept.as_ref().map(|_| wait.since + HEAD_START)
    }
}

/// Something that is asked for again and again, one question at a time: who asks meanwhile waits for the same answer.
pub(crate) struct Question<T> {
    asked: u64,
    answered: u64,
    newest: Option<Result<T, String>>,
}

impl<T> Default for Question<T> {
    fn default() -> Question<T> {
        Question {
            asked: 0,
            answered: 0,
            newest: None,
        }
    }
}

impl<T> Question<T> {
    /// The number of the question to wait for. True: it is new, and the caller's to ask.
    pub(crate) fn join(&mut self) -> (u64, bool) {
        let is_new = self.asked == self.answered;
        self.asked += u64::from(is_new);
        (self.asked, is_new)
    }

    pub(crate) fn answered(&mut self, answer: Result<T, String>) {
        self.answered = self.asked;
        self.newest = Some(answer);
    }

    /// The answer to the question of that number, or to a newer one.
    pub(crate) fn answer(&self, question: u64) -> Option<&Result<T, String>> {
        self.newest.as_ref().filter(|_| self.answered >= question)
    }
}

/// The lookup of the system the program runs on.
pub(crate) fn system() -> Lookup {
    Arc::new(|host| Ok((host, 0).to_socket_addrs()?.take(ADDRESSES).collect()))
}

/// The addresses of a host, if the system knows them within `timeout`. Waits: for the caller's own thread.
pub(crate) fn lookup_within(host: &str, port: u16, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    look_up_within(&system(), host, port, timeout)
}

fn look_up_within(lookup: &Lookup, host: &str, port: u16, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (answer, answers) = channel();
    ask(lookup.clone(), host.to_owned(), move |found| {
        let _ = answer.send(found);
    })?;
    let late = |_| {
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!("the name {host} was not resolved in time"),
        )
    };
    Ok(at_port(answers.recv_timeout(timeout).map_err(late)??, port))
}

/// The addresses, at a port.
pub(crate) fn at_port(mut addresses: Vec<SocketAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.iter_mut().for_each(|address| address.set_port(port));
    addresses
}

/// Looks a host up on a thread of its own, which gives the answer.
fn ask(
    lookup: Lookup,
    host: String,
    answer: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("potsdb-names".to_owned());
    without_signals(|| thread.spawn(move || answer(lookup(&host))))?;
    Ok(())
}

#[cfg(test)]
mod tests;
