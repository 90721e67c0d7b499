//! Cutting a series that is too long for a line, where the rules say to repair.
//!
//! Off the hot path: only a text that cannot be sent as it is comes here. The longest names give first, because they are
//! the least likely to be meant.

use std::cmp::Reverse;

use super::{NameBits, PUT, SeriesText, given_twice, has_tag};
use crate::error::InvalidPoint;

impl SeriesText {
    /// Takes up to `excess` bytes away, from the longest names first; no name becomes empty.
    #[cold]
    pub(super) fn cut(&mut self, mut excess: usize) {
        let mut names = self.spans();
        names.sort_by_key(|&(start, end)| (Reverse(end - start), start));
        // From the longest on, and shifting nothing that is still to be cut: collect first, then cut from the back.
        let mut cuts = Vec::new();
        for (start, end) in names {
            if excess == 0 {
                break;
            }
            let mut keep = (end - start).saturating_sub(excess);
            while keep > 0 && is_continuation(self.bytes[start + keep]) {
                keep -= 1;
            }
            if keep == 0 {
                keep = 1;
                while start + keep < end && is_continuation(self.bytes[start + keep]) {
                    keep += 1;
                }
            }
            if start + keep < end {
                cuts.push((start + keep, end));
                excess = excess.saturating_sub(end - start - keep);
            }
        }
        // A tag added later may have the name that one was cut to.
        self.names = NameBits::FULL;
        cuts.sort_unstable();
        for &(start, end) in cuts.iter().rev() {
            self.bytes.drain(start..end);
            self.replaced += 1;
            if start < self.head_len {
                self.head_len -= end - start;
            }
        }
    }

    /// Lists where the metric, the tags' names and their values lie.
    fn spans(&self) -> Vec<(usize, usize)> {
        let mut spans = vec![(PUT.len(), self.head_len - 1)];
        let mut start = self.head_len + 1;
        for (offset, &byte) in self.bytes.iter().enumerate().skip(start) {
            if matches!(byte, b'=' | b' ' | b'\n') {
                spans.push((start, offset));
                start = offset + 1;
            }
        }
        spans
    }

    /// Checks that cutting has not made two tags' names the same.
    pub(super) fn check_still_distinct(&self) -> Result<(), InvalidPoint> {
        let spans = self.spans();
        for name in spans[1..].chunks(2).map(|pair| pair[0]) {
            if has_tag(&self.bytes[self.head_len..name.0 - 1], &self.bytes[name.0..name.1]) {
                return Err(given_twice(&self.bytes[name.0..name.1]));
            }
        }
        Ok(())
    }
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        MAX_LINE, Value,
        name::{Names, Rules},
        series::check_length,
    };

    fn text(rules: &Rules, metric: &str, tags: &[(&str, &str)]) -> Result<SeriesText, InvalidPoint> {
        let mut series = SeriesText::new();
        series.metric(rules, "", metric)?;
        for (name, value) in tags {
            series.tag(rules, name, value)?;
        }
        series.finish(rules)?;
        Ok(series)
    }

    #[test]
    fn repair_cuts_the_longest_names_until_every_point_fits() {
        let rules = Rules {
            repair: true,
            ..Rules::default()
        };
        for lens in [(2000, 1, 1), (1, 1, 2000), (700, 1, 700), (1, 2000, 1), (600, 600, 600)] {
            let series = text(
                &rules,
                &"m".repeat(lens.0),
                &[(&"n".repeat(lens.1), &"v".repeat(lens.2))],
            )
            .unwrap();
            check_length(series.head_len(), 13, Value::MAX_LEN, series.tail().len()).unwrap();
            let used = series.bytes().len() + 13 + Value::MAX_LEN;
            assert_eq!(used, MAX_LINE, "{lens:?}");
            assert!(series.replaced() > 0);
        }
        let utf8 = Rules {
            names: Names::Utf8,
            ..rules
        };
        let series = text(&utf8, "m", &[("t", &"日".repeat(400))]).unwrap();
        assert!(str::from_utf8(series.bytes()).unwrap().ends_with("日\n"));
        // The second is cut to the first one's length, which makes them one name.
        let (a, b) = ("n".repeat(487), "n".repeat(2000));
        text(&rules, "m", &[(&a, "1"), (&b, "2")]).unwrap_err();
    }

    #[test]
    fn a_later_tag_may_not_have_the_name_one_was_cut_to() {
        let rules = Rules {
            repair: true,
            ..Rules::default()
        };
        let mut series = text(&rules, "m", &[(&"n".repeat(2000), "1")]).unwrap();
        let cut = series.tail().split(|&byte| byte == b'=').next().unwrap()[1..].to_owned();
        let error = series.tag(&rules, str::from_utf8(&cut).unwrap(), "2").unwrap_err();
        assert!(error.to_string().contains("is given twice"), "{error}");
    }
}
