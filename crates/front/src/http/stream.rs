//! The byte stream of an HTTP connection: reads heads and bodies within the limits, writes answers, and asks the
//! connection's conduct before each of it.
//!
//! It begins with the bytes that told HTTP from telnet. It reads no byte beyond a cut, and waits while the conduct says so;
//! that time is not the peer's. `http/mod.rs` is the conversation over it.

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use crate::admission::Share;
use crate::backend::Backend;
use crate::conduct::{Conduct, Ending};
use crate::connection::read_into;
use crate::front::Served;
use crate::http::{Head, Reply};
use crate::limits::{Deadline, Limits};
use crate::transport::{Ready, Transport};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// The longest line that says how long a chunk is, or is a trailer.
const MAX_LINE: usize = 4096;

pub(super) struct Stream<'a, B: Backend> {
    transport: &'a mut Transport,
    share: Share,
    session: &'a mut B::Session,
    limits: &'a Limits,
    /// What was read and not used yet.
    read: Vec<u8>,
    /// How long it waits for the peer now.
    patience: Option<Patience>,
    /// Everything was answered, and no next request has begun.
    is_between: bool,
}

/// A deadline of the peer's.
#[derive(Clone, Copy)]
struct Patience {
    deadline: Deadline,
    until: Instant,
}

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    /// A fault.
    Struck(Ending),
    /// The peer is gone, or said what cannot be understood.
    Gone,
    /// The peer did not meet a deadline.
    Late(Deadline),
    /// A body is larger than it may be.
    TooLarge { most: usize, minor: u8 },
    /// There is no room for a body now.
    NoRoom { minor: u8 },
}

