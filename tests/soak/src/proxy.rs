//! The proxy between producers and store: passes bytes on, or does to them what networks do.
//!
//! Two threads a connection, one each way, look at the orders every [`LOOK`]. Where an order ends a connection, both
//! threads let go of its sockets, with a reset where that is asked for. The proxy reads no lines and keeps no answers
//! back: what it has not passed on when a connection is cut is lost, as in a network.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

/// How long a thread waits for bytes, or for room, before it looks at the orders again.
const LOOK: Duration = Duration::from_millis(50);

/// What passes in one [`LOOK`] of a slow network.
const SLOW: usize = 1024;

pub(crate) struct Proxy {
    port: u16,
    orders: Arc<Mutex<Orders>>,
}

/// What all connections obey.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Orders {
    /// Nothing passes towards the store.
    pub(crate) stall_points: bool,
    /// Nothing passes towards the producers.
    pub(crate) stall_answers: bool,
    /// [`SLOW`] bytes a [`LOOK`], each way.
    pub(crate) slow: bool,
    /// New connections are reset at once.
    pub(crate) refuse: bool,
    /// The latest order to end all connections, by its number.
    cut: Cut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Cut {
    number: u64,
    reset: bool,
    /// After so many more bytes towards the store.
    after: usize,
}

impl Proxy {
    /// Listens on a port of loopback that the kernel chooses, until the process ends.
    pub(crate) fn start(store: u16) -> io::Result<Proxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let proxy = Proxy {
            port: listener.local_addr()?.port(),
            orders: Arc::default(),
        };
        let orders = proxy.orders.clone();
        thread::Builder::new().name("proxy".into()).spawn(move || {
            for producer in listener.incoming().flatten() {
                // A thread or a socket that cannot be had is one more refused connection.
                if lock(&orders).refuse || join(producer.try_clone(), store, &orders).is_err() {
                    let _ = SockRef::from(&producer).set_linger(Some(Duration::ZERO));
                }
            }
        })?;
        Ok(proxy)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Gives orders that hold until the next ones; [`Orders::default`] is a good network.
    pub(crate) fn order(&self, orders: Orders) {
        let mut current = lock(&self.orders);
        *current = Orders {
            cut: current.cut,
            ..orders
        };
    }

    /// Ends all connections, with a reset or in good order, after so many more bytes towards the store.
    pub(crate) fn cut(&self, reset: bool, after: usize) {
        let mut orders = lock(&self.orders);
        orders.cut = Cut {
            number: orders.cut.number + 1,
            reset,
            after,
        };
    }
}

/// Joins a producer's connection to one of its own to the store.
fn join(producer: io::Result<TcpStream>, store: u16, orders: &Arc<Mutex<Orders>>) -> io::Result<()> {
    let producer = producer?;
    let store = TcpStream::connect((Ipv4Addr::LOCALHOST, store))?;
    for socket in [&producer, &store] {
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(LOOK))?;
        socket.set_write_timeout(Some(LOOK))?;
    }
    let broken: Arc<AtomicBool> = Arc::default();
    let born = lock(orders).cut.number;
    for points in [true, false] {
        let (from, to) = match points {
            true => (producer.try_clone()?, store.try_clone()?),
            false => (store.try_clone()?, producer.try_clone()?),
        };
        let way = Way {
            from,
            to,
            points,
            cut: born,
            left: None,
            orders: orders.clone(),
            broken: broken.clone(),
        };
        thread::Builder::new().name("way".into()).spawn(move || way.pass())?;
    }
    Ok(())
}

/// One direction of a connection.
struct Way {
    from: TcpStream,
    to: TcpStream,
    /// Whether it is the one towards the store.
    points: bool,
    /// The latest cut it knows of.
    cut: u64,
    /// Bytes until that cut.
    left: Option<usize>,
    orders: Arc<Mutex<Orders>>,
    /// Whether either direction has ended otherwise than by an end of stream: then both are to.
    broken: Arc<AtomicBool>,
}

impl Way {
    fn pass(mut self) {
        if self.run() {
            self.broken.store(true, Ordering::Relaxed);
            for socket in [&self.from, &self.to] {
                let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            }
        }
    }

    /// Passes bytes on until the end; whether that is a reset.
    fn run(&mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let Some(room) = self.look() else { return true };
            if room == 0 {
                thread::park_timeout(LOOK);
                continue;
            }
            let wanted = room.min(buffer.len());
            match self.from.read(&mut buffer[..wanted]) {
                Ok(0) => {
                    // The half that has ended; the other way goes on.
                    let _ = self.to.shutdown(std::net::Shutdown::Write);
                    return false;
                }
                Ok(read) => {
                    if !self.write(&buffer[..read]) {
                        return true;
                    }
                    if let Some(left) = &mut self.left {
                        *left = left.saturating_sub(read);
                    }
                    if room == SLOW {
                        thread::park_timeout(LOOK);
                    }
                }
                Err(error) if is_timeout(&error) => {}
                Err(_) => return true,
            }
        }
    }

    /// How many bytes may pass now; `None`: the connection is to end with a reset.
    fn look(&mut self) -> Option<usize> {
        let orders = *lock(&self.orders);
        if orders.cut.number != self.cut {
            self.cut = orders.cut.number;
            if !orders.cut.reset {
                // Both ends see an end of stream: what is on its way still arrives.
                let _ = self.to.shutdown(std::net::Shutdown::Write);
            }
            self.left = orders.cut.reset.then_some(orders.cut.after);
        }
        if self.left == Some(0) || self.broken.load(Ordering::Relaxed) {
            return None;
        }
        let stalled = if self.points {
            orders.stall_points
        } else {
            orders.stall_answers
        };
        let room = match (stalled, orders.slow) {
            (true, _) => 0,
            (false, true) => SLOW,
            (false, false) => usize::MAX,
        };
        // The answers' way has no bytes of its own to count: it ends with the other.
        Some(match self.left {
            Some(left) if self.points => room.min(left),
            _ => room,
        })
    }

    /// Writes all of it; false: the connection is broken, or a cut came first.
    fn write(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            match self.to.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_timeout(&error) => {
                    let cut = lock(&self.orders).cut.number != self.cut;
                    if cut || self.broken.load(Ordering::Relaxed) {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
        true
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
