//! Makes a test of each Rust example of the READMEs and docs/: `$OUT_DIR/pages.rs`, and `$OUT_DIR/crates.rs` for the READMEs
//! of the crates.
//!
//! An example is a fenced block of `rust`. What `blocks.py` recognises is the same; it counts them. A comment before a block
//! says that it is not run, or is quoted; a block that includes a file of `examples/` is run by `test_examples.py`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    pages.extend(children(&root.join("docs")));
    pages.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut readmes = children(&root.join("crates"));
    readmes.iter_mut().for_each(|path| path.push("README.md"));
    readmes.retain(|path| path.exists());
    write_tests("pages.rs", &pages);
    write_tests("crates.rs", &readmes);
}

/// What is in a folder, by name.
fn children(folder: &Path) -> Vec<PathBuf> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let entries = fs::read_dir(folder).expect("it is a folder of the repository");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths
}

fn write_tests(name: &str, pages: &[PathBuf]) {
    let mut tests = String::new();
    for page in pages {
        println!("cargo::rerun-if-changed={}", page.display());
        let text = fs::read_to_string(page).expect("pages are text");
        for (line, block) in blocks(&text) {
            write_test(&mut tests, &format!("{}_line_{line}", test_name(page)), &block);
        }
    }
    let folder = env::var("OUT_DIR").expect("cargo sets it");
    fs::write(Path::new(&folder).join(name), tests).expect("can be written");
}

/// `counting` of docs/counting.md, `wire_readme` of crates/wire/README.md.
fn test_name(page: &Path) -> String {
    let stem = page
        .file_stem()
        .expect("pages are files")
        .to_string_lossy()
        .to_lowercase();
    let folder = page
        .parent()
        .and_then(Path::file_name)
        .unwrap_or_default()
        .to_string_lossy();
    let name = match page.parent().and_then(Path::parent) {
        Some(parent) if parent.ends_with("crates") => format!("{folder}_{stem}"),
        _ => stem,
    };
    name.replace('-', "_")
}

/// A whole program is called; statements are what a function consists of.
fn write_test(tests: &mut String, name: &str, block: &str) {
    let url = "&crate::server::url()";
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

/// The blocks to run, with the line that each begins at.
fn blocks(text: &str) -> Vec<(usize, String)> {
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
            let is_left = ["<!-- skip:", "<!-- quoted from:"]
                .iter()
                .any(|mark| before.trim_start().starts_with(mark));
            let is_included = block.iter().any(|line| line.trim_start().starts_with("--8<--"));
            if !is_left && !is_included {
                blocks.push((at + 2, block.join("\n")));
            }
        }
        before = line;
    }
    blocks
}
