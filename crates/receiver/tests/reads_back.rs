//! Reading back is what a real OpenTSDB 2.4.1 answers: every request of the transcript, in its order, by status, data
//! and the words of errors. `tests/reads_back/opentsdb.txt` says how it reads, and where the receiver answers
//! otherwise, and why.

mod peer;

use std::time::{SystemTime, UNIX_EPOCH};

use peer::{Peer, reply_to};
use potsdb_receiver::{Config, Receiver};
use potsdb_wire::json::{Json, parse};

const TRANSCRIPT: &str = include_str!("reads_back/opentsdb.txt");
const ORIGINS: &str = include_str!("reads_back/opentsdb-origins.txt");
const BODIES: &str = include_str!("reads_back/opentsdb-bodies.txt");

/// How an answer differs, the graver the larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    None,
    Words,
    Data,
    Status,
}

impl Difference {
    /// What a transcript says of a known one.
    fn named(line: &str) -> Difference {
        match line.split_once(": ") {
            Some(("! words", _)) => Difference::Words,
            Some(("! data", _)) => Difference::Data,
            Some(("! status", _)) => Difference::Status,
            _ => panic!("{line:?} names no difference"),
        }
    }
}

/// Plays a transcript: how many requests there are, how many are answered as well, and what differs otherwise than
/// known.
fn judged(transcript: &str, config: Config) -> (usize, usize, Vec<String>) {
    let receiver = Receiver::start(config).expect("a free port");
    let (mut requests, mut as_good, mut wrong) = (0, 0, Vec::new());
    for asked in played(transcript, &receiver) {
        requests += 1;
        let found = difference(&asked.expected, &asked.came);
        as_good += usize::from(found <= Difference::Words);
        if found != asked.known {
            let Asked {
                request,
                expected,
                came,
                known,
            } = asked;
            wrong.push(format!(
                "{request}\n  {found:?}, known: {known:?}\n  expected {expected}\n  but came {came}"
            ));
        }
    }
    (requests, as_good, wrong)
}

#[test]
fn the_receiver_answers_what_opentsdb_answers() {
    let (requests, as_good, wrong) = judged(TRANSCRIPT, Config::default());
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    assert!(
        requests >= 300 && as_good * 100 >= requests * 95,
        "{as_good} of {requests} are as good"
    );
}

#[test]
fn pages_of_other_origins_are_told_what_opentsdb_tells_them() {
    let allowed = ["http://grafana.example:3000", "http://localhost:3000"];
    let config = Config {
        cors_domains: allowed.map(str::to_owned).to_vec(),
        ..Config::default()
    };
    let (requests, _, wrong) = judged(ORIGINS, config);
    assert!(requests > 10 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn bodies_that_are_no_json_or_another_are_told_so_as_opentsdb_tells_them() {
    let receiver = Receiver::start(Config::default()).expect("a free port");
    let mut requests = 0;
    for asked in played(BODIES, &receiver) {
        requests += 1;
        // What exactly is wrong is said in the words of two parsers.
        let found = difference(&asked.expected, &asked.came);
        assert!(
            found <= Difference::Words,
            "{}\n  expected {}\n  but came {}",
            asked.request,
            asked.expected,
            asked.came
        );
    }
    assert!(requests > 100, "{requests}");
}

#[test]
fn another_answer_is_found_out() {
    let cases = [
        ("200 [1]", "200 [1]", Difference::None),
        ("200 {\"a\":1,\"b\":2}", "200 {\"b\":2,\"a\":1}", Difference::None),
        ("200 [1]", "400 [1]", Difference::Status),
        ("200 [1]", "200 [1.0]", Difference::Data),
        ("200 {\"1\":1,\"1\":2}", "200 {\"1\":2}", Difference::Data),
        ("200 (text/html) ...", "200 ...", Difference::Data),
        (
            "400 {\"error\":{\"code\":400,\"message\":\"a\",\"details\":\"x\"}}",
            "400 {\"error\":{\"code\":400,\"message\":\"a\"}}",
            Difference::None,
        ),
        (
            "400 {\"error\":{\"code\":400,\"message\":\"a\"}}",
            "400 {\"error\":{\"code\":400,\"message\":\"b\"}}",
            Difference::Words,
        ),
    ];
    for (expected, came, expected_difference) in cases {
        assert_eq!(difference(expected, came), expected_difference, "{expected} {came}");
    }
}

/// A request with the answers of both servers.
struct Asked {
    request: String,
    expected: String,
    came: String,
    known: Difference,
}

/// Plays a transcript.
fn played(transcript: &str, receiver: &Receiver) -> Vec<Asked> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    let now = since.as_secs().to_string();
    let (mut asked, mut puts, mut replies): (Vec<Asked>, String, Vec<String>) = Default::default();
    let (mut headers, mut loosely) = (String::new(), false);
    for line in transcript.lines().map(|line| line.replace("{now}", &now)) {
        if !line.starts_with("put ") && !puts.is_empty() {
            let text = reply_to(receiver, std::mem::take(&mut puts));
            replies = text.lines().map(str::to_owned).collect();
        }
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        assert!(word == "~" || replies.is_empty(), "not said by OpenTSDB: {replies:?}");
        match word {
            "" | "#" | "==" | "wait" => {}
            "put" => puts.push_str(&(line.clone() + "\n")),
            "~" => assert_eq!(replies.remove(0), rest),
            "H" => headers.push_str(&format!("{rest}\r\n")),
            "loosely" => loosely = true,
            "<" => asked.last_mut().expect("a request").expected = rest.to_owned(),
            "!" => asked.last_mut().expect("a request").known = Difference::named(&line),
            method => {
                let came = request(receiver, method, rest, &std::mem::take(&mut headers), loosely);
                loosely = false;
                asked.push(Asked {
                    request: line.clone(),
                    expected: String::new(),
                    came,
                    known: Difference::None,
                });
            }
        }
    }
    asked
}

/// An answer as the transcript writes it.
fn request(receiver: &Receiver, method: &str, rest: &str, headers: &str, loosely: bool) -> String {
    let (target, body) = rest.split_once(' ').unwrap_or((rest, ""));
    let (method, body) = match method {
        "POST64" => ("POST", base64(body)),
        method => (method, body.as_bytes().to_vec()),
    };
    let length = body.len();
    let target = encoded(target);
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: tsd\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    let mut peer = Peer::of(receiver);
    peer.say([head.as_bytes(), &body].concat());
    let reply = peer.rest().expect("an end of stream");
    if reply.is_empty() {
        return "end".into();
    }
    let (head, body) = reply.split_once("\r\n\r\n").expect("a reply");
    let mut words = vec![head.split(' ').nth(1).expect("a status").to_owned()];
    let field = |name: &str| {
        let line = head.lines().find_map(|line| {
            line.split_once(": ")
                .filter(|(known, _)| known.eq_ignore_ascii_case(name))
        });
        line.map(|(_, value)| value.to_owned())
    };
    for name in [
        "Location",
        "Allow",
        "Access-Control-Allow-Origin",
        "Access-Control-Allow-Methods",
        "Access-Control-Allow-Headers",
    ] {
        words.extend(field(name).map(|value| format!("({name}: {value})")));
    }
    let kind = field("Content-Type").unwrap_or_else(|| "none".into());
    if kind != "application/json; charset=UTF-8" {
        words.push(format!("({kind})"));
    }
    let body = if !kind.starts_with("application/json") {
        if body.is_empty() { String::new() } else { "...".into() }
    } else if loosely && !body.is_empty() {
        format!("{}...{}", &body[..1], &body[body.len() - 1..])
    } else {
        body.replace('\n', "\\n").replace('\r', "\\r")
    };
    words.push(body);
    words.join(" ").trim_end().to_owned()
}

/// A target as a client sends it.
fn encoded(target: &str) -> String {
    let encode = |byte: u8| match byte {
        b'{' | b'}' | b'|' | b'<' | b'>' | b'"' | b'^' | b'[' | b']' | 128.. => format!("%{byte:02X}"),
        byte => char::from(byte).to_string(),
    };
    target.bytes().map(encode).collect()
}

fn base64(text: &str) -> Vec<u8> {
    let digit = |byte: u8| match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'=').map(digit).collect();
    let mut bytes = Vec::new();
    for four in digits.chunks(4) {
        let number = four.iter().fold(0_u32, |number, digit| number << 6 | u32::from(*digit)) << (6 * (4 - four.len()));
        bytes.extend_from_slice(&number.to_be_bytes()[1..four.len()]);
    }
    bytes
}

