//! Requests: lines become the body of a `POST`, within a number of bytes.
//!
//! ```text
//! POST /api/put HTTP/1.1\r\nHost: tsd1:4242\r\n...Content-Length: 812\r\n\r\n      head
//! [{"metric":"web.latency","timestamp":1767225600,"value":0.0123,...},...]        body, compressed
//! ```
//!
//! Never chunked and without `Expect`: OpenTSDB refuses both. A point's JSON depends on nothing but its line, so
//! whatever body a point is in, its bytes are the same each time. How well lines compress is known only afterwards:
//! [`Requests`] remembers it and proposes how many lines to take next.

use std::io::Write as _;

use flate2::{Compress, Compression, FlushCompress, Status};
use memchr::memchr_iter;
use potsdb_wire::{json, line};

use crate::config::endpoint::Endpoint;
use crate::delivery::outstanding::Outstanding;

/// What is the same in every request of a connection.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// `tsd1:4242`, as the header `Host` has it.
    pub(crate) host: String,
    /// `/api/put?x=y`: the path with the query the URL gave.
    pub(crate) target: String,
}

impl Address {
    pub(crate) fn of(endpoint: &Endpoint) -> Address {
        Address {
            host: endpoint.host_header(),
            target: endpoint.target().to_owned(),
        }
    }
}

/// A request, ready to be written.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// Makes requests.
pub(super) struct Requests {
    address: Address,
    /// Finished header lines: credentials, and those the options ask for.
    headers: Vec<u8>,
    gzip: Option<Compress>,
    json: Vec<u8>,
    /// Bytes of a body for each byte of its lines: the last one's, or a careful guess.
    ratio: f64,
}

impl std::fmt::Debug for Requests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not the headers: there are credentials among them.
        f.debug_struct("Requests")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Before the first body: of lines that compress badly, and of short ones that do not at all.
const GUESS: (f64, f64) = (0.5, 2.5);

/// A shorter body is not compressed: it would save less than it costs.
const LEAST_GZIP: usize = 1024;

/// Lines of so many bytes show how well such lines compress.
const TELLING: usize = 8192;

/// What is left free below the limit: the next lines compress a little worse than the last.
const MARGIN: f64 = 0.9;

impl Requests {
    pub(super) fn new(address: Address, headers: Vec<u8>, gzip: bool) -> Requests {
        Requests {
            address,
            headers,
            gzip: gzip.then(|| Compress::new_gzip(Compression::fast(), 15)),
            json: Vec::new(),
            ratio: if gzip { GUESS.0 } else { GUESS.1 },
        }
    }

    /// How many bytes of lines are likely to make a body within the limit.
    pub(super) fn lines_for(&self, limit: usize) -> usize {
        (limit as f64 * MARGIN / self.ratio) as usize
    }

    /// The same, after lines of `length` bytes made a body of `body` bytes, which is above it.
    pub(super) fn fewer_lines(&self, limit: usize, length: usize, body: usize) -> usize {
        (length as f64 * MARGIN * limit as f64 / body as f64) as usize
    }

    /// The question what the server is configured for.
    pub(super) fn config(&self) -> Request {
        let mut request = Request::default();
        let (path, query) = split(&self.address.target);
        let base = path.rfind("/put").map_or(path, |at| &path[..at]);
        let _ = write!(
            request.head,
            "GET {base}/config{query} HTTP/1.1\r\nHost: {}\r\n",
            self.address.host
        );
        request.head.extend_from_slice(&self.headers);
        request.head.extend_from_slice(b"\r\n");
        request
    }

    /// The points of these lines, put with these flags.
    pub(super) fn put(&mut self, lines: &[Outstanding], flags: &str) -> Request {
        self.json.clear();
        self.json.push(b'[');
        for held in lines {
            let bytes = held.lines.bytes();
            let mut start = 0;
            for end in memchr_iter(b'\n', bytes) {
                if self.json.len() > 1 {
                    self.json.push(b',');
                }
                let line = line::parse(&bytes[start..end]).expect("a queued line is canonical");
                json::write_point(&line, &mut self.json);
                start = end + 1;
            }
        }
        self.json.push(b']');
        let mut request = Request::default();
        let gzip = self.gzip.as_mut().filter(|_| self.json.len() >= LEAST_GZIP);
        let compressed = gzip.is_some();
        match gzip {
            Some(gzip) => compress(gzip, &self.json, &mut request.body),
            None => request.body.extend_from_slice(&self.json),
        }
        let length: usize = lines.iter().map(|held| held.lines.len()).sum();
        let ratio = request.body.len() as f64 / length.max(1) as f64;
        // A short body compresses badly, which says nothing about a long one.
        let compressible = compressed || self.gzip.is_none();
        if compressible && (length >= TELLING || ratio < self.ratio) {
            self.ratio = ratio;
        }
        self.head(flags, compressed, &mut request);
        request
    }

