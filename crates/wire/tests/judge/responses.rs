//! What the laws of HTTP responses are judged by; the fuzz target judges by it too.

use potsdb_wire::{
    http::{MAX_RETRY_AFTER, Response, ResponseError, Responses},
    line,
    reply::PutReply,
    words,
};

/// Reads `stream` in pieces that end at `cuts`, as the answer to a request about so many points whose lines have so many
/// bytes: the responses and the error that ended them. Memory and words keep to their bounds.
pub(crate) fn read_responses(
    stream: &[u8],
    cuts: &[usize],
    points: u16,
    bytes: u16,
) -> (Vec<Response>, Option<ResponseError>) {
    let mut responses = Responses::new();
    responses.expect(points.into(), bytes.into());
    let limit = Responses::MAX_BODY + 512 * usize::from(points) + 3 * usize::from(bytes);
    let mut read = Vec::new();
    let mut start = 0;
    for &end in cuts.iter().chain([&stream.len()]) {
        let mut piece = &stream[start..end];
        start = end;
        loop {
            let before = piece.len();
            let response = match responses.read(&mut piece) {
                Ok(response) => response,
                Err(error) => {
                    assert_eq!((responses.held(), piece.len()), (0, 0));
                    assert_eq!(
                        responses.read(&mut &b"HTTP/1.1 204 No Content\r\n\r\n"[..]),
                        Err(error.clone())
                    );
                    return (read, Some(error));
                }
            };
            assert!(responses.held() <= Responses::MAX_HEAD + limit);
            // Each read comes nearer to the end of the piece.
            let Some(response) = response else {
                assert!(piece.is_empty());
                break;
            };
            assert!(piece.len() < before || before == 0);
            assert!(response.body.len() <= limit);
            check_meaning(&response);
            read.push(response);
        }
    }
    let last = responses.end();
    last.iter().for_each(check_meaning);
    read.extend(last);
    (read, None)
}

/// Says that a response has a meaning, in words that fit on a line of a log.
fn check_meaning(response: &Response) {
    assert!(response.status >= 200 && response.retry_after <= Some(MAX_RETRY_AFTER));
    match response.put() {
        PutReply::Accepted { counted } => {
            assert!((200..300).contains(&response.status));
            assert!(counted || response.status == 204 || response.body.trim_ascii().is_empty());
        }
        PutReply::PartiallyAccepted(failures) => {
            assert!(failures.count > 0 && failures.unnamed() + failures.errors.len() as u64 == failures.count);
            assert!(failures.refusals().next().is_none() || !failures.storage_failed);
            let line = line::parse(b"put m 1700000000 1 h=a\n").expect("canonical");
            for error in &failures.errors {
                let _ = (error.is_about(&line), error.kind());
                check_words(&error.words());
            }
        }
        PutReply::Refused { words, .. }
        | PutReply::TooLong { words }
        | PutReply::RetryLater { words, .. }
        | PutReply::Unauthorized { words }
        | PutReply::WrongUrl { words } => check_words(&words),
        _ => {}
    }
}

/// Says that words are one line of a log, by the letter of what that asks for.
pub(crate) fn check_words(words: &str) {
    assert!(words.len() <= words::MAX, "{} bytes", words.len());
    assert!(
        !words.contains(|c: char| c.is_control() || "\u{2028}\u{2029}\u{202e}\u{2066}\u{200b}".contains(c)),
        "{words:?}"
    );
    assert!(
        !words.contains("  ") && !words.starts_with(' ') && !words.ends_with(' '),
        "{words:?}"
    );
}
