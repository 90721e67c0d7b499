//! The page of `potsdb serve`: who may see it, and the browser that it is opened in.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use clap::Args;
use potsdb_receiver::Visitors;

use super::grafana;
use crate::output::Output;

/// The page, and who may see it.
#[derive(Clone, Debug, Args)]
pub(super) struct Shown {
    /// Open the page that shows what arrives in a browser
    #[arg(long)]
    open: bool,

    /// Who may see the page: local, peers on this machine; all; off; or all under these NAMEs of this machine
    #[arg(long, value_name = "WHO|NAME,...", default_value = "local", value_parser = visitors)]
    page: Visitors,
}

impl Shown {
    pub(super) fn visitors(&self) -> Visitors {
        self.page.clone()
    }

    /// What is said beside the URL, which a browser shows the page at.
    pub(super) fn words(&self) -> &'static str {
        match self.page {
            Visitors::Nobody => "",
            _ => " (in a browser: the page)",
        }
    }

    pub(super) fn opens_nothing(&self) -> bool {
        self.open && self.page == Visitors::Nobody
    }

    /// Opens it in a browser, if that was asked for. The server is there without one.
    pub(super) fn open(&self, scheme: &str, address: SocketAddr, base_path: &str, output: &Output) {
        if !self.open {
            return;
        }
        let (host, port) = (grafana::host(address.ip()), address.port());
        let url = format!("{scheme}://{host}:{port}{base_path}/");
        let mut browser = Command::new(OPENER);
        browser.arg(&url).stdin(Stdio::null());
        let opened = browser.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        if let Err(error) = opened {
            output.note(format_args!(
                "no browser was opened ({OPENER}: {error}): the page is {url}"
            ));
        }
    }
}

/// What opens a URL with whatever the user has for that.
const OPENER: &str = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };

fn visitors(text: &str) -> Result<Visitors, String> {
    let is_name = |name: &str| {
        let is_of_one = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        !name.is_empty() && name.chars().all(is_of_one)
    };
    match text {
        "off" => Ok(Visitors::Nobody),
        "local" => Ok(Visitors::Loopback),
        "all" => Ok(Visitors::Everyone(Vec::new())),
        names if names.split(',').all(is_name) => Ok(Visitors::Everyone(names.split(',').map(str::to_owned).collect())),
        _ => Err("expected local, all, off, or names of this machine such as dev.example".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_see_it_is_a_word_or_names() {
        assert_eq!(visitors("off"), Ok(Visitors::Nobody));
        assert_eq!(visitors("local"), Ok(Visitors::Loopback));
        assert_eq!(visitors("all"), Ok(Visitors::Everyone(Vec::new())));
        let names = vec!["dev.example".to_owned(), "dev".to_owned()];
        assert_eq!(visitors("dev.example,dev"), Ok(Visitors::Everyone(names)));
        for wrong in ["", "a,", "http://dev", "dev:4242"] {
            assert!(visitors(wrong).is_err(), "{wrong:?}");
        }
    }
}
