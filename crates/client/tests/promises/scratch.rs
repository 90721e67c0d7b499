//! A file or folder of a test's own.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

/// Files made so far: tests run at the same time.
static FILES: AtomicU64 = AtomicU64::new(0);

/// A file or folder that is gone when the test is over.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn new(name: &str) -> Scratch {
        let number = FILES.fetch_add(1, Ordering::Relaxed);
        let name = format!("potsdb-{name}-{}-{number}", std::process::id());
        Scratch(std::env::temp_dir().join(name))
    }

    pub(super) fn write(&self, text: &str) {
        // As secrets are rotated: the new one takes the old one's place at once.
        let beside = self.0.with_extension("new");
        fs::write(&beside, text).unwrap();
        fs::rename(beside, &self.0).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}
