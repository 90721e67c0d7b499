//! The front of an OpenTSDB server: listens, frames, bounds, lets in; what is behind it takes whole lines and answers in
//! order.
//!
//! ```text
//! port --> listener --> connection --first bytes--> telnet lines ----> Backend::lines    --> Replies, now or later
//!             |              |                 '--> HTTP requests ---> Backend::request  --> Response
//!          Limits          Login, TLS, Limits
//! ```
//!
//! - [`Front`] is the running server, [`Door`] where it listens, [`Options`] how it serves: [`Limits`], [`Login`], TLS.
//! - [`Backend`] is what takes lines and requests; [`Replies`] keeps its answers in the order of the lines.
//! - [`Conduct`] and [`Gate`] are how a backend that is full, or misbehaves on purpose, has the front wait or end.
//!
//! It stores nothing and knows no server's words but OpenTSDB's few for what it refuses itself.
//!
//! ```
//! use std::io::{Read as _, Write as _};
//! use std::net::{Shutdown, TcpStream};
//! use std::sync::Arc;
//! use potsdb_front::{Backend, Conduct, Flow, Front, Options, Peer, Replies, Reply, Request, Response, Taken};
//!
//! /// Answers each line with its length, once something has decided that it may.
//! struct Lengths;
//! struct Session;
//! impl Conduct for Session {}
//!
//! impl Backend for Lengths {
//!     type Session = Session;
//!     type Gate = ();
//!
//!     fn gate(&self) {}
//!
//!     fn open(&self, _: &Peer, _: &()) -> Session {
//!         Session
//!     }
//!
//!     fn lines(&self, _: &mut Session, lines: &[u8], replies: &mut Replies) -> Taken {
//!         for line in lines.split_inclusive(|&byte| byte == b'\n') {
//!             let answer = format!("{}\n", line.len() - 1);
//!             replies.later(async { answer.into_bytes() });
//!         }
//!         Taken { bytes: lines.len(), flow: Flow::On }
//!     }
//!
//!     async fn request(&self, _: &mut Session, _: Request) -> Response {
//!         Response::Reply(Reply::error(404, "there is none"))
//!     }
//! }
//!
//! let front = Front::bind(([127, 0, 0, 1], 0).into(), 1)?.serve(Arc::new(Lengths), Options::default())?;
//! let mut peer = TcpStream::connect(front.address())?;
//! peer.write_all(b"one\nthree\n")?;
//! peer.shutdown(Shutdown::Write)?;
//! let mut answers = String::new();
//! peer.read_to_string(&mut answers)?;
//! assert_eq!(answers, "3\n5\n");
//! # Ok::<(), std::io::Error>(())
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

mod admission;
mod backend;
mod conduct;
mod connection;
mod front;
mod http;
mod limits;
mod listener;
mod login;
mod opening;
mod replies;
mod socket;
mod telnet;
#[cfg(feature = "tls")]
mod tls;
mod transport;

pub use backend::{AtHead, Backend, Event, Flow, Peer, Request, Response, Taken};
pub use conduct::{Conduct, Ending, Gate, Order};
pub use front::{Bound, Front, Options};
pub use http::{Head, Inflated, JSON, Parameters, Reply, inflate, inflate_all};
pub use limits::{Deadline, Limits, Overlong};
pub use login::Login;
pub use opening::{Opening, first_line, is_request_line};
pub use replies::Replies;
pub use socket::{Door, Where};
pub use telnet::Telnet;
#[cfg(feature = "tls")]
pub use tls::Tls;
