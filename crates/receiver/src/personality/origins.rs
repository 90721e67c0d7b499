//! Pages of other origins, as OpenTSDB lets them ask: with `tsd.http.request.cors_domains`, a list of theirs or `*`.
//!
//! Without a list nothing is said of origins, and a browser keeps the answer from the page. A page that is not in the
//! list gets a 200 that says so, and the request is not looked at.

use potsdb_front::{Head, Reply};

use super::Origin;
use crate::answers::{self, Complaint};

/// What a page may send.
const FIELDS: &str = "Authorization, Content-Type, Accept, Origin, User-Agent, DNT, Cache-Control, X-Mx-ReqToken, Keep-Alive, \
     X-Requested-With, If-Modified-Since";

/// Judges a request by the origin it gives.
pub(super) fn judge(head: &Head, allowed: &[String]) -> Origin {
    let is_question = head.method == "OPTIONS";
    let origin = head.field("Origin").unwrap_or_default();
    if origin.is_empty() || allowed.is_empty() {
        return match is_question {
            true => {
                let details = "The HTTP method [OPTIONS] is not permitted";
                Origin::Answer(Complaint::new(405, "Method not allowed").with(details).reply())
            }
            false => Origin::Any,
        };
    }
    let is_allowed = |domain: &String| domain == "*" || domain.eq_ignore_ascii_case(origin);
    if !allowed.iter().any(is_allowed) {
        let details = format!("The domain [{origin}] is not permitted access");
        return Origin::Answer(Complaint::new(200, "CORS domain not allowed").with(details).reply());
    }
    let fields = vec![
        ("Access-Control-Allow-Origin", origin.to_owned()),
        ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE".to_owned()),
        ("Access-Control-Allow-Headers", FIELDS.to_owned()),
    ];
    match is_question {
        true => {
            let mut reply: Reply = answers::bare(200);
            reply.head.splice(0..0, fields);
            Origin::Answer(reply)
        }
        false => Origin::Allowed(fields),
    }
}
