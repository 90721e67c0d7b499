//! The text of times that come one after the other.
//!
//! Most often a row's time is the row before's or a little later: its last four digits change, if any. Four digits are a
//! quarter of the work of all ten.

use potsdb_wire::Timestamp;

/// The text of the time it was last asked for.
pub(super) struct TimestampCache {
    /// The time, with zeros for its last four digits.
    base: u64,
    text: [u8; LEN],
    len: usize,
}

/// The longest text of a timestamp.
const LEN: usize = 13;

/// What the last four digits count to.
const TURN: u64 = 10_000;

impl TimestampCache {
    pub(super) fn new() -> TimestampCache {
        TimestampCache {
            // Sentinel: forces a full rewrite at the first call.
            base: u64::MAX,
            text: [0; LEN],
            len: 0,
        }
    }

    /// Writes the digits of a time to the front of `buffer`, and returns how many they are.
    #[inline]
    pub(super) fn write(&mut self, timestamp: Timestamp, buffer: &mut [u8; LEN]) -> usize {
        let last = timestamp.as_u64().wrapping_sub(self.base);
        if last >= TURN {
            self.turn(timestamp);
            buffer.copy_from_slice(&self.text);
            return self.len;
        }
        *buffer = self.text;
        let place = if self.len == LEN { LEN - 4 } else { 10 - 4 };
        buffer[place..place + 4].copy_from_slice(&four(last as u32));
        self.len
    }

    #[cold]
    fn turn(&mut self, timestamp: Timestamp) {
        let number = timestamp.as_u64();
        self.base = number - number % TURN;
        self.len = timestamp.text(&mut self.text).len();
    }
}

/// The four digits of a number below 10 000, as `digits.rs` of the wire has eight.
#[inline]
fn four(number: u32) -> [u8; 4] {
    let hundreds = (number * 5_243) >> 19;
    let twos = hundreds | ((number - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    (ones | 0x3030_3030).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_the_timestamps_whatever_came_before() {
        let seconds = [
            0, 1, 9, 10, 99, 100, 9_998, 9_999, 10_000, 10_001, 1, 90_000, 89_999, 90_000, 90_000, 99_999,
        ];
        let mut stamp = TimestampCache::new();
        let mut write = |timestamp: Timestamp| {
            let mut buffer = [b'x'; LEN];
            let len = stamp.write(timestamp, &mut buffer);
            assert_eq!(buffer[..len], *timestamp.to_string().as_bytes());
        };
        for number in (0..20_000).chain(seconds).chain((0..30_000).rev()) {
            write(Timestamp::from_secs(1_700_000_000 + number).unwrap());
            write(Timestamp::from_millis(1_700_000_000_000 + number).unwrap());
        }
        for number in (0..30_000).chain(seconds) {
            write(Timestamp::from_millis(1_700_000_000_000 + number).unwrap());
        }
        for number in seconds.into_iter().chain(0..30_000) {
            write(Timestamp::from_secs(1_700_000_000 + number).unwrap());
        }
        for bound in [Timestamp::SECONDS.0, Timestamp::SECONDS.1] {
            write(Timestamp::from_secs(bound).unwrap());
        }
        for bound in [Timestamp::MILLIS.0, Timestamp::MILLIS.1] {
            write(Timestamp::from_millis(bound).unwrap());
        }
    }
}
