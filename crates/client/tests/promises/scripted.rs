//! A server that does what a test tells it: a script says what comes of each line, or of each request.
//!
//! Each connection has a thread. The points of a test are `good`, which the script is to take, or anything else; a
//! good one is known by its value, which is its number. Nothing here knows the client.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use super::LONG;

/// What OpenTSDB answers to `version`.
const VERSION: &str = "net.opentsdb.tools 2.4.1 built at revision eb125a342 (MINT)\n\
    Built on 2021/09/08 03:26:53 +0000 by user@host:/dir\n";

/// What comes of a line.
pub(super) enum Reply {
    /// It is taken.
    Taken,
    /// An error at once: the lines since the last answer to `version` go again.
    Again(String),
    /// An error at once, and the line is refused.
    Refused(String),
    /// An error once a `version` after the line was answered.
    Late(String),
    /// The connection is closed.
    Close,
}

/// A request with the points of its body, each as its JSON.
pub(super) struct Request {
    pub(super) target: String,
    pub(super) length: usize,
    pub(super) points: Vec<String>,
}

impl Request {
    pub(super) fn with(&self, text: &str) -> Vec<&String> {
        self.points.iter().filter(|point| point.contains(text)).collect()
    }
}

/// What comes of a request.
pub(super) struct Answer {
    /// As it is written; `None`: the connection is closed.
    text: Option<String>,
    /// Good points of the request have their verdict.
    ends: bool,
}

/// An answer that takes no point.
pub(super) fn answer(status: u16, body: &str) -> Answer {
    with_header(status, "X-Nothing: to say", body)
}

pub(super) fn with_header(status: u16, header: &str, body: &str) -> Answer {
    let length = body.len();
    let text = format!("HTTP/1.1 {status} So\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}");
    Answer {
        text: Some(text),
        ends: false,
    }
}

/// The points are taken, and the answer has a date.
pub(super) fn taken_at(request: &Request, date: &str) -> Answer {
    let Answer { text, ends } = taken(request);
    let text = text.map(|text| text.replacen("\r\n", &format!("\r\nDate: {date}\r\n"), 1));
    Answer { text, ends }
}

/// The connection is closed without an answer.
pub(super) fn hang_up() -> Answer {
    Answer {
        text: None,
        ends: false,
    }
}

