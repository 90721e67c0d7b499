//! Where a front listens, and what it accepts there: TCP, a Unix socket, or a socket that was listening before.
//!
//! `listener.rs` accepts through this.

use std::fmt;
use std::fs::Permissions;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use crate::backend::Peer;

/// A place to listen at.
#[derive(Debug)]
pub struct Door {
    place: Place,
    /// Whether connections begin with a TLS handshake.
    pub(crate) is_encrypted: bool,
}

#[derive(Debug)]
enum Place {
    Tcp(SocketAddr),
    Unix { path: PathBuf, mode: u32 },
    InheritedTcp(std::net::TcpListener),
    InheritedUnix(std::os::unix::net::UnixListener),
}

impl Door {
    /// An address of this machine; port 0 takes a free one.
    #[must_use]
    pub fn tcp(address: SocketAddr) -> Door {
        Door::of(Place::Tcp(address))
    }

    /// A Unix socket at a path, with the permissions of `mode` (`0o660`). A socket that nobody listens on any more is
    /// replaced, anything else there is an error.
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>, mode: u32) -> Door {
        Door::of(Place::Unix {
            path: path.into(),
            mode,
        })
    }

    /// A TCP socket that listens already, which is not shut when the front stops: whoever opened it keeps it, and the
    /// connections that come meanwhile.
    #[must_use]
    pub fn inherited_tcp(socket: std::net::TcpListener) -> Door {
        Door::of(Place::InheritedTcp(socket))
    }

    /// The same for a Unix socket.
    #[must_use]
    pub fn inherited_unix(socket: std::os::unix::net::UnixListener) -> Door {
        Door::of(Place::InheritedUnix(socket))
    }

    /// The same door, where TLS is spoken; see [`Options::tls`](crate::Options). A Unix socket never does.
    #[must_use]
    pub fn encrypted(mut self, is_encrypted: bool) -> Door {
        self.is_encrypted = is_encrypted && !matches!(self.place, Place::Unix { .. } | Place::InheritedUnix(_));
        self
    }

    fn of(place: Place) -> Door {
        Door {
            place,
            is_encrypted: false,
        }
    }

    /// Listens; inside a runtime.
    pub(crate) fn open(self) -> io::Result<(Listening, Where, bool)> {
        let (listening, place) = match self.place {
            Place::Tcp(address) => {
                let socket = listen(address)?;
                let address = socket.local_addr()?;
                (Listening::Tcp(socket), Where::Tcp(address))
            }
            Place::Unix { path, mode } => (Listening::Unix(listen_at(&path, mode)?), Where::Unix(path)),
            Place::InheritedTcp(socket) => {
                socket.set_nonblocking(true)?;
                let address = socket.local_addr()?;
                (Listening::Tcp(TcpListener::from_std(socket)?), Where::Tcp(address))
            }
            Place::InheritedUnix(socket) => {
                socket.set_nonblocking(true)?;
                let path = socket
                    .local_addr()?
                    .as_pathname()
                    .map(Path::to_owned)
                    .unwrap_or_default();
                (Listening::Unix(UnixListener::from_std(socket)?), Where::Unix(path))
            }
        };
        Ok((listening, place, self.is_encrypted))
    }

    pub(crate) fn is_inherited(&self) -> bool {
        matches!(self.place, Place::InheritedTcp(_) | Place::InheritedUnix(_))
    }
}

/// Where a front listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    /// An address of this machine.
    Tcp(SocketAddr),
    /// A path; empty if an inherited socket has none.
    Unix(PathBuf),
}

impl fmt::Display for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Where::Tcp(address) => write!(f, "{address}"),
            Where::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A socket that listens.
pub(crate) enum Listening {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A socket that was accepted.
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listening {
    /// Waits for a connection. May be given up at any time without losing one.
    pub(crate) async fn accept(&self, is_encrypted: bool) -> io::Result<(Socket, Peer)> {
        match self {
            Listening::Tcp(listener) => {
                let (socket, address) = listener.accept().await?;
                Ok((Socket::Tcp(socket), Peer::new(address, is_encrypted)))
            }
            Listening::Unix(listener) => {
                let (socket, _) = listener.accept().await?;
                let user = socket.peer_cred().ok().map(|credentials| credentials.uid());
                Ok((Socket::Unix(socket), Peer::local(user)))
            }
        }
    }

    /// Shuts it for all who have it. What the kernel holds for it is reset.
    pub(crate) fn shut(&self, place: &Where) {
        match self {
            // A forked child may have a copy of the socket, and would keep the port open and taken.
            Listening::Tcp(socket) => drop(rustix::net::connect_unspec(socket)),
            Listening::Unix(socket) => drop(SockRef::from(socket).shutdown(std::net::Shutdown::Both)),
        }
        if let Where::Unix(path) = place {
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Socket {
    /// Waits until there is a byte to read, or the end.
    pub(crate) async fn begins(&self) {
        match self {
            // Not `readable`, which may say so without a byte.
            Socket::Tcp(socket) => drop(socket.peek(&mut [0]).await),
            Socket::Unix(socket) => drop(socket.readable().await),
        }
    }

    /// Says a few bytes if the kernel takes them at once.
    pub(crate) fn say(&self, words: &[u8]) {
        match self {
            Socket::Tcp(socket) => drop(socket.try_write(words)),
            Socket::Unix(socket) => drop(socket.try_write(words)),
        }
    }

    pub(crate) fn reset(&self) {
        if let Socket::Tcp(socket) = self {
            crate::transport::reset(socket);
        }
    }
}

/// Connections the kernel may hold for us: thousands may come at once.
const BACKLOG: u32 = 4096;

/// Listens on an address of this machine.
pub(crate) fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    // A restart finds its port again while old connections are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens at a path. Where a socket lies that somebody listens on, or what is no socket, the path is taken.
pub(crate) fn listen_at(path: &Path, mode: u32) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path)
        .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    {
        std::fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok(listener)
}
