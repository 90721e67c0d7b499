//! The spool of potsdb: lines on disk, oldest first, that survive kills, power cuts, damage and full disks.

#![forbid(unsafe_code)]

pub mod acked;
pub mod disk;
pub mod format;
pub mod ranges;
#[cfg(test)]
mod simulation;
pub mod store;
