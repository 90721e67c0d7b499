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
        let above = root(&self.path);
        match (&self.store, above != self.path) {
            (None, false) => Ok(seen),
            (Some(name), false) => only(seen, name, &self.path),
            (_, true) => {
                let name = self.path.canonicalize()?;
                let name = name.file_name().unwrap_or_default();
                only(look(&above)?, &name.to_string_lossy(), &above)
            }
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

/// The spool's folder, of a folder that may be a store's: that has slots in it.
pub(super) fn root(path: &Path) -> PathBuf {
    let is_store = inspect::look(path)
        .is_ok_and(|seen| seen.stores.is_empty() && seen.strays.iter().any(|stray| stray.name.parse::<u32>().is_ok()));
    let above = path.canonicalize().ok().filter(|_| is_store);
    let above = above.and_then(|path| path.parent().map(Path::to_owned));
    above.unwrap_or_else(|| path.to_owned())
}

/// One store of several.
pub(super) fn only(mut seen: Seen, name: &str, path: &Path) -> anyhow::Result<Seen> {
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
