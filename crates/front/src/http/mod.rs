//! The HTTP conversation: the requests of one connection, one after the other, read, judged, answered.
//!
//! ```text
//! head --> login --> the backend's word on the head --> size, room --> body --> the backend's answer
//!            |              |                            |
//!            '-- 401 -------'-- answered, and its body is left out; 413, 503: then the connection ends
//! ```
//!
//! Written by hand instead of with a server's library: what such a library adds to an answer and leaves out of it is what
//! tells one server from another. `connection.rs` calls [`converse`].

mod head;
mod inflate;
mod parameters;
mod reply;
mod stream;

use crate::admission::Share;
use crate::backend::{AtHead, Backend, Event, Peer, Request, Response};
use crate::conduct::{Conduct as _, Ending};
use crate::front::Served;
use crate::transport::Transport;

pub use head::Head;
pub use inflate::{Inflated, all as inflate_all, inflate};
pub use parameters::Parameters;
pub use reply::{JSON, Reply};
use stream::{Over, Stream};

/// Serves HTTP to the connection's end; `first` was read already. Returns the fault that ended it, if one did.
pub(crate) async fn converse<B: Backend>(
    transport: &mut Transport,
    peer: Peer,
    share: Share,
    first: Vec<u8>,
    session: &mut B::Session,
    served: &Served<B>,
) -> Option<Ending> {
    let mut stream = Stream::new(transport, first, share, session, served);
    loop {
        match exchange(&mut stream, peer, served).await {
            Ok(true) => {}
            Ok(false) => return None,
            Err(Over::Struck(ending)) => return Some(ending),
            Err(Over::Gone) => return None,
            Err(Over::Late(deadline)) => {
                served.backend.note(Event::Late(deadline));
                return None;
            }
            Err(Over::TooLarge { most, minor }) => {
                let reply = served.backend.too_large(most)?;
                return stream.say_last(reply, minor).await;
            }
            Err(Over::NoRoom { minor }) => {
                served.backend.note(Event::NoRoom);
                let mut reply = Reply::error(503, "too many bodies are being read");
                reply.head.push(("Retry-After", "1".to_owned()));
                return stream.say_last(reply, minor).await;
            }
        }
    }
}

/// One request and its answer; whether there may be another.
async fn exchange<B: Backend>(stream: &mut Stream<'_, B>, peer: Peer, served: &Served<B>) -> Result<bool, Over> {
    let Some(head) = stream.head().await? else {
        return Ok(false);
    };
    let backend = &served.backend;
    backend.note(Event::Request);
    let (asks_to_stay, minor) = (head.keeps_alive(), head.minor);
    let ended = |mut reply: Reply, keeps_alive: bool| {
        if !keeps_alive {
            backend.last(&mut reply, minor);
        }
        reply.bytes(minor)
    };
    let judged = match served.options.login.takes_header(head.field("Authorization")) {
        true => backend.at_head(stream.session(), &head),
        false => {
            backend.note(Event::Unauthorised);
            AtHead::Answer(Reply::unauthorised())
        }
    };
    match judged {
        AtHead::ReadOn => {}
        AtHead::End => return Ok(false),
        AtHead::Answer(reply) => {
            // It does not wait for a body that nobody wants.
            stream.write(&ended(reply, asks_to_stay)).await?;
            stream.leave_out(&head).await?;
            return Ok(asks_to_stay);
        }
    }
    if head.expects() {
        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = stream.body(&head).await?;
    let request = Request { head, body, peer };
    let response = backend.request(stream.session(), request).await;
    let keeps_alive = asks_to_stay && !stream.session().leaves();
    match response {
        Response::Reply(reply) => stream.write(&ended(reply, keeps_alive)).await?,
        Response::Stream(mut reply, parts) => {
            reply.say_it_is_the_last(minor);
            stream.write(&reply.bytes(minor)).await?;
            stream.pour(parts).await?;
            return Ok(false);
        }
        Response::End => return Ok(false),
        Response::Silence => {
            stream.wait_for_end().await?;
            return Ok(false);
        }
        Response::Reset => return Err(Over::Struck(Ending::Reset)),
        Response::Bytes(bytes) => {
            stream.write(&bytes).await?;
            return Err(Over::Struck(Ending::Close));
        }
    }
    Ok(keeps_alive)
}
