//! What the receiver of `potsdb serve` takes from its peers, and how they speak to it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use potsdb_receiver::{Limits, Tls};

use super::count;
use crate::options;

/// What peers may take, and how they speak.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits and TLS")]
pub(super) struct Taking {
    /// Serve at most this many connections at one time; one more is told so and closed
    #[arg(long, value_name = "COUNT", default_value_t = Limits::default().connections, value_parser = count, allow_hyphen_values = true)]
    max_connections: usize,

    /// Close a connection that brings no line and no request for this long; never: keep it open
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = idle)]
    idle: Idle,

    /// Speak TLS, with the certificate chain in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of that certificate, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
}

/// For how long, or for ever.
#[derive(Clone, Copy, Debug)]
struct Idle(Option<Duration>);

impl Taking {
    pub(super) fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            idle: self.idle.0,
            ..Limits::default()
        }
    }

    pub(super) fn is_encrypted(&self) -> bool {
        self.tls_cert.is_some()
    }

    /// What it proves itself with, if it speaks TLS.
    pub(super) fn tls(&self) -> anyhow::Result<Option<Tls>> {
        let (Some(certificate), Some(key)) = (&self.tls_cert, &self.tls_key) else {
            return Ok(None);
        };
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let tls = Tls::from_pem(&read(certificate)?, &read(key)?);
        let of = || format!("cannot speak TLS with {} and {}", certificate.display(), key.display());
        tls.with_context(of).map(Some)
    }
}

fn idle(text: &str) -> Result<Idle, String> {
    match text {
        "never" => Ok(Idle(None)),
        text => options::patience(text).map(|time| Idle(Some(time))),
    }
}
