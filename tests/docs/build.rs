//! Makes a test of each Rust example of README.md and docs/: `$OUT_DIR/examples.rs`.
//!
//! In docs/ an example is a fenced block of `rust`, in README.md an indented one that names a crate of ours. What
//! `blocks.py` recognises is the same; it counts them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs"))
        .expect("docs is a folder")
        .map(|entry| entry.expect("docs can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"))
        .collect();
    pages.sort();
    println!("cargo::rerun-if-changed={}", root.join("docs").display());
    let mut tests = String::new();
    for (page, indented) in [(root.join("README.md"), true)]
        .into_iter()
        .chain(pages.into_iter().map(|page| (page, false)))
    {
        println!("cargo::rerun-if-changed={}", page.display());
        let text = fs::read_to_string(&page).expect("pages are text");
        let name = page
            .file_stem()
            .expect("pages are files")
            .to_string_lossy()
            .to_lowercase()
            .replace('-', "_");
        for (line, block) in if indented {
            indented_blocks(&text)
        } else {
            fenced_blocks(&text)
        } {
            write_test(&mut tests, &format!("{name}_line_{line}"), &block);
        }
    }
    fs::write(
        Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("examples.rs"),
        tests,
    )
    .expect("can be written");
}

/// A whole program is called; statements are what a function consists of.
fn write_test(tests: &mut String, name: &str, block: &str) {
    let url = "&crate::server_url()";
    let block = [
        "\"tsdb://localhost:4242\"",
        "\"tsdb://localhost\"",
        "\"tsdb://tsd:4242\"",
    ]
    .iter()
    .fold(block.to_owned(), |block, host| block.replace(host, url));
    let whole = block.contains("fn main()");
    let body = if whole { format!("{block}\nmain()?;") } else { block };
    writeln!(
        tests,
        "#[test]\nfn {name}() -> Result<(), Box<dyn std::error::Error>> {{\n{body}\nOk(())\n}}"
    )
    .expect("strings can be written to");
}

fn fenced_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines().enumerate();
    let mut before = "";
    while let Some((at, line)) = lines.next() {
        if line.trim_start().starts_with("```rust") {
            let block: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| line.trim() != "```")
                .collect();
            if !before.trim_start().starts_with("<!-- skip:") {
                blocks.push((at + 2, block.join("\n")));
            }
        }
        before = line;
    }
    blocks
}

fn indented_blocks(text: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (at, line) in text.lines().enumerate() {
        match line.strip_prefix("    ") {
            Some(line) if open => {
                let (_, block) = blocks.last_mut().expect("a block is open");
                block.push('\n');
                block.push_str(line);
            }
            Some(line) => blocks.push((at + 1, line.to_owned())),
            None => {}
        }
        open = line.starts_with("    ");
    }
    blocks.retain(|(_, block)| block.contains("potsdb::") || block.contains("potsdb_instruments::"));
    blocks
}
