//! Numbers to digits, several at a time.
//!
//! [`eight`] splits a number into eight digits in three steps, each of which divides all parts of one machine word by
//! multiplication: 8 digits to 2 x 4, to 4 x 2, to 8 x 1. Everything else is put together from words of eight, which are
//! stored whole, also where fewer digits are wanted: what is stored behind the end is overwritten by what comes next.
//! The alternative, tables of digit pairs (`itoa`), copies its result once more, through a call of unknown length.
//!
//! Called by `value.rs` and `timestamp.rs`. [`decimal`] prints floats that are short decimals; all others are the
//! business of a shortest-float printer.

/// Room for what any function here writes: sign, 20 digits, and what is stored behind the end.
pub(crate) const ROOM: usize = 24;

/// Eight digits as they lie in memory, zeros in front; `number` is below 10^8.
#[inline]
pub(crate) fn eight(number: u32) -> u64 {
    debug_assert!(number < EIGHT as u32);
    let number = u64::from(number);
    // In each step the lower half of a part becomes its quotient and the upper half its remainder: the first digit is to
    // lie first. The factors are 2^k / 100 and 2^k / 10, rounded up; exact for parts below 10^4 and 10^2.
    let fours = (number / 10_000) | ((number % 10_000) << 32);
    let hundreds = ((fours * 10_486) >> 20) & 0x0000_007f_0000_007f;
    let twos = hundreds | ((fours - hundreds * 100) << 16);
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    let ones = tens | ((twos - tens * 10) << 8);
    ones | ZEROS
}

/// Writes an integer's digits to the front of `buffer` and returns how many bytes they are.
#[inline]
pub(crate) fn integer(number: i64, buffer: &mut [u8; ROOM]) -> usize {
    buffer[0] = b'-';
    let sign = usize::from(number < 0);
    let number = number.unsigned_abs();
    if number < EIGHT {
        return leading(number as u32, sign, buffer);
    }
    let (high, low) = (number / EIGHT, (number % EIGHT) as u32);
    let mut len;
    if high < EIGHT {
        len = leading(high as u32, sign, buffer);
    } else {
        len = leading((high / EIGHT) as u32, sign, buffer);
        store(eight((high % EIGHT) as u32), len, buffer);
        len += 8;
    }
    store(eight(low), len, buffer);
    len + 8
}

/// Writes a float that is a decimal of at most six places to the front of `buffer`; 0 when it is not one, or too small or
/// large to look.
///
/// Fifteen digits or fewer that read back as the float are the shortest ones: no two such decimals are the same float. The
/// quotient of two exact numbers is the float nearest to the decimal, which is what reading it back yields.
#[inline]
pub(crate) fn decimal(float: f64, buffer: &mut [u8; ROOM]) -> usize {
    let size = float.abs();
    if !(1e-3..1e8).contains(&size) {
        return 0;
    }
    // From 2^52 on every float is an integer, and its lower bits say which: no conversion is as quick.
    let shifted = size * 1e6 + ONES;
    if (shifted - ONES) / 1e6 != size {
        return 0;
    }
    let millionths = shifted.to_bits() & (ONES as u64 - 1);
    let (whole, fraction) = (millionths / 1_000_000, millionths % 1_000_000);
    buffer[0] = b'-';
    let mut len = leading(whole as u32, usize::from(float < 0.0), buffer);
    buffer[len] = b'.';
    len += 1;
    // Six of eight digits: the first two are zeros. Zeros at the end are not part of the shortest text, but one place is.
    let places = eight(fraction as u32) >> 16;
    store(places, len, buffer);
    // Counted from the front of the word turned round: to count from the end is microcode where there is no `lzcnt`.
    let zeros = ((places & DIGITS) | 1).swap_bytes().trailing_zeros() as usize / 8;
    len + 8 - zeros
}

/// Writes a number below 10^8 without the zeros in front, at `start`; returns where it ends.
#[inline]
fn leading(number: u32, start: usize, buffer: &mut [u8; ROOM]) -> usize {
    let digits = eight(number);
    // The last digit stays, even if it is a zero.
    let zeros = ((digits & DIGITS) | (1 << 56)).trailing_zeros() / 8;
    store(digits >> (zeros * 8), start, buffer);
    start + 8 - zeros as usize
}

#[inline]
fn store(digits: u64, start: usize, buffer: &mut [u8]) {
    buffer[start..start + 8].copy_from_slice(&digits.to_le_bytes());
}

const EIGHT: u64 = 100_000_000;
const ZEROS: u64 = 0x3030_3030_3030_3030;
const ONES: f64 = 4_503_599_627_370_496.0;
const DIGITS: u64 = 0x0f0f_0f0f_0f0f_0f0f;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eight_digits_are_those_of_the_number() {
        for number in (0..10_000).chain((0..100_000_000).step_by(9_973)).chain([99_999_999]) {
            assert_eq!(eight(number).to_le_bytes(), *format!("{number:08}").as_bytes());
        }
    }

    #[test]
    fn integers_of_every_length_print_as_the_standard_library_prints_them() {
        let mut buffer = [b'x'; ROOM];
        let mut power = 1_i64;
        while let Some(next) = power.checked_mul(10) {
            for number in [power - 1, power, power + 1, power * 7 / 3, next - 1] {
                for number in [number, -number] {
                    let len = integer(number, &mut buffer);
                    assert_eq!(buffer[..len], *number.to_string().as_bytes());
                }
            }
            power = next;
        }
        for number in [0, i64::MIN, i64::MAX] {
            let len = integer(number, &mut buffer);
            assert_eq!(buffer[..len], *number.to_string().as_bytes());
        }
    }

    /// The standard library's text is the shortest, too, and never has an exponent.
    #[test]
    fn a_decimal_that_prints_is_the_shortest_and_others_do_not() {
        let mut buffer = [b'x'; ROOM];
        let mut printed = |float: f64| {
            let len = decimal(float, &mut buffer);
            (len > 0).then(|| String::from_utf8(buffer[..len].to_vec()).unwrap())
        };
        let mut seed = 1_u64;
        for n in 0..200_000_u64 {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let digits = (seed >> 14) % 10_u64.pow(1 + (n % 14) as u32);
            let float = digits as f64 / 1e6;
            let expected = (float >= 1e-3 && float.fract() != 0.0).then(|| float.to_string());
            if float.fract() != 0.0 {
                assert_eq!(printed(float), expected);
                assert_eq!(printed(-float), expected.map(|text| format!("-{text}")));
            }
            // Neighbours of short decimals are the ones a rounding error would take for them.
            for bits in [
                float.to_bits() + 1,
                float.to_bits().saturating_sub(1),
                seed & !(0x7ff << 52) | 1020 << 52,
            ] {
                let float = f64::from_bits(bits);
                if let Some(text) = printed(float) {
                    assert_eq!(text, float.to_string());
                }
            }
        }
        assert_eq!(printed(0.1 + 0.2), None);
        assert_eq!(printed(99_999_999.999_999), Some("99999999.999999".to_owned()));
        for beyond in [0.000_999, 100_000_000.5, 5e-324, f64::MAX, f64::NAN, f64::INFINITY] {
            assert_eq!(printed(beyond), None);
        }
    }
}
