//! Ctrl-C and SIGTERM, as calls on a thread of their own.
//!
//! `send`, `pipe`, `serve` and `demo` end in good order when they are asked to: the first signal is the request, the second
//! says that it takes too long, and the third ends the process where it stands, whatever it is waiting for.
//! `check` leaves the default in place: it has nothing to lose.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Calls `act` with 1 for the first signal and 2 for the second, and with its number, on a thread of its own.
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
