//! When a fault strikes: at which byte or line of which connection, or on which of many occasions.
//!
//! ```text
//! Offsets     5000          every connection, there             Occasions   always      all of them
//!             100,7000      the first, the second                           1,3,7-9,20- by number, from 1 on
//!             7:50000:20    SEED:LARGEST[:HOW_MANY]                         5%  5%:7    a share, by a seed
//! ```
//!
//! Connections, answers and points are occasions. The same seed makes the same choice. Pure; `mod.rs` keeps the count.

use std::str::FromStr;

/// After how many received bytes, or at which line, which connection is struck.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Offsets {
    /// None is.
    #[default]
    Never,
    /// Every one, at the same number.
    Every(u64),
    /// The first connection at the first number, the second at the second; those beyond the list never.
    Each(Vec<u64>),
    /// Each at another number in `1..=below`, the same ones for the same seed; only the first `connections`.
    Random {
        /// What makes the numbers repeatable.
        seed: u64,
        /// The largest number.
        below: u64,
        /// How many connections are struck.
        connections: u64,
    },
}

impl Offsets {
    pub(super) fn of(&self, connection: u64) -> Option<u64> {
        match self {
            Offsets::Never => None,
            Offsets::Every(offset) => Some(*offset),
            Offsets::Each(offsets) => usize::try_from(connection)
                .ok()
                .and_then(|index| offsets.get(index))
                .copied(),
            Offsets::Random {
                seed,
                below,
                connections,
            } => (connection < *connections).then(|| scramble(seed.wrapping_add(connection)) % (*below).max(1) + 1),
        }
    }
}

impl FromStr for Offsets {
    type Err = String;

    fn from_str(text: &str) -> Result<Offsets, String> {
        let wanted = |_| format!("{text:?}: a number, several with commas, or SEED:LARGEST[:HOW_MANY] was expected");
        let numbers = |separator| {
            text.split(separator)
                .map(|number| number.trim().parse())
                .collect::<Result<Vec<u64>, _>>()
                .map_err(wanted)
        };
        if text == "never" {
            return Ok(Offsets::Never);
        }
        if text.contains(',') {
            return numbers(',').map(Offsets::Each);
        }
        match numbers(':')?[..] {
            [seed, below, connections] => Ok(Offsets::Random {
                seed,
                below,
                connections,
            }),
            [seed, below] => Ok(Offsets::Random {
                seed,
                below,
                connections: u64::MAX,
            }),
            _ => text.trim().parse().map(Offsets::Every).map_err(wanted),
        }
    }
}

/// On which occasions a fault strikes; they are numbered from 1 since the plan was made.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Occasions {
    /// On none.
    #[default]
    Never,
    /// On all.
    Always,
    /// On those whose number is within one of these, both ends included.
    Numbers(Vec<(u64, u64)>),
    /// On about this share of them, 0 to 1, the same ones for the same seed.
    Share {
        /// How many of one.
        share: f64,
        /// What makes the choice repeatable.
        seed: u64,
    },
}

impl Occasions {
    /// The first so many.
    #[must_use]
    pub fn first(count: u64) -> Occasions {
        Occasions::Numbers(vec![(1, count)])
    }

    /// Whether it strikes on the `number`-th.
    pub(super) fn include(&self, number: u64) -> bool {
        match self {
            Occasions::Never => false,
            Occasions::Always => true,
            Occasions::Numbers(ranges) => ranges.iter().any(|(first, last)| (*first..=*last).contains(&number)),
            Occasions::Share { share, seed } => {
                // 53 bits, evenly over 0..1.
                let drawn = (scramble(seed.wrapping_add(number)) >> 11) as f64 / (1_u64 << 53) as f64;
                drawn < *share
            }
        }
    }
}

impl FromStr for Occasions {
    type Err = String;

    fn from_str(text: &str) -> Result<Occasions, String> {
        let wanted = || {
            format!("{text:?}: always, never, numbers as in 1,3,7-9,20-, or a share as in 5% or 5%:SEED was expected")
        };
        match text.split_once('%') {
            _ if text == "always" => Ok(Occasions::Always),
            _ if text == "never" => Ok(Occasions::Never),
            Some((percent, seed)) => {
                let percent: f64 = percent.trim().parse().map_err(|_| wanted())?;
                let seed = match seed.strip_prefix(':') {
                    Some(seed) => seed.parse().map_err(|_| wanted())?,
                    None if seed.is_empty() => 0,
                    None => return Err(wanted()),
                };
                if !(0.0..=100.0).contains(&percent) {
                    return Err(wanted());
                }
                Ok(Occasions::Share {
                    share: percent / 100.0,
                    seed,
                })
            }
            None => text
                .split(',')
                .map(|range| {
                    let range = range.trim();
                    let number = |text: &str| text.parse::<u64>().map_err(|_| wanted());
                    let (first, last) = match range.split_once('-') {
                        Some((first, "")) => (number(first)?, u64::MAX),
                        Some((first, last)) => (number(first)?, number(last)?),
                        None => (number(range)?, number(range)?),
                    };
                    // They are counted from 1: anything else would never strike.
                    if first == 0 || last < first {
                        Err(wanted())
                    } else {
                        Ok((first, last))
                    }
                })
                .collect::<Result<_, _>>()
                .map(Occasions::Numbers),
        }
    }
}

/// One step of splitmix64 (Steele, Lea, Flood 2014): neighbouring seeds give unrelated numbers.
fn scramble(seed: u64) -> u64 {
    let z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_are_read_from_a_flags_text() {
        assert_eq!("5000".parse(), Ok(Offsets::Every(5000)));
        assert_eq!("10,20".parse(), Ok(Offsets::Each(vec![10, 20])));
        let random = Offsets::Random {
            seed: 7,
            below: 50_000,
            connections: 20,
        };
        assert_eq!("7:50000:20".parse(), Ok(random));
        assert_eq!("never".parse(), Ok(Offsets::Never));
        for wrong in ["often", "", "1,x", "1:2:3:4", "-1"] {
            assert!(wrong.parse::<Offsets>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn occasions_are_read_from_a_flags_text() {
        let struck = |text: &str| {
            let occasions: Occasions = text.parse().expect("occasions");
            (1..=10).filter(|number| occasions.include(*number)).collect::<Vec<_>>()
        };
        assert_eq!(struck("never"), []);
        assert_eq!(struck("always").len(), 10);
        assert_eq!(struck("1,3,5-6,9-"), [1, 3, 5, 6, 9, 10]);
        assert_eq!(struck("0%"), []);
        assert_eq!(struck("100%").len(), 10);
        for wrong in [
            "often", "", "5%x", "101%", "-1%", "1-x", "5%:x", "NaN%", "0", "1,0", "7-3",
        ] {
            assert!(wrong.parse::<Occasions>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_share_is_about_that_share_and_the_same_for_the_same_seed() {
        let struck = |text: &str| {
            let occasions: Occasions = text.parse().expect("occasions");
            (1..=10_000)
                .filter(|number| occasions.include(*number))
                .collect::<Vec<_>>()
        };
        let first = struck("5%:7");
        assert!((400..600).contains(&first.len()), "{}", first.len());
        assert_eq!(first, struck("5%:7"));
        assert_ne!(first, struck("5%:8"));
    }
}
