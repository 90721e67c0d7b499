//! The laws of HTTP responses, over responses as servers make them and as they get damaged: they are the same however the
//! bytes are split, memory keeps to its bound, and no reader panics.

use judge::{check_words, read_responses};
use potsdb_wire::words;
use proptest::{collection::vec, prelude::*, sample::select};

#[path = "judge/responses.rs"]
mod judge;

/// What servers answer.
const BODIES: &[&str] = &[
    "",
    "\r\n",
    r#"{"success":3,"failed":0,"errors":[]}"#,
    r#"{"succ":3,"fail":1}"#,
    r#"{"failed":18446744073709551615,"timeouts":1}"#,
    r#"{"success":0,"failed":1,"timeouts":1,"errors":[{"datapoint":{"metric":"m","timestamp":1700000000,"value":"1","tags":{"h":"a"}},"error":"Unknown metric"},{"datapoint":null,"error":"Write timedout"}]}"#,
    r#"{"error":{"code":400,"message":"One or more data points had errors","trace":"x"}}"#,
    r#"{"error":{"code":400,"message":"Unable to parse the given JSON"}}"#,
    "json array decode error\n",
    "write series error: partial write: field type conflict dropped=12\n",
    "<html>\u{1b}]0;title\u{7}Please log in\u{202e}</html>",
    "missing route for /api/put",
];

const HEADERS: &[&str] = &[
    "Server: x\r\n",
    "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    "Retry-After: 120\r\n",
    "Retry-After: Sun, 06 Nov 1994 09:49:37 GMT\r\n",
    "Connection: close\r\n",
    "connection: keep-alive\r\n",
    "Location: https://sso.example/login\r\n",
];

/// Pieces that damage a response.
const DAMAGE: &[&[u8]] = &[
    b"\r\n",
    b"\n",
    b"\r",
    b"0",
    b"f",
    b";x",
    b" ",
    b":",
    b"{",
    b"\0",
    b"\xff",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"1\r\nx\r\n",
    b"0\r\n\r\n",
];

#[derive(Clone, Debug)]
struct Said {
    status: u16,
    headers: Vec<&'static str>,
    body: &'static str,
    /// `None`: the length is announced. Else chunks of that many bytes.
    chunks: Option<usize>,
}

fn said() -> impl Strategy<Value = Said> {
    let status = select(vec![200, 204, 400, 401, 413, 422, 429, 500, 503, 301, 404]);
    let headers = vec(select(HEADERS), 0..4);
    (status, headers, select(BODIES), prop::option::of(1..60_usize)).prop_map(|(status, headers, body, chunks)| Said {
        status,
        headers,
        body,
        chunks,
    })
}

impl Said {
    fn body(&self) -> &'static str {
        if self.status == 204 { "" } else { self.body }
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("HTTP/1.1 {} So\r\n{}", self.status, self.headers.concat()).as_bytes());
        let body = self.body().as_bytes();
        let Some(size) = self.chunks.filter(|_| self.status != 204) else {
            out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
            return out.extend_from_slice(body);
        };
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
        for chunk in body.chunks(size) {
            let extension = if size % 2 == 0 { ";a=b" } else { "" };
            out.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            out.extend_from_slice(chunk);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(if size % 3 == 0 {
            b"0\r\nX: y\r\n\r\n"
        } else {
            b"0\r\n\r\n"
        });
    }
}

fn stream(said: &[Said]) -> Vec<u8> {
    let mut stream = Vec::new();
    said.iter().for_each(|said| said.write(&mut stream));
    stream
}

fn cuts(cuts: &[prop::sample::Index], stream: &[u8]) -> Vec<usize> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    cuts.sort_unstable();
    cuts
}

proptest! {
    // 4096 cases of each, or as many as PROPTEST_CASES says if that is more: most damage is found at once.
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        cases: ProptestConfig::default().cases.max(4096),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_said_is_read_however_it_is_split(
        said in vec(said(), 1..4),
        at in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let stream = stream(&said);
        let (read, error) = read_responses(&stream, &cuts(&at, &stream), 3, 100);
        prop_assert_eq!(error, None);
        prop_assert_eq!(read.len(), said.len());
        for (read, said) in read.iter().zip(&said) {
            prop_assert_eq!((read.status, &read.body[..]), (said.status, said.body().as_bytes()));
        }
    }

    #[test]
    fn damage_is_the_same_however_it_is_split(
        said in vec(said(), 1..3),
        damage in vec((any::<prop::sample::Index>(), 0..4_usize, select(DAMAGE), 1..3_usize), 1..4),
        at in vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let mut stream = stream(&said);
        for (at, gone, piece, times) in damage {
            let at = at.index(stream.len() + 1);
            let end = stream.len().min(at + gone);
            stream.splice(at..end, piece.repeat(times));
        }
        let whole = read_responses(&stream, &[], 0, 0);
        prop_assert_eq!(&read_responses(&stream, &cuts(&at, &stream), 0, 0), &whole);
        let every: Vec<_> = (0..stream.len()).collect();
        prop_assert_eq!(&read_responses(&stream, &every, 0, 0), &whole);
    }

    #[test]
    fn any_words_are_one_line_of_a_log(said in vec(any::<u8>(), 0..400), text in any::<String>()) {
        check_words(&words::clean(&said));
        check_words(&words::clean(text.as_bytes()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_said_without_end_is_refused_however_it_is_split(
        said in said(),
        at in any::<prop::sample::Index>(),
        chunked in prop::option::of(select(&["", "1", "1;", "1\r\nx\r\n", "0\r\n"][..])),
        piece in select(DAMAGE),
        step in 1..5000_usize,
    ) {
        let mut stream = stream(&[said]);
        stream.truncate(at.index(stream.len() + 1));
        if let Some(begun) = chunked {
            stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
            stream.extend_from_slice(begun.as_bytes());
        }
        stream.extend(piece.repeat(1_000_000 / piece.len()));
        let whole = read_responses(&stream, &[], 0, 0);
        prop_assert!(whole.1.is_some() || !whole.0.is_empty());
        let steps: Vec<_> = (step..stream.len()).step_by(step).collect();
        prop_assert_eq!(read_responses(&stream, &steps, 0, 0), whole);
    }
}
