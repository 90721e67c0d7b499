//! A conversation: a case of a transcript played at a server, to write down what comes back or to compare it.
//!
//! When an answer is complete only its text tells, and a file of cases has none: recording waits until nothing more came for
//! a while. Comparing reads until the text is there, so that only an answer that stays away costs time.
//!
//! Called by `tests/transcripts.rs`, at `potsdb serve`'s receiver and at the real servers. `transcript.rs` is the format.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use crate::transcript::{Case, Exchange, Heard, Transcript};

/// How long an answer that is known may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long nothing more may come after it.
const SILENCE: Duration = Duration::from_millis(30);

/// Plays every case at the server, one after the other, and writes down what came until `quiet` passed without a byte.
///
/// # Errors
///
/// When the server takes no connection.
///
/// # Panics
///
/// When a case has an escape that there is not; [`Transcript::parse`] lets none through.
pub fn record(cases: &Transcript, server: SocketAddr, quiet: Duration) -> io::Result<Transcript> {
    let mut recorded = cases.clone();
    for case in &mut recorded.cases {
        let mut connection = TcpStream::connect(server)?;
        for exchange in &mut case.exchanges {
            say(exchange, &mut connection);
            let (bytes, open) = hear(&mut connection, quiet, |_| false);
            exchange.heard = Some(Heard::record(&bytes, open));
        }
    }
    Ok(recorded)
}

/// Plays a case at the server and compares; the error shows the turn in which another answer came.
///
/// # Errors
///
/// What was expected and what came.
pub fn compare(case: &Case, server: SocketAddr) -> Result<(), String> {
    let mut connection = TcpStream::connect(server).map_err(|error| error.to_string())?;
    for exchange in &case.exchanges {
        let expected = exchange.heard.as_ref().ok_or("the case was never recorded")?;
        say(exchange, &mut connection);
        let came = |bytes: &[u8]| expected.open && expected.matches(bytes);
        let enough = |bytes: &[u8]| came(bytes) || expected.is_contradicted_by(bytes);
        let (mut bytes, mut open) = hear(&mut connection, PATIENCE, enough);
        if open && came(&bytes) {
            let (more, still_open) = hear(&mut connection, SILENCE, |_| false);
            bytes.extend_from_slice(&more);
            open = still_open;
        }
        if !expected.matches(&bytes) || open != expected.open {
            let came = Exchange {
                heard: Some(Heard {
                    pieces: vec![bytes],
                    open,
                }),
                ..exchange.clone()
            };
            return Err(format!("== {}\nexpected\n{exchange}but came\n{came}", case.name));
        }
    }
    Ok(())
}

/// Says it; a peer that has ended the connection is found when its answer is read.
fn say(exchange: &Exchange, connection: &mut TcpStream) {
    let bytes = exchange.bytes().expect("it was read from a file");
    let _ = connection.set_nodelay(true);
    let _ = connection.set_write_timeout(Some(PATIENCE));
    let _ = connection.write_all(&bytes);
    if exchange.half_close {
        let _ = connection.shutdown(Shutdown::Write);
    }
}

/// What comes until the connection ends, nothing came for `quiet`, or it is enough; and whether the connection stands.
fn hear(connection: &mut TcpStream, quiet: Duration, enough: impl Fn(&[u8]) -> bool) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut chunk = [0; 64 * 1024];
    let mut last = Instant::now();
    while !enough(&bytes) {
        let left = quiet.saturating_sub(last.elapsed());
        if left.is_zero() {
            break;
        }
        let _ = connection.set_read_timeout(Some(left));
        match connection.read(&mut chunk) {
            Ok(0) => return (bytes, false),
            Ok(length) => {
                bytes.extend_from_slice(&chunk[..length]);
                last = Instant::now();
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return (bytes, false),
        }
    }
    (bytes, true)
}
