//! The front: start, where it listens, stop.
//!
//! ```text
//! Front::start --threads "potsdb-front": listener.rs--> connection.rs, one task each --> the backend
//! ```

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::admission::Admission;
use crate::backend::Backend;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::login::Login;
use crate::socket::{Door, Where};
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// How a front serves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it takes from its peers.
    pub limits: Limits,
    /// What peers have to say first.
    pub login: Login,
    /// What it proves itself with; `None` speaks plainly. At one door, all connections use it; of several, those that
    /// [`Door::encrypted`] says.
    #[cfg(feature = "tls")]
    pub tls: Option<Tls>,
}

impl Options {
    /// Whether it speaks TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        #[cfg(feature = "tls")]
        return self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        return false;
    }
}

/// What every connection sees.
pub(crate) struct Served<B> {
    pub(crate) backend: Arc<B>,
    pub(crate) options: Options,
    pub(crate) admission: Arc<Admission>,
}

/// A running front; dropping it stops it.
pub struct Front {
    places: Vec<Where>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// An address that is listened on, and nobody is served there yet: a server whose port is taken does nothing else first.
pub struct Bound {
    runtime: Runtime,
    listeners: Vec<Listener>,
    /// Its one door does what the options say.
    is_single: bool,
}

impl Front {
    /// Listens on an address; port 0 takes a free one. So many threads will serve: more than one pays if the backend works on
    /// lines of several connections at once.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr, threads: usize) -> io::Result<Bound> {
        let mut bound = Front::bind_doors([("", Door::tcp(address))], threads).map_err(|(_, error)| error)?;
        bound.is_single = true;
        Ok(bound)
    }

    /// Listens at several doors, each given with what its owner calls it.
    ///
    /// # Errors
    ///
    /// What the first that cannot be listened at is called, and why.
    pub fn bind_doors<N: Default>(
        doors: impl IntoIterator<Item = (N, Door)>,
        threads: usize,
    ) -> Result<Bound, (N, io::Error)> {
        let runtime = Front::runtime(threads).map_err(|error| (N::default(), error))?;
        let _inside = runtime.enter();
        let mut listeners = Vec::new();
        for (name, door) in doors {
            listeners.push(Listener::bind(door).map_err(|error| (name, error))?);
        }
        drop(_inside);
        Ok(Bound {
            runtime,
            listeners,
            is_single: false,
        })
    }

    fn runtime(threads: usize) -> io::Result<Runtime> {
        let mut builder = match threads {
            0 | 1 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        builder
            .worker_threads(threads.max(1))
            .thread_name("potsdb-front")
            .enable_all()
            .build()
    }

    /// Where it listens: the first TCP address.
    ///
    /// # Panics
    ///
    /// If all its doors are Unix sockets.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let address = self.places.iter().find_map(|place| match place {
            Where::Tcp(address) => Some(*address),
            Where::Unix(_) => None,
        });
        address.expect("a door that is a port")
    }

    /// Where it listens, door by door.
    #[must_use]
    pub fn places(&self) -> &[Where] {
        &self.places
    }

    /// Closes the port and all connections, and returns when no call of the backend is under way; false if that was done
    /// already.
    pub fn stop(&mut self) -> bool {
        self.stop = None;
        let Some(thread) = self.thread.take() else {
            return false;
        };
        // A panic in the thread was printed by its hook; there is nobody to hand it to here.
        let _ = thread.join();
        true
    }
}

impl Bound {
    /// Serves from here on.
    ///
    /// # Errors
    ///
    /// When no thread can be started.
    pub fn serve<B: Backend>(self, backend: Arc<B>, options: Options) -> io::Result<Front> {
        let Bound {
            runtime,
            mut listeners,
            is_single,
        } = self;
        if is_single {
            listeners
                .iter_mut()
                .for_each(|listener| listener.encrypt(options.is_encrypted()));
        }
        let places = listeners.iter().map(|listener| listener.place().clone()).collect();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::new(Served {
            backend,
            admission: Admission::new(&options.limits),
            options,
        });
        let thread = thread::Builder::new().name("potsdb-front".into()).spawn(move || {
            runtime.block_on(async {
                let mut doors = JoinSet::new();
                for listener in listeners {
                    doors.spawn(listener.serve(Arc::clone(&served)));
                }
                let _ = stopped.await;
                doors.shutdown().await;
            });
            // Ends the connections' tasks where they wait; none is inside a line then.
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        Ok(Front {
            places,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop();
    }
}
