//! TSUIDs as they are asked for: texts of six hexadecimal digits for each name.
//!
//! Used by `result.rs`, `last.rs` and `notes.rs`; `store/names.rs` has the numbers.

use crate::answers::Complaint;
use crate::store::names::{Tsuid, hex};

/// Reads the TSUIDs of a query, which must be of one metric.
pub(super) fn read_all(texts: &[String]) -> Result<Vec<Tsuid>, Complaint> {
    let metric = |text: &str| match text.get(..6) {
        Some(metric) => Ok(metric.to_uppercase()),
        None => Err(Complaint::internal(format!("begin 0, end 6, length {}", text.len()))),
    };
    let first = metric(texts.first().map_or("", String::as_str))?;
    for text in texts {
        let other = metric(text)?;
        if other != first {
            return Err(Complaint::internal(format!(
                "One or more TSUIDs did not share the same metric [{first}] [{other}]"
            )));
        }
        if text.len() == 6 {
            return Err(Complaint::bad_twice("UID was empty"));
        }
    }
    texts
        .iter()
        .map(|text| read(text).map_err(Complaint::bad_twice))
        .collect()
}

/// Reads one; the error is what is wrong with its digits.
pub(super) fn read(text: &str) -> Result<Tsuid, String> {
    // Of an odd number of digits behind the metric's the first is taken to be missing.
    let (metric, tags) = text.split_at_checked(6).unwrap_or((text, ""));
    let zero = if tags.len().is_multiple_of(2) { "" } else { "0" };
    let text = format!("{metric}{zero}{tags}");
    check(&text)?;
    let numbers: Vec<u32> = text
        .as_bytes()
        .chunks(6)
        .map(|digits| {
            str::from_utf8(digits)
                .ok()
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
        })
        .map(Option::unwrap_or_default)
        .collect();
    let tags = numbers.get(1..).unwrap_or_default().chunks(2);
    Ok(Tsuid {
        metric: numbers.first().copied().unwrap_or_default(),
        tags: tags
            .map(|pair| (pair[0], pair.get(1).copied().unwrap_or_default()))
            .collect(),
    })
}

/// Complains of a text that is not made of pairs of hexadecimal digits.
pub(super) fn check(text: &str) -> Result<(), String> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(format!("contains illegal character for hexBinary: {text}"));
    }
    if !text.len().is_multiple_of(2) {
        return Err(format!("hexBinary needs to be even-length: {text}"));
    }
    Ok(())
}

/// The bytes of a number, signed, as Java prints them.
pub(super) fn bytes(number: u32) -> Vec<i8> {
    number.to_be_bytes()[1..].iter().copied().map(u8::cast_signed).collect()
}

/// Whether a text is the number of one name.
pub(super) fn number(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16)
        .ok()
        .filter(|number| hex(*number).len() == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_and_written_alike() {
        let text = "00000100000100000A000002000005";
        let tsuid = read(text).expect("a TSUID");
        assert_eq!((tsuid.metric, &*tsuid.tags), (1, &[(1, 10), (2, 5)][..]));
        assert_eq!(tsuid.text(), text);
        assert!(read("zz").is_err() && read("0").is_err());
        let short = read("00000100001000001").expect("a TSUID");
        assert_eq!(short.text(), "000001000001000001");
    }

    #[test]
    fn those_of_one_query_are_of_one_metric() {
        let read = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            read_all(&texts).map_err(|complaint| (complaint.status, complaint.message))
        };
        assert!(read(&["000001000001000001", "000001000001000002"]).is_ok());
        let message = "One or more TSUIDs did not share the same metric [000001] [000002]".to_owned();
        assert_eq!(read(&["000001000001000001", "000002000001000002"]), Err((500, message)));
        assert_eq!(read(&["zz"]), Err((500, "begin 0, end 6, length 2".into())));
    }
}
