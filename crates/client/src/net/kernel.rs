//! What std cannot ask the kernel. The one file of this crate with `unsafe`, but for the allocator of its unit tests.

#![expect(
    unsafe_code,
    reason = "neither getsockopt(TCP_INFO) up to tcpi_bytes_acked nor pthread_sigmask has a safe wrapper"
)]

use std::os::fd::AsFd;

/// Calls `start`, which starts a thread, so that the thread takes no signal: it inherits its mask.
///
/// A signal for the process goes to any thread that does not block it. A program that blocks one to
/// wait for it in `sigwait` would lose it to a thread of ours, which ends the program. What a thread
/// does to itself (a segmentation fault, an abort) and what profilers count by is left to it.
#[cfg(unix)]
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    use std::mem::MaybeUninit;

    const ITS_OWN: [libc::c_int; 8] = [
        libc::SIGSEGV,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGTRAP,
        libc::SIGABRT,
        libc::SIGSYS,
        libc::SIGPROF,
    ];

    /// Gives the caller its mask back, whatever becomes of `start`.
    struct Restore(libc::sigset_t);

    impl Drop for Restore {
        fn drop(&mut self) {
            // SAFETY: the set is the one the kernel filled in; no place is given for the old one.
            unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
        }
    }

    let (mut all, mut before) = (MaybeUninit::uninit(), MaybeUninit::uninit());
    // SAFETY: `sigfillset` initialises `all`, before it is changed and read. The numbers are signals,
    // so `sigdelset` cannot fail. Both sets outlive the calls.
    let masked = unsafe {
        libc::sigfillset(all.as_mut_ptr());
        for signal in ITS_OWN {
            libc::sigdelset(all.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr())
    };
    // SAFETY: `pthread_sigmask` has succeeded, so it has filled in `before`.
    let _restore = (masked == 0).then(|| Restore(unsafe { before.assume_init() }));
    start()
}

#[cfg(not(unix))]
pub(crate) fn without_signals<T>(start: impl FnOnce() -> T) -> T {
    start()
}

/// How many bytes written to this socket its peer's kernel has acknowledged; `None` where the
/// platform or the kernel cannot tell. Readable after a reset too.
///
/// Linux counts the SYN and, once sent, the FIN: the first is taken off here, the second is why the
/// caller clamps the number to what it wrote.
#[cfg(target_os = "linux")]
pub(crate) fn bytes_acknowledged(socket: impl AsFd) -> Option<u64> {
    use std::os::fd::AsRawFd;

    /// The offset of `tcpi_bytes_acked` in the kernel's `struct tcp_info` (linux/tcp.h): eight
    /// bytes of flags, 24 `u32`, two `u64`. Part of the ABI since Linux 4.1.
    const BYTES_ACKED: usize = 8 + 24 * 4 + 2 * 8;

    let mut info = [0_u8; 256];
    let mut length = libc::socklen_t::try_from(info.len()).expect("256 fits");
    // SAFETY: `socket` is an open descriptor for the whole call, as AsFd promises. The kernel
    // writes at most `length` bytes to `info`, which is that long, and the length it wrote to
    // `length`; both outlive the call. Any bytes are valid for a `u8` array.
    let result = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 || (length as usize) < BYTES_ACKED + 8 {
        return None;
    }
    let field = info[BYTES_ACKED..BYTES_ACKED + 8].try_into().expect("eight bytes");
    Some(u64::from_ne_bytes(field).saturating_sub(1))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn bytes_acknowledged(_socket: impl AsFd) -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// The signals a thread blocks, as the kernel shows them: one bit each.
    fn blocked() -> u64 {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(mask.trim(), 16).unwrap()
    }

    #[test]
    fn a_thread_of_ours_takes_no_signal_and_its_maker_takes_them_as_before() {
        let bit = |signal: i32| 1_u64 << (signal - 1);
        let before = blocked();
        let thread = without_signals(|| std::thread::spawn(blocked)).join().unwrap();
        assert_eq!(blocked(), before);
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGUSR1, libc::SIGCHLD] {
            assert_ne!(thread & bit(signal), 0, "signal {signal}");
        }
        for signal in [libc::SIGSEGV, libc::SIGPROF] {
            assert_eq!(thread & bit(signal), 0, "signal {signal}");
        }
    }

    #[test]
    fn the_peers_kernel_is_seen_to_have_what_its_program_has_read() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_eq!(bytes_acknowledged(&client), Some(0));
        client.write_all(b"0123456789").unwrap();
        server.read_exact(&mut [0; 10]).unwrap();
        server.write_all(b"x").unwrap();
        // The answer carries the acknowledgement, so it is there once the answer was read.
        client.read_exact(&mut [0; 1]).unwrap();
        assert_eq!(bytes_acknowledged(&client), Some(10));
    }
}
