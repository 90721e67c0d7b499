//! The table: one row per series, with its latest value and its course as a sparkline.
//!
//! ```text
//! cpu.used core=0             12.5 %  ▁▂▁▃▇█▅▂
//! net.received nic=eth0     1.2 MB/s  ▁▁▁█▃▁▁▁
//! ```
//!
//! Pure: from tracks and a width to text. On a terminal the caller draws it over the one before.

use super::sampler::Unit;
use super::track::Track;

/// How a table is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Columns there are; no row is longer.
    pub(super) width: usize,
    /// Rows there are for series; those beyond are only counted.
    pub(super) rows: usize,
    pub(super) colour: bool,
}

/// Draws the rows, without newlines.
pub(super) fn rows<'a>(tracks: impl Iterator<Item = &'a Track> + Clone, look: Look) -> Vec<String> {
    let names = tracks.clone().map(|track| track.name().chars().count());
    let name_width = names.max().unwrap_or(0).min(look.width / 2);
    let count = tracks.clone().count();
    let shown = if count > look.rows {
        look.rows.saturating_sub(1)
    } else {
        count
    };
    let row = |track: &Track| {
        let drawn = track.drawn();
        let latest = drawn
            .last()
            .map(|latest| figure(*latest, track.unit))
            .unwrap_or_default();
        let line = |room| sparkline(&drawn[drawn.len().saturating_sub(room)..], track.unit);
        row(&track.name(), name_width, &latest, line, look)
    };
    let mut rows: Vec<String> = tracks.take(shown).map(row).collect();
    if shown < count {
        rows.push(cut(&format!("and {} more series", count - shown), look.width));
    }
    rows
}

fn row(name: &str, name_width: usize, latest: &str, line: impl Fn(usize) -> String, look: Look) -> String {
    let left = format!("{:name_width$} {latest:>FIGURE_WIDTH$}  ", cut(name, name_width));
    let room = look.width.saturating_sub(left.chars().count()).min(LONGEST_SPARKLINE);
    if room == 0 {
        return cut(&left, look.width);
    }
    let line = line(room);
    if look.colour {
        format!("{left}\x1b[36m{line}\x1b[0m")
    } else {
        format!("{left}{line}")
    }
}

/// Draws values as bars. A share of a hundred is drawn as one; anything else between its lowest and its highest value,
/// which are taken to be at least a hundredth apart so that what hardly changes is nearly a flat line.
fn sparkline(values: &[f64], unit: Unit) -> String {
    let (low, height) = match unit {
        Unit::Percent => (0.0, 100.0),
        _ => {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            (low, (high - low).max(high.abs() / 100.0))
        }
    };
    let bar = |value: &f64| {
        let share = if height > 0.0 {
            ((value - low) / height).min(1.0)
        } else {
            0.0
        };
        BARS[(share * (BARS.len() - 1) as f64).round() as usize]
    };
    values.iter().map(bar).collect()
}

/// A value in the unit a person would use.
fn figure(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Percent => format!("{value:.1} %"),
        Unit::Plain => format!("{value:.2}"),
        Unit::Bytes => scaled(value, ""),
        Unit::BytesSoFar => scaled(value, "/s"),
    }
}

fn scaled(bytes: f64, per: &str) -> String {
    let mut number = bytes;
    let mut prefixes = ["", "k", "M", "G", "T", "P"].into_iter();
    let mut prefix = prefixes.next().unwrap_or_default();
    for next in prefixes {
        if number.abs() < 999.95 {
            break;
        }
        number /= 1000.0;
        prefix = next;
    }
    format!("{number:.*} {prefix}B{per}", usize::from(!prefix.is_empty()))
}

/// The text, or as much of its start as fits.
pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.into();
    }
    text.chars()
        .take(width.saturating_sub(1))
        .chain("…".chars().take(width))
        .collect()
}

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const FIGURE_WIDTH: usize = 11;
const LONGEST_SPARKLINE: usize = 50;

#[cfg(test)]
mod tests {
    use super::{Look, Unit, cut, figure, row, sparkline};

    #[test]
    fn a_sparkline_runs_from_its_lowest_to_its_highest_value() {
        let drawn = |values: &[f64]| sparkline(values, Unit::Bytes);
        assert_eq!(drawn(&[0.0, 3.5, 7.0]), "▁▅█");
        assert_eq!(drawn(&[5.0, 5.0]), "▁▁");
        assert_eq!(drawn(&[0.0, 0.0]), "▁▁");
        assert_eq!(drawn(&[1e9, 1e9 + 1.0]), "▁▁");
        assert_eq!(drawn(&[]), "");
    }

    #[test]
    fn a_share_of_a_hundred_is_drawn_as_one() {
        assert_eq!(sparkline(&[0.0, 50.0, 100.0, 100.4], Unit::Percent), "▁▅██");
        assert_eq!(sparkline(&[99.0, 99.0], Unit::Percent), "██");
    }

    #[test]
    fn figures_have_the_unit_a_person_would_use() {
        assert_eq!(figure(12.345, Unit::Percent), "12.3 %");
        assert_eq!(figure(999.0, Unit::Bytes), "999 B");
        assert_eq!(figure(999_960.0, Unit::BytesSoFar), "1.0 MB/s");
        assert_eq!(figure(16_500_000_000.0, Unit::Bytes), "16.5 GB");
    }

    #[test]
    fn no_row_is_longer_than_the_terminal_is_wide() {
        for width in 0..120 {
            let look = Look {
                width,
                rows: 10,
                colour: false,
            };
            let drawn = row(
                "net.received nic=a_rather_long_name",
                width / 2,
                "1.0 MB/s",
                |room| "▁".repeat(room),
                look,
            );
            assert!(drawn.chars().count() <= width, "{width}: {drawn}");
        }
        assert_eq!(cut("abcdef", 4), "abc…");
    }
}
