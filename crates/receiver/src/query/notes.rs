//! Annotations: what is noted of a series, or of all of them, at a time. Grafana draws them into its panels.
//!
//! ```text
//! /api/annotation       GET, POST, PUT, DELETE one, by its series and its start
//! /api/annotation/bulk  POST, PUT several; DELETE a range
//! /api/annotations      GET the global ones of a range
//! ```
//!
//! A `POST` changes the fields it has, a `PUT` forgets the others. They live in memory beside the store, bounded in number and
//! in length. Called by `api.rs`; `result.rs` shows them in answers.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};

use potsdb_front::Parameters;
use potsdb_wire::json::{Json, write_string};

use crate::answers::Complaint;
use crate::fields::{self, Mismatch, Read};
use crate::json;
use crate::query::{time, tsuid};

/// All there are, by series and start; those of all series have none.
#[derive(Default)]
pub(crate) struct Notes(Mutex<BTreeMap<(String, i64), Note>>);

/// One annotation, its times as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Note {
    tsuid: String,
    start: i64,
    end: Option<i64>,
    description: Option<String>,
    notes: Option<String>,
    custom: Option<Vec<(String, Option<String>)>>,
}

/// The most that are kept, and the longest.
const MOST: usize = 10_000;
const LONGEST: usize = 64 << 10;

