//! Ctrl-C and SIGTERM, as calls on a thread of their own, or as a number to look at.
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

/// Calls `act` with 1 for the first signal and 2 for the second, and its number, on a thread of its own.
pub(crate) fn on_signal(mut act: impl FnMut(u32, i32) + Send + 'static) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
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
    for signal in [SIGINT, SIGTERM] {
        // In this order: the first signal finds `again` unset.
        flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&again))?;
        flag::register(signal, Arc::clone(&again))?;
        flag::register_usize(signal, Arc::clone(&came), signal as usize)?;
    }
    Ok(came)
}
