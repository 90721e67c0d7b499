//! Which spool, and which store in it.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use potsdb_spool::inspect::{self, Record, Seen, Slot, Summary};

/// Which spool, and which store in it.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The spool's folder, as in spool=PATH; or the folder of a store in it
    path: PathBuf,

    /// Only this store, as ls names it
    #[arg(long, value_name = "NAME")]
    store: Option<String>,
}

impl Place {
    /// What is there.
    pub(super) fn look(&self) -> anyhow::Result<Seen> {
        let seen = look(&self.path)?;
        // The folder of a store has slots in it, which are no stores.
        let is_store = seen.stores.is_empty() && seen.strays.iter().any(|stray| stray.name.parse::<u32>().is_ok());
        let (path, name) = match (is_store, self.path.canonicalize()) {
            (true, Ok(path)) => (
                path.parent().map(Path::to_owned),
                path.file_name().map(ToOwned::to_owned),
            ),
            _ => (None, None),
        };
        match (path, name, &self.store) {
            (Some(path), Some(name), None) => only(look(&path)?, &name.to_string_lossy(), &path),
            (_, _, Some(name)) => only(seen, name, &self.path),
            _ => Ok(seen),
        }
    }

    /// How it was named.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

pub(super) fn look(path: &Path) -> anyhow::Result<Seen> {
    inspect::look(path).with_context(|| format!("cannot look into {}", path.display()))
}

/// One store of several.
fn only(mut seen: Seen, name: &str, path: &Path) -> anyhow::Result<Seen> {
    let names: Vec<_> = seen.stores.iter().map(|store| store.name.clone()).collect();
    seen.stores.retain(|store| store.name == name);
    seen.strays.clear();
    anyhow::ensure!(
        !seen.stores.is_empty(),
        "no store {name:?} in {}: there is {}",
        path.display(),
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    );
    Ok(seen)
}

/// Goes through a slot; an error names it.
pub(super) fn walk(
    slot: &Slot,
    payloads: bool,
    visit: impl FnMut(Record<'_>) -> io::Result<ControlFlow<()>>,
) -> anyhow::Result<Summary> {
    slot.walk(payloads, visit)
        .with_context(|| format!("cannot read {}/{}", slot.store, slot.number))
}

/// What a slot holds, as far as headers tell.
pub(super) fn count(slot: &Slot) -> anyhow::Result<Summary> {
    walk(slot, false, |_| Ok(ControlFlow::Continue(())))
}
