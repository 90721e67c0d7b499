//! The judge: what the producers' books claim, held against what is in the store's journal.
//!
//! - Complete: every point a flush confirmed is stored. A flush within [`BEFORE`] of a kill of the store is not enough:
//!   OpenTSDB and the store hold answered points for a second, and the producer that would send them again may itself
//!   have been killed. A later flush of the same producer is.
//! - Nothing but what was sent: each stored line is, byte for byte, the line of some producer's point.
//! - The ledgers of those who closed are balanced, with nothing rejected, dropped, unconfirmed or pending.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::Context as _;
use serde_json::Value;

use crate::books::{self, START};
use crate::store::Stored;

/// Seconds before and after a kill of the store within which a flush's word is not enough on its own. The store forgets
/// one second; the rest is for a machine with much to do.
const BEFORE: f64 = 3.0;
const AFTER: f64 = 1.0;

/// Breaches of one kind that are told one by one.
const TOLD: usize = 10;

#[derive(Default)]
pub(crate) struct Verdict {
    pub(crate) breaches: Vec<String>,
    producers: usize,
    claimed: u64,
    owed: u64,
    missing: u64,
    stored: u64,
    copies: u64,
    foreign: u64,
    ledgers: u64,
    resent: u64,
    connects: u64,
    torn: u64,
}

/// One producer's book.
#[derive(Default)]
struct Claims {
    /// Points that any flush confirmed.
    claimed: u64,
    /// Points that are owed, whatever happened.
    owed: u64,
    stored: Vec<u64>,
}

impl Verdict {
    pub(crate) fn words(&self) -> String {
        format!(
            "{} books: {} points confirmed, {} of them owed whatever was killed, {} missing; {} stored, {} copies of \
             them, {} lines that nobody sent; {} ledgers balanced, {} points sent again over {} connections, {} torn",
            self.producers,
            self.claimed,
            self.owed,
            self.missing,
            self.stored,
            self.copies,
            self.foreign,
            self.ledgers,
            self.resent,
            self.connects,
            self.torn
        )
    }
}

pub(crate) fn judge(folder: &Path, stored: &Stored, kills: &[f64]) -> anyhow::Result<Verdict> {
    let mut verdict = Verdict::default();
    let mut books = HashMap::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "book") {
            let name = path.file_stem().unwrap_or_default().display().to_string();
            let text = fs::read_to_string(&path)?;
            let claims = read(&text, kills, &name, &mut verdict).with_context(|| format!("the book of {name}"))?;
            books.insert(name, claims);
        }
    }
    count(stored, &mut books, &mut verdict)?;
    for (name, claims) in &books {
        let missing: Vec<u64> = (0..claims.owed)
            .filter(|&number| !has(&claims.stored, number))
            .collect();
        if let Some(first) = missing.first() {
            verdict.missing += missing.len() as u64;
            verdict.breaches.push(format!(
                "{name}: {} of {} owed points are missing, the first is number {first}",
                missing.len(),
                claims.owed
            ));
        }
        verdict.claimed += claims.claimed;
        verdict.owed += claims.owed;
    }
    verdict.producers = books.len();
    if stored.conflicts > 0 {
        let many = stored.conflicts;
        verdict
            .breaches
            .push(format!("{many} points came again with other bytes"));
    }
    if verdict.owed == 0 {
        verdict.breaches.push("no point is owed: nothing was tested".to_owned());
    }
    Ok(verdict)
}

fn read(text: &str, kills: &[f64], name: &str, verdict: &mut Verdict) -> anyhow::Result<Claims> {
    let mut claims = Claims::default();
    for entry in text.lines() {
        if let Some(ledger) = entry.strip_prefix("end ") {
            audit(&serde_json::from_str(ledger)?, name, verdict)?;
            continue;
        }
        let (count, at) = entry
            .strip_prefix("flushed ")
            .and_then(|rest| rest.split_once(' '))
            .with_context(|| format!("entry {entry:?}"))?;
        let (count, at): (u64, f64) = (count.parse()?, at.parse()?);
        claims.claimed = claims.claimed.max(count);
        if !kills.iter().any(|kill| (kill - BEFORE..kill + AFTER).contains(&at)) {
            claims.owed = claims.owed.max(count);
        }
    }
    Ok(claims)
}

/// The ledger of a client that was closed.
fn audit(ledger: &Value, name: &str, verdict: &mut Verdict) -> anyhow::Result<()> {
    let field = |field: &str| ledger[field].as_u64().with_context(|| format!("{field} in {ledger}"));
    let ended = ["acknowledged", "unconfirmed", "rejected", "dropped", "pending"];
    let sum = ended.iter().map(|name| field(name)).sum::<anyhow::Result<u64>>()?;
    let delivered = field("accepted")? == field("acknowledged")?;
    if sum != field("accepted")? || !delivered || field("released_early")? > 0 {
        verdict.breaches.push(format!("{name}: its ledger is {ledger}"));
    }
    verdict.ledgers += 1;
    verdict.resent += field("resent")?;
    verdict.connects += field("connects")?;
    verdict.torn += field("torn")?;
    Ok(())
}

