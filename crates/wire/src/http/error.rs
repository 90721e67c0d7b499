//! Why what came on a connection is no response that anyone needs.

use std::{error::Error, fmt};

/// Why what came on a connection is no response that anyone needs. After it the connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseError {
    /// It is not HTTP as it is understood here; this rule is broken.
    NotHttp(&'static str),
    /// Its head, with the interim responses and empty lines before it, is longer than this many bytes.
    HeadTooLong(usize),
    /// Its body is longer than this many bytes, which is what [`Responses::expect`](super::Responses::expect) allows.
    BodyTooLong(usize),
    /// Its chunks have too many bytes beside their content: sizes, extensions, trailers.
    TooManyChunks,
}

impl fmt::Display for ResponseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp(rule) => write!(f, "the answer is not HTTP that is understood: {rule}"),
            Self::HeadTooLong(limit) => write!(f, "the answer's head is longer than {limit} bytes"),
            Self::BodyTooLong(limit) => write!(
                f,
                "the answer's body is longer than {limit} bytes: 64 KiB, and for each point asked 512 bytes and three \
                 times its line are allowed"
            ),
            Self::TooManyChunks => write!(
                f,
                "the answer's chunks take too many bytes beside their content: 64 KiB, and 8 bytes for each of the \
                 content are allowed"
            ),
        }
    }
}

impl Error for ResponseError {}
