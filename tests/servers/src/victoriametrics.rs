//! VictoriaMetrics: never answers over telnet, and takes a connection that does not begin with `put` for HTTP.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::ask::{get, until};
use crate::process::{Launch, Process, Ready, free_ports};
use crate::{Server, Stored};

/// A VictoriaMetrics of its own.
#[derive(Debug)]
pub struct VictoriaMetrics {
    /// Its process.
    pub process: Process,
    telnet: u16,
    http: u16,
    api: u16,
    data: PathBuf,
}

impl VictoriaMetrics {
    /// Starts it. What is written twice is kept once, as docs/servers.md recommends. Further
    /// flags win over those it is given.
    #[must_use]
    pub fn start(flags: &[&str]) -> VictoriaMetrics {
        let folder = TempDir::new().expect("a folder can be made");
        let data = folder.path().join("data");
        let [telnet, http, api] = free_ports();
        let mut arguments = vec![
            format!("-opentsdbListenAddr=127.0.0.1:{telnet}"),
            format!("-opentsdbHTTPListenAddr=127.0.0.1:{http}"),
            format!("-httpListenAddr=127.0.0.1:{api}"),
            format!("-storageDataPath={}", data.display()),
            "-dedup.minScrapeInterval=1ms".to_owned(),
            "-retentionPeriod=100y".to_owned(),
        ];
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        let launch = Launch {
            program: "victoria-metrics".to_owned(),
            arguments,
            ready: Ready::Answers(api, "/health", 200),
        };
        VictoriaMetrics {
            process: Process::start(folder, launch),
            telnet,
            http,
            api,
            data,
        }
    }

    /// Waits until everything it took is in files: as many rows of data and of the index as it counts. A death takes the rest,
    /// some ten seconds' worth.
    pub fn reaches_the_disk(&self, patience: Duration) {
        let on_disk = until(patience, || {
            let counted = |prefix: &str| -> f64 {
                let metrics = get(self.api, "/metrics");
                let rows = metrics.lines().filter(|line| line.starts_with(prefix));
                rows.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
                    .sum()
            };
            let (data, index) = (
                counted("vm_rows{type=\"storage/") + counted("vm_pending_rows{type=\"storage\"}"),
                counted("vm_rows{type=\"indexdb\"}") + counted("vm_pending_rows{type=\"indexdb\"}"),
            );
            let written = |folder: &str| rows_in_files(&self.data.join(folder));
            (written("data") >= data && written("indexdb") >= index).then_some(())
        });
        assert!(on_disk.is_some(), "rows are in memory after {patience:?}");
    }
}

impl Server for VictoriaMetrics {
    fn telnet(&self) -> String {
        format!("tsdb://127.0.0.1:{}", self.telnet)
    }

    fn http(&self) -> Option<String> {
        Some(format!("http://127.0.0.1:{}", self.http))
    }

    fn port(&self) -> u16 {
        self.telnet
    }

    fn stored(&self, metric: &str) -> Stored {
        get(self.api, "/internal/force_flush");
        // A start has to be given: without one, old points are left out.
        let path = format!("/api/v1/export?match[]={{__name__=~\"{metric}.*\"}}&start=0&end=4102444800");
        let mut stored = Stored::new();
        for line in get(self.api, &path).lines() {
            let series: Value = serde_json::from_str(line).expect("one object a line");
            let mut tags: Vec<String> = Vec::new();
            let mut name = "";
            for (tag, value) in series["metric"].as_object().expect("a series has labels") {
                match (tag.as_str(), value.as_str().expect("a label is text")) {
                    ("__name__", value) => name = value,
                    (tag, value) => tags.push(format!("{tag}={value}")),
                }
            }
            tags.sort();
            let points = stored.entry(format!("{name}{{{}}}", tags.join(","))).or_default();
            let (times, values) = (series["timestamps"].as_array(), series["values"].as_array());
            for (time, value) in times.expect("times").iter().zip(values.expect("values")) {
                let millis = time.as_u64().expect("a time is a number");
                points.insert(millis / 1000, value.as_f64().expect("a value is a number"));
            }
        }
        stored
    }
}

/// The rows in the parts below a folder: a part is a folder with a name of several numbers, of which the first is theirs.
fn rows_in_files(folder: &Path) -> f64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let rows = entries.filter(|entry| entry.path().is_dir()).map(|entry| {
        let name = entry.file_name();
        let numbers: Vec<&str> = name.to_str().into_iter().flat_map(|name| name.split('_')).collect();
        let rows = numbers
            .first()
            .filter(|_| numbers.len() > 2)
            .and_then(|rows| rows.parse().ok());
        rows.unwrap_or_else(|| rows_in_files(&entry.path()))
    });
    rows.sum()
}
