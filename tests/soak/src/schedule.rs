//! The schedule: which faults, for how long, one after the other, sometimes several at once.
//!
//! Network, store and producers each have faults of their own. A turn draws for each whether it has one, lets them begin,
//! holds, heals, and pauses; all of it from the seed.

use std::thread;
use std::time::{Duration, Instant};

use crate::books;
use crate::crew::Crew;
use crate::proxy::{Orders, Proxy};
use crate::random::Random;
use crate::store::Store;
use crate::watch::Watch;

/// What was done.
#[derive(Default)]
pub(crate) struct Done {
    /// When the store was killed, by the wall clock.
    pub(crate) kills: Vec<f64>,
    turns: u64,
    cuts: u64,
    stalls: u64,
    refusals: u64,
    slowdowns: u64,
    restarts: u64,
    freezes: u64,
}

impl Done {
    pub(crate) fn words(&self) -> String {
        format!(
            "{} turns of faults: {} cuts, {} stalls, {} refusals, {} slowdowns, store killed {} times, restarted in \
             good order {} times, {} processes frozen",
            self.turns,
            self.cuts,
            self.stalls,
            self.refusals,
            self.slowdowns,
            self.kills.len(),
            self.restarts,
            self.freezes
        )
    }
}

/// Runs until `end`; the network is good then, the store runs and nobody is frozen.
pub(crate) fn run(
    end: Instant,
    random: &mut Random,
    proxy: &Proxy,
    store: &mut Store,
    crew: &mut Crew,
    watch: &mut Watch,
) -> anyhow::Result<Done> {
    let mut done = Done::default();
    while Instant::now() < end {
        done.turns += 1;
        wait(random.seconds(0.3, 3.0), crew, watch);
        // Three draws in a fixed order, so that one fault's outcome does not change the others.
        let (network, at_store, at_crew) = (random.below(10), random.below(10), random.below(8));
        let hold = random.seconds(0.1, 6.0);

        if network < 7 {
            disturb(network, random, proxy, &mut done);
        }
        let down = match at_store {
            0 | 1 => {
                store.kill()?;
                done.kills.push(books::now());
                // Its machine is gone: so are the answers that were on their way.
                proxy.cut(true, 0);
                true
            }
            2 => {
                store.terminate()?;
                done.restarts += 1;
                true
            }
            3 => {
                store.freeze(true)?;
                done.freezes += 1;
                false
            }
            _ => false,
        };
        match at_crew {
            0 | 1 => crew.kill_one(random)?,
            2 => {
                crew.freeze_one(random)?;
                done.freezes += 1;
            }
            _ => {}
        }

        wait(if down { hold / 3 } else { hold }, crew, watch);
        if down {
            store.restart()?;
        } else if at_store == 3 {
            store.freeze(false)?;
        }
        crew.thaw()?;
        proxy.order(Orders::default());
        if at_crew == 3 {
            crew.terminate_one(random)?;
        }
    }
    Ok(done)
}

/// Begins a fault of the network.
fn disturb(which: u64, random: &mut Random, proxy: &Proxy, done: &mut Done) {
    let mut orders = Orders::default();
    match which {
        0 | 1 => {
            done.cuts += 1;
            let after = if which == 0 { 0 } else { random.below(20_000) as usize };
            proxy.cut(true, after);
        }
        2 => {
            done.cuts += 1;
            proxy.cut(false, 0);
        }
        3 => {
            done.stalls += 1;
            (orders.stall_points, orders.stall_answers) = (true, true);
        }
        4 => {
            done.stalls += 1;
            orders.stall_answers = true;
        }
        5 => {
            done.refusals += 1;
            orders.refuse = true;
            proxy.cut(true, 0);
        }
        _ => {
            done.slowdowns += 1;
            orders.slow = true;
        }
    }
    proxy.order(orders);
}

/// Lets time pass, and takes the watch's samples meanwhile.
fn wait(time: Duration, crew: &Crew, watch: &mut Watch) {
    let until = Instant::now() + time;
    loop {
        watch.sample(crew.watched());
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left.min(Duration::from_millis(500)));
    }
}
