//! TLS: the same conversations, encrypted; a handshake has a deadline and no plaintext gets past it.
#![cfg(feature = "tls")]

mod backend;

use std::io::{Read as _, Write as _};
use std::sync::Arc;

use backend::{Client, SHORT, start};
use potsdb_front::{Deadline, Event, Front, Limits, Options, Tls};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// What the server proves itself with, and a client that trusts it.
fn identity() -> (Tls, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let tls = Tls::from_pem(made.cert.pem().as_bytes(), made.signing_key.serialize_pem().as_bytes());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (tls.expect("an identity"), Arc::new(client))
}

fn encrypted(front: &Front, client: &Arc<ClientConfig>) -> StreamOwned<ClientConnection, std::net::TcpStream> {
    let name = ServerName::try_from("localhost").expect("a name");
    let session = ClientConnection::new(Arc::clone(client), name).expect("a session");
    StreamOwned::new(session, Client::of(front).0)
}

fn options(tls: Tls) -> Options {
    Options {
        tls: Some(tls),
        limits: Limits {
            handshake: SHORT * 100,
            ..Limits::default()
        },
        ..Options::default()
    }
}

#[test]
fn both_conversations_are_spoken_encrypted() {
    let (tls, trusting) = identity();
    let options = options(tls);
    assert!(options.is_encrypted() && !Options::default().is_encrypted());
    let (front, slow) = start(options);
    let mut telnet = encrypted(&front, &trusting);
    telnet.write_all(b"put a\nversion\n").expect("it reads");
    slow.wait_until(|seen| seen.asked == 1);
    slow.safe(1);
    let mut heard = [0; 7];
    telnet.read_exact(&mut heard).expect("an answer");
    assert_eq!(&heard, b"safe 1\n");

    let mut http = encrypted(&front, &trusting);
    let body = "x".repeat(1 << 20);
    let request = format!(
        "POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    http.write_all(request.as_bytes()).expect("it reads");
    let mut heard = String::new();
    http.read_to_string(&mut heard).expect("an answer, and TLS's own end");
    assert!(
        heard.ends_with("\"here\"") && slow.seen().bodies == [1 << 20],
        "{heard}"
    );
}

#[test]
fn an_answer_larger_than_any_buffer_gets_through() {
    let (tls, trusting) = identity();
    let (front, _slow) = start(options(tls));
    let mut http = encrypted(&front, &trusting);
    http.write_all(b"GET /large HTTP/1.1\r\nConnection: close\r\n\r\n")
        .expect("it reads");
    let mut heard = Vec::new();
    http.read_to_end(&mut heard).expect("an answer, and TLS's own end");
    assert!(heard.len() > 64 << 20, "{}", heard.len());
}

#[test]
fn what_is_not_encrypted_never_gets_to_the_backend() {
    let (tls, trusting) = identity();
    let (front, slow) = start(options(tls));
    let mut plain = Client::of(&front);
    plain.say("put a\nversion\n");
    plain.rest();
    slow.wait_for(Event::Closed);
    assert_eq!(slow.seen().puts, 0);
    let mut telnet = encrypted(&front, &trusting);
    telnet.write_all(b"bad\n").expect("it reads");
    telnet.read_exact(&mut [0; 8]).expect("an answer");
}

#[test]
fn a_handshake_that_is_not_made_ends_and_holds_up_nobody() {
    let (tls, trusting) = identity();
    let mut options = options(tls);
    options.limits.handshake = SHORT;
    let (front, slow) = start(options);
    let silent = Client::of(&front);
    slow.wait_for(Event::Late(Deadline::Handshake));
    assert_eq!(silent.rest(), "");
    let mut telnet = encrypted(&front, &trusting);
    telnet.write_all(b"bad\n").expect("it reads");
    telnet.read_exact(&mut [0; 8]).expect("an answer");
}

#[test]
fn a_certificate_without_its_key_is_refused() {
    let one = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let other = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (pem, key) = (one.cert.pem(), other.signing_key.serialize_pem());
    let refused = [
        Tls::from_pem(pem.as_bytes(), key.as_bytes()),
        Tls::from_pem(b"", key.as_bytes()),
        Tls::from_pem(pem.as_bytes(), b""),
    ];
    let words = refused.map(|tls| tls.expect_err("no identity").to_string());
    assert!(words[0].starts_with("the certificate and its key: "), "{words:?}");
    assert!(
        words[1].starts_with("no certificate: ") && words[2].starts_with("no private key: "),
        "{words:?}"
    );
}

#[test]
fn a_certificate_is_replaced_without_a_restart() {
    let ((tls, before), (new, after)) = (identity(), identity());
    let (front, slow) = start(options(tls.clone()));
    tls.replace(&new);
    let mut telnet = encrypted(&front, &after);
    telnet.write_all(b"put a\n").expect("it is trusted");
    slow.wait_until(|seen| seen.puts == 1);
    assert!(
        encrypted(&front, &before).write_all(b"put a\n").is_err(),
        "the old one is gone"
    );
}

#[test]
fn a_peer_without_a_certificate_is_not_let_in_where_one_is_wanted() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (pem, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let tls = Tls::from_pem_with_authorities(pem.as_bytes(), key.as_bytes(), pem.as_bytes()).expect("an identity");
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let trusting = || {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().expect("versions");
        builder.with_root_certificates(roots.clone())
    };
    let (front, slow) = start(options(tls));
    let mut heard = Vec::new();
    let mut nobody = encrypted(&front, &Arc::new(trusting().with_no_client_auth()));
    let _ = nobody.write_all(b"put a\n");
    assert!(nobody.read_to_end(&mut heard).is_err() && heard.is_empty());
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).expect("a key");
    let known = trusting()
        .with_client_auth_cert(vec![made.cert.der().clone()], key)
        .expect("a certificate");
    encrypted(&front, &Arc::new(known))
        .write_all(b"put b\n")
        .expect("it is let in");
    slow.wait_until(|seen| seen.puts == 1);
}
