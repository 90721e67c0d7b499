//! One annotation: what a request says of it, what is kept of it, and how it is shown.
//!
//! `notes.rs` keeps them.

use potsdb_front::Parameters;
use potsdb_wire::json::{Json, write_string};

use crate::answers::Complaint;
use crate::fields::{self, Map, Mismatch, Read};
use crate::json;
use crate::point::number;
use crate::query::{time, tsuid, url};

/// One annotation, its times as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Note {
    /// Of its series; empty if it is of all.
    pub(super) tsuid: String,
    pub(super) start: i64,
    pub(super) end: Option<i64>,
    /// Given or not; and null, or a text.
    description: Option<Option<String>>,
    notes: Option<Option<String>>,
    custom: Option<Map>,
}

/// What is wrong with the number of a series.
#[derive(Debug)]
pub(super) enum WrongRow {
    /// It has other characters than hexadecimal digits.
    NoHex(String),
    /// It has so few bytes.
    Short(usize),
}

impl WrongRow {
    /// As what OpenTSDB did not expect.
    pub(super) fn unexpected(self) -> Complaint {
        Complaint::internal(match self {
            WrongRow::NoHex(words) => format!("java.lang.IllegalArgumentException: {words}"),
            WrongRow::Short(bytes) => format!(
                "java.lang.ArrayIndexOutOfBoundsException: arraycopy: last source index 3 out of bounds for byte[{bytes}]"
            ),
        })
    }
}

impl Note {
    /// What a request says of one: its body, or its parameters if it has none.
    pub(super) fn asked(parameters: &Parameters, body: Option<&Json<'_>>) -> Result<Note, Complaint> {
        match body {
            // This one does not say that it could not parse it.
            Some(body) => Note::read(body).map_err(Mismatch::bare),
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
            description: text("description").map(Some),
            notes: text("notes").map(Some),
            custom: None,
        })
    }

    pub(super) fn read(body: &Json<'_>) -> Read<Note> {
        let mut note = Note::default();
        for (name, json) in fields::object(body, "net.opentsdb.meta.Annotation")? {
            match name.as_ref() {
                "tsuid" => note.tsuid = fields::text(json)?.unwrap_or_default(),
                "startTime" => note.start = fields::whole(json)?,
                "endTime" => note.end = Some(fields::whole(json)?),
                "description" => note.description = Some(fields::text(json)?),
                "notes" => note.notes = Some(fields::text(json)?),
                "custom" => note.custom = fields::map(json)?,
                _ => {}
            }
        }
        Ok(note)
    }

    /// Whether it is of all series, from a second on and up to the hour that another is in; OpenTSDB compares its times
    /// as they came.
    pub(super) fn is_global(&self, start: i64, end: i64) -> bool {
        const HOUR: i64 = 3600;
        let hours = start - start % HOUR..end - end % HOUR + HOUR;
        let is_read = hours.contains(&(self.place() / 1000));
        self.tsuid.is_empty() && is_read && self.start >= start && self.end.unwrap_or(0) <= end
    }

    /// Its place among all.
    pub(super) fn key(&self) -> (String, i64) {
        (self.tsuid.clone(), self.place())
    }

    /// Where OpenTSDB looks for it, in milliseconds. Whatever can be divided by a thousand it takes for milliseconds of
    /// whole seconds, so that an annotation of such a second is kept in 1970, where only who asks for that second finds
    /// it.
    pub(super) fn place(&self) -> i64 {
        let start = if self.start % 1000 == 0 {
            self.start / 1000
        } else {
            self.start
        };
        number::millis(start)
    }

    /// Whether there is anything but its place and its start in it.
    pub(super) fn says_something(&self) -> bool {
        let says = |text: &Option<Option<String>>| text.as_ref().is_some_and(|text| text.as_deref() != Some(""));
        self.end.is_some_and(|end| end != 0) || says(&self.description) || says(&self.notes) || self.custom.is_some()
    }

    /// Takes over from what is there what it does not say itself, unless it replaces that.
    pub(super) fn meet(&mut self, known: &Note, replaces: bool) {
        self.start = self.start.min(known.start);
        if !replaces {
            let Note {
                end,
                description,
                notes,
                custom,
                ..
            } = known.clone();
            self.end = self.end.or(end);
            self.description = self.description.take().or(description);
            self.notes = self.notes.take().or(notes);
            self.custom = self.custom.take().or(custom);
        }
    }

    /// Whether its series has a number from which a row's name can be made.
    pub(super) fn check_row(&self) -> Result<(), WrongRow> {
        if self.tsuid.is_empty() {
            return Ok(());
        }
        let even = if self.tsuid.len().is_multiple_of(2) {
            self.tsuid.clone()
        } else {
            format!("0{}", self.tsuid)
        };
        tsuid::check(&even).map_err(WrongRow::NoHex)?;
        match even.len() / 2 {
            short @ 0..3 => Err(WrongRow::Short(short)),
            _ => Ok(()),
        }
    }

    /// A text that was null is left out.
    pub(super) fn json(&self) -> String {
        let mut out = b"{\"tsuid\":".to_vec();
        write_string(&self.tsuid, &mut out);
        for (name, text) in [("description", &self.description), ("notes", &self.notes)] {
            if let Some(text) = text.as_ref().map_or(Some(""), |text| text.as_deref()) {
                out.extend_from_slice(format!(",\"{name}\":").as_bytes());
                write_string(text, &mut out);
            }
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
pub(super) struct Range {
    pub(super) start: Option<String>,
    pub(super) end: Option<String>,
    pub(super) tsuids: Option<Vec<String>>,
    pub(super) global: bool,
}

impl Range {
    pub(super) fn from_parameters(parameters: &Parameters) -> Result<Range, Complaint> {
        let tsuids = parameters.value("tsuids");
        Ok(Range {
            start: Some(url::required(parameters, "start_time")?.to_owned()),
            end: parameters.value("end_time").map(str::to_owned),
            tsuids: tsuids.map(|tsuids| tsuids.split(',').map(|tsuid| tsuid.trim().to_owned()).collect()),
            global: parameters.given("global"),
        })
    }

    pub(super) fn from_json(body: &Json<'_>) -> Read<Range> {
        let class = "net.opentsdb.tsd.AnnotationRpc$AnnotationBulkDelete";
        let mut range = Range::default();
        for (name, json) in fields::object(body, class)? {
            match name.as_ref() {
                "startTime" => range.start = fields::text(json)?,
                "endTime" => range.end = fields::text(json)?,
                "global" => range.global = fields::flag(json)?,
                "tsuids" => {
                    let tsuids = fields::list(json, fields::text)?;
                    range.tsuids = tsuids.map(|tsuids| tsuids.into_iter().flatten().collect());
                }
                "totalDeleted" => drop(fields::whole(json)?),
                other => fields::unrecognized(class, other)?,
            }
        }
        Ok(range)
    }
}
