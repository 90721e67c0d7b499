//! A server that wants a login gets it first, and nobody else does.

use potsdb::{Auth, ConfigError, Endpoint, Options, Report, Scheme};

use super::doorkeeper::Doorkeeper;
use super::gate::Gate;
use super::scratch::Scratch;
use super::*;

const CANARY: &str = "auth basic key canary";

fn client(gate: &Gate, auth: &str) -> Client {
    Client::builder(&format!("tsdb://{}", gate.address()))
        .set("host_tag", "false")
        .set("auth", auth)
        .set("backoff", "5ms..20ms")
        .build()
        .unwrap()
}

/// The reports so far, as soon as one of them is as wanted.
fn reports_until(client: &Client, wanted: impl Fn(&Report) -> bool) -> Vec<Report> {
    let mut reports = Vec::new();
    let started = std::time::Instant::now();
    while !reports.iter().any(&wanted) {
        assert!(started.elapsed() < LONG, "{reports:?}");
        // Points that are never delivered: a flush is a wait that ends by itself.
        let _ = client.flush(Duration::from_millis(5));
        reports.extend(client.take_reports());
    }
    reports
}

fn open_error(url: &str, set: &[(&str, &str)]) -> String {
    let builder = Client::builder(url);
    let builder = set
        .iter()
        .fold(builder, |builder, (name, value)| builder.set(name, value));
    builder.build().map(|_| ()).unwrap_err().to_string()
}

#[test]
fn the_login_goes_first_and_the_points_after_the_welcome() {
    let receiver = recording();
    let gate = Gate::before(receiver.address(), Some(CANARY));
    let client = client(&gate, &format!("line:{CANARY}"));
    send(&client, 0, 1_000);
    client.flush(LONG).unwrap();
    stored(&receiver, 1_000);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.connects), (1_000, 1));
    assert_eq!(gate.logins(1), [format!("{CANARY}\n")]);
    assert_eq!(receiver.counts().unknown, 0, "the receiver saw points alone");
}

#[test]
fn a_refused_login_is_said_once_and_its_file_is_read_again() {
    let receiver = recording();
    let gate = Gate::before(receiver.address(), Some(CANARY));
    let file = Scratch::new("rotated");
    file.write("auth basic key old\n");
    let client = client(&gate, &format!("line:@{}", file.0.display()));
    send(&client, 0, 10);
    gate.logins(4);
    let mut reports = reports_until(&client, |report| matches!(report, Report::Unauthorized { .. }));
    assert_eq!(client.stats().pending(), 10);
    file.write(&format!("{CANARY}\n"));
    client.flush(LONG).unwrap();
    stored(&receiver, 10);
    reports.extend(reports_until(&client, |report| {
        matches!(report, Report::ServerFound { .. })
    }));
    let said = format!("{reports:?}");
    assert_eq!(reports.len(), 2, "{said}");
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 10);
    assert!(!format!("{said} {stats:?} {client:?}").contains("basic key"), "{said}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let receiver = recording();
    let gate = Gate::before(receiver.address(), Some(CANARY));
    let file = Scratch::new("missing");
    let client = client(&gate, &format!("line:@{}", file.0.display()));
    send(&client, 0, 10);
    let reports = reports_until(&client, |report| matches!(report, Report::ServerLost { .. }));
    assert!(format!("{reports:?}").contains("auth file /"), "{reports:?}");
    file.write(CANARY);
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 10);
}

#[test]
fn closing_does_not_wait_for_a_server_that_lets_nobody_in() {
    let receiver = recording();
    let gate = Gate::before(receiver.address(), Some(CANARY));
    let client = client(&gate, "line:auth wrong");
    send(&client, 0, 10);
    gate.logins(1);
    let stats = client.close(Duration::from_millis(50));
    ended(&stats);
    assert_eq!((stats.dropped.closed, receiver.lines().len()), (10, 0));
}

