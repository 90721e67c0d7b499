//! `send` and `pipe` with a spool: what cannot be delivered is kept, is told, and comes out with the next run.

use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use potsdb_receiver::Receiver;

use crate::command::{LONG, Running, potsdb, potsdb_fed, receiver, receiver_with};

/// Where nobody listens, until somebody does.
fn nowhere() -> SocketAddr {
    let listener = TcpListener::bind("127.77.77.77:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound")
}

fn appears_at(address: SocketAddr) -> Receiver {
    receiver_with(|config| config.listen = address)
}

/// `-o spool=...` and what goes with it.
fn spool(folder: &Path) -> Vec<String> {
    let folder = format!("spool={}", folder.display());
    ["-o", &folder, "-o", "spool_free=0", "-o", "host_tag=false"]
        .map(str::to_owned)
        .to_vec()
}

fn run(address: SocketAddr, folder: &Path, arguments: &[&str]) -> Vec<String> {
    let url = format!("tsdb://{address}");
    let mut all: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
    all.extend(["--url".to_owned(), url]);
    all.extend(spool(folder));
    all
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

fn lines(count: u64) -> String {
    (0..count)
        .map(|i| format!("m {} {i} a=b\n", 1_767_225_600 + i))
        .collect()
}

#[test]
fn a_send_that_could_only_spool_says_so_and_the_next_one_delivers_both() {
    let (folder, address) = (tempfile::tempdir().unwrap(), nowhere());
    let send = |time: &str| {
        let point = ["send", "--json", "m", "1", "a=b", "-t", time];
        potsdb(&words(&run(address, folder.path(), &point)))
    };
    let ended = send("1767225600").with_code(3);
    assert!(
        ended.err.starts_with(&format!(
            "potsdb: 1 point kept in the spool {}, for the next that opens it: tsdb://",
            folder.path().display()
        )),
        "{}",
        ended.err
    );
    assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
    let ledger = ended.json();
    assert_eq!(
        (&ledger["spooled"], &ledger["pending"], &ledger["delivered"]),
        (&1.into(), &1.into(), &0.into())
    );
    assert!(ledger["spool"]["bytes"].as_u64() > Some(0), "{ledger}");
    let receiver = appears_at(address);
    let ended = send("1767225601").with_code(0);
    assert_eq!(ended.err, "");
    let ledger = ended.json();
    assert_eq!(
        (&ledger["adopted"], &ledger["delivered"], &ledger["spooled"]),
        (&1.into(), &2.into(), &0.into())
    );
    let mut stored = receiver.lines();
    stored.sort();
    assert_eq!(stored, ["put m 1767225600 1 a=b", "put m 1767225601 1 a=b"]);
}

#[test]
fn a_pipe_does_not_wait_for_a_server_that_is_not_there() {
    let (folder, address) = (tempfile::tempdir().unwrap(), nowhere());
    // Without a spool it would wait for ever: its own default.
    let pipe = run(address, folder.path(), &["pipe", "--json"]);
    let ended = potsdb_fed(lines(10_000).as_bytes(), &words(&pipe)).with_code(3);
    assert!(ended.err.contains("10000 points kept in the spool"), "{}", ended.err);
    assert_eq!(ended.json()["spooled"], 10_000);
    let receiver = appears_at(address);
    let ended = potsdb_fed(b"", &words(&pipe)).with_code(0);
    assert_eq!(ended.json()["adopted"], 10_000);
    assert_eq!(receiver.points().len(), 10_000);
}

#[test]
fn what_a_signal_leaves_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = receiver_with(|config| config.faults.stall_answers = true);
    let address = receiver.address();
    let pipe = run(address, folder.path(), &["pipe", "--json", "-o", "close_grace=500ms"]);
    let mut running = Running::start(&words(&pipe));
    running.feed(lines(1000).as_bytes());
    assert!(receiver.wait_for(1000, LONG));
    running.signal("TERM");
    let ended = running.wait().with_code(3);
    assert_eq!(ended.json()["spooled"], 1000, "{}", ended.err);
    receiver.faults().resume();
    let ended = potsdb_fed(b"", &words(&pipe)).with_code(0);
    assert_eq!(ended.json()["adopted"], 1000);
}

#[test]
fn a_bad_line_is_exit_code_1_beside_points_that_are_kept() {
    let (folder, address) = (tempfile::tempdir().unwrap(), nowhere());
    let pipe = run(address, folder.path(), &["pipe"]);
    let ended = potsdb_fed(b"m 1767225600 1 a=b\nbad\n", &words(&pipe)).with_code(1);
    assert!(ended.err.contains("1 point kept in the spool"), "{}", ended.err);
}

#[test]
fn a_spool_that_cannot_be_used_is_told_and_points_go_on_from_memory() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o777)).unwrap();
    for (path, why) in [
        (&file, "Not a directory"),
        (&open, "others can write in it: make it 0700"),
    ] {
        let receiver = receiver();
        let pipe = run(receiver.address(), path, &["pipe", "--json"]);
        let mut running = Running::start(&words(&pipe));
        let line = running.notes("the spool takes nothing for now: it cannot be opened: ");
        assert!(line.contains(why) && line.contains(path.to_str().unwrap()), "{line}");
        running.feed(lines(10).as_bytes());
        let ended = running.end().with_code(0);
        assert_eq!(ended.json()["acknowledged"], 10);
    }
}

#[test]
fn wrong_options_of_the_spool_are_errors_with_the_rule() {
    for (options, rule) in [
        (
            &["spool=/tmp/x", "spool_bytes=1"][..],
            "option spool_bytes: \"1\" is not a number of bytes of at least 2MiB",
        ),
        (
            &["spool=/tmp/x", "spool_mode=x"],
            "option spool_mode: \"x\" is not overflow or always",
        ),
        (
            &["spool_bytes=1GiB"],
            "option spool_bytes: it has no effect without a spool",
        ),
        (
            &["spool_mode=always"],
            "option spool_mode: it has no effect without a spool",
        ),
        (&["spool_name=x"], "option spool_name: it has no effect without a spool"),
    ] {
        let mut arguments = vec!["send", "m", "1", "a=b"];
        for option in options {
            arguments.extend(["-o", option]);
        }
        let ended = potsdb(&arguments).with_code(2);
        assert!(ended.err.contains(rule), "{}", ended.err);
    }
}
