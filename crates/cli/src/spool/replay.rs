//! `potsdb spool replay`: delivers what is in a spool, as its own process would, without one.
//!
//! ```text
//!   slot --a batch--> client --flush--> all acknowledged --settled--> done with, in the slot
//!                                       some were not: in parts, each by itself, down to the lines that the server
//!                                       refuses, which are set aside in rejected/ with the server's words
//! ```
//!
//! A point is done with when the server has answered for it and it has settled, and not before: a replay that is killed
//! costs duplicates. Memory holds one batch, and what the client keeps.

mod delivery;

use std::path::Path;
use std::time::{Duration, Instant};

use clap::Args;
use potsdb::Client;
use potsdb_spool::Tried;
use potsdb_spool::disk::unix::Folder;
use potsdb_spool::inspect::Slot as Seen;
use potsdb_spool::slots::Slot;
use serde_json::json;

use super::hold::{self, Clock};
use super::place::{Place, count};
use crate::Outcome;
use crate::options::{self, ClientOptions, whole, with_scheme};
use crate::output::Output;
use crate::statistics::{self, points};
use delivery::{Batch, Delivery};

/// Deliver what is in a spool, and keep in it what was not
///
/// The oldest points go first. If there are several stores, --store says which. What the server refuses is set aside in
/// the slot's folder rejected, with the server's words. Slots whose process runs are left alone: it delivers them
/// itself.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, after_long_help = options::after_long_help_of_lines(EXAMPLES))]
// It is --rate here.
#[command(mut_arg("mps", |mps| mps.hide(true)))]
pub(super) struct Replay {
    #[command(flatten)]
    place: Place,

    /// The server, as for --url of pipe
    #[arg(long, value_name = "URL")]
    to: String,

    /// At most this many points a second [default: as fast as the server takes them]
    #[arg(long, value_name = "POINTS", value_parser = |text: &str| whole::<u64>(text, 1, 1_000_000_000))]
    rate: Option<u64>,

    /// Give up when the server has answered for no point for this long
    #[arg(long, default_value = "1m", value_name = "TIME", value_parser = options::patience, allow_hyphen_values = true)]
    timeout: Duration,

    /// Print one JSON object
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    options: ClientOptions,
}

const EXAMPLES: &str = "\
Examples:
  potsdb spool replay --to tsd1 /var/spool/potsdb
  potsdb spool replay --to tsd1 --rate 5000 /var/spool/potsdb
  potsdb spool replay --to https://tsd1 --store https-tsd1-443 /var/spool/potsdb";

/// Options that have no effect, and why.
const WITHOUT_EFFECT: [(&str, &str); 7] = {
    let spool = "what is replayed is in a spool already";
    [
        ("mps", "--rate says how fast"),
        ("prefix", "lines go as they were accepted"),
        ("tags", "lines go as they were accepted"),
        ("spool", spool),
        ("spool_mode", spool),
        ("spool_bytes", spool),
        ("spool_name", spool),
    ]
};

/// Bytes of a batch, about.
const BATCH: usize = 1 << 20;

/// A slot that is replayed.
pub(super) struct Held {
    name: String,
    slot: Slot<Folder>,
    /// The position behind the last point that is done with.
    done_to: u64,
}

/// A replay under way.
struct Run<'a> {
    output: &'a Output,
    clock: Clock,
    delivery: Delivery,
    /// By which wire it goes.
    wire: Tried,
    /// The most points of a batch.
    most: usize,
    held: Vec<Held>,
    /// Points that were tried by the other wire, and stay.
    other_wire: u64,
    /// Slots that were left alone.
    left_alone: u64,
    /// The disk did not give all that is on it.
    is_unread: bool,
}

impl Replay {
    pub(super) fn run(self, output: &Output) -> anyhow::Result<Outcome> {
        let seen = self.place.look()?;
        self.options.refuse("on replay", &WITHOUT_EFFECT)?;
        let rate = self.rate.map(|rate| rate.to_string());
        let client = self
            .options
            .open_for_lines(&with_scheme(&self.to), "on replay", |builder| match &rate {
                Some(rate) => builder.set("mps", rate),
                None => builder,
            })?;
        anyhow::ensure!(
            client.options().spool.is_none(),
            "option spool in the URL of --to has no effect on replay: what is replayed is in a spool already"
        );
        let is_http = client
            .endpoints()
            .first()
            .is_some_and(|endpoint| endpoint.scheme().is_http());
        // Over HTTP an answer is final.
        let settle = if is_http {
            Duration::ZERO
        } else {
            client.options().settle
        };
        let mut run = Run {
            output,
            clock: Clock::start(),
            // A batch takes seconds at the most, so that a kill costs few duplicates.
            most: self.rate.map_or(usize::MAX, |rate| {
                usize::try_from(rate).unwrap_or(usize::MAX).saturating_mul(2)
            }),
            delivery: Delivery::start(client.clone(), settle, self.timeout)?,
            wire: if is_http { Tried::Http } else { Tried::Telnet },
            held: Vec::new(),
            other_wire: 0,
            left_alone: 0,
            is_unread: false,
        };
        let mut slots = Vec::new();
        for slot in seen.stores.iter().flat_map(|store| &store.slots) {
            let summary = count(slot)?;
            if summary.points > 0 || summary.newer.is_some() {
                slots.push((summary.oldest, slot));
            }
        }
        let mut stores: Vec<&str> = slots.iter().map(|(_, slot)| slot.store.as_str()).collect();
        stores.dedup();
        // What is for other servers goes to these only if somebody says so.
        anyhow::ensure!(
            stores.len() <= 1,
            "there are points for several stores: say --store, one of {}",
            stores.join(", ")
        );
        slots.sort_by_key(|(oldest, _)| *oldest);
        for (_, slot) in slots {
            if !run.delivery.has_ended() {
                run.slot(slot, &seen.path)?;
            }
        }
        run.delivery.settle(&mut run.held, run.clock, true);
        self.end(run, &client)
    }

