//! A server that fails whatever holds a point of some series, in virtual time: how long good points wait.
//!
//! The simulation plays many servers for a few hundred points each. This is one server for some ten thousand, so that a
//! queue has the time to grow.

use std::collections::VecDeque;

use super::*;
use crate::config::endpoint::{Endpoint, Scheme};

const GOOD: u64 = 50;

/// One connection to a server that answers a request after `answers`, or fails it after `takes`.
struct Server {
    engine: Engine,
    now: Duration,
    answers: Duration,
    takes: Duration,
    /// Points sent each millisecond.
    rate: u64,
    queue: VecDeque<u64>,
    request: Vec<u8>,
    answer: Option<(Duration, u16)>,
    /// By position, when each point was sent, and when it was taken.
    points: Vec<(Duration, Option<Duration>)>,
}

impl Server {
    fn new(takes: Duration) -> Server {
        let options = Options {
            gzip: false,
            // Bodies of some thousand points.
            window_bytes: BLOCK,
            server: Some(potsdb_wire::Server::InfluxDb),
            ..options()
        };
        let endpoint = Endpoint::of(Scheme::Http, "tsd", 80).with_target("/api/put");
        let endpoints = vec![("tsd".to_owned(), Protocol::of(&endpoint))];
        Server {
            engine: Engine::new(&options, endpoints, 1),
            now: Duration::ZERO,
            answers: Duration::from_millis(1),
            takes,
            rate: 1,
            queue: VecDeque::new(),
            request: Vec::new(),
            answer: None,
            points: Vec::new(),
        }
    }

    fn callers(&mut self) {
        let (queued, urgent, phase) = (!self.queue.is_empty(), false, EnginePhase::Open);
        self.engine.step(
            self.now,
            Input::Callers {
                queued,
                precautions: false,
                urgent,
                phase,
            },
        );
        while let Some(output) = self.engine.poll() {
            if let Output::Connect { slot, .. } = output {
                let credentials = Credentials::default();
                self.engine.step(self.now, Input::Dialling { slot });
                self.engine.step(self.now, Input::Connected { slot, credentials });
            }
        }
    }

    /// Hands over what is queued, as far as it is wanted. One of `every` points is of one of these sick series.
    fn fill(&mut self, series: u64, every: u64) {
        self.callers();
        while !self.queue.is_empty()
            && let Some((slot, credit)) = self.engine.wants()
        {
            let points = credit.points.min(credit.bytes as u64 / 40).min(self.queue.len() as u64);
            let first = self.queue[0];
            let mut block = Block::new(Vec::with_capacity(BLOCK));
            for n in self.queue.drain(..points as usize) {
                let line = match n % every {
                    0 => format!("put sick 1700000000 {n} i={}\n", n / every % series),
                    _ => format!("put good 1700000000 {n} i={}\n", n % GOOD),
                };
                block.append(&[line.as_bytes()], 1);
            }
            let lines = block.into_lines(first, &mut Vec::new());
            self.engine.step(self.now, Input::Lines { slot, lines });
            self.callers();
        }
    }

    fn serve(&mut self) {
        let mut slices = Vec::new();
        self.engine.unwritten(self.now, 0, &mut slices);
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.to_vec()).collect();
        drop(slices);
        if !bytes.is_empty() {
            let wrote = bytes.len() as u64;
            self.engine.step(self.now, Input::Wrote { slot: 0, bytes: wrote });
            let fails = memchr::memmem::find(&bytes, b"\"sick\"").is_some();
            self.request = bytes;
            self.answer = Some(match fails {
                true => (self.now + self.takes, 500),
                false => (self.now + self.answers, 204),
            });
        }
        let Some((_, status)) = self.answer.take_if(|(at, _)| *at <= self.now) else {
            return;
        };
        if status == 204 {
            let text = String::from_utf8_lossy(&self.request).into_owned();
            for value in text.split("\"value\":").skip(1) {
                let digits = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
                let position: usize = value[..digits].parse().expect("it is a number");
                self.points[position].1 = Some(self.now);
            }
        }
        let answer = format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\n\r\n");
        let bytes = answer.as_bytes();
        self.engine.step(self.now, Input::Received { slot: 0, bytes });
    }

    /// How long the good points sent in this time had to wait, the longest first, in seconds.
    fn run(&mut self, seconds: u64, series: u64, every: u64) -> Vec<f64> {
        let first = self.points.len();
        let begin = self.now;
        let linger = Duration::from_millis(250);
        while self.now < begin + Duration::from_secs(seconds + 10) {
            if self.now < begin + Duration::from_secs(seconds) {
                for _ in 0..self.rate {
                    self.queue.push_back(self.points.len() as u64);
                    self.points.push((self.now, None));
                }
            }
            let oldest = self.queue.front().map(|at| self.points[*at as usize].0);
            match oldest.is_some_and(|sent| sent + linger <= self.now) {
                true => self.fill(series, every),
                false => self.callers(),
            }
            self.serve();
            self.now += Duration::from_millis(1);
        }
        let good = (0..).zip(&self.points).skip(first).filter(|(n, _)| n % every != 0);
        let waited = good.map(|(_, (sent, taken))| match taken {
            Some(at) => at.saturating_sub(*sent).as_secs_f64(),
            None => f64::INFINITY,
        });
        let mut waited: Vec<f64> = waited.collect();
        waited.sort_by(|one, other| other.total_cmp(one));
        waited
    }
}

#[test]
fn good_points_wait_for_seconds_while_twenty_series_are_found_out_about() {
    let waited = Server::new(Duration::from_millis(1)).run(20, 20, 20);
    assert!(waited[0] < 5.0, "{:.1} s", waited[0]);
}

#[test]
fn a_series_is_found_out_about_although_each_failure_takes_a_second() {
    let waited = Server::new(Duration::from_secs(1)).run(60, 1, 1000);
    let late = waited.iter().filter(|waited| **waited > 5.0).count();
    assert!(waited[0] < 20.0, "{:.1} s", waited[0]);
    assert!(late < waited.len() / 4, "{late} of {}", waited.len());
}

#[test]
fn sick_series_take_no_more_than_half_of_a_connections_time() {
    let mut server = Server::new(Duration::from_millis(1));
    server.run(10, 20, 20);
    (server.answers, server.takes) = (Duration::from_millis(100), Duration::from_secs(1));
    server.rate = 4;
    let waited = server.run(20, 20, 20);
    assert!(waited[0] < 5.0, "{:.1} s", waited[0]);
}

#[test]
fn new_points_go_on_beside_five_series_whose_failures_are_slow_to_come() {
    let waited = Server::new(Duration::from_millis(500)).run(120, 5, 100);
    let late = waited.iter().filter(|waited| **waited > 5.0).count();
    assert!(waited[0] < 60.0, "{:.1} s", waited[0]);
    assert!(late < waited.len() / 2, "{late} of {}", waited.len());
}
