//! The receiver's personalities say what the real servers said: every transcript, byte for byte.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::thread;

use potsdb_receiver::{Config, Personality, Receiver};
use potsdb_servers::{Case, Transcript, conversation};

/// A transcript's name begins with the personality's; those that show a server nothing has created a database on say so.
fn config(name: &str) -> Config {
    let (server, rest) = name.split_once('-').expect("SERVER-WIRE.txt");
    Config {
        personality: server.parse().expect("a personality"),
        database_exists: !rest.starts_with("fresh"),
        ..Config::default()
    }
}

fn transcripts() -> Vec<(String, Transcript)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut all: Vec<(String, Transcript)> = files
        .map(|file| {
            let path = file.expect("it can be listed").path();
            let name = path.file_name().expect("a file").to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).expect("it can be read");
            let transcript = Transcript::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
            (name, transcript)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

/// Plays cases in their order.
fn differences(cases: &[Case], server: SocketAddr) -> Vec<String> {
    let played = cases.iter().map(|case| conversation::compare(case, server));
    played.filter_map(Result::err).collect()
}

#[test]
fn every_transcript_comes_out_of_the_receiver_as_it_came_out_of_the_server() {
    let transcripts = transcripts();
    for personality in Personality::ALL {
        let of_it = |(name, _): &&(String, Transcript)| name.starts_with(personality.name());
        assert_ne!(transcripts.iter().filter(of_it).count(), 0, "none of {personality}");
    }
    let players: Vec<_> = transcripts
        .into_iter()
        .map(|(name, transcript)| {
            thread::spawn(move || {
                let receiver = Receiver::start(config(&name)).expect("a free port");
                let wrong = differences(&transcript.cases, receiver.address());
                (name, wrong)
            })
        })
        .collect();
    let wrong: Vec<String> = players
        .into_iter()
        .map(|player| player.join().expect("it does not panic"))
        .filter(|(_, wrong)| !wrong.is_empty())
        .map(|(name, wrong)| format!("{name}:\n{}", wrong.join("\n")))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_server_that_says_something_else_is_found_out() {
    let transcripts = transcripts();
    let (_, transcript) = transcripts
        .iter()
        .find(|(name, _)| name == "kairosdb-telnet.txt")
        .expect("it is there");
    let receiver = Receiver::start(config("opentsdb-telnet")).expect("a free port");
    let wrong = differences(&transcript.cases[..1], receiver.address());
    assert!(wrong.len() == 1 && wrong[0].contains("< KairosDB") && wrong[0].contains("< net.opentsdb.tools"));
}