    fn end(&self, mut run: Run<'_>, client: &Client) -> anyhow::Result<Outcome> {
        let (mut left, mut lost) = (0, 0);
        for held in &mut run.held {
            held.move_back(run.clock);
            held.slot.store.close(run.clock.now());
            lost += hold::tell(&held.name, held.slot.store.events(), run.output);
            left += held.slot.store.stats().points;
        }
        let ended = run.delivery.ended();
        let (heard, before) = (statistics::Heard::default().rest(client), client.stats());
        let stats = client.close(Duration::ZERO);
        let counts = run.delivery.counts();
        if left > 0 {
            let why = match (&ended, counts.unconfirmed) {
                (Some(ended), _) => format!("{ended}: {}", statistics::why_not(client, &before, &heard)),
                (None, 0) if run.other_wire == left => {
                    "they were tried by the other wire, and would be stored twice".to_owned()
                }
                (None, 0) if run.is_unread => "the disk does not give them now".to_owned(),
                (None, 0) => "the client gave them up".to_owned(),
                (None, _) => {
                    "the server never answers (-o server=victoriametrics or -o ack=none if that is as it should be)"
                        .to_owned()
                }
            };
            run.output
                .note(format_args!("{} left in the spool: {why}", points(left)));
        }
        if counts.refused > 0 {
            let words = statistics::words_of_the_server(&stats, |_| false).unwrap_or_default();
            let refused = points(counts.refused);
            run.output
                .note(format_args!("{refused} refused, and set aside in rejected/: {words}"));
        }
        if self.json {
            run.output.json(&json!({
                "delivered": counts.delivered,
                "refused": counts.refused,
                "left": left,
                "lost": lost,
                "other_wire": run.other_wire,
                "slots_left_alone": run.left_alone,
                "client": statistics::object(&stats),
            }));
        } else {
            run.output
                .say(format_args!("{} delivered, {left} left", points(counts.delivered)));
        }
        let all = left + lost + counts.refused + run.left_alone == 0;
        Ok(Outcome::delivered_until(all, run.delivery.signal()))
    }
}

impl Held {
    /// These go nowhere again.
    fn done(&mut self, first: u64, points: u64) {
        self.slot.store.done(first, points);
        self.done_to = self.done_to.max(first + points);
    }

    /// Writes points that stay anew, behind all others, if points behind them are done with. On disk one position says
    /// up to where all is done with, so that a point that stays keeps all behind it.
    fn move_back(&mut self, clock: Clock) {
        let store = &mut self.slot.store;
        let (mut from, mut moved) = (0, Vec::new());
        while let Ok(Some((first, lines))) = store.read(clock.now(), from)
            && first < self.done_to
        {
            let points = u64::from(lines.points);
            if store.append(clock.now(), lines).is_err() {
                // They stay where they are, and some go twice the next time.
                break;
            }
            from = first + points;
            moved.push((first, points));
        }
        store.sync(clock.now());
        if store.safe() == store.next() {
            for (first, points) in moved {
                store.done(first, points);
            }
        }
    }
}

impl Run<'_> {
    fn slot(&mut self, seen: &Seen, root: &Path) -> anyhow::Result<()> {
        let Some(slot) = hold::take(root, seen, self.clock.now(), self.output)? else {
            self.left_alone += 1;
            return Ok(());
        };
        self.held.push(Held {
            name: seen.to_string(),
            slot,
            done_to: 0,
        });
        let mut from = 0;
        while !self.delivery.has_ended() {
            let batch = self.batch(&mut from);
            if batch.is_empty() {
                break;
            }
            self.delivery.deliver(&batch, &mut self.held, self.clock)?;
            self.delivery.settle(&mut self.held, self.clock, false);
        }
        Ok(())
    }

    /// The next lines of the last slot.
    fn batch(&mut self, from: &mut u64) -> Batch {
        let mut batch = Batch::of(self.held.len() - 1);
        let Some(held) = self.held.last_mut() else {
            return batch;
        };
        while batch.bytes() < BATCH && batch.lines() < self.most {
            let (first, lines) = match held.slot.store.read(self.clock.now(), *from) {
                Ok(Some(read)) => read,
                Ok(None) => break,
                Err(error) => {
                    self.output.note(format_args!("{}: {error}", held.name));
                    self.is_unread = true;
                    break;
                }
            };
            *from = first + u64::from(lines.points);
            if lines.tried != Tried::Nothing && lines.tried != self.wire {
                // What may be stored already as the other wire writes it goes by that wire alone.
                self.other_wire += u64::from(lines.points);
                continue;
            }
            batch.add(first, (*lines.payload).as_ref());
        }
        batch
    }
}

/// A moment that is far enough away.
fn later(from: Instant, wait: Duration) -> Instant {
    from.checked_add(wait).unwrap_or(from + Duration::from_secs(86_400))
}
