//! OpenTSDB's daemon, the TSD: as many as a test wants on one HBase.
//!
//! It collects up to 1 024 points or a second before HBase has them, and forgets them when it is killed. Its first names
//! (metrics, tags, tag values) cost some milliseconds each.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::ask::get;
use crate::hbase::{Hbase, jars};
use crate::process::{Launch, Process, Ready, free_ports};
use crate::{Server, Stored};

/// One TSD: telnet and HTTP on one port.
#[derive(Debug)]
pub struct Tsd {
    process: Process,
    port: u16,
}

impl Tsd {
    /// Starts one on an HBase, with settings of `opentsdb.conf` as `key=value`; metrics are created by putting, unless they
    /// say otherwise.
    #[must_use]
    pub fn start(hbase: &Hbase, settings: &[&str]) -> Tsd {
        let folder = TempDir::new().expect("a folder can be made");
        let [port] = free_ports();
        let at = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir(&path).expect("the folder can be written to");
            path.display().to_string()
        };
        let mut configuration = format!(
            "tsd.network.port = {port}\ntsd.network.bind = 127.0.0.1\n\
             tsd.storage.hbase.zk_quorum = 127.0.0.1:{}\ntsd.core.auto_create_metrics = true\n\
             tsd.http.staticroot = {}\ntsd.http.cachedir = {}\n",
            hbase.zookeeper(),
            at("static"),
            at("cache"),
        );
        for setting in settings {
            configuration.push_str(setting);
            configuration.push('\n');
        }
        let file = folder.path().join("opentsdb.conf");
        std::fs::write(&file, configuration).expect("the folder can be written to");
        let home = jars("opentsdb").join("tsd");
        let arguments = vec![
            "-Xmx1g".to_owned(),
            "-cp".to_owned(),
            format!("{0}:{0}/target/lib/*", home.display()),
            "net.opentsdb.tools.TSDMain".to_owned(),
            format!("--config={}", file.display()),
        ];
        let launch = Launch {
            program: "java".to_owned(),
            arguments,
            ready: Ready::Answers(port, "/api/version", 200),
        };
        Tsd {
            process: Process::start(folder, launch),
            port,
        }
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again at its port, after it was killed or ended.
    pub fn restart(&mut self) {
        self.process.restart();
    }

    /// Ends it with SIGTERM and waits for its end.
    pub fn end(&mut self, patience: Duration) {
        self.process.signal(Signal::TERM);
        self.process.wait_ended(patience);
    }

    /// Gives a name its number, which putting does only as far as the configuration allows: a `metric`, `tagk` or `tagv`.
    pub fn create(&self, kind: &str, name: &str) {
        get(self.port, &format!("/api/uid/assign?{kind}={name}"));
    }

    /// How many requests to put it received over HTTP, or lines over telnet, by its own counter.
    #[must_use]
    pub fn requests(&self) -> u64 {
        let all: Value = serde_json::from_str(&get(self.port, "/api/stats")).expect("an array");
        let puts = all
            .as_array()
            .into_iter()
            .flatten()
            .filter(|one| one["metric"] == "tsd.rpc.received" && one["tags"]["type"] == "put");
        puts.filter_map(|one| one["value"].as_str()?.parse::<u64>().ok()).sum()
    }
}

impl Server for Tsd {
    fn telnet(&self) -> String {
        format!("tsdb://127.0.0.1:{}", self.port)
    }

    fn http(&self) -> Option<String> {
        Some(format!("http://127.0.0.1:{}", self.port))
    }

    fn port(&self) -> u16 {
        self.port
    }

    fn stored(&self, metric: &str) -> Stored {
        let names = get(self.port, &format!("/api/suggest?type=metrics&max=10000&q={metric}"));
        let names: Vec<String> = serde_json::from_str(&names).expect("an array of names");
        let mut stored = Stored::new();
        for name in names {
            let range = "start=1970/01/02-00:00:00&end=2099/01/01-00:00:00";
            let answer = get(self.port, &format!("/api/query?{range}&ms=true&m=none:{name}"));
            let answer: Value = serde_json::from_str(&answer).expect("an array of series");
            for series in answer.as_array().expect("an array of series") {
                let mut tags: Vec<String> = series["tags"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(tag, value)| format!("{tag}={}", value.as_str().unwrap_or("")))
                    .collect();
                tags.sort();
                let points = stored.entry(format!("{name}{{{}}}", tags.join(","))).or_default();
                for (time, value) in series["dps"].as_object().into_iter().flatten() {
                    let millis: u64 = time.parse().expect("a time is a number");
                    points.insert(millis / 1000, value.as_f64().expect("a value is a number"));
                }
            }
        }
        stored
    }
}
