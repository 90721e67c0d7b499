//! With a spool, a yes needs no store: what is on disk and synced is answered for, and comes out later.

use std::time::Duration;

use potsdb_relay::{Relay, Role};

use crate::world::{World, puts};

/// Whatever is free on this machine's disk.
const QUERY: &str = "spool_free=0&backoff=10ms..50ms";

#[test]
fn without_a_store_the_disk_is_enough_and_the_next_relay_delivers_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let world = World::with(&[(QUERY, Role::Store)], |config| {
        config.spool = Some(folder.path().to_owned());
    });
    world.stores[0].faults().listen(false);
    world.stores[0].faults().reset_all(0);
    let mut sender = world.connect();
    for batch in 0..10 {
        sender.say(puts(&format!("m{batch}"), 100)).say("version\n");
        assert_eq!(sender.version(), "");
    }
    let body = r#"{"metric":"m","timestamp":1767225600,"value":1,"tags":{"h":"a"}}"#;
    let post = |target: &str| {
        let mut http = world.connect();
        http.say(format!(
            "POST {target} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        http.rest()
    };
    assert!(post("/api/put").starts_with("HTTP/1.1 204 "));
    let sync = post("/api/put?sync");
    assert!(
        sync.starts_with("HTTP/1.1 503 ") && sync.contains("safe here, not yet stored"),
        "{sync}"
    );
    drop(sender);
    assert_eq!(world.relay.status()["ready"], true, "the disk is there");
    let World { relay, stores, config } = world;
    let ledger = relay.stop(Duration::from_secs(1));
    assert!(ledger.is_balanced());
    let stats = &ledger.stores[0].stats;
    assert_eq!((stats.spooled, stats.dropped.total()), (1002, 0), "{stats}");
    stores[0].faults().listen(true);
    let again = Relay::start(config).expect("it starts");
    assert!(
        stores[0].wait_for(1002, Duration::from_secs(20)),
        "{:?}",
        stores[0].counts()
    );
    let ledger = again.stop(Duration::from_secs(5));
    assert_eq!(
        (ledger.stores[0].stats.adopted, ledger.stores[0].stats.pending()),
        (1002, 0)
    );
}

#[test]
fn each_store_has_a_folder_of_its_own_and_one_that_is_down_holds_up_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let stores = [(QUERY, Role::Store), (QUERY, Role::Store), (QUERY, Role::Mirror)];
    let world = World::with(&stores, |config| config.spool = Some(folder.path().to_owned()));
    for down in &world.stores[1..] {
        down.faults().listen(false);
        down.faults().reset_all(0);
    }
    let mut sender = world.connect();
    for batch in 0..10 {
        sender.say(puts(&format!("m{batch}"), 500)).say("version\n");
        assert_eq!(sender.version(), "");
    }
    drop(sender);
    world.until("the one that is there has all", |world| {
        world.stores[0].counts().accepted == 5000
    });
    let folders: Vec<String> = std::fs::read_dir(folder.path())
        .expect("it is made")
        .map(|entry| entry.expect("a folder").file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(folders.len(), 3);
    // A client that finds the others' folders beside its own says so, and the relay knows better.
    let heard = world.relay.reports();
    let names = |words: &String| folders.iter().any(|folder| words.contains(folder));
    assert!(!heard.iter().any(names), "{heard:?}");
    for up in &world.stores[1..] {
        up.faults().listen(true);
    }
    world.until("the others have all", |world| {
        world.stores[1..].iter().all(|store| store.points().len() == 5000)
    });
    for store in world.stop().stores {
        assert_eq!((store.stats.acknowledged, store.cut), (5000, 0));
    }
}

#[test]
fn a_disk_without_room_is_said_to_be_and_points_pass_while_the_store_is_there() {
    let folder = tempfile::tempdir().expect("a folder");
    // More has to stay free than there is.
    let query = "spool_free=1000000GiB&backoff=10ms..50ms";
    let world = World::with(&[(query, Role::Store)], |config| {
        config.spool = Some(folder.path().to_owned());
    });
    let mut sender = world.connect();
    sender.say(puts("m", 10)).say("version\n");
    assert_eq!(sender.version(), "", "the store says yes");
    world.stores[0].faults().listen(false);
    world.stores[0].faults().reset_all(0);
    sender.say(puts("n", 10)).say("version\n");
    assert!(sender.version().starts_with("put: Throttling exception: "));
    world.until("it says so", |world| world.relay.status()["ready"] == false);
    world.stores[0].faults().listen(true);
    world.until("the store is back", |_| {
        sender.say(puts("n", 10)).say("version\n");
        sender.version().is_empty()
    });
    assert_eq!(world.stores[0].points().len(), 20);
}
