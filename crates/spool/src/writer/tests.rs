use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use super::{Command, MOST_QUEUED, STALLED, Told, Writer};
use crate::disk::simulated::{Call, Disk, EIO};
use crate::faults::lines;
use crate::spool::Spool;
use crate::store::Options;

/// More than any wait of a test takes.
const LONG: Duration = Duration::from_secs(20);

/// A writer on a disk, and what wakes its caller.
struct Caller {
    writer: Writer,
    woken: Receiver<()>,
}

impl Caller {
    fn new(disk: &Disk) -> Caller {
        let (wake, woken) = channel();
        let process = Arc::new(disk.process());
        let options = Options {
            spool_free: Some(0),
            ..Options::default()
        };
        let open = move |now| {
            let process = process.clone();
            Spool::open(Box::new(move || process.again()), "store", "test", options.clone(), now)
        };
        let waker = move || {
            let _ = wake.send(());
        };
        Caller {
            writer: Writer::start(open, Arc::new(waker)).unwrap(),
            woken,
        }
    }

    fn send(&self, command: Command) {
        assert!(self.writer.send(command).is_ok());
    }

    fn append(&self, tag: u64) {
        let lines = lines(1);
        self.send(Command::Append { tag, lines });
    }

    /// Collects until one is told that is wanted.
    fn until<T>(&mut self, wanted: impl Fn(&Told) -> Option<T>) -> T {
        let end = Instant::now() + LONG;
        loop {
            for told in self.writer.poll(Instant::now()) {
                if let Some(found) = wanted(&told) {
                    return found;
                }
            }
            self.woken
                .recv_timeout(end.saturating_duration_since(Instant::now()))
                .expect("told in time");
        }
    }

    fn synced(&mut self, wanted: u64) {
        self.until(|told| matches!(told, Told::Synced { tag } if *tag == wanted).then_some(()));
    }
}

#[test]
fn lines_are_kept_synced_given_back_and_done_with() {
    let disk = Disk::new(1, 4096);
    let mut caller = Caller::new(&disk);
    let slot = caller.until(|told| match told {
        Told::Opened { slot, .. } => Some(*slot),
        _ => None,
    });
    for tag in 0..3 {
        caller.append(tag);
    }
    caller.send(Command::Sync { tag: 9 });
    caller.synced(9);
    disk.cut_power();
    drop(caller);

    let mut caller = Caller::new(&disk);
    caller.until(|told| matches!(told, Told::Opened { stats, .. } if stats.points == 3).then_some(()));
    caller.send(Command::Read {
        slot,
        from: 0,
        bytes: 1 << 20,
    });
    let (runs, is_end) = caller.until(|told| match told {
        Told::Read { runs, is_end, .. } => Some((runs.len(), *is_end)),
        _ => None,
    });
    assert_eq!((runs, is_end), (3, true));
    caller.send(Command::Done {
        slot,
        first: 0,
        points: 3,
    });
    caller.send(Command::Close);
    caller.until(|told| matches!(told, Told::Closed).then_some(()));
    assert!(caller.writer.has_ended());
    assert!(caller.writer.send(Command::Adopt).is_err());
}

#[test]
fn many_who_wait_share_a_sync() {
    let disk = Disk::new(1, 4096);
    let mut caller = Caller::new(&disk);
    disk.hang(Call::Sync);
    for tag in 0..100 {
        caller.append(tag);
        caller.send(Command::Sync { tag });
    }
    disk.mend();
    caller.synced(99);
    let syncs: u64 = caller.writer.stats().iter().map(|(_, stats)| stats.syncs).sum();
    assert!(syncs <= 20, "{syncs} syncs for a hundred who wait");
}

#[test]
fn e6_14_a_disk_that_hangs_holds_up_nobody_and_says_so() {
    let disk = Disk::new(1, 4096);
    let mut caller = Caller::new(&disk);
    caller.until(|told| matches!(told, Told::Opened { .. }).then_some(()));
    disk.hang(Call::Write);
    caller.append(0);
    caller.send(Command::Sync { tag: 7 });
    // As many as there is room for; what does not fit comes back at once.
    let began = Instant::now();
    let mut taken = 0;
    let back = loop {
        match caller.writer.send(Command::Append {
            tag: 1,
            lines: lines(2_800),
        }) {
            Ok(()) => taken += 1,
            Err(command) => break command,
        }
    };
    assert!(matches!(back, Command::Append { lines, .. } if lines.points == 2_800));
    assert!(taken * 2_800 * 23 <= MOST_QUEUED + 2 * 64 * 1024 + 65_536);
    disk.until_hung();
    // A minute later, as the caller's clock has it.
    let told = caller.writer.poll(Instant::now() + Duration::from_secs(60));
    assert!(told.iter().any(|told| matches!(told, Told::Stalled(true))), "{told:?}");
    assert!(
        !told
            .iter()
            .any(|told| matches!(told, Told::Synced { .. } | Told::Safe { .. }))
    );
    assert!(began.elapsed() < STALLED, "nothing waited for the disk");
    disk.mend();
    caller.until(|told| matches!(told, Told::Stalled(false)).then_some(()));
    caller.synced(7);
}

#[test]
fn a_spool_that_cannot_be_opened_refuses_and_a_caller_that_goes_leaves_the_closing() {
    let disk = Disk::new(1, 4096);
    disk.fail(Call::Create, 0, 1, EIO);
    let mut caller = Caller::new(&disk);
    caller.until(|told| matches!(told, Told::NotOpened { .. }).then_some(()));
    caller.append(5);
    let tag = caller.until(|told| match told {
        Told::Refused { tag, lines, .. } if lines.points == 1 => Some(*tag),
        _ => None,
    });
    assert_eq!(tag, 5);
    caller.send(Command::Sync { tag: 6 });
    caller.synced(6);

    let disk = Disk::new(1, 4096);
    let caller = Caller::new(&disk);
    caller.append(0);
    let woken = caller.woken;
    drop(caller.writer);
    // The thread ends, and with it what would wake us.
    let end = Instant::now() + LONG;
    while woken
        .recv_timeout(end.saturating_duration_since(Instant::now()))
        .is_ok()
    {}
    disk.cut_power();
    let mut caller = Caller::new(&disk);
    caller.until(|told| matches!(told, Told::Opened { stats, .. } if stats.points == 1).then_some(()));
}