/// An answer's status, the fields of its head, and its body.
fn parts(answer: &str) -> (&str, &str, &str) {
    let (status, rest) = answer.split_once(' ').unwrap_or((answer, ""));
    let mut body = rest;
    while let Some((_, after)) = body.strip_prefix('(').and_then(|field| field.split_once(')')) {
        body = after.trim_start();
    }
    (status, &rest[..rest.len() - body.len()], body)
}

fn difference(expected: &str, came: &str) -> Difference {
    let ((status, head, expected), (came_status, came_head, came)) = (parts(expected), parts(came));
    if status != came_status {
        return Difference::Status;
    }
    if head != came_head {
        return Difference::Data;
    }
    if expected == came {
        return Difference::None;
    }
    match (parse(expected.as_bytes()), parse(came.as_bytes())) {
        (Ok(expected), Ok(came)) => match (error(&expected), error(&came)) {
            (Some(expected), Some(came)) if expected == came => Difference::None,
            (Some(_), Some(_)) => Difference::Words,
            _ if data(&expected) == data(&came) => Difference::None,
            _ => Difference::Data,
        },
        // A call of a function, perhaps.
        _ => match (called(expected), called(came)) {
            (Some(expected), Some(came)) => difference(&format!("200 {expected}"), &format!("200 {came}")),
            _ => Difference::Data,
        },
    }
}

fn called(text: &str) -> Option<&str> {
    text.split_once('(')?.1.strip_suffix(')')
}

/// An error's message, without the place in the body that a parser adds; what else it says is the server's own.
fn error<'a>(json: &'a Json<'_>) -> Option<&'a str> {
    let message = json.field("error")?.field("message")?.as_str()?;
    message.split("\n at [Source").next()
}

/// JSON in one way of writing it: fields sorted by name, those of one name in their order; floats by their value.
fn data(json: &Json<'_>) -> String {
    match json {
        Json::Array(elements) => format!("[{}]", elements.iter().map(data).collect::<Vec<_>>().join(",")),
        Json::Object(fields) => {
            let fields = fields.iter().filter(|(name, _)| name != "time" && name != "trace");
            let mut fields: Vec<(&str, String)> = fields.map(|(name, value)| (name.as_ref(), data(value))).collect();
            // Stable: those of one name stay in their order.
            fields.sort_by_key(|(name, _)| *name);
            format!("{fields:?}")
        }
        Json::Number(digits) if digits.contains(['.', 'e', 'E']) => format!("{:?}", digits.parse::<f64>()),
        other => format!("{other:?}"),
    }
}
