//! The same load from each of potsdb's faces: Rust, `potsdb pipe`, Python.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use potsdb::Stats;
use potsdb_servers::Server;

use crate::load::{Load, client, delivered};

/// How many points each face sends to each server.
pub(crate) const POINTS: u64 = 100_000;

/// Each face sends over a wire, to metrics of its own, and all is stored. What Rust's ledger says of it.
pub(crate) fn every_face(url: &str, server: &impl Server, wire: &str) -> Stats {
    let load = Load::new(&format!("x.{wire}.rust"), POINTS);
    let stats = from_rust(url, &load);
    load.is_stored(server);

    let load = Load::new(&format!("x.{wire}.pipe"), POINTS);
    from_the_shell(url, &load);
    load.is_stored(server);

    let load = Load::new(&format!("x.{wire}.python"), POINTS);
    from_python(url, &load);
    load.is_stored(server);
    stats
}

pub(crate) fn from_rust(url: &str, load: &Load) -> Stats {
    let client = client(url, &[]);
    load.send(&client);
    delivered(&client, load.sent())
}

fn from_the_shell(url: &str, load: &Load) {
    let command = std::env::var_os("POTSDB_COMMAND").expect("POTSDB_COMMAND says where the command is");
    let mut pipe = Command::new(command)
        .args(["pipe", "--json", "--url", url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the command can be started");
    let mut lines = String::new();
    for n in 0..load.points {
        for series in 0..load.series {
            let (metric, time, value) = (&load.metric, load.time(n), load.value(series, n));
            let _ = writeln!(lines, "{metric} {time} {value} series={series} host=h");
        }
    }
    let mut input = pipe.stdin.take().expect("it is piped");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    let done = pipe.wait_with_output().expect("it is our child");
    let said = String::from_utf8_lossy(&done.stdout);
    let ledger: serde_json::Value = serde_json::from_str(said.trim()).expect("the ledger is an object");
    assert!(done.status.success(), "{said}");
    let delivered = ["acknowledged", "unconfirmed"].map(|name| ledger[name].as_u64().unwrap_or(0));
    assert_eq!(delivered.iter().sum::<u64>(), load.sent(), "{said}");
}

fn from_python(url: &str, load: &Load) {
    let python = std::env::var_os("POTSDB_PYTHON").expect("POTSDB_PYTHON is an interpreter with the module potsdb");
    let program = format!(
        "import potsdb\n\
         client = potsdb.Client.from_url('{url}', host_tag='h', check_host=False, overflow='block')\n\
         series = [client.series('{metric}', series=number) for number in range({all})]\n\
         for n in range({points}):\n\
         \x20   for number, one in enumerate(series):\n\
         \x20       one.send(number * {points} + n + 0.5, timestamp={start} + n)\n\
         stats = client.close(60)\n\
         assert stats.accepted == stats.acknowledged + stats.unconfirmed == {sent}, stats\n",
        metric = load.metric,
        all = load.series,
        points = load.points,
        start = load.time(0),
        sent = load.sent(),
    );
    let done = Command::new(python)
        .args(["-c", &program])
        .output()
        .expect("the interpreter can be started");
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
