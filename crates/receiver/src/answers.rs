//! What the receiver answers over HTTP in OpenTSDB's words, in every personality that has any.

use potsdb_front::{JSON, Parameters, Reply};

/// OpenTSDB's error object with the trace it shows unless told not to. The real one's is six thousand bytes of its own
/// code.
pub(crate) fn exception(status: u16, message: &str, details: Option<&str>) -> Reply {
    let trace = format!("net.opentsdb.tsd.BadRequestException: {message}\n\tat potsdb.Receiver\n");
    let details = details.map(|details| ("details", details));
    let more: Vec<(&str, &str)> = details.into_iter().chain([("trace", trace.as_str())]).collect();
    Reply::error_with(status, message, &more)
}

/// OpenTSDB's page for what is not below `/api`; the real one has a picture beside the words.
pub(crate) fn page(status: u16, title: &str, words: &str) -> Reply {
    let page = format!("<!DOCTYPE html><html><body><h1>{title}</h1><blockquote>{words}</blockquote></body></html>");
    Reply::new(status, "text/html; charset=UTF-8", page)
}

/// An answer without a body, and without a type for it.
pub(crate) fn bare(status: u16) -> Reply {
    let mut reply = Reply::new(status, "", "");
    reply.head.retain(|(name, _)| *name != "Content-Type");
    reply
}

/// Complains of a way of writing answers that there is not.
pub(crate) fn check_serializer(parameters: &Parameters) -> Result<(), Complaint> {
    match parameters.value("serializer").filter(|name| *name != "json") {
        Some(name) => {
            let details = format!("Could not find a serializer with the name: {name}");
            Err(Complaint::bad("Requested serializer was not found").with(details))
        }
        None => Ok(()),
    }
}

/// Words an answer as its request asks: wrapped in a call of the function that `jsonp` names, for pages that load it as
/// a script, or without its body, to a HEAD.
pub(crate) fn worded(reply: Reply, method: &str, parameters: &Parameters) -> Reply {
    if method == "HEAD" {
        return Reply::new(reply.status, JSON, "");
    }
    match parameters.value("jsonp").filter(|name| !name.is_empty()) {
        Some(name) if !reply.body.is_empty() => {
            let body = [name.as_bytes(), b"(", &reply.body, b")"].concat();
            Reply::new(reply.status, JSON, body)
        }
        _ => reply,
    }
}

/// Why a request is not answered: an error object in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) status: u16,
    pub(crate) message: String,
    pub(crate) details: Option<String>,
}

impl Complaint {
    pub(crate) fn new(status: u16, message: impl Into<String>) -> Complaint {
        Complaint {
            status,
            message: message.into(),
            details: None,
        }
    }

    /// The request is at fault.
    pub(crate) fn bad(message: impl Into<String>) -> Complaint {
        Complaint::new(400, message)
    }

    /// The request is at fault, and OpenTSDB says so twice.
    pub(crate) fn bad_twice(message: impl Into<String>) -> Complaint {
        let message = message.into();
        Complaint::bad(message.clone()).with(message)
    }

    /// What OpenTSDB did not expect; it says whose fault it is as little as this does.
    pub(crate) fn internal(message: impl Into<String>) -> Complaint {
        Complaint::new(500, message)
    }

    pub(crate) fn null_pointer() -> Complaint {
        Complaint::internal("An internal null pointer exception was thrown")
    }

    /// What the real server does and this one does not.
    pub(crate) fn left_out(what: &str) -> Complaint {
        Complaint::new(501, format!("{what} is not part of this development server"))
    }

    pub(crate) fn method(method: &str) -> Complaint {
        let details = format!("The HTTP method [{method}] is not permitted for this endpoint");
        Complaint::new(405, "Method not allowed").with(details)
    }

    /// A body that is not what it should be; `details` is what a parser says of it.
    pub(crate) fn unparsable(details: impl Into<String>) -> Complaint {
        Complaint::bad("Unable to parse the given JSON").with(details)
    }

    pub(crate) fn with(mut self, details: impl Into<String>) -> Complaint {
        self.details = Some(details.into());
        self
    }

    pub(crate) fn reply(&self) -> Reply {
        exception(self.status, &self.message, self.details.as_deref())
    }
}
