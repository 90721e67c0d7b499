//! The wire knows no socket, thread, file or clock: its sources do not name where those live. A time that somebody else
//! read from a clock may be made a timestamp.

use std::{fs, path::Path};

#[test]
fn no_source_names_sockets_threads_files_or_clocks() {
    let mut seen = 0;
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut seen);
    assert!(seen >= 9, "only {seen} sources were found");
}

fn check(folder: &Path, seen: &mut usize) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            check(&path, seen);
            continue;
        }
        *seen += 1;
        let source = fs::read_to_string(&path).unwrap();
        // `use std::{..., net}` has the word without the path before it.
        let imports = source
            .split("use std::{")
            .skip(1)
            .filter_map(|rest| rest.split('}').next());
        let words: Vec<_> = imports.flat_map(|list| list.split([',', ':', ' ', '\n'])).collect();
        for module in ["net", "thread", "fs", "io", "env", "process", "sync"] {
            assert!(
                !source.contains(&format!("std::{module}")),
                "{} uses std::{module}",
                path.display()
            );
            assert!(!words.contains(&module), "{} imports {module}", path.display());
        }
        for clock in ["Instant", "SystemTime::now", ".elapsed("] {
            assert!(!source.contains(clock), "{} reads a clock: {clock}", path.display());
        }
    }
}
