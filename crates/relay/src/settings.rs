//! What can be told anew while a relay runs: one value, exchanged whole.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::config::Config;
use crate::door::Network;
use crate::peers::Pace;
use crate::rules::Rule;

/// What holds now.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) rules: Vec<Rule>,
    pub(crate) allow: Vec<Network>,
    pub(crate) patience: Patience,
    pub(crate) pace: Pace,
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// From a question to its answer.
    pub(crate) answer: Duration,
    /// From there to the word of the stores, where a request wants that.
    pub(crate) sync: Duration,
}

/// Where everybody finds them.
pub(crate) struct Current(RwLock<Arc<Settings>>);

impl Settings {
    pub(crate) fn of(config: &Config) -> Settings {
        Settings {
            rules: config.rules.clone(),
            allow: config.allow.clone(),
            patience: Patience {
                answer: config.answer_timeout,
                sync: config.sync_timeout,
            },
            pace: Pace {
                points: config.peer_points,
                bytes: config.peer_bytes,
            },
        }
    }
}

impl Current {
    pub(crate) fn new(settings: Settings) -> Current {
        Current(RwLock::new(Arc::new(settings)))
    }

    pub(crate) fn now(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Lets others hold from now on; rules that stay go on counting.
    pub(crate) fn set(&self, mut settings: Settings) {
        let before = self.now();
        settings.rules.iter_mut().for_each(|rule| rule.inherit(&before.rules));
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }
}
