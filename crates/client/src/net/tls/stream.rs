//! An encrypted stream over a non-blocking socket.
//!
//! ```text
//! plaintext --records of 16 KiB--> pending --what the kernel takes--> socket
//! ```
//!
//! Plaintext counts as written once its record is with the kernel, to the last byte. What was encrypted and is not
//! there yet is kept in `pending`, at most [`AHEAD`]; the caller shows the same plaintext again with the next write,
//! and it is passed over. So the caller's count of what is written, of torn lines and of timeouts is as exact as
//! without TLS, and there is nothing to flush behind its back.
//!
//! The end of the stream without TLS's own `close_notify` may be an attacker's: it is an error, unless this side has
//! said that it has ended, after which many servers just hang up.

use std::io::{self, IoSlice, Read, Write};

use rustls::ClientConnection;

use super::TlsTarget;
use super::record_map::RecordMap;

/// What a record holds.
const RECORD: usize = 16 * 1024;

/// Ciphertext made before the kernel is offered it.
const AHEAD: usize = 64 * 1024;

/// Plaintext taken in one call: other connections wait meanwhile.
const TURN: usize = 512 * 1024;

/// Reads of the socket in one call that bring no plaintext: keys are renewed, tickets given out, or bytes drip.
const RECEIVES: usize = 16;

/// Marks kept before the kernel is asked which can be forgotten.
const MARKS: usize = 4096;

pub(crate) struct Encrypted {
    session: ClientConnection,
    /// Ciphertext the kernel has not taken, from `sent` on.
    pending: Vec<u8>,
    sent: usize,
    marks: RecordMap,
    /// When to forget marks next.
    marks_most: usize,
    /// Plaintext encrypted, and of that written.
    encrypted: u64,
    written: u64,
    /// Ciphertext made.
    made: u64,
    end: End,
    /// Found in what was received, after what it had to say.
    failure: Option<rustls::Error>,
}

/// How far the end of the sending side is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    No,
    /// `close_notify` is on its way to the kernel.
    Ending,
    Ended,
}

impl Encrypted {
    pub(crate) fn new(tls_target: &TlsTarget) -> io::Result<Encrypted> {
        let session =
            ClientConnection::new(tls_target.config.clone(), tls_target.name.clone()).map_err(io::Error::other)?;
        Ok(Encrypted {
            session,
            pending: Vec::new(),
            sent: 0,
            marks: RecordMap::default(),
            marks_most: MARKS,
            encrypted: 0,
            written: 0,
            made: 0,
            end: End::No,
            failure: None,
        })
    }

