//! The other end: a process that reads what it is sent, and does nothing with it.
//!
//! A process of its own, so that its work is not on the books of the side that is measured. With `answers` it looks for
//! `version` and answers as OpenTSDB does, so that what it read is acknowledged; with `http` it answers each request with
//! 204; what `stalls` takes connections and never reads; and `datagrams` is for clients that speak over UDP.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread;

const ANSWER: &[u8] =
    b"net.opentsdb.tools 2.4.1 built at revision bench (READER)\nBuilt on 2026/01/01 00:00:00 +0000 by bench\n";

/// Serves until its standard input ends; the first line on standard output is the port.
pub(crate) fn run(manner: &str, port: u16) {
    let port = if manner == "datagrams" {
        read_datagrams()
    } else {
        listen(manner, port)
    };
    println!("{port}");
    let _ = io::copy(&mut io::stdin(), &mut io::sink());
}

fn listen(manner: &str, port: u16) -> u16 {
    let serve: fn(TcpStream) = match manner {
        "reads" => |connection| drain(connection, false),
        "answers" => |connection| drain(connection, true),
        "http" => answer_requests,
        "stalls" => |connection| {
            // Held, not read, for as long as the process lives.
            thread::park();
            drop(connection);
        },
        _ => panic!("reader {manner}: reads, answers, http, stalls or datagrams"),
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("loopback has a free port");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            thread::spawn(move || serve(connection));
        }
    });
    port
}

fn read_datagrams() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = socket.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while socket.recv(&mut buffer).is_ok() {}
    });
    port
}

fn drain(mut connection: TcpStream, answers: bool) {
    // As OpenTSDB has it. Else an answer may wait for the acknowledgement of the one before, which takes 40 ms.
    connection.set_nodelay(true).expect("it is a connection");
    let question = memchr::memmem::Finder::new(b"\nversion\n");
    let mut buffer = vec![0; 256 * 1024];
    let mut kept = 0;
    while let Ok(read) = connection.read(&mut buffer[kept..]) {
        if read == 0 {
            return;
        }
        if !answers {
            continue;
        }
        let end = kept + read;
        let mut from = 0;
        while let Some(found) = question.find(&buffer[from..end]) {
            let _ = connection.write_all(ANSWER);
            // Its end may be the next one's beginning.
            from += found + question.needle().len() - 1;
        }
        // A question may lie across two reads.
        let tail = end - end.min(8);
        kept = memchr::memrchr(b'\n', &buffer[tail..end]).map_or(0, |newline| end - tail - newline);
        buffer.copy_within(end - kept..end, 0);
    }
}

/// Reads requests with a body of stated length, and answers each as OpenTSDB answers a put.
fn answer_requests(connection: TcpStream) {
    let Ok(mut answers) = connection.try_clone() else {
        return;
    };
    let mut requests = BufReader::with_capacity(256 * 1024, connection);
    let mut line = String::new();
    loop {
        let mut length = 0;
        loop {
            line.clear();
            if requests.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().expect("a length is a number");
            }
        }
        let read = io::copy(&mut requests.by_ref().take(length), &mut io::sink());
        if read.is_err()
            || answers
                .write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n")
                .is_err()
        {
            return;
        }
    }
}

/// A reader in a process of its own; ends with the value.
pub(crate) struct Reader {
    process: Child,
    port: u16,
}

impl Reader {
    pub(crate) fn start(answers: bool) -> Reader {
        Reader::of(if answers { "answers" } else { "reads" })
    }

    /// `reads`, `answers`, `http` or `stalls`.
    pub(crate) fn of(manner: &str) -> Reader {
        Reader::at(manner, 0)
    }

    /// The same, at that port.
    pub(crate) fn at(manner: &str, port: u16) -> Reader {
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["reader", manner, &port.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be started once more");
        let mut port = String::new();
        BufReader::new(process.stdout.take().expect("it is piped"))
            .read_line(&mut port)
            .expect("the reader says its port");
        let port = port.trim().parse().expect("the first line is a port");
        Reader { process, port }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}
