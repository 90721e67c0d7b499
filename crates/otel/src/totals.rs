//! What a total of the SDK has grown by since the export before.

use opentelemetry_sdk::metrics::Temporality;

/// A number of the SDK.
pub(crate) trait Number: Copy {
    /// Exact, if it is a whole number from 0 up by its type and value.
    fn whole(self) -> Option<u64>;
    fn float(self) -> f64;
}

impl Number for u64 {
    fn whole(self) -> Option<u64> {
        Some(self)
    }

    fn float(self) -> f64 {
        self as f64
    }
}

impl Number for i64 {
    fn whole(self) -> Option<u64> {
        u64::try_from(self).ok()
    }

    fn float(self) -> f64 {
        self as f64
    }
}

impl Number for f64 {
    fn whole(self) -> Option<u64> {
        None
    }

    fn float(self) -> f64 {
        self
    }
}

/// A total as it was exported last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Total {
    whole: u64,
    float: f64,
}

/// What is to be added.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Growth {
    Whole(u64),
    Float(f64),
}

impl Total {
    /// What a total that only grows has grown by. One that is less than before began anew.
    pub(crate) fn growth(&mut self, value: impl Number, temporality: Temporality) -> Growth {
        let before = match temporality {
            Temporality::Delta => Total::default(),
            _ => *self,
        };
        let Some(whole) = value.whole() else {
            let float = value.float();
            self.float = float;
            return Growth::Float(if float < before.float {
                float
            } else {
                float - before.float
            });
        };
        self.whole = whole;
        Growth::Whole(whole.checked_sub(before.whole).unwrap_or(whole))
    }

    /// What a total that may fall, too, has changed by.
    pub(crate) fn change(&mut self, value: impl Number, temporality: Temporality) -> f64 {
        let value = value.float();
        match temporality {
            Temporality::Delta => value,
            _ => value - std::mem::replace(&mut self.float, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_grows_by_the_difference_and_a_delta_by_itself() {
        let mut total = Total::default();
        let grown = [3_u64, 7, 7, 2].map(|value| total.growth(value, Temporality::Cumulative));
        assert_eq!(grown, [3, 4, 0, 2].map(Growth::Whole), "the last began anew");
        assert_eq!(total.growth(5_u64, Temporality::Delta), Growth::Whole(5));
        let mut total = Total::default();
        let grown = [0.5, 2.0, 1.0].map(|value| total.growth(value, Temporality::Cumulative));
        assert_eq!(grown, [0.5, 1.5, 1.0].map(Growth::Float));
        let mut total = Total::default();
        assert_eq!(
            [3_i64, -2, 0].map(|value| total.change(value, Temporality::Cumulative)),
            [3.0, -5.0, 2.0]
        );
    }

    #[test]
    fn large_whole_numbers_stay_exact() {
        let mut total = Total::default();
        total.growth(u64::MAX - 1, Temporality::Cumulative);
        assert_eq!(total.growth(u64::MAX, Temporality::Cumulative), Growth::Whole(1));
    }
}