    /// Moves the handshake along; true when it is over. That it ends, however much the server says, rustls sees to.
    pub(crate) fn handshake(&mut self, socket: &mut (impl Read + Write)) -> io::Result<bool> {
        loop {
            self.make()?;
            if !self.flush(socket)? {
                return Ok(false);
            }
            if !self.session.is_handshaking() {
                return Ok(true);
            }
            match self.receive(socket) {
                Ok(0) => {
                    return Err(io::Error::other(
                        "the server closed the connection in the TLS handshake",
                    ));
                }
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
            if let Some(failure) = self.failure.take() {
                return Err(self.failed(socket, failure));
            }
        }
    }

    /// Reads plaintext; 0: the peer ended its side. `WouldBlock`: nothing for now. `Interrupted`: none yet, ask again.
    pub(crate) fn read(&mut self, socket: &mut (impl Read + Write), buffer: &mut [u8]) -> io::Result<usize> {
        for _ in 0..RECEIVES {
            match self.session.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return match self.end {
                        End::No => Err(io::Error::other("the connection ended without TLS's close_notify")),
                        _ => Ok(0),
                    };
                }
                result => return result,
            }
            if let Some(failure) = self.failure.take() {
                return Err(self.failed(socket, failure));
            }
            self.receive(socket)?;
            // Keys may be renewed. What cannot be written shows at the next write; what was said is read first.
            let _ = self.make().and_then(|()| self.flush(socket));
        }
        Err(io::ErrorKind::Interrupted.into())
    }

    /// Writes what the kernel takes of `slices`, which begin with what was not written before; 0: nothing for now.
    pub(crate) fn write(&mut self, socket: &mut (impl Read + Write), slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut ahead = (self.encrypted - self.written) as usize;
        let mut taken = 0;
        while self.flush(socket)? && taken < TURN {
            while self.pending.len() < AHEAD {
                let record = window(slices, ahead, RECORD);
                let bytes = self.session.writer().write_vectored(&record)?;
                if bytes == 0 {
                    break;
                }
                (ahead, taken) = (ahead + bytes, taken + bytes);
                self.encrypted += bytes as u64;
                self.make()?;
                self.marks.push(self.made, self.encrypted);
            }
            if self.pending.is_empty() {
                break;
            }
        }
        let before = self.written;
        self.written = self.marks.plain_of(self.made - self.unsent());
        Ok((self.written - before) as usize)
    }

    /// Begins to end the sending side; [`has_ended`](Encrypted::has_ended) says when the socket's is to be.
    pub(crate) fn end(&mut self, socket: &mut (impl Read + Write)) {
        if self.end == End::No {
            self.session.send_close_notify();
            self.end = End::Ending;
            // What fails here fails again at the next read.
            let _ = self.make().and_then(|()| self.flush(socket));
        }
    }

    /// Whether the kernel has everything to the end. True once.
    pub(crate) fn has_ended(&mut self, socket: &mut (impl Read + Write)) -> bool {
        let ended = self.end == End::Ending && self.flush(socket).unwrap_or(true);
        if ended {
            self.end = End::Ended;
        }
        ended
    }

    /// How much plaintext the peer can read of so much ciphertext.
    pub(crate) fn plain_of(&self, ciphertext: u64) -> u64 {
        self.marks.plain_of(ciphertext.min(self.made - self.unsent()))
    }

    /// Whether it is time to say what the peer's kernel has.
    pub(crate) fn forgets(&self) -> bool {
        self.marks.len() >= self.marks_most
    }

    /// The peer's kernel has so much: less is not asked about any more.
    pub(crate) fn forget(&mut self, ciphertext: u64) {
        self.marks.forget(ciphertext.min(self.made - self.unsent()));
        self.marks_most = MARKS.max(2 * self.marks.len());
    }

    fn unsent(&self) -> u64 {
        (self.pending.len() - self.sent) as u64
    }

    /// Takes in what the socket has; 0: its end.
    fn receive(&mut self, socket: &mut (impl Read + Write)) -> io::Result<usize> {
        let bytes = self.session.read_tls(socket)?;
        if let Err(error) = self.session.process_new_packets() {
            self.failure = Some(error);
        }
        Ok(bytes)
    }

    /// Moves the ciphertext there is to `pending`.
    fn make(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.made += self.session.write_tls(&mut self.pending)? as u64;
        }
        Ok(())
    }

    /// Offers the kernel what is pending; true when it took everything.
    fn flush(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while self.sent < self.pending.len() {
            match socket.write(&self.pending[self.sent..]) {
                Ok(0) => return Ok(false),
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.pending.clear();
        self.sent = 0;
        Ok(true)
    }

    /// Tells the peer what was wrong, where it still listens.
    fn failed(&mut self, socket: &mut impl Write, failure: rustls::Error) -> io::Error {
        let _ = self.make().and_then(|()| self.flush(socket));
        match failure {
            // Before anything else was agreed on, what is no record of TLS is another protocol.
            rustls::Error::InvalidMessage(_) if self.session.is_handshaking() => {
                io::Error::other("the server does not speak TLS")
            }
            failure => io::Error::other(in_words(&failure)),
        }
    }
}

/// What is wrong, in words for whoever runs the program; TLS's own name for it in parentheses.
fn in_words(failure: &rustls::Error) -> String {
    use rustls::{AlertDescription as Alert, CertificateError as Wrong, Error};
    match failure {
        Error::InvalidCertificate(wrong) => match wrong {
            Wrong::UnknownIssuer => {
                "the server's certificate is signed by no authority that is trusted here, which are the \
                 system's, or those in ca instead (UnknownIssuer)"
                    .to_owned()
            }
            Wrong::Expired | Wrong::ExpiredContext { .. } => "the server's certificate expired".to_owned(),
            Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; perhaps this machine's clock is wrong".to_owned()
            }
            Wrong::NotValidForNameContext { expected, presented } => {
                let (name, others) = (expected.to_str(), presented.join(", "));
                format!("the server's certificate is not valid for name {name:?}, only for: {others}")
            }
            // rustls wraps this error of webpki: only its text tells which it is.
            Wrong::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
                "the server's certificate is a CA certificate, not a server's: create it with CA:FALSE (CaUsedAsEndEntity)"
                    .to_owned()
            }
            wrong => format!("the server's certificate cannot be trusted: {wrong}"),
        },
        Error::AlertReceived(alert) => {
            let why = match alert {
                Alert::CertificateRequired => "it wants a client's certificate, options cert and key",
                Alert::UnknownCA | Alert::BadCertificate | Alert::CertificateUnknown | Alert::DecryptError => {
                    "it does not take this client's certificate"
                }
                Alert::HandshakeFailure => "it agrees to no cipher, or wants a client's certificate",
                Alert::ProtocolVersion => "it speaks neither TLS 1.2 nor 1.3",
                Alert::UnrecognisedName => "it has no such name",
                _ => return format!("the server refuses the TLS connection (alert {alert:?})"),
            };
            format!("the server refuses the TLS connection: {why} (alert {alert:?})")
        }
        Error::PeerIncompatible(_) => {
            format!("the server speaks neither TLS 1.2 nor 1.3 as this client does ({failure})")
        }
        _ => format!("TLS: {failure}"),
    }
}

/// At most `most` bytes of `slices` from `skip` on.
fn window<'a>(slices: &'a [IoSlice<'a>], mut skip: usize, mut most: usize) -> Vec<IoSlice<'a>> {
    let mut window = Vec::new();
    for slice in slices {
        let from = skip.min(slice.len());
        skip -= from;
        let rest = &slice[from..];
        let rest = &rest[..rest.len().min(most)];
        if !rest.is_empty() {
            window.push(IoSlice::new(rest));
            most -= rest.len();
        }
    }
    window
}

#[cfg(test)]
mod tests;
