//! A web program under gunicorn, as a user writes it: eight forked workers count their requests.

use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::process::{Launch, Process, Ready, free_ports};

/// What it runs: the client is made before the fork, as with any `--preload`. The first question is whether it is ready.
const PROGRAM: &str = "\
import potsdb
client = potsdb.Client.from_url('URL', host_tag=False, worker_tag='worker')
requests = client.counter('METRIC', path='counted')

def app(environ, start_response):
    if environ['PATH_INFO'] == '/counted':
        requests.add()
    start_response('200 OK', [('Content-Type', 'text/plain'), ('Content-Length', '0')])
    return [b'']
";

/// Gunicorn of the interpreter that `POTSDB_PYTHON` names.
#[derive(Debug)]
pub struct Gunicorn {
    process: Process,
    port: u16,
}

impl Gunicorn {
    /// How many workers it has.
    pub const WORKERS: usize = 8;

    /// Starts it with a program that counts its requests to `/counted` as `metric`, in the store at `url`.
    #[must_use]
    pub fn start(url: &str, metric: &str) -> Gunicorn {
        let folder = TempDir::new().expect("a folder can be made");
        let program = PROGRAM.replace("URL", url).replace("METRIC", metric);
        std::fs::write(folder.path().join("web.py"), program).expect("the folder can be written to");
        let python = std::env::var("POTSDB_PYTHON").expect("POTSDB_PYTHON is an interpreter with the module potsdb");
        let [port] = free_ports();
        let bind = format!("127.0.0.1:{port}");
        let workers = Gunicorn::WORKERS.to_string();
        let arguments = [
            "-m",
            "gunicorn",
            "--preload",
            "--workers",
            &workers,
            "--bind",
            &bind,
            "web:app",
        ];
        let launch = Launch {
            program: python,
            arguments: arguments.map(str::to_owned).to_vec(),
            ready: Ready::Answers(port, "/ready", 200),
        };
        Gunicorn {
            process: Process::start(folder, launch),
            port,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks it to end, as systemd and Kubernetes do, and waits until it has.
    pub fn end(&mut self, patience: Duration) {
        self.process.signal(Signal::TERM);
        let status = self.process.wait_ended(patience);
        assert!(status.success(), "gunicorn ended with {status}");
    }
}
