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
    /// What is there; of a store's folder that store alone, with the spool's folder as its path.
    pub(super) fn look(&self) -> anyhow::Result<Seen> {
        let seen = look(&self.path)?;
        if is_store(&seen) {
            let path = self.path.canonicalize()?;
            if let (Some(above), Some(name)) = (path.parent(), path.file_name()) {
                return only(look(above)?, &name.to_string_lossy());
            }
        }
        match &self.store {
            Some(name) => only(seen, name),
            None => Ok(seen),
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

/// Whether it is a store's folder that was looked at: slots are in it.
fn is_store(seen: &Seen) -> bool {
    seen.stores.is_empty() && seen.strays.iter().any(|stray| stray.name.parse::<u32>().is_ok())
}

/// One store of several.
pub(super) fn only(mut seen: Seen, name: &str) -> anyhow::Result<Seen> {
    let names: Vec<_> = seen.stores.iter().map(|store| store.name.clone()).collect();
    seen.stores.retain(|store| store.name == name);
    seen.strays.clear();
    anyhow::ensure!(
        !seen.stores.is_empty(),
        "no store {name:?} in {}: there is {}",
        seen.path.display(),
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
        .with_context(|| format!("cannot read {slot}"))
}

/// What a slot holds, as far as headers tell.
pub(super) fn count(slot: &Slot) -> anyhow::Result<Summary> {
    walk(slot, false, |_| Ok(ControlFlow::Continue(())))
}
