//! Models of the queue's two races, checked over every interleaving (loom).
//!
//! `RUSTFLAGS="--cfg potsdb_loom" cargo test -p potsdb --release --lib models`
//!
//! A lost wake-up shows as a deadlock: the model's worker sleeps on a flag that only `wake` sets,
//! as the real one sleeps on an eventfd.

use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use crate::config::options::Overflow;
use crate::error::SendError;
use crate::queue::ledger::Tally;
use crate::queue::{Phase, Queue, Rest, Sent, Wait};

/// The eventfd: sticky until it is read.
#[derive(Default)]
struct Flag {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Flag {
    fn wake(&self) {
        *self.set.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut set = self.set.lock().unwrap();
        while !*set {
            set = self.changed.wait(set).unwrap();
        }
        *set = false;
    }
}

fn queue(overflow: Overflow, points: usize) -> (Arc<Queue>, Arc<Flag>) {
    let flag = Arc::new(Flag::default());
    let wake = flag.clone();
    let queue = Queue::new(points, 1 << 20, overflow, Box::new(move || wake.wake()));
    (Arc::new(queue), flag)
}

const LINE: &[u8] = b"put m 1700000000 1 h=a\n";

/// The worker that sleeps.
fn work(queue: &Queue, flag: &Flag, enough: impl FnMut(u64, Phase) -> bool) -> u64 {
    work_resting(Rest::Asleep, queue, flag, enough)
}

/// The worker: takes and acknowledges until `enough` says so, resting whenever there is nothing.
fn work_resting(rest: Rest, queue: &Queue, flag: &Flag, mut enough: impl FnMut(u64, Phase) -> bool) -> u64 {
    let mut taken = 0;
    loop {
        let mut state = queue.lock();
        if let Some(lines) = state.take(usize::MAX, u64::MAX) {
            let points = lines.points();
            taken += points;
            state.post(
                &Tally {
                    acknowledged: points,
                    ..Tally::default()
                },
                u64::MAX,
                None,
                &mut Vec::new(),
            );
            queue.announce(state);
            continue;
        }
        if enough(taken, state.phase()) {
            drop(state);
            queue.end(&Tally::default(), None);
            return taken;
        }
        // As the real worker, which looks for points and decides to sleep in two critical sections.
        drop(state);
        let sleeps = queue.rest(&mut queue.lock(), rest);
        if sleeps {
            flag.wait();
        }
    }
}

#[test]
fn a_sleeping_worker_misses_no_point() {
    loom::model(|| {
        let (queue, flag) = queue(Overflow::DropOldest, 10);
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let queue = queue.clone();
                thread::spawn(move || assert_eq!(queue.append(LINE, None, Wait::Configured), Ok(Sent::Queued)))
            })
            .collect();
        assert_eq!(work(&queue, &flag, |taken, _| taken == 2), 2);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

/// Whoever lingers leaves points to their block, but not until the queue is full.
#[test]
fn a_lingering_worker_misses_no_half_of_a_queue() {
    loom::model(|| {
        let (queue, flag) = queue(Overflow::DropOldest, 1);
        let sender = {
            let queue = queue.clone();
            thread::spawn(move || assert_eq!(queue.append(LINE, None, Wait::Configured), Ok(Sent::Queued)))
        };
        assert_eq!(work_resting(Rest::Lingering, &queue, &flag, |taken, _| taken == 1), 1);
        sender.join().unwrap();
    });
}

#[test]
fn a_point_sent_against_close_is_taken_or_refused_never_lost() {
    loom::model(|| {
        let (queue, flag) = queue(Overflow::DropOldest, 10);
        let sender = {
            let queue = queue.clone();
            thread::spawn(move || queue.append(LINE, None, Wait::Configured))
        };
        let closer = {
            let queue = queue.clone();
            thread::spawn(move || queue.close(None))
        };
        let taken = work(&queue, &flag, |_, phase| phase != Phase::Open);
        closer.join().unwrap();
        match sender.join().unwrap() {
            Ok(Sent::Queued) => assert_eq!(taken, 1),
            Err(SendError::Closed) => assert_eq!(taken, 0),
            other => panic!("{other:?}"),
        }
        let stats = queue.lock().ledger().stats();
        assert!(stats.is_balanced());
        assert_eq!((stats.pending(), stats.acknowledged), (0, taken));
    });
}

#[test]
fn a_flush_sees_the_verdict_it_waits_for() {
    loom::model(|| {
        let (queue, flag) = queue(Overflow::DropOldest, 10);
        let caller = {
            let queue = queue.clone();
            thread::spawn(move || {
                queue.append(LINE, None, Wait::Configured).unwrap();
                let to = queue.barrier();
                assert!(queue.wait_reached(to, None));
                assert_eq!(queue.lock().ledger().settled.acknowledged, 1);
            })
        };
        work(&queue, &flag, |taken, _| taken == 1);
        caller.join().unwrap();
    });
}

#[test]
fn a_sender_waiting_for_room_gets_it() {
    loom::model(|| {
        let (queue, flag) = queue(Overflow::Block(None), 1);
        let sender = {
            let queue = queue.clone();
            thread::spawn(move || {
                for _ in 0..2 {
                    assert_eq!(queue.append(LINE, None, Wait::Configured), Ok(Sent::Queued));
                }
            })
        };
        assert_eq!(work(&queue, &flag, |taken, _| taken == 2), 2);
        sender.join().unwrap();
    });
}
