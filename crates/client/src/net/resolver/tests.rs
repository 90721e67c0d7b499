use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const START: Duration = Duration::ZERO;

/// A lookup that answers when the test says so, and counts what is under way.
struct Slow {
    lookup: Lookup,
    asked: Receiver<String>,
    answer: Sender<io::Result<Vec<SocketAddr>>>,
    woken: Receiver<()>,
    under_way: Arc<AtomicUsize>,
}

impl Slow {
    fn new() -> (Slow, Resolver) {
        let (ask, asked) = channel();
        let (answer, answers) = channel();
        let (wake, woken) = channel();
        let answers = Mutex::new(answers);
        let under_way = Arc::new(AtomicUsize::new(0));
        let count = under_way.clone();
        let lookup: Lookup = Arc::new(move |host| {
            count.fetch_add(1, Ordering::Relaxed);
            ask.send(host.to_owned()).unwrap();
            match host.strip_prefix("good") {
                Some(_) => Ok(vec![address(1)]),
                None => answers.lock().unwrap().recv().unwrap(),
            }
        });
        let woken_by = Arc::new(move || {
            let _ = wake.send(());
        });
        let slow = Slow {
            lookup: lookup.clone(),
            asked,
            answer,
            woken,
            under_way,
        };
        (slow, Resolver::new(lookup, woken_by))
    }

    /// Answers, and waits until the worker has been woken for it.
    fn answers(&self, answer: io::Result<Vec<SocketAddr>>) {
        self.answer.send(answer).unwrap();
        self.woken.recv().unwrap();
    }
}

fn address(number: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, number], 0))
}

fn refused() -> io::Result<Vec<SocketAddr>> {
    Err(io::Error::other("no such name"))
}

#[test]
fn a_name_that_hangs_delays_no_other_name() {
    let (slow, mut resolver) = Slow::new();
    let hangs = resolver.wait(START, "hangs");
    assert_eq!(slow.asked.recv().unwrap(), "hangs");
    let good = resolver.wait(START, "good");
    slow.woken.recv().unwrap();
    assert_eq!(resolver.addresses(START, &good), Some(Ok(vec![address(1)])));
    assert_eq!(resolver.addresses(START, &hangs), None);
}

#[test]
fn a_name_is_asked_for_once_at_a_time_however_many_attempts_wait_for_it() {
    let (slow, mut resolver) = Slow::new();
    let waits: Vec<NameWait> = (0..100).map(|_| resolver.wait(START, "slow")).collect();
    slow.asked.recv().unwrap();
    slow.answers(Ok(vec![address(7)]));
    for wait in &waits {
        assert_eq!(resolver.addresses(START, wait), Some(Ok(vec![address(7)])));
    }
    assert_eq!(slow.under_way.load(Ordering::Relaxed), 1);
    // What is known does not stop the next attempt from asking.
    resolver.wait(START, "slow");
    assert_eq!(slow.asked.recv().unwrap(), "slow");
}

#[test]
fn an_answer_that_comes_after_its_attempt_was_given_up_is_the_next_ones() {
    let (slow, mut resolver) = Slow::new();
    resolver.wait(START, "slow");
    slow.asked.recv().unwrap();
    let next = resolver.wait(Duration::from_secs(4), "slow");
    assert_eq!(resolver.addresses(Duration::from_secs(4), &next), None);
    slow.answers(Ok(vec![address(7)]));
    assert_eq!(
        resolver.addresses(Duration::from_secs(4), &next),
        Some(Ok(vec![address(7)]))
    );
}

#[test]
fn a_slow_name_costs_only_the_first_connection_its_time() {
    let (slow, mut resolver) = Slow::new();
    let first = resolver.wait(START, "slow");
    assert_eq!(resolver.deadline(&first), None, "there is nothing to go on with");
    slow.answers(Ok(vec![address(7)]));
    resolver.addresses(START, &first);
    let now = Duration::from_secs(60);
    let second = resolver.wait(now, "slow");
    assert_eq!(resolver.addresses(now, &second), None, "a new answer has a head start");
    let late = resolver.deadline(&second).unwrap();
    assert_eq!(late, now + HEAD_START);
    assert_eq!(resolver.addresses(late, &second), Some(Ok(vec![address(7)])));
    // It has moved meanwhile.
    slow.answers(Ok(vec![address(8)]));
    assert_eq!(resolver.addresses(late, &second), Some(Ok(vec![address(8)])));
}

#[test]
fn a_name_that_fails_is_an_error_unless_it_was_known_before() {
    let mut name = Name::default();
    let (first, asks) = name.wait(START);
    assert!(asks);
    name.answered(refused().map_err(|error| error.to_string()));
    assert_eq!(name.addresses(START, &first), Some(Err("no such name".to_owned())));
    let (second, asks) = name.wait(START);
    assert!(asks, "a failure is asked again");
    name.answered(Ok(vec![address(7)]));
    assert_eq!(name.addresses(START, &second), Some(Ok(&[address(7)][..])));
    let (third, _) = name.wait(START);
    name.answered(refused().map_err(|error| error.to_string()));
    assert_eq!(name.addresses(START, &third), Some(Ok(&[address(7)][..])));
}

#[test]
fn a_name_that_hangs_is_waited_for_no_longer_than_said() {
    let (slow, _resolver) = Slow::new();
    let error = look_up_within(&slow.lookup, "hangs.example", 4242, Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    assert!(error.to_string().contains("hangs.example"), "{error}");
}

#[test]
fn an_address_is_no_question_and_a_name_gets_the_port() {
    let lookup: Lookup = Arc::new(|host| match host {
        "a.example" => Ok(vec!["10.0.0.1:0".parse().unwrap(), "[fe80::1]:0".parse().unwrap()]),
        _ => panic!("{host} was asked for"),
    });
    let found = |host: &str| look_up_within(&lookup, host, 4242, Duration::from_secs(60)).unwrap();
    let shown = |host: &str| found(host).iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown("a.example"), ["10.0.0.1:4242", "[fe80::1]:4242"]);
    assert_eq!(shown("::1"), ["[::1]:4242"]);
}
