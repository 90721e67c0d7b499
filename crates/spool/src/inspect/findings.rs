//! What is wrong in a spool's folder, in figures and words.

use std::fmt;
use std::ops::Range;

/// Bytes that cannot be read as what they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// The file's name in its slot.
    pub file: String,
    /// Where the bytes begin.
    pub offset: u64,
    /// How many there are.
    pub bytes: u64,
    /// Points that were in them and are not done with; none: nobody can say.
    pub points: Option<u64>,
    /// What is wrong.
    pub what: &'static str,
}

/// Positions that are in no segment, of points that are not done with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The positions.
    pub positions: Range<u64>,
    /// The segment that they would be in, or `acked` if that says more than there is. None: that segment is not there.
    pub file: Option<String>,
    /// It has been told of, so it is nothing new.
    pub is_known: bool,
}

/// Something that is not the spool's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stray {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: String,
}

impl Stray {
    pub(super) fn new(name: &str, why: &str) -> Stray {
        Stray {
            name: name.to_owned(),
            why: why.to_owned(),
        }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Damage {
            file,
            offset,
            bytes,
            what,
            ..
        } = self;
        write!(f, "{file}: {bytes} bytes at {offset}, ")?;
        match self.points {
            Some(1) => f.write_str("1 point")?,
            Some(points) => write!(f, "{points} points")?,
            None => f.write_str("points unknown")?,
        }
        write!(f, ": {what}")
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.positions;
        let what = match self.file.as_deref() {
            Some("acked") => "acked: not believed, as it says more than there is: ",
            Some(_) => "",
            None => "a segment is not there: ",
        };
        let file = self.file.as_deref().filter(|_| what.is_empty());
        write!(f, "{}{what}", file.map_or_else(String::new, |file| format!("{file}: ")))?;
        match end.saturating_sub(start) {
            1 => write!(f, "1 point is missing, position {start}"),
            points => write!(
                f,
                "{points} points are missing, positions {start} to {}",
                end.saturating_sub(1)
            ),
        }
    }
}
