//! One accepted connection: its first bytes decide telnet or HTTP, its faults how long it lives.
//!
//! A telnet peer that never reads holds up nobody: replies are written only as far as the socket takes them, and reading
//! goes on. What is read goes through a buffer all connections of the thread share, so an idle one costs next to nothing.
//!
//! `receiver.rs` starts one task each; `telnet.rs` is the conversation, `http.rs` the other front, `faults.rs` the fate.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{Interest, Ready};
use tokio::net::TcpStream;

use crate::faults::{Ending, Fate};
use crate::http;
use crate::personality::Opening;
use crate::state::Shared;
use crate::store::series::Writer;
use crate::telnet::Telnet;

/// How much is read at once: a few hundred microseconds of work, so that connections take turns.
const CHUNK: usize = 256 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; CHUNK]);
}

/// Serves a connection to its end.
pub(crate) async fn serve(stream: TcpStream, mut fate: Fate, shared: Arc<Shared>) {
    let mut writer = Writer::UNKNOWN;
    shared.store.count(|counts| {
        counts.connections += 1;
        counts.open += 1;
        writer = Writer::connection(counts.connections);
    });
    let _ = stream.set_nodelay(true);
    let ending = converse(&stream, writer, &shared, &mut fate).await;
    if let Ok(Some(ending)) = ending {
        if ending == Ending::Reset {
            reset(&stream);
        }
        shared.store.count(|counts| counts.cut += 1);
    }
    drop(stream);
    shared.store.count(|counts| counts.open -= 1);
}

/// Resets a connection: sends RST and throws away what was not delivered, both ways.
pub(crate) fn reset(stream: &TcpStream) {
    // With no linger time a close does that, but only the last one: a forked child may have a copy of the socket.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
    let _ = rustix::net::connect_unspec(stream);
}

/// Returns the fault that ended it, if one did.
async fn converse(
    stream: &TcpStream,
    writer: Writer,
    shared: &Arc<Shared>,
    fate: &mut Fate,
) -> io::Result<Option<Ending>> {
    let mut telnet = Telnet::of(writer);
    let mut switched = fate.switched();
    let mut opening = Some(Vec::new());
    let mut open = true;
    loop {
        // What the switch was told before bytes came must hold for them.
        fate.refresh();
        if fate.goes_half_open() {
            shared.store.count(|counts| counts.half_open += 1);
        }
        if let Some(ending) = fate.ending() {
            return Ok(Some(ending));
        }
        if !open && (telnet.replies.is_empty() || telnet.struck() == Some(Ending::Reset)) {
            return Ok(telnet.struck());
        }
        let reads = open && fate.reads();
        let writes = fate.answers() && !telnet.replies.is_empty();
        let ready = tokio::select! {
            ready = ready(stream, reads, writes) => ready?,
            () = switched.changed() => continue,
        };
        if fate.refresh() {
            continue;
        }
        if writes && ready.is_writable() {
            write(stream, &mut telnet.replies)?;
        }
        if !reads || !ready.is_readable() {
            continue;
        }
        match read(stream, shared, fate, &mut telnet, &mut opening) {
            Ok(Taken::Nothing) => {
                telnet.end(shared, fate);
                open = false;
            }
            Ok(Taken::Bytes) => {
                open = !telnet.is_over();
                // A peer that never pauses would keep the thread for dozens of chunks otherwise.
                tokio::task::yield_now().await;
            }
            Ok(Taken::Http(first)) => return Ok(http::converse(stream, writer, first, shared, fate).await),
            Ok(Taken::Broken(words)) => {
                telnet.replies.extend_from_slice(words);
                open = false;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => {
                telnet.end(shared, fate);
                return Err(error);
            }
        }
    }
}

async fn ready(stream: &TcpStream, reads: bool, writes: bool) -> io::Result<Ready> {
    match (reads, writes) {
        (true, true) => stream.ready(Interest::READABLE | Interest::WRITABLE).await,
        (true, false) => stream.ready(Interest::READABLE).await,
        (false, true) => stream.ready(Interest::WRITABLE).await,
        (false, false) => std::future::pending().await,
    }
}

/// What a read brought.
enum Taken {
    /// The end of the stream.
    Nothing,
    /// Telnet bytes, worked through already; or too few to tell what they are.
    Bytes,
    /// The beginning of an HTTP connection.
    Http(Vec<u8>),
    /// HTTP that is none, and what is said to that.
    Broken(&'static [u8]),
}

/// The most bytes that come before it is clear what they are.
const MAX_OPENING: usize = 64 * 1024;

/// Reads once and works through what came. `opening` is what came so far, while it is not clear what it is.
fn read(
    stream: &TcpStream,
    shared: &Shared,
    fate: &mut Fate,
    telnet: &mut Telnet,
    opening: &mut Option<Vec<u8>>,
) -> io::Result<Taken> {
    BUFFER.with_borrow_mut(|buffer| {
        let room = fate.room(buffer.len());
        let length = stream.try_read(&mut buffer[..room])?;
        fate.received(length);
        let bytes = &buffer[..length];
        if let Some(mut first) = opening.take() {
            first.extend_from_slice(bytes);
            return match shared.voice.opening(&first) {
                Opening::Undecided if length > 0 && first.len() < MAX_OPENING => {
                    *opening = Some(first);
                    Ok(Taken::Bytes)
                }
                Opening::Http => Ok(Taken::Http(first)),
                Opening::Broken(words) => Ok(Taken::Broken(words)),
                Opening::Telnet | Opening::Undecided => {
                    take(&first, stream, shared, fate, telnet)?;
                    Ok(if length == 0 { Taken::Nothing } else { Taken::Bytes })
                }
            };
        }
        if bytes.is_empty() {
            return Ok(Taken::Nothing);
        }
        take(bytes, stream, shared, fate, telnet)?;
        Ok(Taken::Bytes)
    })
}

/// Works through telnet bytes, writing replies in between.
fn take(mut bytes: &[u8], stream: &TcpStream, shared: &Shared, fate: &Fate, telnet: &mut Telnet) -> io::Result<()> {
    let counted = shared.faults.strikes_points();
    let before = if counted { shared.store.counts().puts } else { 0 };
    let mut congested = false;
    while !bytes.is_empty() {
        let used = telnet.take(bytes, congested, shared, fate);
        bytes = &bytes[used..];
        congested = !fate.answers() || !write(stream, &mut telnet.replies)?;
    }
    if counted {
        shared.faults.arrived(shared.store.counts().puts - before);
    }
    Ok(())
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
