//! Logins as a server may answer them.

use super::*;
use potsdb_wire::Server;

fn terms() -> Terms {
    Terms {
        write_timeout: Duration::from_secs(5),
        ..Terms::of_tests()
    }
}

fn greeting() -> Greeting {
    let line = b"auth basic key canary\n".to_vec();
    Greeting::new(terms(), ServerProfile::Unknown, line, Duration::ZERO)
}

/// What goes to the wire, up to `most` bytes at once.
fn write(exchange: &mut Greeting, most: usize) -> String {
    let mut slices: Vec<IoSlice<'_>> = Vec::new();
    exchange.unwritten(Duration::ZERO, &mut slices);
    let bytes: Vec<u8> = slices
        .iter()
        .flat_map(|slice| slice.iter().copied())
        .take(most)
        .collect();
    drop(slices);
    exchange.wrote(Duration::ZERO, bytes.len() as u64);
    String::from_utf8(bytes).unwrap()
}

fn says(exchange: &mut Greeting, words: &[u8]) {
    exchange.received(Duration::ZERO, words, &mut Verdicts::default());
}

#[test]
fn the_line_goes_first_and_alone_however_it_is_taken_and_answered() {
    let mut exchange = greeting();
    let written: String = (0..30).map(|_| write(&mut exchange, 1)).collect();
    assert_eq!(written, "auth basic key canary\n");
    for byte in b"some banner\r\nAUTH_SUCCESS\r" {
        says(&mut exchange, &[*byte]);
        assert_eq!(exchange.credit(false), None);
    }
    says(&mut exchange, b"\n");
    assert!(exchange.credit(false).is_some() && exchange.is_welcome());
}

#[test]
fn what_comes_with_the_welcome_is_the_exchanges() {
    let mut exchange = greeting();
    write(&mut exchange, 100);
    says(&mut exchange, b"AUTH_SUCCESS\r\nInfluxDB TSDB proxy");
    assert_eq!(exchange.profile(), ServerProfile::Answers(Server::InfluxDb));
}

#[test]
fn a_refusal_ends_the_connection() {
    for words in ["AUTH_FAIL\r\n", "x\nunknown command: auth.  Try `help'.\n"] {
        let mut exchange = greeting();
        write(&mut exchange, 100);
        says(&mut exchange, words.as_bytes());
        let reason = exchange.tick(Duration::ZERO, false, &mut Verdicts::default());
        let reason = reason.expect("it is of no use");
        assert!(matches!(reason, CloseReason::Unauthorized(_)) && !exchange.is_welcome());
        assert!(!reason.to_string().contains("canary"));
    }
}

#[test]
fn neither_writing_nor_waiting_for_the_answer_takes_for_ever() {
    let reason = |exchange: &mut Greeting, at: Duration| exchange.tick(at, false, &mut Verdicts::default());
    let mut exchange = greeting();
    assert_eq!(exchange.next_timer(), Some((Duration::from_secs(5), Timer::Login)));
    assert_eq!(reason(&mut exchange, Duration::from_millis(4_999)), None);
    assert_eq!(
        reason(&mut exchange, Duration::from_secs(5)),
        Some(CloseReason::WriteTimeout)
    );
    write(&mut exchange, 100);
    says(&mut exchange, &[b'x'; 100_000]);
    assert_eq!(
        exchange.answer.len(),
        ANSWER_MAX,
        "an answer without an end is not kept"
    );
    assert_eq!(exchange.next_timer(), Some((Duration::from_secs(10), Timer::Login)));
    assert_eq!(reason(&mut exchange, Duration::from_millis(9_999)), None);
    assert_eq!(
        reason(&mut exchange, Duration::from_secs(10)),
        Some(CloseReason::AnswerTimeout)
    );
}

#[test]
fn the_kernels_count_is_of_the_stream_with_the_line_before_it() {
    let mut exchange = Greeting::new(
        terms(),
        ServerProfile::Silent { until: Duration::MAX },
        b"auth\n".to_vec(),
        Duration::ZERO,
    );
    write(&mut exchange, 100);
    says(&mut exchange, b"AUTH_SUCCESS\n");
    let mut block = crate::queue::block::Block::new(Vec::with_capacity(crate::queue::block::BLOCK_BYTES));
    for line in ["put m 1 1 a=b\n", "put m 2 1 a=b\n"] {
        block.append(&[line.as_bytes()], 1);
    }
    let lines = block.into_lines(0, &mut Vec::new());
    let held = Outstanding::new(lines, Duration::ZERO);
    exchange.give(Duration::ZERO, held);
    assert_eq!(write(&mut exchange, 100).len(), 28);
    let mut verdicts = Verdicts::default();
    for (bytes, unconfirmed) in [(18, 0), (19, 1), (32, 1), (33, 2)] {
        exchange.kernel_has(Duration::ZERO, bytes, &mut verdicts);
        assert_eq!(verdicts.tally.unconfirmed, unconfirmed, "{bytes} bytes");
    }
}

#[test]
fn a_server_of_another_protocol_is_a_wrong_address_and_no_refusal() {
    for words in ["SSH-2.0-x\r\n", "HTTP/1.1 400 Bad Request: auth basic key canary\r\n"] {
        let mut exchange = greeting();
        write(&mut exchange, 100);
        says(&mut exchange, words.as_bytes());
        let reason = exchange.tick(Duration::ZERO, false, &mut Verdicts::default());
        let reason = reason.expect("it is of no use");
        assert!(matches!(reason, CloseReason::Foreign(..)), "{reason:?}");
        assert!(!reason.to_string().contains("canary"), "{reason}");
    }
}
