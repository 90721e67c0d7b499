//! A peer: a blocking connection that says bytes and hears what comes back, with a deadline on every wait.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use potsdb_receiver::Receiver;

pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Peer(pub(crate) TcpStream);

impl Peer {
    pub(crate) fn of(receiver: &Receiver) -> Peer {
        let stream = TcpStream::connect(receiver.address()).expect("it listens");
        stream.set_read_timeout(Some(SOON)).expect("a timeout can be set");
        stream.set_write_timeout(Some(SOON)).expect("a timeout can be set");
        Peer(stream)
    }

    pub(crate) fn say(&mut self, bytes: impl AsRef<[u8]>) -> &mut Peer {
        self.0.write_all(bytes.as_ref()).expect("the receiver reads");
        self
    }

    /// Reads exactly what is expected, no more.
    pub(crate) fn hear(&mut self, expected: &str) -> &mut Peer {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).expect("the receiver answers");
        assert_eq!(String::from_utf8_lossy(&bytes), expected);
        self
    }

    /// Half-closes, and returns everything that still comes.
    pub(crate) fn finish(self) -> String {
        self.0.shutdown(Shutdown::Write).expect("it is open");
        self.rest().expect("the receiver ends the stream in good order")
    }

    /// Everything until the end of the stream.
    pub(crate) fn rest(mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        self.0.read_to_end(&mut bytes)?;
        Ok(String::from_utf8(bytes).expect("replies are UTF-8"))
    }
}

/// What a conversation of its own hears, from its first byte to the end.
pub(crate) fn reply_to(receiver: &Receiver, bytes: impl AsRef<[u8]>) -> String {
    let mut peer = Peer::of(receiver);
    peer.say(bytes);
    peer.finish()
}

/// One HTTP request on a connection of its own: the status and the body that come back.
pub(crate) fn request(receiver: &Receiver, method: &str, path: &str, body: impl AsRef<[u8]>) -> (u16, String) {
    request_with(receiver, method, path, "", body)
}

/// The same with more header lines, each ending in CRLF.
pub(crate) fn request_with(
    receiver: &Receiver,
    method: &str,
    path: &str,
    headers: &str,
    body: impl AsRef<[u8]>,
) -> (u16, String) {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: tsd\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    let mut peer = Peer::of(receiver);
    peer.say([head.as_bytes(), body].concat());
    let reply = peer.rest().expect("an end of stream");
    let (head, body) = reply.split_once("\r\n\r\n").expect("a reply");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("a status");
    (status, body.to_owned())
}
