//! What a relay promises, a module each, between raw senders and a receiver as its store.

mod answers;
mod door;
mod drains;
mod kept;
mod requests;
mod rules;
mod senders;
mod stores;
mod world;
