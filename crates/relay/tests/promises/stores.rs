//! Several stores: all get everything, a mirror is nobody's burden, and each one's ledger adds up.

use potsdb_relay::{Config, Relay, Role, StoreUrl};

use crate::world::{ONE, SOON, Sender, World, puts};

#[test]
fn every_store_and_every_mirror_gets_everything() {
    let stores = [("", Role::Store), ("", Role::Store), ("", Role::Mirror)];
    let world = World::with(&stores, |_| {});
    let mut sender = world.connect();
    sender.say(puts("m", 1000)).say("version\n");
    assert_eq!(sender.version(), "");
    drop(sender);
    world.until("the mirror has it", |world| world.stores[2].points().len() == 1000);
    for store in world.stop().stores {
        assert_eq!((store.stats.acknowledged, store.cut), (1000, 0));
    }
}

#[test]
fn a_mirror_that_is_down_delays_nobody_and_is_cut_and_counted() {
    let stores = [("", Role::Store), ("queue_points=500", Role::Mirror)];
    let world = World::with(&stores, |_| {});
    world.stores[1].faults().listen(false);
    world.stores[1].faults().stall_reading(true);
    let mut sender = world.connect();
    for batch in 0..20 {
        sender.say(puts(&format!("m{batch}"), 500)).say("version\n");
        assert_eq!(sender.version(), "");
    }
    drop(sender);
    let status = world.relay.status();
    assert_eq!(status["ready"], true);
    let ledger = world.stop();
    let [store, mirror] = &ledger.stores[..] else {
        panic!("two of them")
    };
    assert_eq!((store.stats.acknowledged, store.cut), (10_000, 0));
    assert_eq!(
        mirror.stats.accepted + mirror.cut,
        10_000,
        "every line was taken or cut"
    );
    assert!(mirror.cut >= 9_000);
}

#[test]
fn a_relay_before_a_relay_is_a_relay() {
    let site = World::new();
    let store = |url: String| StoreUrl { url, role: Role::Store };
    for scheme in ["tsdb", "http"] {
        let host = World::with(ONE, |config| {
            config.stores = vec![store(format!("{scheme}://{}", site.address()))];
        });
        let mut sender = host.connect();
        sender.say(puts(&format!("{scheme}.m"), 1000)).say("version\n");
        assert_eq!(sender.version(), "");
        assert_eq!(site.stores[0].points_of(Some(&format!("{scheme}.m")), &[]).len(), 1000);
        drop(sender);
        // What the store behind the second one does not answer for, the first one does not.
        site.stores[0].faults().stall_answers(true);
        let mut sender = host.connect();
        sender.say(puts(&format!("{scheme}.n"), 10)).say("version\n");
        assert!(sender.version().starts_with("put: Throttling exception: "));
        site.stores[0].faults().stall_answers(false);
        host.until("all of it is answered for", |_| {
            sender.say(puts(&format!("{scheme}.n"), 10)).say("version\n");
            sender.version().is_empty()
        });
        let ledger = host.stop();
        assert_eq!(ledger.stores[0].stats.dropped.total(), 0);
    }
}

/// At random instants, while points come, are answered, refused by the store and sent again.
#[test]
fn the_ledger_of_each_store_adds_up_at_every_instant() {
    let stores = [("", Role::Store), ("queue_points=1000", Role::Mirror)];
    let world = World::with(&stores, |config| config.answer_timeout = SOON);
    world.stores[0].faults().refuse_points(vec!["m3".into()]);
    let address = world.address();
    let senders: Vec<_> = (0..6)
        .map(|number| {
            std::thread::spawn(move || {
                let mut sender = Sender::of(address);
                for batch in 0..20 {
                    sender
                        .say(puts(&format!("m{}", (number + batch) % 6), 200))
                        .say("version\n");
                    assert_eq!(sender.version(), "");
                }
            })
        })
        .collect();
    let mut looks = 0;
    while !senders.iter().all(std::thread::JoinHandle::is_finished) || looks < 50 {
        for store in world.relay.status()["stores"].as_array().expect("a list") {
            let of = |name: &str| {
                store["ledger"][name]
                    .as_u64()
                    .unwrap_or_else(|| panic!("{name} in {store}"))
            };
            let settled = of("acknowledged") + of("unconfirmed") + of("rejected");
            let pending = of("queued") + of("in_flight") + of("spooled");
            let dropped = store["dropped"].as_u64().expect("a number");
            assert_eq!(of("accepted") + of("adopted"), settled + dropped + pending, "{store}");
        }
        looks += 1;
    }
    senders
        .into_iter()
        .for_each(|sender| sender.join().expect("it was answered"));
    world.stores[0].faults().reset_all(0);
    let ledger = world.stop();
    let [store, mirror] = &ledger.stores[..] else {
        panic!("two of them")
    };
    assert_eq!(store.stats.accepted, 24_000);
    assert_eq!(mirror.stats.accepted + mirror.cut, 24_000);
}

