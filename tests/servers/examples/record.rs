//! Plays a file of cases at a server that runs already, and prints the transcript.
//!
//! `cargo run -p potsdb-servers --example record -- cases/influxdb-telnet.txt 127.0.0.1:4242 500 > transcripts/...`: the
//! last is the time in milliseconds after which no more of an answer is expected.

use std::error::Error;
use std::time::Duration;

use potsdb_servers::{Transcript, conversation};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, server, quiet] = arguments.as_slice() else {
        return Err("FILE ADDRESS MILLISECONDS".into());
    };
    let cases = Transcript::parse(&std::fs::read_to_string(file)?)?;
    let recorded = conversation::record(&cases, server.parse()?, Duration::from_millis(quiet.parse()?))?;
    #[expect(clippy::print_stdout, reason = "this is what it is for")]
    {
        print!("{recorded}");
    }
    Ok(())
}
