//! One accepted connection: its first bytes decide telnet or HTTP, its faults how long it lives.
//!
//! A telnet peer that never reads holds up nobody: replies are written only as far as the socket takes them, and reading
//! goes on. What is read goes through a buffer all connections of the thread share, so an idle one costs next to nothing.
//!
//! `receiver.rs` starts one task each; `telnet.rs` is the conversation, `http.rs` the other front, `faults.rs` the fate.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::TcpStream;

use crate::faults::{Ending, Fate};
use crate::receiver::Shared;
use crate::telnet::Telnet;

/// How much is read at once: a few hundred microseconds of work, so that connections take turns.
const CHUNK: usize = 256 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Serves a connection to its end.
pub(crate) async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    shared.store.count(|counts| {
        counts.connections += 1;
        counts.open += 1;
    });
    let mut fate = shared.faults.fate();
    let _ = stream.set_nodelay(true);
    let ending = converse(&stream, &shared, &mut fate).await;
    if let Ok(Some(ending)) = ending {
        if ending == Ending::Reset {
            // With no linger time the close below sends RST and throws away what was not delivered, both ways.
            let _ = socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO));
        }
        shared.store.count(|counts| counts.cut += 1);
    }
    drop(stream);
    shared.store.count(|counts| counts.open -= 1);
}

/// Returns the fault that ended it, if one did.
async fn converse(
    stream: &TcpStream,
    shared: &Shared,
    fate: &mut Fate,
) -> io::Result<Option<Ending>> {
    let mut telnet = Telnet::default();
    let mut begun = false;
    let mut open = true;
    loop {
        if let Some(ending) = fate.ending() {
            return Ok(Some(ending));
        }
        if !open && telnet.replies.is_empty() {
            return Ok(None);
        }
        let reads = open && fate.reads();
        let writes = fate.answers() && !telnet.replies.is_empty();
        let interest = match (reads, writes) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        };
        let ready = tokio::select! {
            ready = ready(stream, interest) => ready?,
            () = fate.changed() => continue,
        };
        // What the switch was told before these bytes came must hold for them.
        if fate.refresh() {
            continue;
        }
        if writes && ready.is_writable() {
            write(stream, &mut telnet.replies)?;
        }
        if !reads || !ready.is_readable() {
            continue;
        }
        match read(stream, shared, fate, &mut telnet, &mut begun) {
            Ok(0) => open = false,
            Ok(_) => open = !telnet.is_over(),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                note_torn(shared, &telnet);
                return Err(error);
            }
        }
        if !open {
            note_torn(shared, &telnet);
        }
    }
}

fn note_torn(shared: &Shared, telnet: &Telnet) {
    if telnet.is_torn() {
        shared.store.count(|counts| counts.torn += 1);
    }
}

async fn ready(stream: &TcpStream, interest: Option<Interest>) -> io::Result<tokio::io::Ready> {
    match interest {
        Some(interest) => stream.ready(interest).await,
        None => std::future::pending().await,
    }
}

/// Reads once and works through what came; `Ok(0)` is the end of the stream.
fn read(
    stream: &TcpStream,
    shared: &Shared,
    fate: &mut Fate,
    telnet: &mut Telnet,
    begun: &mut bool,
) -> io::Result<usize> {
    BUFFER.with_borrow_mut(|buffer| {
        let room = fate.room(buffer.len());
        let length = stream.try_read(&mut buffer[..room])?;
        fate.received(length);
        *begun = true;
        let mut rest = &buffer[..length];
        let mut congested = false;
        while !rest.is_empty() {
            let used = telnet.take(rest, congested, &shared.store, shared.personality.as_ref());
            rest = &rest[used..];
            congested = !fate.answers() || !write(stream, &mut telnet.replies)?;
        }
        Ok(length)
    })
}

/// Writes what the socket takes; true when that was all.
fn write(stream: &TcpStream, replies: &mut Vec<u8>) -> io::Result<bool> {
    let mut written = 0;
    while written < replies.len() {
        match stream.try_write(&replies[written..]) {
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    replies.drain(..written);
    Ok(replies.is_empty())
}
