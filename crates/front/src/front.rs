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

use crate::admission::Admission;
use crate::backend::Backend;
use crate::limits::Limits;
use crate::listener::Listener;
use crate::login::Login;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// How a front serves.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What it takes from its peers.
    pub limits: Limits,
    /// What peers have to say first.
    pub login: Login,
    /// What it proves itself with; `None` speaks plainly.
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
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

/// An address that is listened on, and nobody is served there yet: a server whose port is taken does nothing else first.
pub struct Bound {
    runtime: Runtime,
    listener: Listener,
}

impl Front {
    /// Listens on an address; port 0 takes a free one. So many threads will serve: more than one pays if the backend works on
    /// lines of several connections at once.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on.
    pub fn bind(address: SocketAddr, threads: usize) -> io::Result<Bound> {
        let mut builder = match threads {
            0 | 1 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        let runtime = builder
            .worker_threads(threads.max(1))
            .thread_name("potsdb-front")
            .enable_all()
            .build()?;
        let listener = {
            let _inside = runtime.enter();
            Listener::bind(address)?
        };
        Ok(Bound { runtime, listener })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let Bound { runtime, listener } = self;
        let address = listener.address();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::new(Served {
            backend,
            admission: Admission::new(&options.limits),
            options,
        });
        let thread = thread::Builder::new().name("potsdb-front".into()).spawn(move || {
            runtime.block_on(listener.serve(served, stopped));
            // Ends the connections' tasks where they wait; none is inside a line then.
            runtime.shutdown_timeout(Duration::from_secs(1));
        })?;
        Ok(Front {
            address,
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
