//! Annotations: what is noted of a series, or of all of them, at a time. Grafana draws them into its panels.
//!
//! ```text
//! /api/annotation       GET, POST, PUT, DELETE one, by its series and its start
//! /api/annotation/bulk  POST, PUT several; DELETE a range
//! /api/annotations      GET the global ones of a range
//! ```
//!
//! A `POST` changes the fields it has, a `PUT` forgets the others. They live in memory beside the store, bounded in
//! number and in length. Called by `api.rs`; `result.rs` shows them in answers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use potsdb_front::Parameters;
use potsdb_wire::json::Json;

use crate::answers::Complaint;
use crate::fields::{self, Mismatch};
use crate::json;
use crate::point::number;
use crate::query::note::{Note, Range, WrongRow};
use crate::query::{time, tsuid};

/// All there are, by series and start; those of all series have none.
#[derive(Default)]
pub(crate) struct Notes(Mutex<BTreeMap<(String, i64), Note>>);

/// The most that are kept, and the longest.
const MOST: usize = 10_000;
const LONGEST: usize = 64 << 10;

impl Notes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, i64), Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a series in a range of milliseconds, in their order: when, and as JSON.
    pub(crate) fn of_series(&self, tsuid: &str, range: RangeInclusive<i64>) -> Vec<(i64, String)> {
        self.found(tsuid, |note| note.tsuid == tsuid, |note| range.contains(&note.place()))
    }

    /// Those of any series of a metric, by its number.
    pub(crate) fn of_metric(&self, metric: &str, range: RangeInclusive<i64>) -> Vec<(i64, String)> {
        let is_of_it = |note: &Note| note.tsuid.starts_with(metric);
        self.found(metric, is_of_it, |note| range.contains(&note.place()))
    }

    /// Those of all series from a second on, up to the hour that another is in.
    pub(crate) fn global(&self, start: i64, end: i64) -> Vec<(i64, String)> {
        self.found("", |note| note.tsuid.is_empty(), |note| note.is_global(start, end))
    }

    /// Of those from a series on, as long as they are of it, the wanted ones. An answer asks for each of its series.
    fn found(
        &self,
        from: &str,
        is_of_it: impl Fn(&Note) -> bool,
        is_wanted: impl Fn(&Note) -> bool,
    ) -> Vec<(i64, String)> {
        let all = self.lock();
        let of_it = all.range((from.to_owned(), i64::MIN)..).map(|(_, note)| note);
        let of_it = of_it.take_while(|note| is_of_it(note));
        let mut found: Vec<&Note> = of_it.filter(|note| is_wanted(note)).collect();
        found.sort_by_key(|note| note.start);
        found
            .into_iter()
            .map(|note| (number::millis(note.start), note.json()))
            .collect()
    }

    /// One, by parameters or by a body that says which.
    pub(super) fn get(&self, parameters: &Parameters, body: Option<&Json<'_>>) -> Result<Vec<u8>, Complaint> {
        let asked = Note::asked(parameters, body)?;
        asked.check_row().map_err(WrongRow::unexpected)?;
        let found = self.lock().get(&asked.key()).map(Note::json);
        let found = found.ok_or_else(|| Complaint::new(404, "Unable to locate annotation in storage"))?;
        Ok(found.into_bytes())
    }

    /// Complains of what does not say which.
    pub(super) fn check(parameters: &Parameters, body: Option<&Json<'_>>) -> Result<(), Complaint> {
        Note::asked(parameters, body).map(drop)
    }

    /// The global ones of a range of parameters.
    pub(super) fn get_all(&self, parameters: &Parameters, now: i64) -> Result<Vec<u8>, Complaint> {
        let asked = Note::asked(parameters, None)?;
        let end = asked.end.filter(|end| *end > 0).unwrap_or(now);
        let all = self.lock();
        let found = all.values().filter(|note| note.is_global(asked.start, end));
        // Those in milliseconds have longer names in storage, which sort before the others.
        let mut found: Vec<&Note> = found.collect();
        found.sort_by_key(|note| (note.start <= i64::from(u32::MAX), note.start));
        let found: Vec<String> = found.into_iter().map(Note::json).collect();
        Ok(format!("[{}]", found.join(",")).into_bytes())
    }

    /// Keeps one, and gives back what there is of it now; nothing if it says nothing.
    pub(super) fn put(
        &self,
        parameters: &Parameters,
        body: Option<&Json<'_>>,
        replaces: bool,
    ) -> Result<Option<Vec<u8>>, Complaint> {
        let note = Note::asked(parameters, body)?;
        Ok(self.keep(note, replaces)?.map(String::into_bytes))
    }

    /// Keeps several, and gives those back that say something.
    pub(super) fn put_all(&self, body: &Json<'_>, replaces: bool) -> Result<Vec<u8>, Complaint> {
        let notes = fields::list(body, Note::read).map_err(Mismatch::twice)?;
        let kept = notes
            .unwrap_or_default()
            .into_iter()
            .map(|note| self.keep(note, replaces));
        let kept: Vec<Option<String>> = kept.collect::<Result<_, _>>()?;
        let kept: Vec<String> = kept.into_iter().flatten().collect();
        Ok(format!("[{}]", kept.join(",")).into_bytes())
    }

    fn keep(&self, mut note: Note, replaces: bool) -> Result<Option<String>, Complaint> {
        if note.start < 1 {
            return Err(Complaint::bad_twice("The start timestamp has not been set"));
        }
        if !note.says_something() {
            return Ok(None);
        }
        note.check_row().map_err(|wrong| match wrong {
            WrongRow::NoHex(words) => Complaint::bad_twice(words),
            short @ WrongRow::Short(_) => short.unexpected(),
        })?;
        let mut all = self.lock();
        let known = all.get(&note.key()).cloned();
        if let Some(known) = &known {
            note.meet(known, replaces);
        }
        let json = note.json();
        if json.len() > LONGEST || (known.is_none() && all.len() >= MOST) {
            return Err(Complaint::bad(format!(
                "at most {MOST} annotations of {LONGEST} bytes are kept"
            )));
        }
        all.insert(note.key(), note);
        Ok(Some(json))
    }

    /// Forgets one; whether it was there is not asked.
    pub(super) fn delete(&self, parameters: &Parameters, body: Option<&Json<'_>>) -> Result<(), Complaint> {
        let asked = Note::asked(parameters, body)?;
        if asked.start < 1 {
            let details = "The start timestamp has not been set";
            return Err(Complaint::bad("Unable to delete Annotation information").with(details));
        }
        asked.check_row().map_err(|wrong| match wrong {
            WrongRow::NoHex(words) => Complaint::bad("Unable to delete Annotation information").with(words),
            short @ WrongRow::Short(_) => short.unexpected(),
        })?;
        self.lock().remove(&asked.key());
        Ok(())
    }

    /// Forgets those of a range, and says how many they were.
    pub(super) fn delete_all(
        &self,
        parameters: &Parameters,
        body: Option<&Json<'_>>,
        now: i64,
    ) -> Result<Vec<u8>, Complaint> {
        let range = match body {
            Some(body) => Range::from_json(body).map_err(Mismatch::twice)?,
            None => Range::from_parameters(parameters)?,
        };
        let start = range.start.filter(|start| !start.is_empty());
        let start = start.ok_or_else(|| Complaint::bad("Missing the start time value"))?;
        if !range.global && range.tsuids.as_ref().is_none_or(Vec::is_empty) {
            return Err(Complaint::bad("Missing the TSUIDs or global annotations flag"));
        }
        for tsuid in range.tsuids.iter().flatten() {
            if tsuid.is_empty() {
                return Err(Complaint::bad_twice("UID was empty"));
            }
            tsuid::check(tsuid).map_err(Complaint::bad_twice)?;
        }
        let millis = |text: &str| time::millis(text, None, now).map_err(Complaint::bad_twice);
        let end = range.end.filter(|end| !end.is_empty());
        let (start, end) = (millis(&start)?, end.map_or(Ok(now), |end| millis(&end))?);
        if end < start {
            return Err(Complaint::bad_twice(
                "The end timestamp cannot be less than the start timestamp",
            ));
        }
        let mut all = self.lock();
        let before = all.len();
        all.retain(|_, note| {
            let meant = match note.tsuid.as_str() {
                "" => range.global,
                tsuid => range
                    .tsuids
                    .iter()
                    .flatten()
                    .any(|wanted| wanted.eq_ignore_ascii_case(tsuid)),
            };
            !(meant && (start..=end).contains(&number::millis(note.start)))
        });
        let tsuids = range.tsuids.map_or_else(
            || "null".to_owned(),
            |tsuids| String::from_utf8_lossy(&json::array(tsuids.iter().map(String::as_str))).into_owned(),
        );
        Ok(format!(
            "{{\"tsuids\":{tsuids},\"global\":{},\"startTime\":{start},\"endTime\":{end},\"totalDeleted\":{}}}",
            range.global,
            before - all.len()
        )
        .into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use potsdb_wire::json::parse;

    use super::*;

    fn keep(notes: &Notes, json: &str, replaces: bool) -> Result<String, String> {
        let body = parse(json.as_bytes()).expect("JSON");
        let kept = notes.put(&Parameters::default(), Some(&body), replaces);
        kept.map(|json| String::from_utf8_lossy(&json.unwrap_or_default()).into_owned())
            .map_err(|complaint| complaint.message)
    }

    #[test]
    fn a_post_changes_what_it_has_and_a_put_forgets_the_rest() {
        let notes = Notes::default();
        assert!(keep(&notes, r#"{"startTime":10,"description":"a","notes":"n"}"#, false).is_ok());
        let posted = keep(&notes, r#"{"startTime":10,"description":"b"}"#, false);
        assert_eq!(
            posted.as_deref(),
            Ok(r#"{"tsuid":"","description":"b","notes":"n","startTime":10,"endTime":0}"#)
        );
        let put = keep(&notes, r#"{"startTime":10,"description":"c"}"#, true);
        assert_eq!(
            put.as_deref(),
            Ok(r#"{"tsuid":"","description":"c","notes":"","startTime":10,"endTime":0}"#)
        );
        assert_eq!(notes.of_series("", 0..=10_000).len(), 1);
        assert_eq!(notes.of_series("", 0..=9_999).len(), 0);
        assert_eq!(notes.of_series("000001", 0..=10_000).len(), 0);
    }

    #[test]
    fn one_that_says_nothing_is_not_kept() {
        let notes = Notes::default();
        assert_eq!(
            keep(&notes, r#"{"startTime":10,"description":""}"#, false).as_deref(),
            Ok("")
        );
        assert_eq!(notes.of_series("", 0..=10_000).len(), 0);
        assert_eq!(
            keep(&notes, r#"{"description":"a"}"#, false),
            Err("The start timestamp has not been set".into())
        );
    }

    #[test]
    fn whole_seconds_in_milliseconds_are_the_same_second() {
        let notes = Notes::default();
        assert!(keep(&notes, r#"{"startTime":1700000010,"description":"a"}"#, false).is_ok());
        let again = keep(&notes, r#"{"startTime":1700000010000,"notes":"n"}"#, false);
        assert_eq!(
            again.as_deref(),
            Ok(r#"{"tsuid":"","description":"a","notes":"n","startTime":1700000010,"endTime":0}"#)
        );
    }

    #[test]
    fn one_of_a_second_that_can_be_divided_by_a_thousand_is_lost_to_queries() {
        let notes = Notes::default();
        let kept = keep(&notes, r#"{"startTime":1700000000,"description":"a"}"#, false);
        assert!(kept.is_ok_and(|json| json.contains("1700000000")));
        assert_eq!(notes.of_series("", 1_699_999_000_000..=1_700_001_000_000), []);
        let there = Parameters::parse("start_time=1700000000");
        assert!(notes.get(&there, None).is_ok());
    }

    #[test]
    fn their_number_and_length_are_bounded() {
        let notes = Notes::default();
        for start in 1..=MOST {
            let note = format!(r#"{{"startTime":{start}001,"notes":"n"}}"#);
            assert!(keep(&notes, &note, false).is_ok());
        }
        let one_more = format!(r#"{{"startTime":{}001,"notes":"n"}}"#, MOST + 1);
        assert!(
            keep(&notes, &one_more, false)
                .expect_err("too many")
                .contains("at most")
        );
        let long = format!(r#"{{"startTime":1,"notes":"{}"}}"#, "x".repeat(LONGEST));
        assert!(keep(&notes, &long, false).expect_err("too long").contains("at most"));
    }
}
