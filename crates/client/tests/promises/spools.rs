//! What is accepted survives the program, and outages longer than memory.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use potsdb::SpoolMode;
use potsdb_receiver::Faults;

use super::scratch::Scratch;
use super::*;

/// An address where nobody listens, until somebody does.
fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A client with a spool there.
fn spooling(address: SocketAddr, folder: &Path) -> Builder {
    Client::builder(&format!("tsdb://{address}"))
        .set("host_tag", "false")
        .set("backoff", "1ms..20ms")
        .set("spool_free", "0")
        .set("settle", "0")
        .spool(folder.to_owned())
}

fn appears_at(address: SocketAddr) -> Receiver {
    receiver(Config {
        listen: address,
        ..Config::default()
    })
}

/// Waits until the statistics are so.
fn wait(client: &Client, is_so: impl Fn(&Stats) -> bool) -> Stats {
    let deadline = Instant::now() + LONG;
    loop {
        let stats = client.stats();
        assert!(stats.is_balanced(), "{stats:?}");
        if is_so(&stats) {
            return stats;
        }
        assert!(Instant::now() < deadline, "{stats:?}");
        std::thread::yield_now();
    }
}

/// Waits until the client has a slot of the spool.
fn is_open(client: &Client) {
    wait(client, |stats| {
        stats.spool.as_ref().is_some_and(|spool| spool.slots > 0)
    });
}

#[test]
fn an_outage_longer_than_memory_loses_nothing() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).queue_points(1_000).build().unwrap();
    is_open(&client);
    for first in (0..50_000).step_by(500) {
        send(&client, first, 500);
        wait(&client, |stats| stats.queued <= 500);
    }
    let stats = client.stats();
    assert!(stats.spooled > 45_000 && stats.dropped.total() == 0, "{stats:?}");
    let receiver = appears_at(address);
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.adopted), (50_000, 0));
    stored(&receiver, 50_000);
}

#[test]
fn what_a_close_leaves_the_next_client_delivers_without_being_asked() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).build().unwrap();
    send(&client, 0, 5_000);
    let begun = Instant::now();
    let stats = client.close(LONG);
    assert!(begun.elapsed() < LONG / 2, "it waited for a server that is not there");
    assert!(stats.is_balanced(), "{stats:?}");
    assert_eq!(
        (stats.spooled, stats.pending(), stats.dropped.total()),
        (5_000, 5_000, 0)
    );
    let receiver = appears_at(address);
    let client = spooling(address, &scratch.0).build().unwrap();
    let stats = wait(&client, |stats| stats.acknowledged == 5_000);
    assert_eq!((stats.accepted, stats.adopted), (0, 5_000));
    ended(&client.close(LONG));
    stored(&receiver, 5_000);
    // And nothing is left for a third.
    let client = spooling(address, &scratch.0).build().unwrap();
    is_open(&client);
    assert_eq!(client.close(LONG).adopted, 0);
}

#[test]
fn a_client_that_closes_at_once_delivers_what_it_finds() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).build().unwrap();
    send(&client, 0, 5_000);
    let spool = client.close(LONG).spool.unwrap();
    assert!(spool.bytes > 170_000 && spool.slots == 1, "{spool:?}");
    let receiver = appears_at(address);
    for opened in 0..5 {
        let client = spooling(address, &scratch.0).build().unwrap();
        send(&client, 5_000 + opened, 1);
        let stats = client.close(LONG);
        ended(&stats);
        assert_eq!(stats.adopted, if opened == 0 { 5_000 } else { 0 });
    }
    stored(&receiver, 5_005);
}

#[test]
fn a_sync_needs_no_server_and_a_flush_does() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).build().unwrap();
    send(&client, 0, 1_000);
    client.sync(LONG).unwrap();
    let stats = client.stats();
    assert_eq!((stats.spooled, stats.dropped.total()), (1_000, 0), "{stats:?}");
    assert!(client.flush(Duration::from_millis(20)).is_err());
    send(&client, 1_000, 10);
    let receiver = appears_at(address);
    client.flush(LONG).unwrap();
    client.sync(LONG).unwrap();
    ended(&client.close(LONG));
    stored(&receiver, 1_010);
}

