//! A host that takes connections and never answers costs no point more than seconds while another host answers.

use std::net::TcpListener;

use super::*;

/// The kernel takes connections and bytes for it, as for a program that is stopped.
fn hung() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

/// Clients of a hung host and one that answers: some begin with the one, some with the other.
fn clients(scheme: &str, hung: &TcpListener, receiver: &Receiver) -> Vec<Client> {
    let hosts = format!("{},{}", hung.local_addr().unwrap(), receiver.address());
    let url = format!("{scheme}://{hosts}?host_tag=false&answer_timeout=1m");
    (0..10)
        .map(|_| Client::open(&url).expect("the options are right"))
        .collect()
}

fn delivers_while_another_hangs(scheme: &str) {
    let (hung, receiver) = (hung(), receiver(Config::default()));
    let clients = clients(scheme, &hung, &receiver);
    let begun = Instant::now();
    for (n, client) in clients.iter().enumerate() {
        send(client, n as u64, 1);
    }
    for client in &clients {
        client.flush(LONG).expect("every point has its verdict");
    }
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    for client in clients {
        let stats = client.close(LONG);
        assert_eq!((stats.acknowledged, stats.unconfirmed), (1, 0), "{scheme} {stats:?}");
        ended(&stats);
    }
    assert!(begun.elapsed() < LONG / 2, "no close waits for the host that hangs");
    stored(&receiver, 10);
}

#[test]
fn a_point_is_delivered_within_seconds_while_a_host_takes_bytes_and_says_nothing() {
    delivers_while_another_hangs("tsdb");
    delivers_while_another_hangs("http");
}

#[test]
fn a_client_that_closes_at_once_delivers_although_the_host_it_began_with_hangs() {
    for scheme in ["tsdb", "http"] {
        let (hung, receiver) = (hung(), receiver(Config::default()));
        for (n, client) in clients(scheme, &hung, &receiver).into_iter().enumerate() {
            send(&client, n as u64, 1);
            let stats = client.close(LONG);
            assert_eq!((stats.acknowledged, stats.unconfirmed), (1, 0), "{scheme} {stats:?}");
        }
        stored(&receiver, 10);
    }
}

#[test]
fn an_answer_over_http_is_waited_for_as_long_as_the_option_says() {
    let hung = hung();
    let url = format!(
        "http://{}?host_tag=false&answer_timeout=400ms",
        hung.local_addr().unwrap()
    );
    let client = Client::open(&url).unwrap();
    let begun = Instant::now();
    send(&client, 0, 1);
    wait_until(&client, "the connection is not ended", |stats| {
        stats.endpoints[0].last_error.is_some()
    });
    // With half a second for a machine that has much else to do.
    assert!(
        begun.elapsed() < Duration::from_millis(400 + 50 + 500),
        "{:?}",
        begun.elapsed()
    );
    close(&client);
}
