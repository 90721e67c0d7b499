//! The number of this process among those that run the same program on the same host: `worker_tag`.
//!
//! A number is held by a name that Linux lets one socket have at a time, in the abstract namespace:
//!
//! ```text
//! \0potsdb/worker/gunicorn/0   held by process 71
//! \0potsdb/worker/gunicorn/1   held by process 72
//! \0potsdb/worker/gunicorn/2   free: the next process takes it
//! ```
//!
//! The kernel frees the name when the process ends, however it ends. Such names belong to a network namespace: containers
//! that share it, like those of one pod, share their host's name too, and get different numbers. Lock files were the
//! alternative: two containers of a pod do not see each other's.
//!
//! **Not in the same second.** What takes a number begins with a zero, which must not stand where the last total of the
//! process before it is. So the time of the last points is remembered as that of an empty file, and a number is free only
//! when that is over. Where no such file can be made, or a cleaner has taken it, the number is free at once.
//!
//! A process keeps its number until it ends, and all its clients have the same. A forked child that asks for a number lets go
//! of what it inherited first, so that a program that becomes a daemon keeps the number it had. One that never asks holds
//! its parent's number with it for as long as it lives.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::clock;
use crate::process::per_process::PerProcess;

/// Processes of one program on one host that can be told apart.
const MOST: u32 = 10_000;

/// A remembered time so far ahead is of a clock that was wrong.
const FAR: u64 = 60;

/// The numbers this process holds, by program.
static HELD: PerProcess<Mutex<BTreeMap<String, Held>>> = PerProcess::new();

struct Held {
    number: u32,
    name: Name,
}

/// The number of this process among those of `program`: the smallest that was free when it was first asked for.
///
/// # Errors
///
/// All numbers are taken, or the system does not let this process have such a name.
pub(crate) fn number(program: &str) -> io::Result<u32> {
    let held = HELD.get_or_make(|| {
        let_go_of_inherited();
        Mutex::default()
    });
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(held) = held.get(program) {
        return Ok(held.number);
    }
    let (number, name) = smallest(program)?;
    held.insert(program.to_owned(), Held { number, name });
    Ok(number)
}

/// Keeps this process's number from every other until that second is over: it has points up to there.
pub(crate) fn keep_number_until(program: &str, second: u64) {
    let number = HELD.get().and_then(|held| {
        let held = held.lock().unwrap_or_else(PoisonError::into_inner);
        Some(held.get(program)?.number)
    });
    if let Some(number) = number {
        remember(&memory(program, number), second);
    }
}

/// Closes this process's copies of the sockets of those it was forked from, which keep theirs. One whose thread was about to
/// take a number when it forked has its lock taken for ever here: its numbers stay.
fn let_go_of_inherited() {
    for inherited in HELD.inherited() {
        if let Ok(mut held) = inherited.try_lock() {
            std::mem::take(&mut *held)
                .into_values()
                .for_each(|held| held.name.let_go());
        }
    }
}

fn smallest(program: &str) -> io::Result<(u32, Name)> {
    for number in 0..MOST {
        match hold(program, number) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            // Let go of again by dropping it.
            Ok(_) if !is_over(&memory(program, number), clock::millis() / 1000) => {}
            held => return held.map(|name| (number, name)),
        }
    }
    Err(io::Error::other(format!(
        "{MOST} processes of the program {program:?} have a number each, which is the most"
    )))
}

/// The file whose time is that of the last points under a number.
fn memory(program: &str, number: u32) -> PathBuf {
    let program: String = program
        .chars()
        .map(|c| if c == '/' { '_' } else { c })
        .take(60)
        .collect();
    folder().join(format!("{program}-{number}"))
}

/// A folder of this user's in memory, or among the temporary files.
fn folder() -> PathBuf {
    let shared = Path::new("/dev/shm");
    let place = if shared.is_dir() {
        shared.to_owned()
    } else {
        std::env::temp_dir()
    };
    place.join(format!("potsdb-{}", owner("/proc/self".as_ref()).unwrap_or_default()))
}

/// Whether the second that a file remembers has passed.
fn is_over(memory: &Path, now: u64) -> bool {
    let last = fs::metadata(memory).and_then(|file| file.modified()).map(clock::of);
    !last.is_ok_and(|last| (now..=now + FAR).contains(&last))
}

