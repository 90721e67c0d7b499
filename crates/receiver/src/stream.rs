//! The byte stream of an HTTP connection: reads heads and bodies, writes answers, and asks the connection's fate before
//! each of it.
//!
//! It begins with the bytes that told HTTP from telnet. It reads no byte beyond a cut, and waits while the switch says so.
//! `http.rs` is the conversation over it.

use std::io;

use tokio::net::TcpStream;

use crate::faults::{Ending, Fate, Switched};
use crate::head::Head;
use crate::state::Shared;

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// The longest head, and the longest line that says how long a chunk is.
const MAX_HEAD: usize = 64 * 1024;

pub(crate) struct Stream<'a> {
    stream: &'a TcpStream,
    shared: &'a Shared,
    fate: &'a mut Fate,
    switched: Switched,
    /// What was read and not used yet.
    read: Vec<u8>,
}

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    /// A fault.
    Struck(Ending),
    /// The peer is gone, or said what cannot be understood.
    Gone,
}

impl<'a> Stream<'a> {
    /// A stream whose first bytes were read already.
    pub(crate) fn new(stream: &'a TcpStream, first: Vec<u8>, shared: &'a Shared, fate: &'a mut Fate) -> Stream<'a> {
        Stream {
            stream,
            shared,
            switched: fate.switched(),
            fate,
            read: first,
        }
    }

    /// The next request's head; `None` at the end of the stream.
    pub(crate) async fn head(&mut self) -> Result<Option<Head>, Over> {
        loop {
            match Head::parse(&self.read) {
                Ok(Some((head, length))) => {
                    self.read.drain(..length);
                    return Ok(Some(head));
                }
                Ok(None) if self.read.len() < MAX_HEAD => {}
                Ok(None) | Err(_) => return Err(Over::Gone),
            }
            if !self.more().await? {
                return if self.read.is_empty() {
                    Ok(None)
                } else {
                    Err(Over::Gone)
                };
            }
        }
    }

    /// A request's body, at most so large.
    pub(crate) async fn body(&mut self, head: &Head, most: usize) -> Result<Vec<u8>, Over> {
        let mut body = Vec::new();
        if !head.is_chunked() {
            self.take(head.length(), most, &mut body).await?;
            return Ok(body);
        }
        while let Some(length) = self.chunk().await? {
            self.take(length, most, &mut body).await?;
            self.line().await?;
        }
        Ok(body)
    }

    /// Reads a body that nobody wants to its end, and keeps nothing of it.
    pub(crate) async fn leave_out(&mut self, head: &Head) -> Result<(), Over> {
        if !head.is_chunked() {
            return self.skip(head.length()).await;
        }
        while let Some(length) = self.chunk().await? {
            self.skip(length).await?;
            self.line().await?;
        }
        Ok(())
    }

    /// How long the next chunk is; `None` at the end of the body, whose trailers are read then.
    async fn chunk(&mut self) -> Result<Option<u64>, Over> {
        let line = self.line().await?;
        let length = line.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(length, 16).map_err(|_| Over::Gone)?;
        if length == 0 {
            // Up to the empty line.
            while !self.line().await?.is_empty() {}
            return Ok(None);
        }
        Ok(Some(length))
    }

    async fn skip(&mut self, mut left: u64) -> Result<(), Over> {
        loop {
            let used = self.read.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            self.read.drain(..used);
            left -= used as u64;
            if left == 0 {
                return Ok(());
            }
            if !self.more().await? {
                return Err(Over::Gone);
            }
        }
    }

    /// Writes all of it, as fast as the peer reads.
    pub(crate) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Over> {
        while !bytes.is_empty() {
            self.obey()?;
            if !self.fate.answers() {
                self.switched.changed().await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.switched.changed() => continue,
                ready = self.stream.writable() => ready.map_err(|_| Over::Gone)?,
            }
            match self.stream.try_write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Over::Gone),
            }
        }
        Ok(())
    }

    /// Says nothing until the peer leaves; what it still says is not heard.
    pub(crate) async fn wait_for_end(&mut self) -> Result<(), Over> {
        while self.more().await? {
            self.read.clear();
        }
        Ok(())
    }

    async fn take(&mut self, length: u64, most: usize, body: &mut Vec<u8>) -> Result<(), Over> {
        let room = most - body.len().min(most);
        let length = usize::try_from(length).ok().filter(|length| *length <= room);
        let length = length.ok_or(Over::Gone)?;
        while self.read.len() < length {
            if !self.more().await? {
                return Err(Over::Gone);
            }
        }
        body.extend(self.read.drain(..length));
        Ok(())
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(newline) = memchr::memchr(b'\n', &self.read) {
                let line: Vec<u8> = self.read.drain(..=newline).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.read.len() > MAX_HEAD || !self.more().await? {
                return Err(Over::Gone);
            }
        }
    }

    /// Reads once; false at the end of the stream.
    async fn more(&mut self) -> Result<bool, Over> {
        loop {
            self.obey()?;
            if !self.fate.reads() {
                self.switched.changed().await;
                continue;
            }
            tokio::select! {
                biased;
                () = self.switched.changed() => continue,
                ready = self.stream.readable() => ready.map_err(|_| Over::Gone)?,
            }
            let start = self.read.len();
            self.read.resize(start + self.fate.room(CHUNK), 0);
            let taken = self.stream.try_read(&mut self.read[start..]);
            self.read.truncate(start + taken.as_ref().map_or(0, |length| *length));
            match taken {
                Ok(length) => {
                    self.fate.received(length);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Over::Gone),
            }
        }
    }

    fn obey(&mut self) -> Result<(), Over> {
        self.fate.refresh();
        if self.fate.goes_half_open() {
            self.shared.store.count(|counts| counts.half_open += 1);
        }
        self.fate.ending().map_or(Ok(()), |ending| Err(Over::Struck(ending)))
    }
}
