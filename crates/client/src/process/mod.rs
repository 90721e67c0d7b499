//! What a process has: its instance of a client, its number among its siblings, what adds points up in it. Fork ends here.

pub(crate) mod instance;
pub(crate) mod per_process;
pub(crate) mod self_metrics;
pub(crate) mod sibling;
pub mod source;
