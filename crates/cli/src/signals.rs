//! Ctrl-C, SIGTERM and SIGHUP, as calls on a thread of their own, or as a number to look at.
//!
//! `send`, `pipe`, `serve` and `demo` end in good order when they are asked to: the first signal is the request, the second
//! says that it takes too long, and the third ends the process where it stands, whatever it is waiting for. The exit code
//! of all but `serve`, which nothing else ends, is 128 and the signal's number if not everything was delivered by then.
//! `check` leaves the default in place: it has nothing to lose.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::iterator::Signals;

/// The signals that ask for an end. A terminal that is closed sends SIGHUP. If that is ignored, as by `nohup`, the
/// command is to outlive the terminal.
fn asked_by() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    signals.extend(Some(SIGHUP).filter(|signal| !is_ignored(*signal)));
    signals
}

/// Whether a signal is ignored from the start; where the system does not tell, it is not.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

/// Calls `act` with 1 for the first signal and 2 for the second, and its number, on a thread of its own.
pub(crate) fn on_signal(act: impl FnMut(u32, i32) + Send + 'static) -> io::Result<()> {
    call(&[SIGINT, SIGTERM], act)
}

/// The same, also when the terminal is closed.
pub(crate) fn on_signal_or_hangup(act: impl FnMut(u32, i32) + Send + 'static) -> io::Result<()> {
    call(&asked_by(), act)
}

fn call(signals: &[i32], mut act: impl FnMut(u32, i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new(signals)?;
    thread::Builder::new().name("potsdb-signals".into()).spawn(move || {
        for (count, signal) in (1..).zip(signals.forever()) {
            if count > 2 {
                std::process::exit(128 + signal);
            }
            act(count, signal);
        }
    })?;
    Ok(())
}

/// Sets the flag whenever SIGHUP comes, which then ends nothing.
pub(crate) fn on_hangup(came: &Arc<AtomicBool>) -> io::Result<()> {
    flag::register(SIGHUP, Arc::clone(came))?;
    Ok(())
}

/// The number of the last signal that came, 0 for none, without a thread. A second one ends the process.
pub(crate) fn watched() -> io::Result<Arc<AtomicUsize>> {
    let came = Arc::new(AtomicUsize::new(0));
    let again = Arc::new(AtomicBool::new(false));
    for signal in asked_by() {
        // In this order: the first signal finds `again` unset.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
        flag::register(signal, Arc::clone(&again))?;
        flag::register_usize(signal, Arc::clone(&came), signal as usize)?;
    }
    Ok(came)
}
