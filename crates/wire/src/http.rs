//! HTTP as far as a client of `/api/put` meets it: answers, found in the bytes of a connection.

pub use self::response::{Answer, Answers};

mod response;