/// All points are taken, and counted.
pub(super) fn taken(request: &Request) -> Answer {
    let body = format!(r#"{{"success":{},"failed":0,"errors":[]}}"#, request.points.len());
    Answer {
        ends: true,
        ..answer(200, &body)
    }
}

/// All points are taken but those for which there is an error, as OpenTSDB names them.
pub(super) fn partly(status: u16, request: &Request, errors: &[(&str, &String)]) -> Answer {
    let named: Vec<String> = errors
        .iter()
        .map(|(error, point)| format!(r#"{{"error":"{error}","datapoint":{point}}}"#))
        .collect();
    let (failed, named) = (errors.len(), named.join(","));
    let success = request.points.len() - failed;
    let body = format!(r#"{{"success":{success},"failed":{failed},"errors":[{named}]}}"#);
    Answer {
        ends: true,
        ..answer(status, &body)
    }
}

/// What the server has seen.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) connections: Vec<Instant>,
    /// Requests with points, or lines over telnet.
    pub(super) requests: Vec<Instant>,
    /// Bytes of the longest body.
    pub(super) longest: usize,
    /// By its number, how often each good point came and when the server answered for it.
    pub(super) good: Vec<(u32, Option<Instant>)>,
    /// How often all others came.
    pub(super) others: HashMap<String, u32>,
}

impl Seen {
    /// How many good points were answered for.
    pub(super) fn answered(&self) -> u64 {
        self.good.iter().filter(|(_, at)| at.is_some()).count() as u64
    }

    /// The number of a good point that came.
    fn came(&mut self, point: &str, number: Option<usize>) -> Option<usize> {
        let Some(number) = number else {
            *self.others.entry(point.to_owned()).or_default() += 1;
            return None;
        };
        if self.good.len() <= number {
            self.good.resize(number + 1, (0, None));
        }
        self.good[number].0 += 1;
        Some(number)
    }

    fn end(&mut self, numbers: &[usize]) {
        for number in numbers {
            self.good[*number].1.get_or_insert_with(Instant::now);
        }
    }
}

#[derive(Clone)]
pub(super) struct Scripted {
    address: SocketAddr,
    seen: Arc<(Mutex<Seen>, Condvar)>,
}

impl Scripted {
    /// A server that answers `version` as OpenTSDB does.
    pub(super) fn telnet(script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Scripted {
        Scripted::telnet_late(Duration::ZERO, script)
    }

    /// The same, with late errors so long after their line, and not at once after an answer.
    pub(super) fn telnet_late(after: Duration, script: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Scripted {
        Scripted::serve(move |server, stream| {
            let _ = server.talk(&stream, after, &script);
        })
    }

    /// A server that has no configuration to tell.
    pub(super) fn http(script: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Scripted {
        Scripted::serve(move |server, stream| {
            let _ = server.answer(&stream, &script);
        })
    }

    /// A server that treats each connection as it likes.
    pub(super) fn serve(each: impl Fn(&Scripted, TcpStream) + Send + Sync + 'static) -> Scripted {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        Scripted::listen(listener, each)
    }

    pub(super) fn listen(
        listener: TcpListener,
        each: impl Fn(&Scripted, TcpStream) + Send + Sync + 'static,
    ) -> Scripted {
        let server = Scripted {
            address: listener.local_addr().expect("it is bound"),
            seen: Arc::default(),
        };
        let (own, each) = (server.clone(), Arc::new(each));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.note(|seen| seen.connections.push(Instant::now()));
                let (server, each) = (own.clone(), Arc::clone(&each));
                thread::spawn(move || each(&server, stream));
            }
        });
        server
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.0.lock().unwrap()
    }

    /// Waits until it has seen that; not for ever.
    #[must_use]
    pub(super) fn wait_until(&self, reached: impl Fn(&Seen) -> bool) -> bool {
        self.wait_for(LONG, reached)
    }

    #[must_use]
    pub(super) fn wait_for(&self, time: Duration, reached: impl Fn(&Seen) -> bool) -> bool {
        let waited = self.seen.1.wait_timeout_while(self.seen(), time, |seen| !reached(seen));
        !waited.unwrap().1.timed_out()
    }

    pub(super) fn note<T>(&self, what: impl FnOnce(&mut Seen) -> T) -> T {
        let noted = what(&mut self.seen());
        self.seen.1.notify_all();
        noted
    }

    pub(super) fn talk(&self, stream: &TcpStream, after: Duration, script: &dyn Fn(&str) -> Reply) -> io::Result<()> {
        let mut say = stream;
        let later = says_later(stream.try_clone()?, after);
        let (mut unanswered, mut goes_again, mut late) = (Vec::new(), false, String::new());
        for line in BufReader::new(stream).lines() {
            let line = line?;
            if line == "version" {
                say.write_all(VERSION.as_bytes())?;
                say.write_all(std::mem::take(&mut late).as_bytes())?;
                let numbers = std::mem::take(&mut unanswered);
                if !std::mem::take(&mut goes_again) {
                    self.note(|seen| seen.end(&numbers));
                }
                continue;
            }
            let number = line
                .strip_prefix("put good ")
                .and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
            let number = self.note(|seen| {
                seen.requests.push(Instant::now());
                seen.came(&line, number)
            });
            match script(&line) {
                Reply::Taken => unanswered.extend(number),
                Reply::Again(words) => {
                    goes_again = true;
                    writeln!(say, "{words}")?;
                }
                Reply::Refused(words) => writeln!(say, "{words}")?,
                Reply::Late(words) if after.is_zero() => late += &format!("{words}\n"),
                Reply::Late(words) => {
                    let _ = later.send((Instant::now() + after, words));
                }
                Reply::Close => return Ok(()),
            }
        }
        Ok(())
    }

    pub(super) fn answer(&self, mut stream: &TcpStream, script: &dyn Fn(&Request) -> Answer) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = read_request(&mut reader)? {
            if request.target.starts_with("GET") {
                stream.write_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            let numbers: Vec<usize> = self.note(|seen| {
                seen.requests.push(Instant::now());
                seen.longest = seen.longest.max(request.length);
                let points = request.points.iter();
                points.filter_map(|point| seen.came(point, number_of(point))).collect()
            });
            let answer = script(&request);
            let Some(text) = answer.text else { return Ok(()) };
            stream.write_all(text.as_bytes())?;
            if answer.ends {
                self.note(|seen| seen.end(&numbers));
            }
        }
        Ok(())
    }
}

/// The value of a good point.
fn number_of(point: &str) -> Option<usize> {
    let (_, rest) = point.split_once(r#"{"metric":"good","#)?;
    let (_, value) = rest.split_once(r#""value":"#)?;
    value.split([',', '}']).next()?.parse().ok()
}

/// Reads a request; `None`: there are no more.
pub(super) fn read_request(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        match line.trim_end_matches("\r\n") {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let length = head.iter().find_map(|line| line.strip_prefix("Content-Length: "));
    let length = length.map_or(0, |length| length.parse().expect("a number"));
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8(body).expect("a test compresses nothing");
    let inside = body.strip_prefix('[').and_then(|body| body.strip_suffix(']'));
    let mut points = Vec::new();
    for point in inside.unwrap_or_default().split(r#",{"metric":"#) {
        match (points.is_empty(), point.is_empty()) {
            (_, true) => {}
            (true, _) => points.push(point.to_owned()),
            (false, _) => points.push(format!(r#"{{"metric":{point}"#)),
        }
    }
    let target = head.into_iter().next().unwrap_or_default();
    Ok(Some(Request { target, length, points }))
}

/// A thread that writes each text when its time has come, in their order.
fn says_later(mut stream: TcpStream, after: Duration) -> Sender<(Instant, String)> {
    let (later, texts) = mpsc::channel::<(Instant, String)>();
    if !after.is_zero() {
        thread::spawn(move || {
            for (at, text) in texts {
                thread::park_timeout(at.saturating_duration_since(Instant::now()));
                if writeln!(stream, "{text}").is_err() {
                    return;
                }
            }
        });
    }
    later
}