#[test]
fn a_sync_covers_what_was_written_and_not_answered() {
    let scratch = Scratch::new("spool");
    let receiver = receiver(Config::default());
    receiver.faults().stall_answers(true);
    let client = spooling(receiver.address(), &scratch.0).build().unwrap();
    send(&client, 0, 1_000);
    assert!(receiver.wait_until(LONG, |counts| counts.accepted == 1_000));
    client.sync(LONG).unwrap();
    let stats = client.stats();
    assert_eq!((stats.in_flight, stats.acknowledged), (1_000, 0), "{stats:?}");
    assert!(stats.spool.unwrap().bytes > 34_000);
    receiver.faults().resume();
    client.flush(LONG).unwrap();
    ended(&client.close(LONG));
    stored(&receiver, 1_000);
}

#[test]
fn a_client_that_has_ended_does_not_say_of_spooled_points_that_they_have_a_verdict() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).build().unwrap();
    send(&client, 0, 1_000);
    let waits = {
        let barrier = client.barrier();
        std::thread::spawn(move || barrier.wait(LONG))
    };
    let stats = client.close(LONG);
    assert_eq!(stats.spooled, 1_000);
    assert!(!waits.join().unwrap(), "a flush that was under way");
    assert_eq!(client.flush(LONG).unwrap_err().pending, 1_000);
    let barrier = client.barrier();
    assert!(!barrier.is_reached() && barrier.is_over());
    assert_eq!((client.progress().reached, client.progress().safe), (0, 1_000));
    client.sync(LONG).unwrap();
}

#[test]
fn always_keeps_what_has_not_settled_and_lets_it_go_then() {
    let scratch = Scratch::new("spool");
    let receiver = receiver(Config::default());
    let open = || {
        let builder = spooling(receiver.address(), &scratch.0).set("spool_mode", "always");
        builder.set("settle", "1h").build().unwrap()
    };
    let client = open();
    send(&client, 0, 1_000);
    client.flush(LONG).unwrap();
    // Answered, and not settled: on disk all the same.
    wait(&client, |stats| {
        stats.spool.as_ref().is_some_and(|spool| spool.bytes > 34_000)
    });
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.unsettled, stats.spooled), (1_000, 1_000, 0));
    let client = open();
    let stats = wait(&client, |stats| stats.acknowledged == 1_000);
    assert_eq!(stats.adopted, 1_000);
    client.stop();
    stored(&receiver, 1_000);
}

#[test]
fn points_that_settle_beyond_memory_settle_on_disk() {
    let scratch = Scratch::new("spool");
    let receiver = receiver(Config::default());
    let client = spooling(receiver.address(), &scratch.0)
        .set("settle", "1h")
        .set("settle_bytes", "64KiB")
        .build()
        .unwrap();
    is_open(&client);
    for first in (0..20_000).step_by(1_000) {
        send(&client, first, 1_000);
        client.flush(LONG).unwrap();
    }
    wait(&client, |stats| {
        stats.spool.as_ref().is_some_and(|spool| spool.bytes > 400_000)
    });
    receiver.faults().reset_all(0);
    assert!(
        receiver.wait_until(LONG, |counts| counts.duplicates >= 20_000),
        "{:?}",
        client.stats()
    );
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.released_early), (20_000, 0));
    stored(&receiver, 20_000);
}

#[test]
fn a_full_spool_drops_its_oldest_points_and_counts_them() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0)
        .queue_points(1_000)
        .set("spool_bytes", "2MiB")
        .build()
        .unwrap();
    is_open(&client);
    for first in (0..100_000).step_by(500) {
        send(&client, first, 500);
        wait(&client, |stats| stats.queued <= 500);
    }
    let stats = wait(&client, |stats| stats.dropped.spool_full > 30_000);
    assert_eq!(stats.dropped.total(), stats.dropped.spool_full);
    let receiver = appears_at(address);
    client.flush(LONG).unwrap();
    let stats = client.close(LONG);
    ended(&stats);
    let oldest = receiver.points().iter().map(|point| point.timestamp).min().unwrap();
    assert_eq!(oldest, i64::try_from(at(stats.dropped.spool_full).as_u64()).unwrap());
    assert_eq!(receiver.points().len() as u64, stats.acknowledged);
}

#[test]
fn a_point_of_the_backlog_that_the_server_refuses_is_set_aside_and_the_rest_goes_on() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).build().unwrap();
    send(&client, 0, 100);
    client.send_at("test.refused", 1, at(0), [("h", "a")]).unwrap();
    send(&client, 100, 100);
    client.sync(LONG).unwrap();
    client.close(LONG);
    let receiver = receiver(Config {
        listen: address,
        faults: Faults {
            refuse_points: vec!["test.refused".to_owned()],
            ..Faults::default()
        },
        ..Config::default()
    });
    let client = spooling(address, &scratch.0).build().unwrap();
    wait(&client, |stats| stats.acknowledged + stats.rejected == 201);
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!((stats.acknowledged, stats.rejected), (200, 1));
    stored(&receiver, 200);
}

