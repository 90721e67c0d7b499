//! What the demo shows while it runs: a table that redraws itself on a terminal, a plain line a second elsewhere.
//!
//! Redrawing goes up over the rows of the last time and writes over them, so that the table stays in the scrollback
//! when the demo is over. `NO_COLOR` and narrow terminals are heeded at every drawing: terminals change size.

use std::fmt::Write;
use std::io::{self, IsTerminal};

use potsdb::Stats;
use terminal_size::{Height, Width};

use super::table::{self, Look};
use super::track::Tracks;
use crate::output::Output;
use crate::statistics::points;

/// Where the demo shows what it does.
pub(super) struct Screen<'a> {
    output: &'a Output,
    kind: Kind,
    /// Rows of the last drawing, or seconds that have been told.
    drawn: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Terminal {
        colour: bool,
    },
    Plain,
    /// The one object at the end is all there is to be.
    Nothing,
}

impl<'a> Screen<'a> {
    pub(super) fn new(output: &'a Output, json: bool) -> Screen<'a> {
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let kind = if json {
            Kind::Nothing
        } else if io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb") {
            Kind::Terminal {
                colour: !is_set("NO_COLOR"),
            }
        } else {
            Kind::Plain
        };
        Screen { output, kind, drawn: 0 }
    }

    /// Says something, unless only the object at the end is wanted.
    pub(super) fn say(&self, words: &str) {
        if self.kind != Kind::Nothing {
            self.output.say(words);
        }
    }

    /// Shows where things are, `seconds` after the start.
    pub(super) fn show(&mut self, tracks: &Tracks, stats: &Stats, seconds: f64) {
        match self.kind {
            Kind::Terminal { colour } => self.draw(tracks, stats, seconds, colour),
            Kind::Plain if seconds as usize > self.drawn => {
                self.drawn = seconds as usize;
                self.output.say(state(tracks, stats, seconds));
            }
            Kind::Plain | Kind::Nothing => {}
        }
    }

    /// Shows the table as it is at the end, where it has not been on the screen all the time.
    pub(super) fn end(&self, tracks: &Tracks) {
        if self.kind == Kind::Plain {
            let look = Look {
                width: 100,
                rows: usize::MAX,
                colour: false,
            };
            table::rows(tracks.iter(), look)
                .iter()
                .for_each(|row| self.output.say(row.trim_end()));
        }
    }

    fn draw(&mut self, tracks: &Tracks, stats: &Stats, seconds: f64, colour: bool) {
        let (Width(width), Height(height)) = terminal_size::terminal_size().unwrap_or((Width(80), Height(24)));
        // One column is left free: writing into the last one makes some terminals begin a new row.
        let look = Look {
            width: usize::from(width).saturating_sub(1),
            rows: usize::from(height).saturating_sub(3),
            colour,
        };
        let mut rows = table::rows(tracks.iter(), look);
        rows.push(table::cut(&state(tracks, stats, seconds), look.width));

        let mut text = String::new();
        if self.drawn > 0 {
            let _ = write!(text, "\x1b[{}A", self.drawn);
        }
        for row in &rows {
            let _ = writeln!(text, "{row}\x1b[K");
        }
        text.push_str("\x1b[J");
        self.drawn = rows.len();
        self.output.write(&text);
    }
}

/// `2.0 s: 26 series, 260 points sent, 247 acknowledged, 13 pending`.
fn state(tracks: &Tracks, stats: &Stats, seconds: f64) -> String {
    let (series, sent) = (tracks.iter().len(), points(tracks.points()));
    let (delivered, pending) = (stats.delivered(), stats.pending());
    format!("{seconds:.1} s: {series} series, {sent} sent, {delivered} delivered, {pending} pending")
}
