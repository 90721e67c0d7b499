//! What the receiver answers over HTTP in OpenTSDB's words, in every personality that has any.

use potsdb_front::Reply;

/// OpenTSDB's error object with the trace it shows unless told not to. The real one's is six thousand bytes of its own code.
pub(crate) fn exception(status: u16, message: &str, details: Option<&str>) -> Reply {
    let trace = format!("net.opentsdb.tsd.BadRequestException: {message}\n\tat potsdb.Receiver\n");
    let details = details.map(|details| ("details", details));
    let more: Vec<(&str, &str)> = details.into_iter().chain([("trace", trace.as_str())]).collect();
    Reply::error_with(status, message, &more)
}

/// As OpenTSDB refuses a method.
pub(crate) fn not_allowed(method: &str) -> Reply {
    let details = format!("The HTTP method [{method}] is not permitted for this endpoint");
    exception(405, "Method not allowed", Some(&details))
}

/// A query's answer, or its complaint.
pub(crate) fn json_or_400(answer: Result<Vec<u8>, String>) -> Reply {
    answer.map_or_else(|message| exception(400, &message, None), Reply::json)
}