#[test]
fn two_clients_of_one_spool_have_a_slot_each_and_the_survivor_adopts_the_other_ones() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let open = || spooling(address, &scratch.0).build().unwrap();
    let (one, other) = (open(), open());
    send(&one, 0, 1_000);
    send(&other, 1_000, 1_000);
    one.sync(LONG).unwrap();
    other.sync(LONG).unwrap();
    assert_eq!(other.close(LONG).spooled, 1_000);
    let receiver = appears_at(address);
    one.flush(LONG).unwrap();
    let stats = one.close(LONG);
    assert!(stats.is_balanced() && stats.acknowledged >= 1_000, "{stats:?}");
    let last = open();
    wait(&last, |stats| {
        stats.adopted + one.stats().adopted == 1_000 && stats.pending() == 0
    });
    ended(&last.close(LONG));
    stored(&receiver, 2_000);
}

#[test]
fn the_options_say_the_same_by_url_by_text_and_by_type() {
    let scratch = Scratch::new("spool");
    let path = scratch.0.display();
    let url = format!(
        "tsdb://localhost?test_mode=true&spool={path}&spool_mode=always&spool_bytes=4MiB&spool_sync=250ms&spool_free=1MiB&spool_name=a"
    );
    let by_url = Client::open(&url).unwrap();
    let plain = || Client::builder("tsdb://localhost?test_mode=true");
    let texts = [
        ("spool", path.to_string()),
        ("spool_mode", "always".to_owned()),
        ("spool_bytes", "4194304".to_owned()),
        ("spool_sync", "0.25".to_owned()),
        ("spool_free", "1MiB".to_owned()),
        ("spool_name", "a".to_owned()),
    ];
    let by_text = texts
        .iter()
        .fold(plain(), |builder, (name, text)| builder.set(name, text));
    let by_type = plain()
        .spool(scratch.0.clone())
        .spool_mode(SpoolMode::Always)
        .spool_bytes(4 << 20)
        .spool_sync(Duration::from_millis(250))
        .spool_free(1 << 20)
        .spool_name("a".to_owned());
    for client in [&by_url, &by_text.build().unwrap(), &by_type.build().unwrap()] {
        let options = client.options();
        assert_eq!(options.spool.as_ref(), Some(&scratch.0));
        assert_eq!((options.spool_mode, options.spool_bytes), (SpoolMode::Always, 4 << 20));
        assert_eq!(
            (options.spool_sync, options.spool_free),
            (Duration::from_millis(250), Some(1 << 20))
        );
        assert_eq!(options.spool_name.as_deref(), Some("a"));
    }
}

#[test]
fn a_wrong_option_is_an_error_that_names_it_however_it_is_given() {
    let scratch = Scratch::new("spool");
    let spooled = || Client::builder("tsdb://localhost?test_mode=true").spool(scratch.0.clone());
    let plain = || Client::builder("tsdb://localhost?test_mode=true");
    for (builder, words) in [
        (
            spooled().spool_bytes(1),
            "option spool_bytes: \"1\" is not a number of bytes of at least 2MiB",
        ),
        (
            spooled().set("spool_bytes", "1"),
            "option spool_bytes: \"1\" is not a number of bytes of at least 2MiB",
        ),
        (
            spooled().set("spool_mode", "x"),
            "option spool_mode: \"x\" is not overflow or always",
        ),
        (
            plain().spool_mode(SpoolMode::Always),
            "option spool_mode: it has no effect without a spool",
        ),
        (
            plain().spool_sync(Duration::from_secs(5)),
            "option spool_sync: it has no effect without a spool",
        ),
        (
            plain().set("spool_bytes", "1GiB"),
            "option spool_bytes: it has no effect without a spool",
        ),
    ] {
        let error = builder.build().unwrap_err().to_string();
        assert!(error.starts_with(words), "{error}");
    }
}

#[test]
fn a_sync_does_not_wait_for_the_next_sync_that_is_due_whatever_is_on_disk_already() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0)
        .set("spool_mode", "always")
        .set("spool_sync", "1h")
        .build()
        .unwrap();
    send(&client, 0, 1_000);
    wait(&client, |stats| {
        stats.spool.as_ref().is_some_and(|spool| spool.unsynced > 34_000)
    });
    client.sync(LONG).unwrap();
    client.close(LONG);
}