impl Notes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(String, i64), Note>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of a series in a range of milliseconds, in their order, as JSON.
    pub(crate) fn of_series(&self, tsuid: &str, range: RangeInclusive<i64>) -> Vec<String> {
        self.found(|note| note.tsuid == tsuid, range)
    }

    /// Those of any series of a metric, by its number.
    pub(crate) fn of_metric(&self, metric: &str, range: RangeInclusive<i64>) -> Vec<String> {
        self.found(|note| note.tsuid.starts_with(metric), range)
    }

    fn found(&self, wanted: impl Fn(&Note) -> bool, range: RangeInclusive<i64>) -> Vec<String> {
        let all = self.lock();
        let wanted = all
            .values()
            .filter(|note| wanted(note) && range.contains(&time::of_point(note.start)));
        let mut found: Vec<&Note> = wanted.collect();
        found.sort_by_key(|note| note.start);
        found.into_iter().map(Note::json).collect()
    }

    /// One, by parameters or by a body that says which.
    pub(super) fn get(&self, parameters: &Parameters, body: Option<&Json<'_>>) -> Result<Vec<u8>, Complaint> {
        let asked = Note::asked(parameters, body)?;
        let found = self.lock().get(&asked.key()).map(Note::json);
        let found = found.ok_or_else(|| Complaint::new(404, "Unable to locate annotation in storage"))?;
        Ok(found.into_bytes())
    }

    /// The global ones of a range of parameters.
    pub(super) fn get_all(&self, parameters: &Parameters, now: i64) -> Result<Vec<u8>, Complaint> {
        let asked = Note::asked(parameters, None)?;
        let end = asked.end.filter(|end| *end > 0).unwrap_or(now);
        let all = self.lock();
        let global = all.values().filter(|note| note.tsuid.is_empty());
        let found = global.filter(|note| note.start >= asked.start && note.end.unwrap_or(0) <= end);
        // Those in milliseconds have longer names in storage, which sort before the others.
        let mut found: Vec<&Note> = found.collect();
        found.sort_by_key(|note| (note.start <= i64::from(u32::MAX), note.start));
        let found: Vec<String> = found.into_iter().map(Note::json).collect();
        Ok(format!("[{}]", found.join(",")).into_bytes())
    }

    /// Keeps one, and gives back what there is of it now.
    pub(super) fn put(
        &self,
        parameters: &Parameters,
        body: Option<&Json<'_>>,
        replaces: bool,
    ) -> Result<Vec<u8>, Complaint> {
        let note = Note::asked(parameters, body)?;
        Ok(self.keep(note, replaces).map_err(Complaint::bad_twice)?.into_bytes())
    }

    /// Keeps several, and gives them back.
    pub(super) fn put_all(&self, body: &Json<'_>, replaces: bool) -> Result<Vec<u8>, Complaint> {
        let notes = fields::list(body, Note::read).map_err(|Mismatch(words)| Complaint::bad_twice(words))?;
        let kept = notes
            .unwrap_or_default()
            .into_iter()
            .map(|note| self.keep(note, replaces));
        let kept: Vec<String> = kept.collect::<Result<_, _>>().map_err(Complaint::bad_twice)?;
        Ok(format!("[{}]", kept.join(",")).into_bytes())
    }

    fn keep(&self, mut note: Note, replaces: bool) -> Result<String, String> {
        if note.start < 1 {
            return Err("The start timestamp has not been set".into());
        }
        tsuid::check(&note.tsuid)?;
        let mut all = self.lock();
        let known = all.get(&note.key());
        if let (Some(known), false) = (known, replaces) {
            let Note {
                end,
                description,
                notes,
                custom,
                ..
            } = known.clone();
            note.end = note.end.or(end);
            note.description = note.description.or(description);
            note.notes = note.notes.or(notes);
            note.custom = note.custom.or(custom);
        }
        let json = note.json();
        if json.len() > LONGEST || (known.is_none() && all.len() >= MOST) {
            return Err(format!("at most {MOST} annotations of {LONGEST} bytes are kept"));
        }
        all.insert(note.key(), note);
        Ok(json)
    }

    /// Forgets one; whether it was there is not asked.
    pub(super) fn delete(&self, parameters: &Parameters, body: Option<&Json<'_>>) -> Result<(), Complaint> {
        let asked = Note::asked(parameters, body)?;
        if asked.start < 1 {
            return Err(
                Complaint::bad("Unable to delete Annotation information").with("The start timestamp has not been set")
            );
        }
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
            Some(body) => Range::from_json(body)?,
            None => Range::from_parameters(parameters)?,
        };
        let start = range.start.filter(|start| !start.is_empty());
        let start = start.ok_or_else(|| Complaint::bad("Missing the start time value"))?;
        if !range.global && range.tsuids.as_ref().is_none_or(Vec::is_empty) {
            return Err(Complaint::bad("Missing the TSUIDs or global annotations flag"));
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
            !(meant && (start..=end).contains(&time::of_point(note.start)))
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

impl Note {
    /// What a request says of one: its body, or its parameters if it has none.
    fn asked(parameters: &Parameters, body: Option<&Json<'_>>) -> Result<Note, Complaint> {
        match body {
            // This one does not say that it could not parse it.
            Some(body) => Note::read(body).map_err(|Mismatch(words)| Complaint::internal(words)),
            None => Note::from_parameters(parameters),
        }
    }

    fn from_parameters(parameters: &Parameters) -> Result<Note, Complaint> {
        let seconds = |name| match parameters.value(name).filter(|text| !text.is_empty()) {
            None => Ok(0),
            Some(text) => time::millis(text, None, 0)
                .map(|millis| millis / 1000)
                .map_err(Complaint::internal),
        };
        let start = seconds("start_time")?;
        if start < 1 {
            return Err(Complaint::bad("Missing start time"));
        }
        let text = |name| parameters.value(name).map(str::to_owned);
        Ok(Note {
            tsuid: text("tsuid").unwrap_or_default(),
            start,
            end: Some(seconds("end_time")?).filter(|end| *end > 0),
            description: text("description"),
            notes: text("notes"),
            custom: None,
        })
    }

    fn read(body: &Json<'_>) -> Read<Note> {
        let mut note = Note::default();
        for (name, json) in fields::object(body, "net.opentsdb.meta.Annotation")? {
            match name.as_ref() {
                "tsuid" => note.tsuid = fields::text(json)?.unwrap_or_default(),
                "startTime" => note.start = fields::whole(json)?,
                "endTime" => note.end = Some(fields::whole(json)?),
                "description" => note.description = fields::text(json)?,
                "notes" => note.notes = fields::text(json)?,
                "custom" => note.custom = fields::map(json)?,
                _ => {}
            }
        }
        Ok(note)
    }

    fn key(&self) -> (String, i64) {
        (self.tsuid.clone(), self.start)
    }

    fn json(&self) -> String {
        let mut out = b"{\"tsuid\":".to_vec();
        write_string(&self.tsuid, &mut out);
        for (name, text) in [("description", &self.description), ("notes", &self.notes)] {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            write_string(text.as_deref().unwrap_or_default(), &mut out);
        }
        if let Some(custom) = &self.custom {
            out.extend_from_slice(b",\"custom\":");
            let custom = custom.iter();
            let pairs = custom.map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()));
            out.extend_from_slice(&json::object(pairs));
        }
        let times = format!(",\"startTime\":{},\"endTime\":{}}}", self.start, self.end.unwrap_or(0));
        out.extend_from_slice(times.as_bytes());
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// What is to be deleted.
#[derive(Debug, Default)]
struct Range {
    start: Option<String>,
    end: Option<String>,
    tsuids: Option<Vec<String>>,
    global: bool,
}

impl Range {
    fn from_parameters(parameters: &Parameters) -> Result<Range, Complaint> {
        let tsuids = parameters.value("tsuids");
        Ok(Range {
            start: Some(super::url::required(parameters, "start_time")?.to_owned()),
            end: parameters.value("end_time").map(str::to_owned),
            tsuids: tsuids.map(|tsuids| tsuids.split(',').map(|tsuid| tsuid.trim().to_owned()).collect()),
            global: parameters.given("global"),
        })
    }

    fn from_json(body: &Json<'_>) -> Result<Range, Complaint> {
        let mut range = Range::default();
        for (name, json) in fields::object(body, "net.opentsdb.tsd.AnnotationRpc$AnnotationBulkDelete")? {
            match name.as_ref() {
                "startTime" => range.start = fields::text(json)?,
                "endTime" => range.end = fields::text(json)?,
                "global" => range.global = fields::flag(json)?,
                "tsuids" => {
                    let tsuids = fields::list(json, fields::text)?;
                    range.tsuids = tsuids.map(|tsuids| tsuids.into_iter().flatten().collect());
                }
                _ => {}
            }
        }
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use potsdb_wire::json::parse;

    use super::*;

    fn keep(notes: &Notes, json: &str, replaces: bool) -> Result<String, String> {
        let body = parse(json.as_bytes()).expect("JSON");
        let kept = notes.put(&Parameters::default(), Some(&body), replaces);
        kept.map(|json| String::from_utf8_lossy(&json).into_owned())
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
    fn their_number_and_length_are_bounded() {
        let notes = Notes::default();
        for start in 1..=MOST {
            assert!(keep(&notes, &format!(r#"{{"startTime":{start}}}"#), false).is_ok());
        }
        let one_more = format!(r#"{{"startTime":{}}}"#, MOST + 1);
        assert!(
            keep(&notes, &one_more, false)
                .expect_err("too many")
                .contains("at most")
        );
        let long = format!(r#"{{"startTime":1,"notes":"{}"}}"#, "x".repeat(LONGEST));
        assert!(keep(&notes, &long, false).expect_err("too long").contains("at most"));
    }
}
