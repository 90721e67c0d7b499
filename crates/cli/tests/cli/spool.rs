//! `potsdb spool`, on real folders, with and without a process that holds them.

mod bench;
mod changes;
mod client;
mod looks;
mod replays;
