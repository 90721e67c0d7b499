//! The HTTP front: the requests of one connection, one after the other, read, judged, answered.
//!
//! ```text
//! head --> size --> body --> struck by a fault? --> authorised? --> query/api.rs, or else the personality --> struck? --> answer
//! ```
//!
//! Written by hand instead of with a server's library: what such a library adds to an answer and leaves out of it is what
//! tells one server from another. `connection.rs` calls [`converse`]; nothing here locks the store for longer than a read.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpStream;

use crate::faults::{Ending, Fate, Struck};
use crate::head::Head;
use crate::offers::Offers;
use crate::personality::AtHead;
use crate::reply::Reply;
use crate::request::Asked;
use crate::state::Shared;
use crate::store::series::Writer;
use crate::stream::{Over, Stream};

/// Serves HTTP to the connection's end; `first` was read already. Returns the fault that ended it, if one did.
pub(crate) async fn converse(
    stream: &TcpStream,
    writer: Writer,
    first: Vec<u8>,
    shared: &Arc<Shared>,
    fate: &mut Fate,
) -> Option<Ending> {
    let peer = stream
        .peer_addr()
        .unwrap_or(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)));
    let mut stream = Stream::new(stream, first, shared, fate);
    loop {
        match exchange(&mut stream, peer, writer, shared).await {
            Ok(true) => {}
            Ok(false) | Err(Over::Gone) => return None,
            Err(Over::Struck(ending)) => return Some(ending),
        }
    }
}

/// One request and its answer; whether there may be another.
async fn exchange(
    stream: &mut Stream<'_>,
    peer: SocketAddr,
    writer: Writer,
    shared: &Arc<Shared>,
) -> Result<bool, Over> {
    let Some(head) = stream.head().await? else {
        return Ok(false);
    };
    shared.store.count(|counts| counts.requests += 1);
    let (keeps_alive, minor) = (head.keeps_alive(), head.minor);
    match shared.voice.at_head(&head) {
        AtHead::ReadOn => {}
        AtHead::End => return Ok(false),
        AtHead::Answer(reply) => {
            // It does not wait for a body that nobody wants.
            stream
                .write(&ended(reply, shared, keeps_alive, minor).bytes(minor))
                .await?;
            stream.leave_out(&head).await?;
            return Ok(keeps_alive);
        }
    }
    if head.expects() {
        stream.write(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = stream.body(&head, shared.voice.largest_body()).await?;
    let reply = reply(head, body, peer, writer, shared).await.ok_or(Over::Gone)?;
    let reply = ended(reply, shared, keeps_alive, minor);
    match shared.faults.answer(true) {
        None => stream.write(&reply.bytes(minor)).await?,
        Some(Struck::Lost) => {
            shared.store.count(|counts| counts.lost_answers += 1);
            stream.wait_for_end().await?;
            return Ok(false);
        }
        Some(Struck::Cut) => {
            shared.store.count(|counts| counts.lost_answers += 1);
            return Err(Over::Struck(Ending::Reset));
        }
        Some(Struck::Length(error)) => {
            shared.store.count(|counts| counts.wrong_lengths += 1);
            stream.write(&reply.with_wrong_length(error)).await?;
            return Err(Over::Struck(Ending::Close));
        }
    }
    Ok(keeps_alive)
}

/// The answer, with what this server says or does not say when it is the last one.
fn ended(mut reply: Reply, shared: &Shared, keeps_alive: bool, minor: u8) -> Reply {
    if !keeps_alive {
        shared.voice.at_the_last(&mut reply, minor);
    }
    reply
}

/// The answer to a request; none ends the connection.
async fn reply(head: Head, body: Vec<u8>, peer: SocketAddr, writer: Writer, shared: &Arc<Shared>) -> Option<Reply> {
    if let Some(status) = shared.faults.status() {
        shared.store.count(|counts| counts.struck_requests += 1);
        let mut reply = Reply::error(status.code, "struck by a fault", None, None);
        if let Some(seconds) = status.retry_after {
            reply.head.push(("Retry-After", seconds.to_string()));
        }
        return Some(reply);
    }
    if let Some(wanted) = &shared.auth_header
        && head.field("Authorization") != Some(wanted)
    {
        shared.store.count(|counts| counts.unauthorised += 1);
        let mut reply = Reply::error(401, "Unauthorized", None, None);
        reply
            .head
            .push(("WWW-Authenticate", "Basic realm=\"potsdb\"".to_owned()));
        return Some(reply);
    }
    let path = head.path().to_ascii_lowercase();
    let Some(path) = path.strip_prefix(&shared.base_path) else {
        return Some(Reply::error(404, "Endpoint not found", None, None));
    };
    let asked = Asked {
        path: path.to_owned(),
        parameters: head.parameters(),
        body,
        peer,
        head,
    };
    if let Some(reply) = shared.api.answer(&asked).await {
        return Some(reply);
    }
    let before = shared.store.counts().puts;
    let reply = shared.voice.answer(&asked, &Offers { shared, writer });
    if shared.faults.strikes_points() {
        shared.faults.arrived(shared.store.counts().puts - before);
    }
    reply
}