#[test]
fn bytes_that_cannot_be_read_are_counted_once() {
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let client = spooling(address, &scratch.0).build().unwrap();
    send(&client, 0, 1_000);
    client.sync(LONG).unwrap();
    client.close(LONG);
    let slot = std::fs::read_dir(&scratch.0)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("0");
    let files = std::fs::read_dir(slot).unwrap().map(|entry| entry.unwrap().path());
    let segment = files
        .into_iter()
        .find(|path| path.extension().is_some_and(|extension| extension == "spool"))
        .unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(segment).unwrap();
    file.write_all(&[b'x'; 5_000]).unwrap();
    let client = spooling(address, &scratch.0).build().unwrap();
    let stats = wait(&client, |stats| stats.spool_damaged_bytes > 0 && stats.adopted == 1_000);
    assert_eq!(
        (stats.spool_damaged_bytes, stats.dropped.total()),
        (5_000, 0),
        "{stats:?}"
    );
    client.close(LONG);
}

#[test]
fn a_close_ends_in_time_and_counts_what_a_spool_without_room_did_not_take() {
    for millis in [0, 300] {
        let (scratch, address) = (Scratch::new("spool"), nowhere());
        let client = spooling(address, &scratch.0)
            .set("spool_free", "1000000GiB")
            .build()
            .unwrap();
        send(&client, 0, 15_000);
        // As bindings close: in their own time first.
        client.begin_close(Duration::MAX);
        wait(&client, |stats| stats.queued == 0);
        let begun = Instant::now();
        let stats = client.close(Duration::from_millis(millis));
        assert!(
            begun.elapsed() < Duration::from_millis(millis + 1_000),
            "{:?}",
            begun.elapsed()
        );
        ended(&stats);
        assert_eq!(stats.dropped.closed, 15_000, "{stats:?}");
    }
}

/// Points that a program sends between two of its syncs.
const BATCH: u64 = 50;

/// What the next test starts and kills: sends, syncs, and says how far it is safe, until it is killed. By itself it does
/// nothing.
#[test]
fn a_program_that_is_going_to_be_killed() {
    let Ok(folder) = std::env::var("POTSDB_TEST_SPOOL") else {
        return;
    };
    let number = |name: &str| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let address: SocketAddr = std::env::var("POTSDB_TEST_SERVER").unwrap().parse().unwrap();
    let mut first = number("POTSDB_TEST_FIRST");
    let client = spooling(address, Path::new(&folder))
        .set("spool_mode", "always")
        .build()
        .unwrap();
    // A bound, should nobody kill it.
    for _ in 0..10_000 {
        send(&client, first, BATCH);
        first += BATCH;
        client.sync(LONG).unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "safe {first}").unwrap();
        out.flush().unwrap();
    }
}

#[test]
fn what_a_sync_called_safe_comes_out_after_kills_at_any_moment() {
    let kills = std::env::var("POTSDB_KILLS").map_or(15, |kills| kills.parse().unwrap());
    let (scratch, address) = (Scratch::new("spool"), nowhere());
    let mut random = 88_172_645_463_325_252_u64;
    let mut below = move |bound: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % bound
    };
    let (mut first, mut safe) = (0, BTreeSet::new());
    for _ in 0..kills {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "spools::a_program_that_is_going_to_be_killed", "--nocapture"])
            .env("POTSDB_TEST_SPOOL", &scratch.0)
            .env("POTSDB_TEST_SERVER", address.to_string())
            .env("POTSDB_TEST_FIRST", first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let wanted = 1 + below(8);
        let mut said = 0;
        let mut upto = first;
        while said < wanted {
            let line = lines.next().expect("it goes on until it is killed").unwrap();
            if let Some(position) = line.strip_prefix("safe ") {
                (upto, said) = (position.parse().unwrap(), said + 1);
            }
        }
        // Somewhere in the batch after that.
        for _ in 0..below(2_000) {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(position) = line.strip_prefix("safe ") {
                upto = position.parse().unwrap();
            }
        }
        safe.extend(first..upto);
        // What came after may be there or not: the next program sends other points.
        first = upto + 10 * BATCH;
    }
    let receiver = appears_at(address);
    let client = spooling(address, &scratch.0).build().unwrap();
    let wanted = safe.len() as u64;
    wait(&client, |stats| stats.acknowledged >= wanted && stats.pending() == 0);
    ended(&client.close(LONG));
    let points = receiver.points();
    for point in &points {
        assert!(point.identical, "it was written again in other bytes");
        safe.remove(&(u64::try_from(point.timestamp).unwrap() - at(0).as_u64()));
    }
    assert!(
        safe.is_empty(),
        "{} points of {wanted} called safe are missing",
        safe.len()
    );
}