    fn head(&self, flags: &str, compressed: bool, request: &mut Request) {
        let (path, query) = split(&self.address.target);
        let mark = match (query.is_empty(), flags.is_empty()) {
            (_, true) => "",
            (true, false) => "?",
            (false, false) => "&",
        };
        let encoding = if compressed { "Content-Encoding: gzip\r\n" } else { "" };
        let _ = write!(
            request.head,
            "POST {path}{query}{mark}{flags} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n{encoding}\
             Content-Length: {}\r\n",
            self.address.host,
            request.body.len()
        );
        request.head.extend_from_slice(&self.headers);
        request.head.extend_from_slice(b"\r\n");
    }
}

/// A target's path, and its query with the question mark.
fn split(target: &str) -> (&str, &str) {
    target.split_at(target.find('?').unwrap_or(target.len()))
}

fn compress(gzip: &mut Compress, bytes: &[u8], out: &mut Vec<u8>) {
    gzip.reset();
    out.reserve(bytes.len() / 4 + 64);
    loop {
        let rest = &bytes[gzip.total_in() as usize..];
        let status = gzip.compress_vec(rest, out, FlushCompress::Finish);
        match status.expect("compressing to memory cannot fail") {
            Status::StreamEnd => return,
            _ => out.reserve(out.capacity().max(64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;
    use crate::exchange::http::tests::held;

    fn requests(target: &str, gzip: bool) -> Requests {
        let address = Address {
            host: "tsd1:4242".to_owned(),
            target: target.to_owned(),
        };
        Requests::new(address, b"Authorization: x\r\n".to_vec(), gzip)
    }

    #[test]
    fn a_request_is_head_and_body_with_its_length() {
        let request = requests("/api/put", false).put(&[held(0, 2)], "");
        assert_eq!(
            String::from_utf8(request.head).unwrap(),
            "POST /api/put HTTP/1.1\r\nHost: tsd1:4242\r\nContent-Type: application/json\r\nContent-Length: 131\r\n\
             Authorization: x\r\n\r\n"
        );
        assert_eq!(
            String::from_utf8(request.body).unwrap(),
            r#"[{"metric":"m","timestamp":1700000000,"value":1,"tags":{"h":"a"}},{"metric":"m","timestamp":1700000001,"value":1,"tags":{"h":"a"}}]"#
                .to_owned()
        );
    }

    #[test]
    fn a_query_of_the_url_is_kept_beside_the_flags() {
        let first_line = |target: &str, flags: &str| {
            let head = requests(target, false).put(&[held(0, 1)], flags).head;
            String::from_utf8(head).unwrap().lines().next().unwrap().to_owned()
        };
        assert_eq!(first_line("/api/put", "details"), "POST /api/put?details HTTP/1.1");
        assert_eq!(
            first_line("/insert/0/opentsdb/api/put?a=b", ""),
            "POST /insert/0/opentsdb/api/put?a=b HTTP/1.1"
        );
        assert_eq!(
            first_line("/api/put?a=b", "sync&details"),
            "POST /api/put?a=b&sync&details HTTP/1.1"
        );
    }

    #[test]
    fn the_configuration_is_asked_beside_the_put() {
        let head = requests("/insert/0/opentsdb/api/put?a=b", true).config().head;
        assert!(head.starts_with(b"GET /insert/0/opentsdb/api/config?a=b HTTP/1.1\r\nHost: tsd1:4242\r\n"));
    }

    #[test]
    fn a_compressed_body_is_the_plain_one_and_each_is_complete_in_itself() {
        let (mut plain, mut gzip) = (requests("/", false), requests("/", true));
        for (first, points) in [(0, 1), (1, 900), (901, 3)] {
            let lines = [held(first, points)];
            let request = gzip.put(&lines, "");
            let mut body = Vec::new();
            let says_so = request.head.windows(16).any(|bytes| bytes == b"Content-Encoding");
            assert_eq!(says_so, points == 900, "a short one is not worth it");
            if !says_so {
                assert_eq!(request.body, plain.put(&lines, "").body);
                continue;
            }
            flate2::read::GzDecoder::new(&request.body[..])
                .read_to_end(&mut body)
                .unwrap();
            assert_eq!(body, plain.put(&lines, "").body);
        }
    }

    #[test]
    fn the_next_lines_are_as_many_as_the_last_ones_show_to_fit() {
        let mut requests = requests("/", true);
        requests.put(&[held(0, 900)], "");
        let request = requests.put(&[held(900, 900)], "");
        let fit = requests.lines_for(request.body.len());
        let length = held(0, 900).lines.len();
        assert!(fit < length && fit > length * 8 / 10, "{fit} of {length}");
    }
}
