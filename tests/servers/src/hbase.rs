//! HBase, with a ZooKeeper, in one JVM on local files: where OpenTSDB's daemons store.
//!
//! Starting takes 10 to 30 s, so one is shared by all tests of a process that leave it whole; a test that pauses or kills it,
//! or wants regions that split, starts its own. Its heap is bounded by 2 GiB: with less it runs out of memory under full
//! load, and the daemons after it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::ask;
use crate::process::{Launch, Process, Ready, free_ports};

/// An HBase of its own, with OpenTSDB's four tables.
#[derive(Debug)]
pub struct Hbase {
    process: Process,
    zookeeper: u16,
}

impl Hbase {
    /// The one that tests share. It ends with the test process.
    pub fn shared() -> &'static Hbase {
        static SHARED: OnceLock<Hbase> = OnceLock::new();
        SHARED.get_or_init(|| Hbase::start(&[]))
    }

    /// Starts one, with settings of `hbase-site.xml` as `key=value`.
    #[must_use]
    pub fn start(settings: &[&str]) -> Hbase {
        let folder = TempDir::new().expect("a folder can be made");
        let [zookeeper] = free_ports();
        let home = jars("opentsdb").join("hbase");
        let data = folder.path().join("data");
        let mut arguments = vec![
            "-Xmx2g".to_owned(),
            "--add-opens".to_owned(),
            "java.base/java.nio=ALL-UNNAMED".to_owned(),
            "-cp".to_owned(),
            format!("{0}:{0}/target/lib/*", home.display()),
            home.join("HBaseMini.java").display().to_string(),
            data.display().to_string(),
            zookeeper.to_string(),
        ];
        arguments.extend(settings.iter().map(|&setting| setting.to_owned()));
        let launch = Launch {
            program: "java".to_owned(),
            arguments,
            ready: Ready::Makes(data.join("ready")),
        };
        Hbase {
            process: Process::start(folder, launch),
            zookeeper,
        }
    }

    /// Where its ZooKeeper listens.
    #[must_use]
    pub fn zookeeper(&self) -> u16 {
        self.zookeeper
    }

    /// Freezes it: for less than some ten seconds, after which its own ZooKeeper would have forgotten it, and it would end when
    /// it thaws.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Freezes it for so long.
    pub fn freeze(&self, time: Duration) {
        self.pause();
        // The fault is that nothing happens for this long.
        ask::until(time, || None::<()>);
        self.resume();
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on its data: some 25 s, until its former session has expired.
    pub fn restart(&mut self) {
        self.process.restart();
    }
}

/// Where `scripts/test-servers` put the jars of a server.
pub(crate) fn jars(server: &str) -> PathBuf {
    let folder = std::env::var_os("POTSDB_SERVERS").expect("POTSDB_SERVERS is where scripts/test-servers put the jars");
    PathBuf::from(folder).join(server)
}
