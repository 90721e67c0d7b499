//! The metrics that most of what comes is of, from a bounded table.
//!
//! One line of each read is looked at, and stands for all of its bytes. The table is that of the space-saving algorithm (Metwally,
//! Agrawal, El Abbadi, 2005): a name that is not in it takes the place and the weight of the least one, so that no frequent one
//! is missing, and none is told as less than it is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Places in the table.
const PLACES: usize = 256;

/// Dots of a metric's name that are looked at: `sys.cpu.user` is of `sys.cpu`.
const DEPTH: usize = 2;

#[derive(Default)]
pub(crate) struct Talkers(Mutex<HashMap<Box<[u8]>, u64>>);

impl Talkers {
    /// Lines came, of which the first is looked at.
    pub(crate) fn came(&self, lines: &[u8]) {
        let Some(prefix) = prefix(lines) else { return };
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = lines.len() as u64;
        if let Some(weight) = table.get_mut(prefix) {
            *weight += bytes;
            return;
        }
        let mut before = 0;
        if table.len() >= PLACES {
            let least = table.iter().min_by_key(|(_, weight)| **weight);
            let least = least.map(|(name, weight)| (name.clone(), *weight));
            if let Some((name, weight)) = least {
                table.remove(&name);
                before = weight;
            }
        }
        table.insert(prefix.into(), before + bytes);
    }

    /// The largest, with their bytes at most.
    pub(crate) fn top(&self, most: usize) -> Vec<(String, u64)> {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<(String, u64)> = table
            .iter()
            .map(|(name, weight)| (String::from_utf8_lossy(name).into_owned(), *weight))
            .collect();
        all.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
        all.truncate(most);
        all
    }
}

/// The beginning of the first line's metric.
fn prefix(lines: &[u8]) -> Option<&[u8]> {
    let metric = lines.strip_prefix(b"put ")?.split(u8::is_ascii_whitespace).next()?;
    let end = memchr::memchr_iter(b'.', metric).nth(DEPTH - 1).unwrap_or(metric.len());
    (!metric.is_empty() && metric.len() <= 1024).then(|| &metric[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_frequent_is_found_in_a_bounded_table() {
        let talkers = Talkers::default();
        for n in 0..10_000 {
            talkers.came(format!("put rare{n} 1767225600 1 h=a\n").as_bytes());
            if n % 10 == 0 {
                talkers.came(format!("put sys.cpu.{n} 1767225600 1 h=a\n").repeat(20).as_bytes());
            }
        }
        assert_eq!(talkers.top(1)[0].0, "sys.cpu");
        assert!(talkers.top(usize::MAX).len() <= PLACES);
        talkers.came(b"version\n");
        talkers.came(b"");
    }
}
