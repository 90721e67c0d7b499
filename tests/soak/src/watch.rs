//! The watch: memory, descriptors and threads of the producers that live to the end must stay flat.
//!
//! Samples are taken about every second. After a warm-up, the straight line of least squares through them may not rise
//! by more than a tolerance over the whole time; a short soak is not judged.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(1);

/// This part of the samples, from the beginning, is warm-up: interpreters, queues and windows reach their size.
const WARM_UP: f64 = 0.25;

/// Below this time nothing is judged: allocators are not flat within seconds.
const JUDGED_FROM: Duration = Duration::from_secs(240);

/// What is watched: its name, its unit, and how much its line may rise.
const FIGURES: [(&str, &str, f64); 3] = [
    ("memory", "KiB", 4096.0),
    ("descriptors", "", 3.0),
    ("threads", "", 1.0),
];

pub(crate) struct Watch {
    started: Instant,
    next: Instant,
    samples: BTreeMap<String, Vec<Sample>>,
}

/// Seconds since the start, and the figures.
type Sample = (f64, [f64; 3]);

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch {
            started: Instant::now(),
            next: Instant::now(),
            samples: BTreeMap::new(),
        }
    }

    /// Takes a sample of each process, if one is due.
    pub(crate) fn sample<'a>(&mut self, processes: impl Iterator<Item = (&'a str, u32)>) {
        if Instant::now() < self.next {
            return;
        }
        self.next = Instant::now() + EVERY;
        let at = self.started.elapsed().as_secs_f64();
        for (name, process) in processes {
            if let Some(figures) = figures(process) {
                self.samples.entry(name.to_owned()).or_default().push((at, figures));
            }
        }
    }

    /// What was not flat.
    pub(crate) fn judge(&self) -> Vec<String> {
        if !self.is_judged() {
            return Vec::new();
        }
        let mut breaches = Vec::new();
        for (name, samples) in &self.samples {
            for (index, (figure, unit, tolerance)) in FIGURES.iter().enumerate() {
                let rise = rise(warm(samples), index);
                if rise > *tolerance {
                    breaches.push(format!(
                        "{name}: {figure} rose by {rise:.1} {unit}, at most {tolerance}"
                    ));
                }
            }
        }
        breaches
    }

    pub(crate) fn words(&self) -> String {
        let mut words = match self.is_judged() {
            true => "after warm-up, by the line of least squares (first -> last, rise):".to_owned(),
            false => "too short to judge whether it is flat (first -> last, rise):".to_owned(),
        };
        for (name, samples) in &self.samples {
            let _ = write!(words, "\n    {name:10}");
            let warm = warm(samples);
            if let (Some(first), Some(last)) = (warm.first(), warm.last()) {
                for (index, (figure, unit, _)) in FIGURES.iter().enumerate() {
                    let (from, to) = (first.1[index], last.1[index]);
                    let _ = write!(
                        words,
                        "  {figure} {from:.0} -> {to:.0} {unit} ({:+.1})",
                        rise(warm, index)
                    );
                }
            }
        }
        words
    }

    fn is_judged(&self) -> bool {
        self.started.elapsed() >= JUDGED_FROM
    }
}

fn warm(samples: &[Sample]) -> &[Sample] {
    &samples[(samples.len() as f64 * WARM_UP) as usize..]
}

/// How much the straight line of least squares rises from the first sample to the last.
fn rise(samples: &[Sample], figure: usize) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (time, value) = (mean(&|sample| sample.0), mean(&|sample| sample.1[figure]));
    let above: f64 = samples
        .iter()
        .map(|(at, figures)| (at - time) * (figures[figure] - value))
        .sum();
    let below: f64 = samples.iter().map(|(at, _)| (at - time).powi(2)).sum();
    match (samples.first(), samples.last()) {
        (Some(first), Some(last)) if below > 0.0 => above / below * (last.0 - first.0),
        _ => 0.0,
    }
}

/// Memory of its own in KiB, open descriptors, threads.
fn figures(process: u32) -> Option<[f64; 3]> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let field = |name: &str| -> Option<f64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse().ok()
    };
    let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
    Some([field("RssAnon:")?, descriptors as f64, field("Threads:")?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(value: impl Fn(f64) -> f64) -> Vec<Sample> {
        let times = (0..600).map(f64::from);
        times.map(|at| (at, [value(at), 10.0, 2.0])).collect()
    }

    #[test]
    fn a_leak_rises_and_a_saw_does_not() {
        assert!((rise(&samples(|at| 1000.0 + at * 10.0), 0) - 5990.0).abs() < 1.0);
        let saw = samples(|at| 1000.0 + (at % 7.0) * 500.0);
        assert!(rise(&saw, 0).abs() < 100.0, "{}", rise(&saw, 0));
        assert!(rise(&saw, 1).abs() < 1e-9);
    }
}
