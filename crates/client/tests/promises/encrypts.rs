//! Over TLS everything is as without it, and nobody is talked to who is not who he should be.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use potsdb::Report;
use potsdb_receiver::Personality;
use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::gate::Gate;
use super::scratch::Scratch;
use super::*;

/// An authority, and what it signs.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each with a name of its own: two of one name are one authority whose signature is wrong.
        static AUTHORITIES: AtomicU64 = AtomicU64::new(0);
        let number = AUTHORITIES.fetch_add(1, Ordering::Relaxed);
        params
            .distinguished_name
            .push(DnType::CommonName, format!("authority {number}"));
        let key = KeyPair::generate().unwrap();
        Authority {
            certificate: params.self_signed(&key).unwrap(),
            issuer: Issuer::new(params, key),
        }
    }

    fn signs(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            chain: vec![certificate.der().clone()],
            pem: certificate.pem(),
            key,
        }
    }

    fn pem(&self) -> Scratch {
        file("ca.pem", &self.certificate.pem())
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.der().clone()).unwrap();
        roots
    }
}

fn file(name: &str, text: &str) -> Scratch {
    let file = Scratch::new(name);
    file.write(text);
    file
}

/// A server of this identity, and of clients that `clients` signed, if any.
fn server(
    identity: &Identity,
    clients: Option<&Authority>,
    version: &'static SupportedProtocolVersion,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .unwrap();
    let builder = match clients {
        Some(authority) => {
            let roots = Arc::new(authority.roots());
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::Pkcs8(identity.key.serialize_der().into());
    builder.with_single_cert(identity.chain.clone(), key).unwrap()
}

const TLS13: &SupportedProtocolVersion = &rustls::version::TLS13;
const TLS12: &SupportedProtocolVersion = &rustls::version::TLS12;

/// A client of the gate, which is called `host`.
fn builder(host: &str, gate: &Gate, ca: &Scratch) -> Builder {
    Client::builder(&format!("tsdbs://{host}:{}", gate.address().port()))
        .set("host_tag", "false")
        .set("backoff", "5ms..20ms")
        .ca(ca.0.clone())
}

/// Why the server is lost, in the client's words; no point is delivered.
fn refusal(builder: Builder, receiver: &Receiver) -> String {
    let client = builder.build().unwrap();
    send(&client, 0, 1);
    let mut reports = Vec::new();
    let started = std::time::Instant::now();
    while reports.is_empty() {
        assert!(started.elapsed() < LONG, "{:?}", client.stats());
        let _ = client.flush(Duration::from_millis(5));
        reports = client.take_reports();
    }
    let stats = client.close(Duration::from_millis(10));
    ended(&stats);
    assert_eq!((stats.dropped.closed, receiver.counts().accepted), (1, 0));
    match &reports[0] {
        Report::ServerLost { why, .. } => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn points_arrive_by_name_and_by_address_over_either_version() {
    let authority = Authority::new();
    let ca = authority.pem();
    let identity = authority.signs(&["localhost", "127.0.0.1"], |_| {});
    for (host, version) in [("localhost", TLS13), ("127.0.0.1", TLS13), ("localhost", TLS12)] {
        let receiver = recording();
        let gate = Gate::encrypted(receiver.address(), server(&identity, None, version));
        let client = builder(host, &gate, &ca).set("overflow", "block").build().unwrap();
        send(&client, 0, 50_000);
        client.flush(LONG).unwrap();
        stored(&receiver, 50_000);
        let stats = client.close(LONG);
        ended(&stats);
        assert_eq!((stats.acknowledged, stats.connects, stats.torn), (50_000, 1, 0));
        assert!(stats.endpoints[0].name.starts_with("tsdbs://"), "{stats:?}");
    }
}

#[test]
fn points_arrive_over_https() {
    let authority = Authority::new();
    let ca = authority.pem();
    let identity = authority.signs(&["localhost"], |_| {});
    for gzip in ["true", "false"] {
        let receiver = recording();
        let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
        let client = Client::builder(&format!("https://u:p@localhost:{}", gate.address().port()))
            .set("host_tag", "false")
            .set("overflow", "block")
            .set("gzip", gzip)
            .set("connections", "2")
            .ca(ca.0.clone())
            .build()
            .unwrap();
        send(&client, 0, 20_000);
        client.flush(LONG).unwrap();
        stored(&receiver, 20_000);
        let stats = client.close(LONG);
        ended(&stats);
        assert_eq!((stats.acknowledged, receiver.counts().duplicates), (20_000, 0));
    }
}

#[test]
fn a_silent_servers_points_are_unconfirmed_and_none_is_written_twice() {
    let authority = Authority::new();
    let identity = authority.signs(&["localhost"], |_| {});
    let receiver = receiver(Config {
        personality: Personality::VictoriaMetrics,
        ..Config::default()
    });
    let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
    let ca = authority.pem();
    let client = builder("localhost", &gate, &ca)
        .set("server", "victoriametrics")
        .build()
        .unwrap();
    send(&client, 0, 20_000);
    client.flush(LONG).unwrap();
    assert_eq!(client.stats().unconfirmed, 20_000, "a flush is enough to know");
    let stats = client.close(LONG);
    ended(&stats);
    assert!(receiver.wait_for(20_000, LONG));
    assert_eq!((stats.resent, receiver.counts().duplicates), (0, 0));
}

#[test]
fn a_connection_cut_in_the_middle_costs_no_point() {
    let authority = Authority::new();
    let identity = authority.signs(&["localhost"], |_| {});
    let receiver = recording();
    let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
    let ca = authority.pem();
    let client = builder("localhost", &gate, &ca)
        .set("overflow", "block")
        .set("queue_points", "10000")
        .build()
        .unwrap();
    let cutter = {
        let gate = gate.clone();
        thread::spawn(move || {
            for cut in 1..=5 {
                gate.wait_for(cut * 400_000);
                gate.cut();
            }
        })
    };
    send(&client, 0, 100_000);
    cutter.join().unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 100_000);
    assert!(stats.connects > 1 && stats.resent > 0, "{stats:?}");
    stored(&receiver, 100_000);
}

#[test]
fn a_server_that_cannot_prove_who_it_is_gets_nothing() {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = authority.signs(&["localhost"], |_| {});
    let old = authority.signs(&["localhost"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let elsewhere = authority.signs(&["tsd1.example", "10.0.0.1"], |_| {});
    // As `openssl req -x509` makes one, unless it is told otherwise.
    let itself = authority.signs(&["localhost"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    for (host, identity, ca, words) in [
        ("localhost", &good, &other, "UnknownIssuer"),
        ("localhost", &old, &authority, "certificate expired"),
        ("localhost", &itself, &authority, "create it with CA:FALSE"),
        ("localhost", &elsewhere, &authority, "not valid for name \"localhost\""),
        ("127.0.0.1", &elsewhere, &authority, "not valid for name"),
    ] {
        let receiver = recording();
        let gate = Gate::encrypted(receiver.address(), server(identity, None, TLS13));
        let why = refusal(builder(host, &gate, &ca.pem()), &receiver);
        assert!(why.contains(words), "{why}");
    }
}

#[test]
fn the_systems_authorities_do_not_vouch_for_a_strangers_server() {
    let authority = Authority::new();
    let identity = authority.signs(&["localhost"], |_| {});
    let receiver = recording();
    let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
    // Where a machine has no authorities at all, that is said instead.
    let builder = || Client::builder(&format!("tsdbs://localhost:{}", gate.address().port())).set("host_tag", "false");
    let why = match builder().build() {
        Ok(_) => refusal(builder(), &receiver),
        Err(error) => error.to_string(),
    };
    assert!(why.contains("UnknownIssuer") || why.contains("no authorities"), "{why}");
}

#[test]
fn a_client_shows_its_certificate_and_is_told_when_it_is_wrong() {
    let (authority, other) = (Authority::new(), Authority::new());
    let identity = authority.signs(&["localhost"], |_| {});
    let (mine, wrong) = (authority.signs(&["me"], |_| {}), other.signs(&["me"], |_| {}));
    for version in [TLS13, TLS12] {
        let receiver = recording();
        let gate = Gate::encrypted(receiver.address(), server(&identity, Some(&authority), version));
        let ca = authority.pem();
        let shows = |identity: &Identity| {
            let cert = file("cert.pem", &identity.pem);
            let key = file("key.pem", &identity.key.serialize_pem());
            let builder = builder("localhost", &gate, &ca).cert(cert.0.clone()).key(key.0.clone());
            (builder, cert, key)
        };
        let missing = refusal(builder("localhost", &gate, &ca), &receiver);
        assert!(
            missing.contains("CertificateRequired") || missing.contains("HandshakeFailure"),
            "{missing}"
        );
        let (strange, _cert, _key) = shows(&wrong);
        let why = refusal(strange, &receiver);
        assert!(why.contains("alert"), "{why}");
        let (right, _cert, _key) = shows(&mine);
        let client = right.build().unwrap();
        send(&client, 0, 100);
        let stats = client.close(LONG);
        ended(&stats);
        assert_eq!(stats.acknowledged, 100);
    }
}

#[test]
fn a_renewed_authority_is_read_at_the_next_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let identity = new.signs(&["localhost"], |_| {});
    let receiver = recording();
    let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
    let ca = old.pem();
    let client = builder("localhost", &gate, &ca).build().unwrap();
    send(&client, 0, 100);
    client.flush(Duration::from_millis(50)).unwrap_err();
    ca.write(&new.certificate.pem());
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 100);
}

#[test]
fn files_that_cannot_be_used_are_named_while_building() {
    let authority = Authority::new();
    let identity = authority.signs(&["localhost"], |_| {});
    let canary = file(
        "canary.pem",
        "-----BEGIN PRIVATE KEY-----\ncanary\n-----END PRIVATE KEY-----\n",
    );
    let (ca, cert) = (authority.pem(), file("cert.pem", &identity.pem));
    let missing = Scratch::new("missing.pem");
    let another = file("key.pem", &KeyPair::generate().unwrap().serialize_pem());
    let open = |set: &[(&str, &Scratch)]| {
        let set = set.iter();
        let builder = set.fold(Client::builder("tsdbs://localhost"), |builder, (name, file)| {
            builder.set(name, &file.0.display().to_string())
        });
        builder.build().map(|_| ()).unwrap_err().to_string()
    };
    for (said, words, file) in [
        (open(&[("ca", &missing)]), "option ca: ", &missing),
        (open(&[("ca", &canary)]), "no certificate is in it", &canary),
        (
            open(&[("ca", &ca), ("cert", &cert), ("key", &canary)]),
            "option key: ",
            &canary,
        ),
        (
            open(&[("ca", &ca), ("cert", &cert), ("key", &another)]),
            "option key: ",
            &another,
        ),
    ] {
        assert!(
            said.contains(words) && said.contains(&file.0.display().to_string()),
            "{said}"
        );
        assert!(!said.contains("\ncanary"), "{said}");
    }
    let said = Client::open("tsdbs://a_b..c").map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("a_b..c"), "{said}");
}

#[test]
fn a_handshake_that_drips_does_not_hold_a_check() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("tsdbs://localhost:{port}?host_tag=false&test_mode=true");
    let ca = Authority::new().pem();
    let client = Client::builder(&url).ca(ca.0.clone()).build().unwrap();
    let endpoint = client.endpoints()[0].clone();
    let (done, checked) = mpsc::channel();
    thread::scope(|scope| {
        let client = client.clone();
        scope.spawn(move || done.send(client.check(&endpoint, Duration::from_millis(100))));
        // A record of a handshake, 16 KiB of it, a byte at a time: each is progress.
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&[22, 3, 3, 0x40, 0]).unwrap();
        let mut outcome = checked.recv_timeout(Duration::from_millis(1));
        for _ in 0..10_000 {
            if outcome.is_ok() || stream.write_all(&[0]).is_err() {
                break;
            }
            outcome = checked.recv_timeout(Duration::from_millis(1));
        }
        drop(stream);
        let error = outcome.expect("it ends while the server goes on").unwrap_err();
        assert_eq!(error.to_string(), "no TLS handshake in time");
    });
    ended(&client.close(LONG));
}

#[test]
fn check_host_shakes_hands() {
    let authority = Authority::new();
    let identity = authority.signs(&["localhost"], |_| {});
    let receiver = recording();
    let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
    let checked = |ca: &Authority| builder("localhost", &gate, &ca.pem()).set("check_host", "true").build();
    ended(&checked(&authority).unwrap().close(LONG));
    let error = checked(&Authority::new()).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("UnknownIssuer"), "{error}");
    // A server that speaks no TLS at all.
    let ca = authority.pem();
    let plain = Client::builder(&format!("tsdbs://{}", receiver.address())).ca(ca.0.clone());
    let error = plain.set("check_host", "true").build().map(|_| ()).unwrap_err();
    assert!(error.unreachable_by().is_some(), "{error}");
}

#[test]
fn a_server_without_tls_is_said_to_be_one() {
    let receiver = receiver(Config::default());
    let address = receiver.address();
    let client = Client::open(&format!("tsdbs://{address}")).unwrap();
    let endpoint = client.endpoints()[0].clone();
    for error in [
        client.check(&endpoint, LONG).unwrap_err(),
        client.visit(&endpoint, address, LONG).err().unwrap(),
    ] {
        assert_eq!(error.to_string(), "the server does not speak TLS");
    }
}

#[test]
fn a_visit_asks_over_tls_with_the_login_of_the_points() {
    let authority = Authority::new();
    let ca = authority.pem();
    let identity = authority.signs(&["localhost"], |_| {});
    let receiver = receiver(Config {
        auth_header: Some("Basic dTpw".into()),
        ..Config::default()
    });
    let gate = Gate::encrypted(receiver.address(), server(&identity, None, TLS13));
    for (user, status) in [("u:p@", "200"), ("", "401")] {
        let url = format!("https://{user}localhost:{}", gate.address().port());
        let client = Client::builder(&url).ca(ca.0.clone()).build().unwrap();
        let endpoint = &client.endpoints()[0];
        let mut visit = client.visit(endpoint, gate.address(), LONG).unwrap();
        visit.request("GET", "/api/version", b"").unwrap();
        let mut first = [0; 12];
        visit.read_exact(&mut first).unwrap();
        assert_eq!(String::from_utf8_lossy(&first), format!("HTTP/1.1 {status}"));
    }
}
