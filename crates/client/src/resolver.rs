//! Names: looking up the addresses of a host without anybody having to wait for it.
//!
//! The system's resolver cannot be interrupted and may take as long as it likes, so each question is asked on a thread
//! that nothing waits for. A question that hangs costs that thread, until the system gives up.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::kernel::without_signals;

/// The addresses of a host, each with port 0; what the system says, or what a test makes up.
pub(crate) type Lookup = Arc<dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

/// More addresses of one name than that are not looked at.
const ADDRESSES: usize = 64;

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
    let name = host.to_owned();
    ask(lookup.clone(), name, move |found| {
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

/// Looks a host up on a thread of its own.
fn ask(
    lookup: Lookup,
    host: String,
    answer: impl FnOnce(io::Result<Vec<SocketAddr>>) + Send + 'static,
) -> io::Result<()> {
    let thread = std::thread::Builder::new().name("potsdb-names".to_owned());
    without_signals(|| thread.spawn(move || answer(lookup(&host))))?;
    Ok(())
}

fn at_port(mut addresses: Vec<SocketAddr>, port: u16) -> Vec<SocketAddr> {
    addresses.iter_mut().for_each(|address| address.set_port(port));
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_hangs_is_waited_for_no_longer_than_said() {
        let (release, hangs) = channel::<()>();
        let hangs = std::sync::Mutex::new(hangs);
        let lookup: Lookup = Arc::new(move |_| {
            let _ = hangs.lock().unwrap().recv();
            Ok(Vec::new())
        });
        let error = look_up_within(&lookup, "hangs.example", 4242, Duration::from_millis(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("hangs.example"), "{error}");
        drop(release);
    }

    #[test]
    fn an_address_is_no_question_and_a_name_gets_the_port() {
        let lookup: Lookup = Arc::new(|host| match host {
            "a.example" => Ok(vec!["10.0.0.1:0".parse().unwrap(), "[fe80::1]:0".parse().unwrap()]),
            _ => panic!("{host} was asked for"),
        });
        let found = |host: &str| look_up_within(&lookup, host, 4242, Duration::from_secs(60)).unwrap();
        let shown = |host: &str| found(host).iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(shown("a.example"), ["10.0.0.1:4242", "[fe80::1]:4242"]);
        assert_eq!(shown("::1"), ["[::1]:4242"]);
    }
}
