//! The state of a receiver: what every connection sees. Made once, at the start, of the configuration.

use std::io;

use tokio::sync::Semaphore;

use crate::config::Config;
use crate::faults::FaultSwitch;
use crate::personality::Manners;
use crate::point::put::Rules;
use crate::store::Store;
use crate::store::journal::Journal;
use crate::store::table::Limits;

/// What every connection sees.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) faults: FaultSwitch,
    pub(crate) manners: Box<dyn Manners>,
    pub(crate) auth_line: Option<String>,
    pub(crate) auth_header: Option<String>,
    pub(crate) base_path: String,
    /// Queries that may be answered at one time.
    pub(crate) queries: Semaphore,
}

/// Each query has memory of its own: see `result.rs`.
const QUERIES_AT_ONCE: usize = 2;

impl Shared {
    pub(crate) fn open(config: Config) -> io::Result<Shared> {
        let manners = config.personality.manners(&config);
        // Without a file there is still what a restart forgets.
        let opened = (config.journal.is_some() || config.forget.is_some())
            .then(|| Journal::open(config.journal.as_deref(), config.forget))
            .transpose()?;
        let (journal, lines) = opened.unzip();
        let rules = Rules {
            known_metrics: config.known_metrics,
            max_tags: config.max_tags,
        };
        let limits = Limits {
            points_per_series: config.max_points_per_series,
            series: config.max_series,
            points: config.max_points,
            bytes: config.max_bytes,
        };
        let store = Store::new(rules, limits, config.keep_lines, journal);
        store.load(&lines.unwrap_or_default(), manners.as_ref());
        Ok(Shared {
            store,
            faults: FaultSwitch::new(config.faults),
            manners,
            auth_line: config.auth_line,
            auth_header: config.auth_header,
            queries: Semaphore::new(QUERIES_AT_ONCE),
            base_path: config.base_path.trim_end_matches('/').to_ascii_lowercase(),
        })
    }
}
