//! HTTP as far as a client of `/api/put` meets it: responses, found in the bytes of a connection.
//!
//! [`Responses`] reads them within bounds, [`Response::put`] says what one means. Requests are the client's to make.

pub use self::error::ResponseError;
pub use self::head::MAX_RETRY_AFTER;
pub use self::response::{Response, Responses};

mod chunks;
mod date;
mod error;
mod head;
mod response;
