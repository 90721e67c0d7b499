//! The stream against a real TLS server in the same thread, over a wire that takes what it wants.

use std::collections::VecDeque;
use std::sync::Arc;

use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, ServerConnection};

use super::*;

/// Both directions of a connection, each as many bytes at a time as it is told.
struct Wire {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// How much the kernel takes before it would block.
    room: usize,
    /// ... and in one call.
    step: usize,
    ended: bool,
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer.len().min(self.step);
        match self.to_client.read(&mut buffer[..most])? {
            0 if !self.ended => Err(io::ErrorKind::WouldBlock.into()),
            bytes => Ok(bytes),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let bytes = buffer.len().min(self.room).min(self.step);
        if bytes == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= bytes;
        self.to_server.extend(&buffer[..bytes]);
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pair {
    client: Encrypted,
    server: ServerConnection,
    wire: Wire,
    /// Ciphertext the server has been given, and what it read of it.
    delivered: u64,
    read: Vec<u8>,
}

impl Pair {
    /// Two ends that have shaken hands.
    fn new(step: usize) -> Pair {
        let mut pair = Pair::strangers(step);
        for _ in 0..10_000 {
            let done = pair.client.handshake(&mut pair.wire).unwrap();
            pair.serve(usize::MAX);
            if done && !pair.server.is_handshaking() {
                return pair;
            }
        }
        panic!("no handshake");
    }

    fn strangers(step: usize) -> Pair {
        let signed = rcgen::generate_simple_self_signed(["tsd1".to_owned()]).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(signed.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let key = PrivateKeyDer::Pkcs8(signed.signing_key.serialize_der().into());
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
        let tls_target = TlsTarget {
            config: Arc::new(client),
            name: ServerName::try_from("tsd1").unwrap(),
        };
        Pair {
            client: Encrypted::new(&tls_target).unwrap(),
            server: ServerConnection::new(Arc::new(server)).unwrap(),
            wire: Wire {
                to_server: VecDeque::new(),
                to_client: VecDeque::new(),
                room: usize::MAX,
                step,
                ended: false,
            },
            delivered: 0,
            read: Vec::new(),
        }
    }

    /// Hands the server at most so many bytes, and the client its answers.
    fn serve(&mut self, most: usize) {
        let bytes: Vec<u8> = self
            .wire
            .to_server
            .drain(..most.min(self.wire.to_server.len()))
            .collect();
        self.delivered += bytes.len() as u64;
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            self.server.read_tls(&mut bytes).unwrap();
            self.server.process_new_packets().unwrap();
            let mut plain = vec![0; 64 * 1024];
            while let Ok(count) = self.server.reader().read(&mut plain)
                && count > 0
            {
                self.read.extend_from_slice(&plain[..count]);
            }
        }
        while self.server.wants_write() {
            self.server.write_tls(&mut self.wire.to_client).unwrap();
        }
    }

    fn says(&mut self, words: &[u8]) {
        self.server.writer().write_all(words).unwrap();
        self.serve(0);
    }

    /// What the client reads until there is no more; the error that is not `WouldBlock`.
    fn hears(&mut self) -> (Vec<u8>, Option<io::Result<usize>>) {
        let mut heard = Vec::new();
        let mut buffer = [0; 100];
        loop {
            match self.client.read(&mut self.wire, &mut buffer) {
                Ok(0) => return (heard, Some(Ok(0))),
                Ok(bytes) => heard.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (heard, None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (heard, Some(Err(error))),
            }
        }
    }
}

/// A small generator, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

/// The law of the marks: of any part of the ciphertext the server reads exactly the plaintext it stands for. And
/// what is written is what it can read of what the kernel took.
#[test]
fn every_part_of_the_ciphertext_stands_for_what_the_server_reads_of_it() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let mut pair = Pair::new([1, 7, 1000, usize::MAX][seed as usize % 4]);
        // A little text byte by byte, so that each end of a record is met; and much of it.
        let (length, most, portion) = [(2_000, 100, 1), (200_000, 40_000, 30_000)][seed as usize % 2];
        let text: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let (mut written, mut shown) = (0, 0);
        while written < text.len() || !pair.wire.to_server.is_empty() {
            shown = (shown.max(written) + 1 + dice.below(most)).min(text.len());
            let middle = written + dice.below(shown - written + 1);
            pair.wire.room = dice.below(2 * most);
            let slices = [IoSlice::new(&text[written..middle]), IoSlice::new(&text[middle..shown])];
            written += pair.client.write(&mut pair.wire, &slices).unwrap();
            for _ in 0..dice.below(200) {
                let bytes = 1 + dice.below(portion);
                pair.serve(bytes);
                assert_eq!(
                    pair.client.plain_of(pair.delivered),
                    pair.read.len() as u64,
                    "seed {seed}"
                );
                assert!(written >= pair.read.len() && written <= shown, "seed {seed}");
            }
            if dice.below(4) == 0 {
                pair.client.forget(pair.delivered);
            }
        }
        assert_eq!(pair.client.plain_of(u64::MAX), text.len() as u64);
        assert!(pair.read == text, "seed {seed}");
    }
}

#[test]
fn what_the_kernel_does_not_take_is_neither_written_nor_kept_without_bound() {
    let mut pair = Pair::new(usize::MAX);
    let text = vec![b'x'; 1 << 20];
    pair.wire.room = 100;
    assert_eq!(pair.client.write(&mut pair.wire, &[IoSlice::new(&text)]).unwrap(), 0);
    let kept = pair.client.pending.len();
    assert!(kept < AHEAD + 2 * RECORD, "{kept} bytes are kept");
    for _ in 0..100 {
        pair.wire.room = 10;
        assert_eq!(pair.client.write(&mut pair.wire, &[IoSlice::new(&text)]).unwrap(), 0);
    }
    assert_eq!(pair.client.pending.len(), kept);
    pair.wire.room = RECORD;
    assert_eq!(
        pair.client.write(&mut pair.wire, &[IoSlice::new(&text)]).unwrap(),
        RECORD
    );
}

#[test]
fn answers_are_read_to_the_servers_end() {
    let mut pair = Pair::new(1);
    assert!(pair.hears().1.is_none());
    pair.says(b"AUTH_SUCCESS\r\n");
    pair.server.send_close_notify();
    pair.serve(0);
    let (heard, end) = pair.hears();
    assert_eq!(
        (heard.as_slice(), end.unwrap().unwrap()),
        (b"AUTH_SUCCESS\r\n".as_slice(), 0)
    );
}

#[test]
fn a_record_that_drips_in_does_not_hold_the_reader() {
    let mut pair = Pair::new(1);
    assert!(pair.hears().1.is_none());
    pair.says(b"AUTH_SUCCESS\r\n");
    let before = pair.wire.to_client.len();
    let error = pair.client.read(&mut pair.wire, &mut [0; 100]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    assert_eq!(before - pair.wire.to_client.len(), RECEIVES);
    assert_eq!(pair.hears().0, b"AUTH_SUCCESS\r\n");
}

#[test]
fn an_end_without_close_notify_is_an_error_before_this_side_has_ended() {
    let mut pair = Pair::new(usize::MAX);
    pair.says(b"half an answ");
    pair.wire.ended = true;
    let (heard, end) = pair.hears();
    assert_eq!(heard, b"half an answ");
    assert!(end.unwrap().unwrap_err().to_string().contains("close_notify"));

    let mut pair = Pair::new(usize::MAX);
    pair.client.end(&mut pair.wire);
    pair.wire.ended = true;
    assert_eq!(pair.hears().1.unwrap().unwrap(), 0);
}

#[test]
fn the_socket_ends_after_the_last_byte_and_once() {
    let mut pair = Pair::new(usize::MAX);
    pair.wire.room = 3;
    pair.client.end(&mut pair.wire);
    assert!(!pair.client.has_ended(&mut pair.wire));
    pair.wire.room = 1000;
    assert!(pair.client.has_ended(&mut pair.wire));
    assert!(!pair.client.has_ended(&mut pair.wire));
    pair.serve(usize::MAX);
    assert_eq!(
        pair.server.reader().read(&mut [0; 1]).unwrap(),
        0,
        "the server knows that it was the end"
    );
    pair.says(b"the last answer");
    assert_eq!(pair.hears().0, b"the last answer");
}

#[test]
fn what_was_said_before_the_failure_is_heard_before_it() {
    let mut pair = Pair::new(usize::MAX);
    pair.says(b"net.opentsdb.tools");
    pair.wire
        .to_client
        .extend(b"\x17\x03\x03\x00\x20 no record of this connection....");
    let (heard, end) = pair.hears();
    assert_eq!(heard, b"net.opentsdb.tools");
    assert!(end.unwrap().unwrap_err().to_string().contains("decrypt"));
}

#[test]
fn a_server_that_hangs_up_in_the_handshake_is_told_of() {
    let mut pair = Pair::strangers(usize::MAX);
    assert!(!pair.client.handshake(&mut pair.wire).unwrap());
    pair.wire.ended = true;
    let error = pair.client.handshake(&mut pair.wire).unwrap_err();
    assert!(error.to_string().contains("in the TLS handshake"), "{error}");
}
