//! The help texts, word for word, and what is made from them.
//!
//! `tests/help/*.txt` are what the command says. After a change that is meant, `POTSDB_BLESS=1 cargo test -p potsdb-cli
//! help` writes them anew.

use std::path::Path;

use crate::command::{nobody, potsdb};

/// Compares what the command says with the snapshot of that name.
#[track_caller]
fn says(name: &str, arguments: &[&str]) {
    let said = potsdb(arguments).with_code(0).out;
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/help")
        .join(format!("{name}.txt"));
    if std::env::var_os("POTSDB_BLESS").is_some() {
        std::fs::write(&path, &said).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(said, expected, "what {arguments:?} says is not {}", path.display());
}

#[test]
fn the_short_help_of_every_subcommand_is_as_written_down() {
    says("potsdb", &["-h"]);
    for subcommand in SUBCOMMANDS {
        says(subcommand, &[subcommand, "-h"]);
    }
    for subcommand in OF_SPOOL {
        says(&format!("spool-{subcommand}"), &["spool", subcommand, "-h"]);
    }
}

#[test]
fn the_long_help_lists_every_option_of_the_client() {
    let said = potsdb(&["pipe", "--help"]).with_code(0).out;
    for name in [
        "queue_points",
        "overflow",
        "mps",
        "window_bytes",
        "settle",
        "host_tag",
        "close_grace",
    ] {
        assert!(
            said.lines().any(|line| line.trim_start().starts_with(name)),
            "{name} is missing in {said}"
        );
    }
}

#[test]
fn without_arguments_it_helps_and_is_exit_code_2() {
    let ended = potsdb(&[]).with_code(2);
    for subcommand in SUBCOMMANDS {
        assert!(
            ended.err.contains(&format!("\n  {subcommand} ")),
            "{subcommand} is missing in {}",
            ended.err
        );
    }
}

#[test]
fn help_is_a_subcommand_too() {
    assert_eq!(
        potsdb(&["help", "send"]).with_code(0).out,
        potsdb(&["send", "--help"]).with_code(0).out
    );
}

#[test]
fn every_help_has_three_examples() {
    let of_spool = OF_SPOOL.map(|subcommand| vec!["spool", subcommand]);
    for subcommand in SUBCOMMANDS
        .map(|subcommand| vec![subcommand])
        .into_iter()
        .chain(of_spool)
    {
        for flag in ["-h", "--help"] {
            let said = potsdb(&[&subcommand[..], &[flag]].concat()).with_code(0).out;
            let (_, examples) = said.split_once("\nExamples:\n").expect("it has examples");
            let count = examples.lines().take_while(|row| row.starts_with("  ")).count();
            assert_eq!(count, 3, "{subcommand:?} {flag}: {said}");
        }
    }
}

#[test]
fn every_error_has_the_same_prefix() {
    for wrong in [
        &["send"][..],
        &["sned"],
        &["pipe", "--nope"],
        &["send", "m", "x", "a=b"],
        &["check", "ftp://h"],
    ] {
        let ended = potsdb(wrong).with_code(2);
        assert!(
            ended.err.starts_with("potsdb: ") && !ended.err.contains("error: "),
            "{}",
            ended.err
        );
    }
}

#[test]
fn quiet_says_nothing_but_why_it_could_not_run() {
    let url = nobody();
    for arguments in [
        &["send", "--quiet", "--timeout", "100ms", "-u", &url, "m", "1", "a=b"][..],
        &["-q", "check", &url],
    ] {
        let ended = potsdb(arguments).with_code(1);
        assert_eq!((ended.out, ended.err), (String::new(), String::new()));
    }
    let ended = potsdb(&["check", "-q", "--json", &url]).with_code(1);
    assert_eq!(ended.json()["ok"], false);
    assert_ne!(potsdb(&["send", "-q", "m", "x", "a=b"]).with_code(2).err, "");
}

#[test]
fn a_misspelt_subcommand_is_exit_code_2_and_suggests_the_nearest() {
    let ended = potsdb(&["sned"]).with_code(2);
    assert!(ended.err.contains("did you mean send?"), "{}", ended.err);
}

#[test]
fn completions_know_every_subcommand() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = potsdb(&["completions", shell]).with_code(0).out;
        for subcommand in SUBCOMMANDS {
            assert!(script.contains(subcommand), "{subcommand} is missing for {shell}");
        }
    }
}

#[test]
fn the_manual_has_a_page_for_every_subcommand() {
    assert!(potsdb(&["man"]).with_code(0).out.contains(".TH potsdb 1"));
    let first = potsdb(&["man"]).with_code(0).out;
    for section in ["EXIT STATUS", "ENVIRONMENT", "EXAMPLES"] {
        assert!(
            first.contains(&format!(".SH \"{section}\"")),
            "{section} is missing in {first}"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    potsdb(&["man", pages.to_str().unwrap()]).with_code(0);
    let names = SUBCOMMANDS.map(str::to_owned).into_iter();
    for subcommand in names.chain(OF_SPOOL.map(|subcommand| format!("spool-{subcommand}"))) {
        let page = std::fs::read_to_string(pages.join(format!("potsdb-{subcommand}.1"))).unwrap();
        let name = format!("potsdb\\-{}", subcommand.replace('-', "\\-"));
        assert!(page.contains(&name), "{subcommand}: {page}");
        let (_, examples) = page.split_once(".SH \"EXAMPLES\"\n.nf\n").unwrap();
        assert!(
            examples.lines().nth(2).is_some_and(|row| row.contains("potsdb")),
            "{subcommand}: {page}"
        );
    }
    let count = SUBCOMMANDS.len() + OF_SPOOL.len() + 1;
    assert_eq!(std::fs::read_dir(&pages).unwrap().count(), count);
}

const SUBCOMMANDS: [&str; 10] = [
    "send",
    "pipe",
    "check",
    "serve",
    "relay",
    "compare",
    "spool",
    "demo",
    "completions",
    "man",
];
const OF_SPOOL: [&str; 8] = ["ls", "stat", "verify", "cat", "replay", "adopt", "drop", "plan"];
