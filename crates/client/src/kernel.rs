//! What std cannot ask the kernel. The one file of this crate with `unsafe`.

#![expect(
    unsafe_code,
    reason = "getsockopt(TCP_INFO) has no safe wrapper that reaches tcpi_bytes_acked"
)]

use std::os::fd::AsFd;

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
