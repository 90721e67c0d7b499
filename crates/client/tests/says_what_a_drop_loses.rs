//! A client that is dropped with undelivered points logs their number: its statistics can no longer be asked for. A process
//! has one logger, so this is a separate test program.

use std::net::TcpListener;
use std::sync::Mutex;

use potsdb::Client;

static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listening;

impl log::Log for Listening {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        SAID.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn a_dropped_client_says_how_many_points_were_not_delivered() {
    log::set_logger(&Listening).unwrap();
    log::set_max_level(log::LevelFilter::Warn);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let client = Client::open(&format!("tsdb://{taken}?close_grace=10ms")).unwrap();
    client.send("m", 1, [("h", "a")]).unwrap();
    client.send("m", 2, [("h", "b")]).unwrap();
    drop(client);
    let said = SAID.lock().unwrap();
    let lost = said.iter().filter(|said| said.contains("2 points were not delivered"));
    assert_eq!(lost.count(), 1, "{said:?}");
}
