//! This machine's figures: CPU, memory, load, disk and network, as the operating system counts them.
//!
//! Gauges are what they are now; counters (bytes read, bytes received) are handed on as they stand, ever growing,
//! which is what a store of points wants, and only the table turns them into rates.

use std::collections::HashSet;
use std::time::Duration;

use potsdb::Value;
use sysinfo::{DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, Networks, System};

/// One figure of this machine at one moment.
pub(super) struct Reading {
    pub(super) metric: &'static str,
    /// What of its kind it is about: `core=0`, `nic=eth0`; the whole machine's figures have none.
    pub(super) tag: Option<(&'static str, String)>,
    pub(super) unit: Unit,
    pub(super) value: Value,
}

/// What a figure counts, for the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Percent,
    Plain,
    Bytes,
    /// Bytes since the machine started.
    BytesSoFar,
}

/// Asks the operating system.
pub(super) struct Sampler {
    system: System,
    disks: Disks,
    networks: Networks,
}

impl Sampler {
    /// A CPU's share is what it did between two looks; closer together than this they say nothing.
    pub(super) const INTERVAL: Duration = MINIMUM_CPU_UPDATE_INTERVAL;

    /// Takes the first look, which the second is measured against.
    pub(super) fn new() -> Sampler {
        let mut system = System::new();
        system.refresh_cpu_usage();
        let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_io_usage());
        Sampler {
            system,
            disks,
            networks: Networks::new_with_refreshed_list(),
        }
    }

    /// Takes the next look.
    pub(super) fn sample(&mut self) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut add = |metric, tag: Option<(&'static str, &str)>, unit, value| {
            let tag = tag.map(|(name, value)| (name, legal(value)));
            readings.push(Reading {
                metric,
                tag,
                unit,
                value,
            });
        };

        self.system.refresh_cpu_usage();
        for (core, cpu) in self.system.cpus().iter().enumerate() {
            add(
                "cpu.used",
                Some(("core", &core.to_string())),
                Unit::Percent,
                hundredths(cpu.cpu_usage().into()),
            );
        }
        let load = System::load_average();
        for (metric, load) in [
            ("load.1m", load.one),
            ("load.5m", load.five),
            ("load.15m", load.fifteen),
        ] {
            add(metric, None, Unit::Plain, hundredths(load));
        }
        self.system.refresh_memory();
        add("memory.used", None, Unit::Bytes, bytes(self.system.used_memory()));
        add(
            "memory.available",
            None,
            Unit::Bytes,
            bytes(self.system.available_memory()),
        );
        add("memory.swapped", None, Unit::Bytes, bytes(self.system.used_swap()));

        self.disks
            .refresh_specifics(true, DiskRefreshKind::nothing().with_io_usage());
        let mut seen = HashSet::new(); // a disk is listed once for each place where it is mounted
        for disk in self.disks.list().iter().filter(|disk| seen.insert(disk.name())) {
            let (name, usage) = (disk.name().to_string_lossy(), disk.usage());
            add(
                "disk.read",
                Some(("disk", &name)),
                Unit::BytesSoFar,
                bytes(usage.total_read_bytes),
            );
            add(
                "disk.written",
                Some(("disk", &name)),
                Unit::BytesSoFar,
                bytes(usage.total_written_bytes),
            );
        }
        self.networks.refresh(true);
        let mut networks: Vec<_> = self.networks.iter().collect();
        networks.retain(|(_, network)| network.total_received() + network.total_transmitted() > 0);
        networks.sort_by_key(|(name, _)| *name);
        for (name, network) in networks {
            add(
                "net.received",
                Some(("nic", name)),
                Unit::BytesSoFar,
                bytes(network.total_received()),
            );
            add(
                "net.sent",
                Some(("nic", name)),
                Unit::BytesSoFar,
                bytes(network.total_transmitted()),
            );
        }
        readings
    }
}

fn bytes(count: u64) -> Value {
    Value::from(i64::try_from(count).unwrap_or(i64::MAX))
}

fn hundredths(number: f64) -> Value {
    Value::try_from((number * 100.0).round() / 100.0).unwrap_or(Value::from(0)) // a share of nothing is not a number
}

/// Names of disks and networks are the administrator's: whatever a tag value may not hold becomes `_`.
fn legal(name: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() || "-_./".contains(c) {
            c
        } else {
            '_'
        }
    };
    name.chars().map(legal).collect()
}

#[cfg(test)]
mod tests {
    use super::{Sampler, legal};

    #[test]
    fn every_machine_has_cores_memory_and_load() {
        let readings = Sampler::new().sample();
        for metric in ["cpu.used", "memory.used", "load.1m"] {
            assert!(readings.iter().any(|reading| reading.metric == metric), "{metric}");
        }
        let memory = readings
            .iter()
            .find(|reading| reading.metric == "memory.used")
            .expect("found above");
        assert!(memory.value.as_f64() > 0.0);
    }

    #[test]
    fn the_name_of_a_disk_becomes_a_legal_tag_value() {
        assert_eq!(legal("/dev/mapper/vg-root"), "/dev/mapper/vg-root");
        assert_eq!(legal("my disk:0é"), "my_disk_0_");
    }
}