impl<'a, B: Backend> Stream<'a, B> {
    /// A stream whose first bytes were read already.
    pub(super) fn new(
        transport: &'a mut Transport,
        first: Vec<u8>,
        share: Share,
        session: &'a mut B::Session,
        served: &'a Served<B>,
    ) -> Stream<'a, B> {
        Stream {
            transport,
            share,
            session,
            limits: &served.options.limits,
            read: first,
            patience: None,
            is_between: false,
        }
    }

    pub(super) fn session(&mut self) -> &mut B::Session {
        self.session
    }

    /// The next request's head; `None` at the end of the stream.
    pub(super) async fn head(&mut self) -> Result<Option<Head>, Over> {
        if self.read.is_empty() {
            // A connection that rests keeps no memory of what it once sent.
            self.read = Vec::new();
            self.share.set(0);
            self.patience = self.limits.idle.and_then(|idle| Patience::of(Deadline::Idle, idle));
            self.is_between = true;
            let more = self.more().await;
            self.is_between = false;
            if !more? {
                return Ok(None);
            }
        }
        self.patience = Patience::of(Deadline::Head, self.limits.head);
        let mut seen = 0;
        loop {
            // Read again only where a line has ended: a head that drips would take its length squared.
            if memchr::memchr(b'\n', &self.read[seen..]).is_some() {
                match Head::parse(&self.read) {
                    Ok(Some((head, length))) => {
                        self.read.drain(..length);
                        return Ok(Some(head));
                    }
                    Ok(None) => {}
                    Err(_) => return Err(Over::Gone),
                }
            }
            seen = self.read.len();
            if seen >= self.limits.head_bytes || !self.more().await? {
                return Err(Over::Gone);
            }
        }
    }

    /// A request's body.
    pub(super) async fn body(&mut self, head: &Head) -> Result<Vec<u8>, Over> {
        let (mut body, begun) = (Vec::new(), Instant::now());
        self.patience = Some(self.pace(begun, 0));
        if !head.is_chunked() {
            self.take(head.length(), head.minor, begun, &mut body).await?;
            return Ok(body);
        }
        let mut beside = 0;
        while let Some(length) = self.chunk(&mut beside, body.len()).await? {
            self.take(length, head.minor, begun, &mut body).await?;
            self.line().await?;
        }
        Ok(body)
    }

    /// Reads a body that nobody wants to its end, and keeps nothing of it.
    pub(super) async fn leave_out(&mut self, head: &Head) -> Result<(), Over> {
        let mut left = self.limits.refused_body;
        let begun = Instant::now();
        self.patience = Some(self.pace(begun, 0));
        if !head.is_chunked() {
            return self.skip(head.length(), begun, &mut left).await;
        }
        let mut beside = 0;
        while let Some(length) = self.chunk(&mut beside, 0).await? {
            self.skip(length, begun, &mut left).await?;
            self.line().await?;
            beside = 0;
            left = left.checked_sub(BESIDE_EACH as u64).ok_or(Over::Gone)?;
        }
        Ok(())
    }

    /// How long the next chunk is; `None` at the end of the body, whose trailers are read then. `beside` counts what is
    /// not content, which has a bound too.
    async fn chunk(&mut self, beside: &mut usize, content: usize) -> Result<Option<u64>, Over> {
        let line = self.line().await?;
        *beside += line.len() + 4;
        if *beside > BESIDE + BESIDE_EACH * content {
            return Err(Over::Gone);
        }
        let length = line.split(';').next().unwrap_or_default().trim();
        let length = u64::from_str_radix(length, 16).map_err(|_| Over::Gone)?;
        if length > 0 {
            return Ok(Some(length));
        }
        // Up to the empty line.
        loop {
            let trailer = self.line().await?;
            *beside += trailer.len();
            if trailer.is_empty() {
                return Ok(None);
            }
            if *beside > BESIDE + BESIDE_EACH * content {
                return Err(Over::Gone);
            }
        }
    }

    async fn skip(&mut self, mut length: u64, begun: Instant, left: &mut u64) -> Result<(), Over> {
        let mut skipped = 0;
        loop {
            let used = self.read.len().min(usize::try_from(length).unwrap_or(usize::MAX));
            self.read.drain(..used);
            length -= used as u64;
            skipped += used;
            *left = left.checked_sub(used as u64).ok_or(Over::Gone)?;
            if length == 0 {
                return Ok(());
            }
            self.patience = Some(self.pace(begun, skipped));
            if !self.more().await? {
                return Err(Over::Gone);
            }
        }
    }

    /// Until when a body that began then has to bring its next byte.
    fn pace(&self, begun: Instant, bytes: usize) -> Patience {
        let earned = Duration::from_secs_f64(bytes as f64 / f64::from(self.limits.body_rate.max(1)));
        Patience {
            deadline: Deadline::Body,
            until: begun + self.limits.body_grace + earned,
        }
    }

    /// Writes all of it, as fast as the peer reads.
    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), Over> {
        self.patience = Patience::of(Deadline::Unread, self.limits.unread);
        while !bytes.is_empty() || self.transport.is_behind() {
            let answers = self.session.answers();
            let writes = Ready {
                reads: false,
                writes: answers,
            };
            if !self.wait(writes, answers).await? {
                continue;
            }
            match self.transport.try_write(bytes) {
                Ok(length) => {
                    bytes = &bytes[length..];
                    self.patience = Patience::of(Deadline::Unread, self.limits.unread);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Over::Gone),
            }
        }
        Ok(())
    }

    /// Writes parts as they come, to their end; what the peer says meanwhile is not heard.
    pub(super) async fn pour(&mut self, mut parts: mpsc::Receiver<Vec<u8>>) -> Result<(), Over> {
        loop {
            self.obey()?;
            let leaves = Ready {
                reads: true,
                writes: false,
            };
            let part = tokio::select! {
                biased;
                () = self.session.changed() => continue,
                part = parts.recv() => part,
                ready = self.transport.ready(leaves) => {
                    ready.map_err(|_| Over::Gone)?;
                    match read_into(self.transport, CHUNK, &mut self.read) {
                        Ok(0) => return Err(Over::Gone),
                        Ok(_) => self.read.clear(),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(_) => return Err(Over::Gone),
                    }
                    continue;
                }
            };
            match part {
                Some(part) => self.write(&part).await?,
                None => return Ok(()),
            }
        }
    }

    /// Answers while the peer may still be sending, and ends the connection so that the peer can read that.
    pub(super) async fn say_last(&mut self, mut reply: Reply, minor: u8) -> Option<Ending> {
        reply.say_it_is_the_last(minor);
        let said = self.write(&reply.bytes(minor)).await;
        // Closed at once, what the kernel still holds of the body would be answered by a reset, and the reply be lost.
        let mut left = self.limits.refused_body;
        self.patience = Patience::of(Deadline::Body, self.limits.body_grace);
        self.transport.finish();
        let _ = self.transport.shut_writing();
        while said.is_ok() && matches!(self.more().await, Ok(true)) {
            left = left.checked_sub(self.read.len() as u64)?;
            self.read.clear();
        }
        match said {
            Err(Over::Struck(ending)) => Some(ending),
            _ => None,
        }
    }

    /// Says nothing until the peer leaves; what it still says is not heard.
    pub(super) async fn wait_for_end(&mut self) -> Result<(), Over> {
        self.patience = None;
        while self.more().await? {
            self.read.clear();
        }
        Ok(())
    }

    async fn take(&mut self, length: u64, minor: u8, begun: Instant, body: &mut Vec<u8>) -> Result<(), Over> {
        let most = self.limits.body;
        let room = most - body.len().min(most);
        let mut left = usize::try_from(length)
            .ok()
            .filter(|length| *length <= room)
            .ok_or(Over::TooLarge { most, minor })?;
        loop {
            let used = self.read.len().min(left);
            if !self.share.set(body.len() + used) {
                return Err(Over::NoRoom { minor });
            }
            body.extend(self.read.drain(..used));
            left -= used;
            if left == 0 {
                return Ok(());
            }
            self.patience = Some(self.pace(begun, body.len()));
            if !self.more().await? {
                return Err(Over::Gone);
            }
        }
    }

    async fn line(&mut self) -> Result<String, Over> {
        loop {
            if let Some(newline) = memchr::memchr(b'\n', &self.read) {
                let line: Vec<u8> = self.read.drain(..=newline).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.read.len() > MAX_LINE || !self.more().await? {
                return Err(Over::Gone);
            }
        }
    }

    /// Reads once; false at the end of the stream, whichever side makes it.
    async fn more(&mut self) -> Result<bool, Over> {
        loop {
            if self.is_between {
                self.session.refresh();
                if self.session.leaves() {
                    return Ok(false);
                }
            }
            let reads = Ready {
                reads: self.session.reads(),
                writes: false,
            };
            if !self.wait(reads, reads.reads).await? {
                continue;
            }
            let room = self.session.room(CHUNK);
            match read_into(self.transport, room, &mut self.read) {
                Ok(length) => {
                    self.session.received(length);
                    return Ok(length > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Over::Gone),
            }
        }
    }

    /// Waits until that can be tried; false when the conduct changed first. Where nothing is to be `tried` for now, the
    /// peer is given that time.
    async fn wait(&mut self, wanted: Ready, tried: bool) -> Result<bool, Over> {
        if self.obey()? {
            // What is wanted was asked for before: waiting for a change that has come would be for ever.
            return Ok(false);
        }
        let begun = Instant::now();
        let patience = self.patience.filter(|_| tried);
        let until = patience.map_or(begun, |patience| patience.until);
        let is_ready = tokio::select! {
            biased;
            () = self.session.changed() => false,
            ready = self.transport.ready(wanted) => ready.map(|_| true).map_err(|_| Over::Gone)?,
            () = sleep_until(until), if patience.is_some() => {
                return Err(patience.map_or(Over::Gone, |patience| Over::Late(patience.deadline)));
            }
        };
        if let (false, Some(patience)) = (tried, &mut self.patience) {
            patience.until += begun.elapsed();
        }
        Ok(is_ready)
    }

    /// Applies what changed; true if there was anything.
    fn obey(&mut self) -> Result<bool, Over> {
        let changed = self.session.refresh();
        self.session
            .ending()
            .map_or(Ok(changed), |ending| Err(Over::Struck(ending)))
    }
}

impl Patience {
    fn of(deadline: Deadline, time: Duration) -> Option<Patience> {
        let until = Instant::now().checked_add(time)?;
        Some(Patience { deadline, until })
    }
}

/// What may stand beside a chunked body's content, and how much more for each byte of it.
const BESIDE: usize = 64 << 10;
const BESIDE_EACH: usize = 8;
