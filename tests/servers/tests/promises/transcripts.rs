//! What each server said when its transcripts were recorded, it says today. `scripts/test-servers --record` writes them anew.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use potsdb_servers::{Transcript, conversation};

/// How long nothing more may come until an answer counts as whole, when recording. OpenTSDB's `sync` takes a second.
const QUIET: Duration = Duration::from_millis(2500);

/// Plays a transcript at a server, and compares; or its cases, and writes the transcript.
pub(crate) fn says_as_recorded(name: &str, port: u16) {
    let server = SocketAddr::from(([127, 0, 0, 1], port));
    let file = folder("transcripts").join(name);
    if std::env::var_os("POTSDB_RECORD").is_some() {
        let recorded = conversation::record(&read(&folder("cases").join(name)), server, QUIET);
        fs::write(&file, recorded.expect("the server listens").to_string()).expect("the transcripts can be written");
    }
    let transcript = read(&file);
    assert!(!transcript.cases.is_empty(), "{name} has no case");
    let wrong: Vec<String> = transcript
        .cases
        .iter()
        .filter_map(|case| conversation::compare(case, server).err())
        .collect();
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    println!("{name}: {} cases answered as recorded", transcript.cases.len());
}

fn read(file: &Path) -> Transcript {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    Transcript::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
