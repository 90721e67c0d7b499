//! Percentiles, as OpenTSDB takes them from Apache Commons Math: three ways of estimating one between two values.
//!
//! Of `n` sorted values the one at position `h`, counted from 1, or a point on the line between its neighbours:
//!
//! ```text
//! legacy   h = p (n + 1), on the line                            p50 ... p999
//! R-3      h = the integer nearest to p n, of two the even one   ep50r3 ... ep999r3
//! R-7      h = p (n - 1) + 1, on the line                        ep50r7 ... ep999r7
//! ```
//!
//! Called by `aggregate.rs`.

/// How a percentile between two values is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Estimation {
    Legacy,
    R3,
    R7,
}

impl Estimation {
    /// The percentile, `part` of a thousand, of these values; NaN of none.
    pub(crate) fn of(self, part: u16, values: &[f64]) -> f64 {
        let mut sorted: Vec<f64> = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let [first, .., last] = sorted[..] else {
            return sorted.first().copied().unwrap_or(f64::NAN);
        };
        let (n, p) = (sorted.len() as f64, f64::from(part) / 10.0 / 100.0);
        let position = match self {
            // Multiplied before it is divided, which rounds otherwise.
            Estimation::Legacy => f64::from(part) / 10.0 * (n + 1.0) / 100.0,
            Estimation::R3 => (n * p).round_ties_even(),
            Estimation::R7 => 1.0 + (n - 1.0) * p,
        };
        if position < 1.0 {
            return first;
        }
        if position >= n {
            return last;
        }
        let below = position.floor();
        let (low, high) = (sorted[below as usize - 1], sorted[below as usize]);
        low + (position - below) * (high - low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_estimation_places_a_percentile_by_its_rule() {
        let values = [7.0, 100.0, 9.0, 40.0];
        // Positions 2.5, 2 and 2.5 of 7, 9, 40, 100.
        assert_eq!(Estimation::Legacy.of(500, &values), 24.5);
        assert_eq!(Estimation::R3.of(500, &values), 9.0);
        assert_eq!(Estimation::R7.of(500, &values), 24.5);
        // Positions 3.75, 3 and 3.25.
        assert_eq!(Estimation::Legacy.of(750, &values), 85.0);
        assert_eq!(Estimation::R3.of(750, &values), 40.0);
        assert_eq!(Estimation::R7.of(750, &values), 55.0);
        // Beyond the last.
        assert_eq!(Estimation::Legacy.of(999, &values), 100.0);
        assert_eq!(Estimation::R3.of(500, &[5.0]), 5.0);
        assert!(Estimation::R7.of(500, &[]).is_nan());
    }
}
