//! The replies of one telnet connection: in the order of the lines they answer, however late some of them come.
//!
//! ```text
//! ready to write | waited for | behind it: ready, waited for, ...
//! ```
//!
//! What is behind an answer that is waited for is not written before it. Bounded in bytes and in answers waited for:
//! refusals that find no room are left out, because a peer that does not read loses them, not the server its memory.

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::limits::Limits;

/// An answer that comes later.
type Later = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// The replies of one telnet connection.
pub struct Replies {
    /// What may be written now.
    ready: Vec<u8>,
    behind: VecDeque<Behind>,
    /// Bytes behind.
    bytes_behind: usize,
    waiting: usize,
    /// Replies that were left out.
    left_out: u64,
    /// The peer does not take replies now, so that pausing for it would be in vain.
    pub(crate) congested: bool,
    bounds: Bounds,
}

#[derive(Clone, Copy)]
struct Bounds {
    refusals: usize,
    replies: usize,
    waiting: usize,
}

enum Behind {
    Bytes(Vec<u8>),
    Later(Later),
}

impl Replies {
    /// None yet, within these limits.
    #[must_use]
    pub fn new(limits: &Limits) -> Replies {
        Replies {
            ready: Vec::new(),
            behind: VecDeque::new(),
            bytes_behind: 0,
            waiting: 0,
            left_out: 0,
            congested: false,
            bounds: Bounds {
                refusals: limits.unread_refusals,
                replies: limits.unread_replies,
                waiting: limits.waiting_answers,
            },
        }
    }

    /// Adds an answer, newline and all; false if it is left out because more than
    /// [`Limits::unread_replies`] are unread.
    pub fn answer(&mut self, bytes: &[u8]) -> bool {
        self.push(bytes, self.bounds.replies)
    }

    /// Adds what is said to a bad line; false if it is left out because more than [`Limits::unread_refusals`] are unread.
    pub fn refusal(&mut self, bytes: &[u8]) -> bool {
        self.push(bytes, self.bounds.refusals)
    }

    /// Adds an answer that is there when the future is; what is added after it is written after it.
    ///
    /// Dropped with the connection. It is polled on the connection's thread, and should only wait.
    pub fn later(&mut self, answer: impl Future<Output = Vec<u8>> + Send + 'static) {
        self.waiting += 1;
        self.behind.push_back(Behind::Later(Box::pin(answer)));
    }

    /// Whether taking more lines should wait: for the replies to be written, or for answers to come.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.is_waiting_full() || (!self.congested && self.len() >= self.bounds.refusals)
    }

    /// Whether no more lines are to be read.
    pub(crate) fn stops_reading(&self) -> bool {
        self.is_waiting_full() || self.len() >= self.bounds.replies
    }

    pub(crate) fn is_waiting_full(&self) -> bool {
        self.waiting >= self.bounds.waiting
    }

    /// Whether lines that were read already can be taken: when half the answers have come, and not for each of them.
    pub(crate) fn has_room_again(&self) -> bool {
        self.waiting <= self.bounds.waiting / 2 && self.len() < self.bounds.replies && !self.is_held_up()
    }

    /// Whether as many refusals as may be unread stand behind an answer that is still to come: no writing helps.
    pub(crate) fn is_held_up(&self) -> bool {
        !self.behind.is_empty() && self.len() >= self.bounds.refusals
    }

    /// Bytes that are unread.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ready.len() + self.bytes_behind
    }

    /// Whether there is nothing to write, now or later.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.behind.is_empty()
    }

    /// What may be written now.
    #[must_use]
    pub fn ready(&self) -> &[u8] {
        &self.ready
    }

    /// How many were left out since this was asked last.
    pub(crate) fn take_left_out(&mut self) -> u64 {
        std::mem::take(&mut self.left_out)
    }

    /// The first so many ready bytes were written.
    pub(crate) fn written(&mut self, bytes: usize) {
        self.ready.drain(..bytes);
        if self.ready.is_empty() && self.ready.capacity() > self.bounds.refusals {
            self.ready = Vec::new();
        }
    }

    /// Waits until more is ready; for ever if nothing is waited for. May be given up at any time.
    pub(crate) async fn advance(&mut self) {
        if self.waiting == 0 {
            return pending().await;
        }
        poll_fn(|context| self.poll_advance(context)).await;
    }

    fn poll_advance(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut advanced = Poll::Pending;
        while let Some(first) = self.behind.front_mut() {
            match first {
                Behind::Bytes(bytes) => {
                    self.bytes_behind -= bytes.len();
                    self.ready.extend_from_slice(bytes);
                }
                Behind::Later(answer) => {
                    let Poll::Ready(bytes) = answer.as_mut().poll(context) else {
                        return advanced;
                    };
                    self.waiting -= 1;
                    self.ready.extend_from_slice(&bytes);
                }
            }
            self.behind.pop_front();
            advanced = Poll::Ready(());
        }
        advanced
    }

    fn push(&mut self, bytes: &[u8], room: usize) -> bool {
        if bytes.is_empty() {
            return true;
        }
        if self.len() > room {
            self.left_out += 1;
            return false;
        }
        match self.behind.back_mut() {
            None => {
                self.ready.extend_from_slice(bytes);
                return true;
            }
            Some(Behind::Bytes(last)) => last.extend_from_slice(bytes),
            Some(Behind::Later(_)) => self.behind.push_back(Behind::Bytes(bytes.to_vec())),
        }
        self.bytes_behind += bytes.len();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::sync::oneshot;

    use super::*;

    fn later(replies: &mut Replies) -> oneshot::Sender<&'static str> {
        let (sender, receiver) = oneshot::channel();
        replies.later(async { receiver.await.map_or(Vec::new(), |text: &str| text.as_bytes().to_vec()) });
        sender
    }

    fn advance(replies: &mut Replies) {
        let mut context = Context::from_waker(Waker::noop());
        let _ = replies.poll_advance(&mut context);
    }

    #[test]
    fn replies_keep_the_order_of_their_lines_whichever_comes_first() {
        let mut replies = Replies::new(&Limits::default());
        assert!(replies.answer(b"a"));
        let first = later(&mut replies);
        assert!(replies.refusal(b"b") && replies.answer(b"c"));
        let second = later(&mut replies);
        assert!(replies.answer(b"d"));
        second.send("2").expect("it waits");
        advance(&mut replies);
        assert_eq!(replies.ready(), b"a");
        first.send("1").expect("it waits");
        advance(&mut replies);
        assert_eq!(replies.ready(), b"a1bc2d");
        replies.written(6);
        assert!(replies.is_empty());
    }

    #[test]
    fn what_is_unread_is_bounded_behind_an_answer_too() {
        let limits = Limits {
            unread_refusals: 10,
            unread_replies: 20,
            waiting_answers: 2,
            ..Limits::default()
        };
        let mut replies = Replies::new(&limits);
        let _first = later(&mut replies);
        assert!(replies.refusal(b"0123456789a"));
        assert!(!replies.refusal(b"b") && replies.answer(b"0123456789"));
        assert!(!replies.answer(b"c") && replies.stops_reading());
        assert_eq!((replies.len(), replies.take_left_out()), (21, 2));
        let _second = later(&mut replies);
        assert!(replies.is_waiting_full());
    }
}