#[test]
fn what_means_nothing_on_a_wire_is_refused() {
    for (url, name, value, words) in [
        (
            "tsdb://h",
            "auth",
            "basic:u:canary",
            "option auth: basic has no effect over tsdb: it is for http and https",
        ),
        (
            "http://h",
            "auth",
            "line:canary",
            "option auth: line has no effect over http: it is for tsdb and tsdbs",
        ),
        (
            "tsdb://h",
            "headers",
            "X-Key: canary",
            "option headers: they have no effect over tsdb: only http and https",
        ),
        (
            "tsdb://h",
            "ack",
            "stored",
            "option ack: \"stored\" has no effect over tsdb",
        ),
        ("tsdb://h", "ca", "/ca.pem", "option ca: it has no effect over tsdb"),
        ("http://h", "key", "/key.pem", "option key: it has no effect over http"),
        ("tsdb://u:canary@h", "mps", "1", "is for http and https"),
    ] {
        let said = open_error(url, &[(name, value)]);
        assert!(said.contains(words) && !said.contains("canary"), "{said}");
    }
}

#[test]
fn the_endpoints_of_a_client_have_one_scheme() {
    let mixed = vec![Endpoint::new("h", 1), Endpoint::of(Scheme::Http, "h", 1)];
    let refused = |endpoints| -> ConfigError {
        let builder = Builder::from_parts(endpoints, Options::default());
        builder.build().map(|_| ()).unwrap_err()
    };
    assert!(refused(mixed).to_string().contains("have one scheme"));
    assert!(refused(Vec::new()).to_string().contains("at least one endpoint"));
    let smuggled = vec![Endpoint::of(Scheme::Tsdb, "h\r\nX: y", 1)];
    assert!(refused(smuggled).to_string().contains("a host is a name"));
}

#[test]
fn no_face_shows_a_secret() {
    let auth: Auth = "line:canary".parse().unwrap();
    let builder = Client::builder("tsdb://127.0.0.1:1?test_mode=true").auth(auth.clone());
    let mut printed = format!("{auth:?} {builder:?}");
    let client = builder.build().unwrap();
    send(&client, 0, 1);
    printed += &format!("{client:?} {:?} {:?}", client.options(), client.endpoints());
    let stats = client.close(LONG);
    printed += &format!("{stats:?} {stats} {:?}", client.take_reports());
    let http = Client::builder("http://u:canary@h/p?token=canary&auth=bearer:canary").set("headers", "X: canary");
    printed += &format!("{http:?}");
    assert!(!printed.contains("canary"), "{printed}");
    ended(&stats);
}

/// `me:canary`, as Basic has it.
const BASIC: &str = "Authorization: Basic bWU6Y2FuYXJ5";

#[test]
fn each_request_carries_the_login_and_the_headers() {
    let keeper = Doorkeeper::new(BASIC);
    let url = format!("http://me:canary@{}/base?theirs=x&connections=1", keeper.address());
    let client = Client::builder(&url)
        .set("headers", "X-Scope-OrgID: 7\nX-Api-Key: canary")
        .build()
        .unwrap();
    send(&client, 0, 10);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 10);
    for seen in keeper.seen(1, 204) {
        for line in [BASIC, "X-Scope-OrgID: 7", "X-Api-Key: canary"] {
            assert_eq!(seen.head.iter().filter(|own| *own == line).count(), 1, "{seen:?}");
        }
        let host = format!("Host: {}", keeper.address());
        assert!(seen.head.contains(&host), "{seen:?}");
        if seen.status == 204 {
            assert!(seen.head[0].starts_with("POST /base/api/put?theirs=x"), "{seen:?}");
        }
    }
    assert!(!format!("{client:?} {stats:?}").contains("canary"));
}

#[test]
fn a_refused_token_is_said_once_and_its_file_is_read_again() {
    let keeper = Doorkeeper::new("Authorization: Bearer canary.new");
    let file = Scratch::new("token");
    file.write("canary.old\n");
    let client = Client::builder(&format!("http://{}", keeper.address()))
        .set("auth", &format!("bearer:@{}", file.0.display()))
        .set("backoff", "5ms..20ms")
        .build()
        .unwrap();
    send(&client, 0, 10);
    keeper.seen(4, 401);
    let mut reports = reports_until(&client, |report| matches!(report, Report::Unauthorized { .. }));
    assert_eq!(client.stats().pending(), 10);
    file.write("canary.new\n");
    client.flush(LONG).unwrap();
    reports.extend(reports_until(&client, |report| {
        matches!(report, Report::ServerFound { .. })
    }));
    let said = format!("{reports:?}");
    assert_eq!(reports.len(), 2, "{said}");
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(stats.acknowledged, 10);
    assert!(!format!("{said} {stats:?}").contains("canary"), "{said}");
}