#[test]
fn a_relay_that_forwards_to_itself_takes_nothing_and_says_why() {
    let listening = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listening.local_addr().expect("an address");
    let config = Config {
        listen: Vec::new(),
        stores: vec![StoreUrl {
            url: format!("tsdb://{address}"),
            role: Role::Store,
        }],
        ..Config::default()
    };
    // Its head is there before anything else.
    let mut body = Sender::of(address);
    let point = r#"{"metric":"m","timestamp":1767225600,"value":1,"tags":{"h":"a"}}"#;
    body.say(format!(
        "POST /api/put HTTP/1.1\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        point.len()
    ));
    let door = potsdb_relay::Door::inherited_tcp(listening);
    let relay = Relay::start_with(config, vec![("its own".into(), door)]).expect("it starts");
    let latest = std::time::Instant::now() + SOON;
    let mut heard = relay.reports();
    while !heard.iter().any(|words| words.contains("it forwards to itself")) {
        assert!(std::time::Instant::now() < latest, "{heard:?} {}", relay.status());
        std::thread::yield_now();
        heard.extend(relay.reports());
    }
    assert_eq!(body.line() + &body.line(), "HTTP/1.1 100 Continue\r\n\r\n");
    body.say(point);
    let answer = body.rest();
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains("in a loop"),
        "{answer}"
    );
    let mut sender = Sender::of(address);
    sender.say(puts("m", 5)).say("version\n");
    assert_eq!(sender.version(), "put: Throttling exception: relay spool is full\n");
    let status = relay.status();
    assert_eq!(
        (&status["ready"], &status["counts"]["refused"]),
        (&false.into(), &6.into())
    );
}

#[test]
fn what_cannot_work_is_refused_at_the_start_in_words() {
    let start = |urls: &[(&str, Role)]| {
        let stores = urls.iter().map(|(url, role)| StoreUrl {
            url: (*url).to_owned(),
            role: *role,
        });
        let config = Config {
            listen: vec!["127.0.0.1:0".parse().expect("a place")],
            stores: stores.collect(),
            ..Config::default()
        };
        let checked = Relay::check(&config).expect_err("it cannot work").to_string();
        let started = Relay::start(config).err().expect("it cannot start").to_string();
        assert_eq!(checked, started);
        started
    };
    let mirror = start(&[("tsdb://localhost", Role::Mirror)]);
    assert_eq!(mirror, "a relay needs a store to forward to");
    let twice = start(&[
        ("tsdb://localhost?mps=5", Role::Store),
        ("tsdb://localhost", Role::Mirror),
    ]);
    assert_eq!(
        twice,
        "mirror tsdb://localhost: there are two of them, and they are one store"
    );
    for (option, rule) in [
        ("overflow=drop_oldest", "option overflow: "),
        ("ack=none", "option ack: "),
        ("spool=/x", "option spool: "),
    ] {
        let said = start(&[(&format!("tsdb://localhost?{option}"), Role::Store)]);
        assert!(said.starts_with(&format!("store tsdb://localhost: {rule}")), "{said}");
    }
    let rules = start(&[
        ("tsdb://a", Role::Store),
        ("tsdb://b?names=utf8&auth=line:secret", Role::Store),
    ]);
    assert_eq!(
        rules,
        "store tsdb://b: names and max_tags have to be the same for all stores"
    );
    assert!(start(&[("nonsense://a", Role::Store)]).starts_with("store nonsense://a: "));
}
