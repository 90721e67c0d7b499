//! What the engine is told, and what it wants done.

use std::time::{Duration, Instant};

use crate::config::credentials::Credentials;
use crate::queue::Phase;
use crate::queue::block::Lines;

/// What happened.
#[derive(Debug)]
pub(crate) enum Input<'a> {
    /// The periodic update about the callers' side, also sent as a pure clock tick: whether points are queued, whether a
    /// caller waits, and the phase. A closing phase's deadline is in the engine's time. `precautions`: points with a verdict
    /// wait on disk.
    Callers {
        queued: bool,
        precautions: bool,
        urgent: bool,
        phase: EnginePhase,
    },
    /// Lines were taken from the queue for a slot, as [`Engine::wants`] asked.
    Lines {
        slot: usize,
        lines: Lines,
    },
    /// The addresses are known, and the secrets read: the time to connect counts from now.
    Dialling {
        slot: usize,
    },
    /// With what the connection is to say to be let in.
    Connected {
        slot: usize,
        credentials: Credentials,
    },
    /// No connection could be made.
    Refused {
        slot: usize,
        why: String,
    },
    Wrote {
        slot: usize,
        bytes: u64,
    },
    Received {
        slot: usize,
        bytes: &'a [u8],
    },
    /// The peer's kernel has acknowledged so many bytes of a slot's stream.
    KernelHas {
        slot: usize,
        bytes: u64,
    },
    /// The server ended its side; with what its kernel had acknowledged, where that is known.
    Ended {
        slot: usize,
        kernel: Option<u64>,
    },
    /// The connection failed.
    Broken {
        slot: usize,
        why: String,
        kernel: Option<u64>,
    },
}

/// What callers want, in the engine's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnginePhase {
    Open,
    Closing { deadline: Option<Duration> },
    Stopped,
}

impl EnginePhase {
    pub(crate) fn new(phase: Phase, to_engine: impl Fn(Instant) -> Duration) -> EnginePhase {
        match phase {
            Phase::Open => EnginePhase::Open,
            Phase::Closing(deadline) => EnginePhase::Closing {
                deadline: deadline.map(to_engine),
            },
            Phase::Stopped => EnginePhase::Stopped,
            Phase::Abandoned => EnginePhase::Closing {
                deadline: Some(Duration::ZERO),
            },
        }
    }
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Connect this slot to this endpoint.
    Connect { slot: usize, endpoint: usize },
    /// End the sending side of this slot.
    HalfClose { slot: usize },
    /// Drop this slot's connection, or the attempt to make one.
    Disconnect { slot: usize },
}
