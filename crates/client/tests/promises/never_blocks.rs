//! Send never waits, and what senders do under odd circumstances does not hang anybody.

use std::net::TcpListener;

use potsdb::Sent;

use super::*;

#[test]
fn sending_goes_on_at_full_speed_while_the_server_reads_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = Client::open(&format!("tsdb://{}?host_tag=false", listener.local_addr().unwrap())).unwrap();
    send(&client, 0, 500_000);
    let stats = client.close(Duration::ZERO);
    ended(&stats);
    assert_eq!(stats.accepted, 500_000);
}

/// A tag value that sends while it is read, as a `Display` with metrics of its own would.
struct Sends<'a>(&'a Client);

impl AsRef<str> for Sends<'_> {
    fn as_ref(&self) -> &str {
        self.0.send_at("inner", 1, at(0), [("h", "a")]).unwrap();
        "outer"
    }
}

#[test]
fn a_send_within_a_send_works() {
    let receiver = recording();
    let client = open(&receiver);
    assert_eq!(
        client.send_at("outer", 1, at(0), [("h", Sends(&client))]).unwrap(),
        Sent::Queued
    );
    let stats = client.close(LONG);
    ended(&stats);
    assert_eq!(
        receiver.lines(),
        ["put inner 1700000000 1 h=a", "put outer 1700000000 1 h=outer"]
    );
}
