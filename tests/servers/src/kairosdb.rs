//! KairosDB on its embedded H2: answers `version` over telnet, and has no OpenTSDB door over HTTP.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::ask::{get, success};
use crate::hbase::jars;
use crate::process::{Launch, Process, Ready, free_ports};
use crate::{Server, Stored};

/// A KairosDB of its own.
#[derive(Debug)]
pub struct KairosDb {
    /// Its process.
    pub process: Process,
    telnet: u16,
    api: u16,
}

impl KairosDb {
    /// Starts it.
    #[must_use]
    pub fn start() -> KairosDb {
        let folder = TempDir::new().expect("a folder can be made");
        let [telnet, api] = free_ports();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let configuration = format!(
            "kairosdb.telnetserver.port: {telnet}\nkairosdb.telnetserver.address: 127.0.0.1\n\
             kairosdb.jetty.port: {api}\nkairosdb.jetty.address: 127.0.0.1\n\
             kairosdb.datastore.h2.database_path: {}\nkairosdb.queue_processor.queue_path: {}\n",
            at("h2"),
            at("queue"),
        );
        let file = folder.path().join("kairosdb.conf");
        std::fs::write(&file, configuration).expect("the folder can be written to");
        let arguments = [
            "-Xmx2g",
            "--add-opens=java.base/java.lang=ALL-UNNAMED",
            // What checks a query's grouping looks into the list of its tags.
            "--add-opens=java.base/java.util=ALL-UNNAMED",
            "-cp",
            &format!("{0}:{0}/lib/*", jars("kairosdb").display()),
            "org.kairosdb.core.Main",
            "-c",
            "run",
            "-p",
            &file.display().to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        let launch = Launch {
            program: "java".to_owned(),
            arguments,
            ready: Ready::Answers(api, "/api/v1/health/check", 204),
        };
        KairosDb {
            process: Process::start(folder, launch),
            telnet,
            api,
        }
    }

    fn query(&self, path: &str, query: &Value) -> Value {
        let answer = success(self.api, "POST", path, query.to_string().as_bytes());
        serde_json::from_str(&answer).expect("an object")
    }
}

impl Server for KairosDb {
    fn telnet(&self) -> String {
        format!("tsdb://127.0.0.1:{}", self.telnet)
    }

    fn http(&self) -> Option<String> {
        None
    }

    fn port(&self) -> u16 {
        self.telnet
    }

    fn stored(&self, metric: &str) -> Stored {
        let names: Value = serde_json::from_str(&get(self.api, "/api/v1/metricnames")).expect("an object");
        let mut stored = Stored::new();
        let names = names["results"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        for name in names.filter(|name| name.starts_with(metric)) {
            let tags = self.query(
                "/api/v1/datapoints/query/tags",
                &json!({"start_absolute": 0, "metrics": [{"name": name}]}),
            );
            let tags = &tags["queries"][0]["results"][0]["tags"];
            let keys: Vec<&String> = tags.as_object().into_iter().flatten().map(|(key, _)| key).collect();
            let answer = self.query(
                "/api/v1/datapoints/query",
                &json!({"start_absolute": 0, "metrics": [{"name": name, "group_by": [{"name": "tag", "tags": keys}]}]}),
            );
            for series in answer["queries"][0]["results"].as_array().expect("the query's results") {
                let mut tags: Vec<String> = series["tags"]
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(tag, values)| format!("{tag}={}", values[0].as_str().unwrap_or("")))
                    .collect();
                tags.sort();
                let points = stored.entry(format!("{name}{{{}}}", tags.join(","))).or_default();
                for row in series["values"].as_array().into_iter().flatten() {
                    points.insert(
                        row[0].as_u64().expect("a time is a number") / 1000,
                        row[1].as_f64().expect("a value is a number"),
                    );
                }
            }
            // A metric without points is one result without values.
            stored.retain(|_, points| !points.is_empty());
        }
        stored
    }
}
