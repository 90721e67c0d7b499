//! A visit: one blocking connection to an endpoint, for a tool that asks a server what it is.
//!
//! It is made as the worker makes its connections, with the same trust, certificate and login, so that what it finds is
//! what points will meet. A library for HTTP would bring a second opinion on all of that, and knows no telnet. Runs on
//! the caller's thread, which waits until the time it gave is over, in all.

use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use crate::config::credentials::Credentials;
use crate::config::endpoint::Endpoint;
use crate::config::options::Options;
use crate::net::check::{Bounded, Until, shake_hands};
use crate::net::files::Secrets;
use crate::net::tls::Encrypted;

/// A blocking connection to an endpoint, from [`visit`](crate::binding::ClientBinding::visit). What it reads and writes is
/// plaintext; `WouldBlock` is the end of its time.
pub struct Visit {
    stream: TcpStream,
    until: Until,
    encrypted: Option<Encrypted>,
    credentials: Credentials,
    host: String,
}

impl Visit {
    pub(crate) fn new(
        options: &Options,
        endpoint: &Endpoint,
        address: SocketAddr,
        timeout: Duration,
    ) -> io::Result<Visit> {
        let secrets = Secrets::now(options, endpoint).map_err(io::Error::other)?;
        let tls_target = secrets.tls_target(endpoint).map_err(io::Error::other)?;
        let until = Until::new(timeout);
        let stream = TcpStream::connect_timeout(&address, timeout)?;
        Ok(Visit {
            encrypted: shake_hands(&stream, tls_target.as_ref(), until)?,
            stream,
            until,
            credentials: secrets.credentials(),
            host: endpoint.host_header(),
        })
    }

    /// Writes a request of HTTP/1.1 that asks for the connection to be closed behind the answer, with the headers and the
    /// login of the client's requests. Not HTTP/1.0: some proxies refuse it.
    ///
    /// # Errors
    ///
    /// Of the connection.
    pub fn request(&mut self, method: &str, target: &str, body: &[u8]) -> io::Result<()> {
        let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {}\r\n", self.host).into_bytes();
        text.extend_from_slice(b"Connection: close\r\nAccept: application/json, text/plain\r\n");
        text.extend_from_slice(&self.credentials.header);
        if method != "GET" {
            let length = body.len();
            let head = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n");
            text.extend_from_slice(head.as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        text.extend_from_slice(body);
        self.write_all(&text)
    }

    /// Writes the first line of a telnet connection that `auth=line:...` asks for. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// Of the connection.
    pub fn log_in(&mut self) -> io::Result<bool> {
        let Some(line) = self.credentials.line.take() else {
            return Ok(false);
        };
        self.write_all(&line)?;
        Ok(true)
    }
}

impl fmt::Debug for Visit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visit({})", self.host)
    }
}

impl Read for Visit {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = Bounded::new(&self.stream, self.until);
        match &mut self.encrypted {
            Some(encrypted) => encrypted.read(&mut socket, buffer),
            None => socket.read(buffer),
        }
    }
}

impl Write for Visit {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = Bounded::new(&self.stream, self.until);
        let Some(encrypted) = &mut self.encrypted else {
            return socket.write(bytes);
        };
        match encrypted.write(&mut socket, &[IoSlice::new(bytes)])? {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            written => Ok(written),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
