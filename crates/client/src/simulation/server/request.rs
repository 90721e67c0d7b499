//! Requests as a server reads them: a head, a body of the announced length, flat JSON objects in it.
//!
//! A reader of its own, for one kind of request only, so that what the client writes is judged by nothing the
//! client is made of. What a request must never be is an error here: chunked, with `Expect`, without a length.

use std::io::Read as _;

/// A whole request.
#[derive(Debug)]
pub(in crate::simulation) struct Request {
    /// Bytes of head and body in the stream.
    pub(in crate::simulation) length: usize,
    /// Bytes of the body as sent; `None`: there is none, it is a `GET`.
    pub(in crate::simulation) sent: Option<usize>,
    pub(in crate::simulation) path: String,
    pub(in crate::simulation) flags: Vec<String>,
    /// The points, each the JSON object it came as.
    pub(in crate::simulation) objects: Vec<Vec<u8>>,
}

impl Request {
    pub(in crate::simulation) fn has(&self, flag: &str) -> bool {
        self.flags.iter().any(|other| other == flag)
    }
}

/// Reads the request at the beginning of these bytes; `None`: it is not whole yet.
pub(in crate::simulation) fn read(bytes: &[u8]) -> Result<Option<Request>, String> {
    let Some(head) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..head]).map_err(|error| error.to_string())?;
    let mut lines = text.split("\r\n");
    let words: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method @ ("GET" | "POST"), target, "HTTP/1.1"] = words[..] else {
        return Err(format!("{words:?} is no request line"));
    };
    let (mut length, mut gzip, mut host) = (None, false, false);
    for line in lines {
        let (name, value) = line.split_once(": ").ok_or(format!("{line:?} is no header"))?;
        match name.to_ascii_lowercase().as_str() {
            "content-length" if length.is_some() => return Err("two lengths".to_owned()),
            "content-length" => length = Some(value.parse::<usize>().map_err(|error| error.to_string())?),
            "content-encoding" if value == "gzip" => gzip = true,
            "content-encoding" | "transfer-encoding" | "expect" => return Err(format!("header {line:?}")),
            "host" => host = true,
            _ => {}
        }
    }
    if !host || (method == "POST") != length.is_some() {
        return Err(format!("no host, or a {method} of length {length:?}"));
    }
    let body = head + 4;
    let Some(raw) = bytes.get(body..body + length.unwrap_or(0)) else {
        return Ok(None);
    };
    let (path, flags) = target.split_once('?').unwrap_or((target, ""));
    let plain = match gzip {
        true => inflate(raw)?,
        false => raw.to_vec(),
    };
    Ok(Some(Request {
        length: body + raw.len(),
        sent: length,
        path: path.to_owned(),
        flags: flags
            .split('&')
            .filter(|flag| !flag.is_empty())
            .map(ToOwned::to_owned)
            .collect(),
        objects: match length {
            Some(_) => objects(&plain).ok_or("the body is no array of objects")?,
            None => Vec::new(),
        },
    }))
}

fn inflate(raw: &[u8]) -> Result<Vec<u8>, String> {
    let mut plain = Vec::new();
    let mut decoder = flate2::read::GzDecoder::new(raw);
    decoder.read_to_end(&mut plain).map_err(|error| error.to_string())?;
    match decoder.into_inner().is_empty() {
        true => Ok(plain),
        false => Err("bytes behind the compressed body".to_owned()),
    }
}

/// The objects of `[{...},{...}]`, without a blank anywhere.
fn objects(body: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = body.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let (mut depth, mut quoted) = (0, false);
        let end = memchr::memchr3_iter(b'"', b'{', b'}', rest).find(|at| {
            match rest[*at] {
                b'"' => quoted = !quoted,
                b'{' if !quoted => depth += 1,
                b'}' if !quoted => depth -= 1,
                _ => {}
            }
            depth == 0
        })?;
        found.push(rest[..=end].to_vec());
        rest = &rest[end + 1..];
        if !rest.is_empty() {
            rest = rest.strip_prefix(b",").filter(|rest| !rest.is_empty())?;
        }
    }
    (!found.is_empty()).then_some(found)
}

/// The line of the point an object is: `{"metric":"m","timestamp":1,"value":2,"tags":{"h":"x"}}`.
pub(in crate::simulation) fn line_of(object: &[u8]) -> Option<Vec<u8>> {
    let (metric, rest) = parted(object.strip_prefix(b"{\"metric\":\"")?, b"\",\"timestamp\":")?;
    let (timestamp, rest) = parted(rest, b",\"value\":")?;
    let (value, tags) = parted(rest, b",\"tags\":{")?;
    let mut line = Vec::with_capacity(object.len());
    for part in [b"put ", metric, b" ", timestamp, b" ", value] {
        line.extend_from_slice(part);
    }
    for tag in tags.strip_suffix(b"}}")?.split(|byte| *byte == b',') {
        let (name, value) = parted(tag.strip_prefix(b"\"")?.strip_suffix(b"\"")?, b"\":\"")?;
        for part in [b" ", name, b"=", value] {
            line.extend_from_slice(part);
        }
    }
    line.push(b'\n');
    Some(line)
}

/// What stands before a mark, and behind it.
fn parted<'a>(text: &'a [u8], mark: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = memchr::memmem::find(text, mark)?;
    Some((&text[..at], &text[at + mark.len()..]))
}
