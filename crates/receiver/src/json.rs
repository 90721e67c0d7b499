//! JSON arrays and objects of texts: what the answers of OpenTSDB's faces are made of.

use potsdb_wire::json::write_string;

/// A JSON array of strings.
pub(crate) fn array<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut out = vec![b'['];
    for (index, text) in texts.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(text, &mut out);
    }
    out.push(b']');
    out
}

/// A JSON object of strings.
pub(crate) fn object<'a>(fields: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut out = vec![b'{'];
    for (index, (name, value)) in fields.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(name, &mut out);
        out.push(b':');
        write_string(value, &mut out);
    }
    out.push(b'}');
    out
}
