//! A recorder between a client and a server: passes bytes on, and keeps what each connection began with.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// How much of each connection is kept.
const KEPT: usize = 256;

/// Listens until the process ends; a test's process ends soon.
pub struct Recorder {
    port: u16,
    beginnings: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    /// Passes on to the server at `port`. The first connections end, both ways, after so many bytes as `cut` says.
    #[must_use]
    pub fn start(port: u16, cut: &'static [usize]) -> Recorder {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let recorder = Recorder {
            port: listener.local_addr().expect("it is bound").port(),
            beginnings: Arc::default(),
        };
        let beginnings = recorder.beginnings.clone();
        thread::spawn(move || {
            for (index, client) in listener.incoming().enumerate() {
                let (Ok(client), Ok(server)) = (client, TcpStream::connect(("127.0.0.1", port))) else {
                    continue;
                };
                lock(&beginnings).push(Vec::new());
                let (limit, beginnings) = (cut.get(index).copied().unwrap_or(usize::MAX), beginnings.clone());
                let back = (
                    server.try_clone().expect("a descriptor"),
                    client.try_clone().expect("a descriptor"),
                );
                thread::spawn(move || pass(back.0, back.1, usize::MAX, |_| {}));
                thread::spawn(move || {
                    pass(client, server, limit, |bytes| {
                        let kept = &mut lock(&beginnings)[index];
                        kept.extend_from_slice(&bytes[..bytes.len().min(KEPT - kept.len())]);
                    });
                });
            }
        });
        recorder
    }

    /// Its URL over telnet.
    #[must_use]
    pub fn url(&self) -> String {
        format!("tsdb://127.0.0.1:{}", self.port)
    }

    /// The first bytes of each connection, in order.
    #[must_use]
    pub fn beginnings(&self) -> Vec<Vec<u8>> {
        lock(&self.beginnings).clone()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, limit: usize, mut seen: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    let mut passed = 0;
    while let Ok(read) = from.read(&mut buffer) {
        seen(&buffer[..read]);
        if read == 0 {
            let _ = to.shutdown(Shutdown::Write);
            return;
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
        passed += read;
        if passed >= limit {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