/// Marks what is stored, and counts what should not be.
fn count(stored: &Stored, books: &mut HashMap<String, Claims>, verdict: &mut Verdict) -> anyhow::Result<()> {
    let mut lines = BufReader::new(File::open(&stored.journal)?);
    let mut line = String::new();
    while lines.read_line(&mut line)? > 0 {
        match point(line.trim_end_matches('\n')).and_then(|(name, number)| Some((books.get_mut(name)?, number))) {
            Some((claims, number)) => match mark(&mut claims.stored, number) {
                true => verdict.stored += 1,
                false => verdict.copies += 1,
            },
            None => {
                verdict.foreign += 1;
                if verdict.foreign <= TOLD as u64 {
                    verdict.breaches.push(format!("nobody sent the stored line {line:?}"));
                }
            }
        }
        line.clear();
    }
    Ok(())
}

/// Whose point a line is, if it is one to the last byte.
fn point(line: &str) -> Option<(&str, u64)> {
    let (_, name) = line.rsplit_once("producer=")?;
    let time: u64 = line.split(' ').nth(2)?.parse().ok()?;
    let number = time.checked_sub(START)?;
    (books::line(name, number) == line).then_some((name, number))
}

/// Sets a bit; false if it was set.
fn mark(bits: &mut Vec<u64>, number: u64) -> bool {
    let (word, bit) = ((number / 64) as usize, 1 << (number % 64));
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    let new = bits[word] & bit == 0;
    bits[word] |= bit;
    new
}

fn has(bits: &[u64], number: u64) -> bool {
    let word = bits.get((number / 64) as usize).copied().unwrap_or_default();
    word & 1 << (number % 64) != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is said of books and a journal.
    fn said(book: &str, journal: &[String], kills: &[f64]) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("p.book"), book).unwrap();
        let path = folder.path().join("store.journal");
        fs::write(&path, journal.concat()).unwrap();
        let stored = Stored {
            journal: path,
            conflicts: 0,
        };
        judge(folder.path(), &stored, kills).unwrap().breaches
    }

    fn lines(numbers: impl IntoIterator<Item = u64>) -> Vec<String> {
        numbers
            .into_iter()
            .map(|number| books::line("p", number) + "\n")
            .collect()
    }

    #[test]
    fn what_is_all_there_is_no_breach_whether_once_or_twice() {
        assert_eq!(said("flushed 3 100.0\n", &lines([0, 1, 2, 1, 5]), &[]), [""; 0]);
    }

    #[test]
    fn a_point_that_a_flush_confirmed_and_is_not_stored_is_one() {
        let said = said("flushed 3 100.0\n", &lines([0, 2]), &[]);
        assert_eq!(said, ["p: 1 of 3 owed points are missing, the first is number 1"]);
    }

    #[test]
    fn a_flush_just_before_a_kill_of_the_store_owes_nothing_and_a_later_one_does() {
        assert_eq!(
            said("flushed 1 90.0\nflushed 3 100.0\n", &lines([0]), &[101.0]),
            [""; 0]
        );
        assert_eq!(
            said("flushed 3 100.0\nflushed 3 103.0\n", &lines([0]), &[101.0]).len(),
            1
        );
    }

    #[test]
    fn a_line_that_differs_in_one_byte_is_nobodys() {
        let mut changed = lines([0, 1]);
        changed[1] = changed[1].replace("0.125", "0.126");
        assert!(said("flushed 1 100.0\n", &changed, &[])[0].contains("nobody sent"));
        assert!(
            said(
                "flushed 1 100.0\n",
                &["put soak 1600000000 0 producer=q\n".to_owned()],
                &[]
            )[0]
            .contains("nobody")
        );
    }

    #[test]
    fn a_ledger_with_a_point_that_was_not_acknowledged_is_one() {
        let ledger = |acknowledged, dropped| {
            format!(
                "flushed 1 1.0\nend {{\"accepted\":1,\"acknowledged\":{acknowledged},\"unconfirmed\":0,\"rejected\":0,\
                 \"dropped\":{dropped},\"pending\":0,\"resent\":0,\"connects\":1,\"released_early\":0,\"torn\":0}}\n"
            )
        };
        assert_eq!(said(&ledger(1, 0), &lines([0]), &[]), [""; 0]);
        assert!(said(&ledger(0, 1), &lines([0]), &[])[0].contains("ledger"));
        assert!(said(&ledger(0, 0), &lines([0]), &[])[0].contains("ledger"));
    }
}
