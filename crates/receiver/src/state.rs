//! The state of a receiver: what every connection sees. Made once, at the start, of the configuration.

use std::io;
use std::sync::Arc;

use potsdb_front::Limits;

use crate::config::Config;
use crate::faults::FaultSwitch;
use crate::page::{Page, Visitors};
use crate::personality::{Setup, Voice};
use crate::point::put::Rules;
use crate::query::api::Api;
use crate::store::Store;
use crate::store::journal::Journal;
use crate::store::table::Bounds;
use crate::watch::Watch;

/// What every connection sees.
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) api: Api,
    pub(crate) faults: Arc<FaultSwitch>,
    /// What connections do, if anybody looks on.
    pub(crate) watch: Option<Arc<Watch>>,
    pub(crate) page: Option<Arc<Page>>,
    pub(crate) voice: Box<dyn Voice>,
    /// What the front takes from peers.
    pub(crate) limits: Limits,
    pub(crate) base_path: String,
}

impl Shared {
    pub(crate) fn open(config: Config) -> io::Result<Shared> {
        let voice = config.personality.voice(&Setup {
            max_chunk: config.max_chunk,
            read_only: config.read_only,
            creates_metrics: config.known_metrics.is_none(),
            database_exists: config.database_exists,
            cors_domains: config.cors_domains,
        });
        // Without a file there is still what a restart forgets.
        let opened = (config.journal.is_some() || config.forget.is_some())
            .then(|| Journal::open(config.journal.as_deref(), config.forget))
            .transpose()?;
        let (journal, lines) = opened.unzip();
        let rules = Rules {
            known_metrics: config.known_metrics,
            max_tags: config.max_tags,
        };
        let bounds = Bounds {
            points_per_series: config.max_points_per_series,
            series: config.max_series,
            points: config.max_points,
            bytes: config.max_bytes,
        };
        let store = Arc::new(Store::new(rules, bounds, config.keep_lines, journal));
        store.load(&lines.unwrap_or_default(), voice.as_ref());
        let (line, overlong) = voice.longest();
        let body = voice.largest_body();
        let limits = Limits {
            line,
            overlong,
            body,
            // One body always finds room, and as it came it may be what it is once inflated.
            unfinished: config.limits.unfinished.max(body),
            ..config.limits
        };
        let faults = Arc::new(FaultSwitch::new(config.faults));
        let has_page = config.page != Visitors::Nobody;
        let watch = (config.watch || has_page).then(|| Arc::new(Watch::new(has_page)));
        let page = watch.as_ref().filter(|_| has_page).map(|watch| {
            let (store, faults, watch) = (Arc::clone(&store), Arc::clone(&faults), Arc::clone(watch));
            Arc::new(Page::new(config.page, config.personality, store, faults, watch))
        });
        Ok(Shared {
            api: Api::new(Arc::clone(&store), voice.keeps_both()),
            store,
            faults,
            watch,
            page,
            voice,
            limits,
            base_path: config.base_path.trim_end_matches('/').to_ascii_lowercase(),
        })
    }
}
