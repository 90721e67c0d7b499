//! Java's way of printing a double, which is what OpenTSDB's JSON holds: `1.5`, `1.0E10`, `9.223372036854776E18`.
//!
//! Plain from a thousandth up to ten million, with an exponent outside; always a digit on both sides of the point. The
//! digits are the shortest that read back the same. Called by `result.rs` for every float of an answer.

/// The double as JSON: a number, or `"NaN"` in quotes, as Jackson writes what is none.
pub(crate) fn double(value: f64) -> String {
    if value.is_nan() {
        return "\"NaN\"".into();
    }
    if value.is_infinite() {
        return format!("\"{}Infinity\"", if value < 0.0 { "-" } else { "" });
    }
    let size = value.abs();
    if value == 0.0 || (1e-3..1e7).contains(&size) {
        return format!("{value:?}");
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let point = if digits.contains('.') { "" } else { ".0" };
    format!("{digits}{point}E{exponent}")
}

#[cfg(test)]
mod tests {
    use super::double;

    #[test]
    fn doubles_print_as_java_prints_them() {
        let cases = [
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (0.1, "0.1"),
            (-1.5, "-1.5"),
            (0.001, "0.001"),
            (0.000_999, "9.99E-4"),
            (9_999_999.5, "9999999.5"),
            (10_000_000.0, "1.0E7"),
            (1e39, "1.0E39"),
            (9_223_372_036_854_775_807.0, "9.223372036854776E18"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::NAN, "\"NaN\""),
            (f64::NEG_INFINITY, "\"-Infinity\""),
        ];
        for (value, text) in cases {
            assert_eq!(double(value), text);
        }
    }
}
