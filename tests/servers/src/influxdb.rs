//! InfluxDB 1.x with its OpenTSDB listener: answers `version` without a newline, and stores a second or so later.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use crate::ask::{get, success};
use crate::process::{Launch, Process, Ready, free_ports};
use crate::{Server, Stored};

/// An InfluxDB of its own, with the database `opentsdb`.
#[derive(Debug)]
pub struct InfluxDb {
    /// Its process.
    pub process: Process,
    telnet: u16,
    api: u16,
}

impl InfluxDb {
    /// Starts it, and creates the database.
    #[must_use]
    pub fn start() -> InfluxDb {
        let server = InfluxDb::fresh();
        success(server.api, "POST", "/query?q=CREATE+DATABASE+opentsdb", b"");
        server
    }

    /// Starts it as it comes: the first HTTP put is refused, the first telnet connection creates the database.
    #[must_use]
    pub fn fresh() -> InfluxDb {
        let folder = TempDir::new().expect("a folder can be made");
        let [telnet, api, backup] = free_ports();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let configuration = format!(
            "reporting-enabled = false\nbind-address = \"127.0.0.1:{backup}\"\n\
             [meta]\ndir = \"{}\"\n[data]\ndir = \"{}\"\nwal-dir = \"{}\"\n[monitor]\nstore-enabled = false\n\
             [http]\nbind-address = \"127.0.0.1:{api}\"\n\
             [[opentsdb]]\nenabled = true\nbind-address = \"127.0.0.1:{telnet}\"\ndatabase = \"opentsdb\"\n\
             batch-size = 1000\nbatch-pending = 5\nbatch-timeout = \"1s\"\n",
            at("meta"),
            at("data"),
            at("wal"),
        );
        let file = folder.path().join("influxdb.conf");
        fs::write(&file, configuration).expect("the folder can be written to");
        let launch = Launch {
            program: "influxd".to_owned(),
            arguments: vec!["-config".to_owned(), file.display().to_string()],
            ready: Ready::Answers(api, "/ping", 204),
        };
        InfluxDb {
            process: Process::start(folder, launch),
            telnet,
            api,
        }
    }

    /// Writes a line of its own protocol.
    pub fn write(&self, line: &str) {
        success(self.api, "POST", "/write?db=opentsdb", line.as_bytes());
    }
}

impl Server for InfluxDb {
    fn telnet(&self) -> String {
        format!("tsdb://127.0.0.1:{}", self.telnet)
    }

    fn http(&self) -> Option<String> {
        Some(format!("http://127.0.0.1:{}", self.telnet))
    }

    fn port(&self) -> u16 {
        self.telnet
    }

    fn stored(&self, metric: &str) -> Stored {
        let path = format!("/query?db=opentsdb&epoch=s&q=SELECT+value+FROM+/^{metric}/+GROUP+BY+*");
        let answer: Value = serde_json::from_str(&get(self.api, &path)).expect("an object");
        let mut stored = Stored::new();
        for series in answer["results"][0]["series"].as_array().into_iter().flatten() {
            let tags = series["tags"].as_object();
            let mut tags: Vec<String> = tags
                .into_iter()
                .flatten()
                .map(|(tag, value)| format!("{tag}={}", value.as_str().unwrap_or("")))
                .collect();
            tags.sort();
            let name = series["name"].as_str().expect("a series has a name");
            let points = stored.entry(format!("{name}{{{}}}", tags.join(","))).or_default();
            for row in series["values"].as_array().into_iter().flatten() {
                points.insert(
                    row[0].as_u64().expect("a time is a number"),
                    row[1].as_f64().expect("a value is a number"),
                );
            }
        }
        stored
    }
}
