//! The receiver's HTTP: one request, past the faults, to the queries or else to the personality.
//!
//! ```text
//! for the page? --> struck by a fault? --> base path --> query/api.rs, or else the personality --> struck? --> answer
//! ```
//!
//! The front has read it, within its limits and after the login. Nothing here locks the store for longer than a read.

use std::net::SocketAddr;
use std::sync::Arc;

use potsdb_front::{Head, Reply, Request, Response};

use crate::faults::Struck;
use crate::offers::Offers;
use crate::page::Page;
use crate::personality::Origin;
use crate::request::Asked;
use crate::state::Shared;
use crate::store::series::Writer;

/// Answers a request, or does not, as the faults have it.
pub(crate) async fn respond(request: Request, writer: Writer, shared: &Shared) -> Response {
    let path = path(&request.head, shared);
    if let (Some(page), Some(path)) = (&shared.page, &path)
        && page.is_asked_for(&request.head, path, request.peer.address)
    {
        return page.answer(&request, path).await;
    }
    let (keeps_alive, minor) = (request.head.keeps_alive(), request.head.minor);
    let Some(mut reply) = reply(request, path, writer, shared).await else {
        return Response::End;
    };
    match shared.faults.answer(true) {
        None => Response::Reply(reply),
        Some(Struck::Lost) => {
            shared.store.count(|counts| counts.lost_answers += 1);
            Response::Silence
        }
        Some(Struck::Cut) => {
            shared.store.count(|counts| counts.lost_answers += 1);
            Response::Reset
        }
        Some(Struck::Length(error)) => {
            shared.store.count(|counts| counts.wrong_lengths += 1);
            if !keeps_alive {
                shared.voice.at_the_last(&mut reply, minor);
            }
            Response::Bytes(with_wrong_length(reply, error))
        }
    }
}

/// Whether a request is for the page.
pub(crate) fn asks_for_page(head: &Head, peer: SocketAddr, shared: &Shared) -> bool {
    let asks = |page: &Arc<Page>| path(head, shared).is_some_and(|path| page.is_asked_for(head, &path, peer));
    shared.page.as_ref().is_some_and(asks)
}

/// The path of a request, in lower case and without the base path; none if it is not below that.
fn path(head: &Head, shared: &Shared) -> Option<String> {
    let mut path = head.path().to_ascii_lowercase();
    let is_below = path.starts_with(&shared.base_path);
    is_below.then(|| path.split_off(shared.base_path.len()))
}

/// The answer to a request; none ends the connection.
async fn reply(request: Request, path: Option<String>, writer: Writer, shared: &Shared) -> Option<Reply> {
    let Request { head, body, peer, .. } = request;
    if let Some(status) = shared.faults.status() {
        shared.store.count(|counts| counts.struck_requests += 1);
        let mut reply = Reply::error(status.code, "struck by a fault");
        if let Some(seconds) = status.retry_after {
            reply.head.push(("Retry-After", seconds.to_string()));
        }
        return Some(reply);
    }
    let Some(path) = path else {
        return Some(Reply::error(404, "Endpoint not found"));
    };
    let of_origin = match shared.voice.origin(&head) {
        Origin::Answer(reply) => return Some(reply),
        Origin::Allowed(fields) => fields,
        Origin::Any => Vec::new(),
    };
    let asked = Asked {
        path,
        parameters: head.parameters(),
        body,
        peer: peer.address,
        head,
        limits: &shared.limits,
    };
    let with_origin = |mut reply: Reply| {
        reply.head.splice(0..0, of_origin.clone());
        reply
    };
    if let Some(reply) = shared.api.answer(&asked).await {
        return Some(with_origin(reply));
    }
    let before = shared.store.counts().puts;
    let writer = writer.over_http();
    let reply = shared.voice.answer(&asked, &Offers { shared, writer });
    if shared.faults.strikes_points() {
        shared.faults.arrived(shared.store.counts().puts - before);
    }
    reply.map(with_origin)
}

/// The bytes of an answer that announces `error` bytes more than it has; what has no body gets one.
fn with_wrong_length(mut reply: Reply, error: i64) -> Vec<u8> {
    if reply.body.is_empty() {
        reply.body = b"{\"success\":1,\"failed\":0}".to_vec();
    }
    if reply.status == 204 {
        reply.status = 200;
    }
    let announced = (reply.body.len() as i64).saturating_add(error).max(0);
    reply.head.retain(|(name, _)| *name != "Content-Length");
    reply.head.push(("Content-Length", announced.to_string()));
    reply.bytes(1)
}