/// Remembers a second, as far as that can be done.
fn remember(memory: &Path, second: u64) {
    let Some(folder) = memory.parent() else { return };
    let _ = own(&mut DirBuilder::new()).create(folder);
    // Nobody else's: what a name in it leads to would be theirs to say.
    if owner(folder) != owner("/proc/self".as_ref()) {
        return;
    }
    let file = OpenOptions::new().create(true).append(true).open(memory);
    let _ = file.and_then(|file| file.set_modified(clock::of_file(second)));
}

#[cfg(unix)]
fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|file| file.uid())
}

#[cfg(not(unix))]
fn owner(_path: &Path) -> Option<u32> {
    None
}

#[cfg(unix)]
fn own(folder: &mut DirBuilder) -> &mut DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    folder.mode(0o700)
}

#[cfg(not(unix))]
fn own(folder: &mut DirBuilder) -> &mut DirBuilder {
    folder
}

#[cfg(target_os = "linux")]
use linux::{Name, hold};
#[cfg(not(target_os = "linux"))]
use nowhere::{Name, hold};

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::net::Shutdown;
    use std::os::fd::IntoRawFd;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// What of a program's name goes into a name of at most 107 bytes.
    const LONGEST: usize = 80;

    /// A held name.
    #[derive(Debug)]
    pub(super) struct Name {
        socket: UnixDatagram,
        name: Vec<u8>,
    }

    pub(super) fn hold(program: &str, number: u32) -> io::Result<Name> {
        let program = program.as_bytes();
        let program = &program[..program.len().min(LONGEST)];
        let name = [b"potsdb/worker/", program, format!("/{number}").as_bytes()].concat();
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
        // Nobody is to leave anything in it.
        socket.shutdown(Shutdown::Read)?;
        Ok(Name { socket, name })
    }

    impl Name {
        /// Closes the socket, unless its descriptor is another file's by now: a daemon may have closed all descriptors
        /// that it inherited, and opened its own since.
        pub(super) fn let_go(self) {
            let address = self.socket.local_addr();
            let is_ours = address.is_ok_and(|address| address.as_abstract_name() == Some(&self.name));
            if !is_ours {
                let _ = self.socket.into_raw_fd();
            }
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod nowhere {
    use std::io;

    /// There is none: the builder refuses the option.
    #[derive(Debug)]
    pub(super) enum Name {}

    pub(super) fn hold(_program: &str, _number: u32) -> io::Result<Name> {
        Err(io::ErrorKind::Unsupported.into())
    }

    impl Name {
        pub(super) fn let_go(self) {}
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// A program's name that no other test, and no other run, has.
    fn program(test: &str) -> String {
        format!("{test}-{}", std::process::id())
    }

    #[test]
    fn a_process_has_one_number_however_often_it_asks() {
        let program = program("asks");
        assert_eq!(number(&program).unwrap(), 0);
        assert_eq!(number(&program).unwrap(), 0);
        assert_eq!(number(&format!("{program}-other")).unwrap(), 0);
    }

    #[test]
    fn the_smallest_free_number_is_taken_and_used_again() {
        let program = program("smallest");
        let (first, second) = (hold(&program, 0).unwrap(), hold(&program, 1).unwrap());
        assert_eq!(smallest(&program).unwrap().0, 2);
        drop(first);
        let (number, third) = smallest(&program).unwrap();
        assert_eq!(number, 0);
        drop((second, third));
    }

    #[test]
    fn a_number_is_not_free_before_the_last_points_under_it_are_over() {
        let program = program("points");
        let now = clock::millis() / 1000;
        for (last, free) in [(now - 1, true), (now + 3, false), (now + 3_600, true)] {
            remember(&memory(&program, 0), last);
            let (number, _held) = smallest(&program).unwrap();
            assert_eq!(number == 0, free, "{last} at {now}");
        }
        fs::remove_file(memory(&program, 0)).unwrap();
    }

    #[test]
    fn a_long_name_of_a_program_has_numbers_too() {
        let program = program(&"long".repeat(50));
        let (zero, _held) = smallest(&program).unwrap();
        assert_eq!((zero, smallest(&program).unwrap().0), (0, 1));
    }
}
