//! What must hold after every step of a history. The numbers are those of the laws, which `simulation` lists.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::simulation::{Run, at};
use crate::store::{Event, Full};

impl Run {
    /// What is at each position, by reading it all.
    pub(super) fn read_all(&mut self) -> Result<BTreeMap<u64, u64>, String> {
        let mut found = BTreeMap::new();
        let mut from = 0;
        while let Some((first, lines)) = self.store.read(at(self.now), from).map_err(|error| error.to_string())? {
            let payload = (*lines.payload).as_ref();
            let payload = std::str::from_utf8(payload).map_err(|_| "2, no text came out")?;
            let mut position = first;
            for line in payload.split_inclusive('\n') {
                match number(line) {
                    Some(number) if number < self.line && text(number) == line => found.insert(position, number),
                    _ => return Err(format!("2, this never went in: {:?}", line.get(..60))),
                };
                position += 1;
            }
            if position != first + u64::from(lines.points) {
                return Err(format!("2, {} points are {} lines", lines.points, position - first));
            }
            from = position;
        }
        (self.store).give_back(0, u64::MAX);
        self.taken.clear();
        Ok(found)
    }

    /// Takes what the store tells into the account.
    pub(super) fn hear(&mut self) -> Result<(u64, u64), String> {
        let (mut dropped, mut lost) = (0, 0);
        for event in self.store.events() {
            self.note(|| format!("    {event:?}"));
            match event {
                Event::DroppedFull { points } => dropped += points.len(),
                Event::Damaged { points, .. } => lost += points.len(),
                Event::Missing { points, .. } => {
                    lost += points.len();
                    if !self.failed && !self.tampered {
                        return Err("7, a gap is reported, and nothing failed".to_owned());
                    }
                }
                Event::Expired { .. } | Event::Stray { .. } => return Err(format!("unexpected: {event:?}")),
                Event::Off { .. } | Event::On | Event::Trouble { .. } => {}
            }
        }
        if lost > 0 && !self.failed && !self.tampered {
            return Err(format!("7, {lost} points lost on a disk where nothing failed"));
        }
        Ok((dropped, lost))
    }

    pub(super) fn look(&mut self) -> Result<(), String> {
        let (dropped, lost) = self.hear()?;
        let pending = &self.store.pending;
        let is_gone = |position: &u64| pending.count(*position..position + 1) == 0;
        let all_there = pending.len() == self.live.len() as u64;
        let gone: Vec<_> = self
            .live
            .keys()
            .copied()
            .filter(|position| !all_there && is_gone(position))
            .collect();
        let untaken = gone.iter().filter(|position| !self.taken.contains(position)).count() as u64;
        if untaken != dropped + lost {
            return Err(format!("5, {untaken} are gone, and {dropped} dropped, {lost} lost"));
        }
        if dropped > 0 && self.options.full == Full::Refuse {
            return Err("6, dropped, although it refuses".to_owned());
        }
        if dropped == 0
            && !self.tampered
            && gone
                .iter()
                .any(|position| !self.taken.contains(position) && self.must.contains(&self.live[position]))
        {
            return Err("1, lines that were safe are lost".to_owned());
        }
        if dropped > 0 && lost == 0 && gone.last().is_some_and(|last| *last >= self.store.low()) {
            return Err("6, what was dropped was not the oldest".to_owned());
        }
        for position in gone {
            if let Some(line) = self.live.remove(&position) {
                self.must.remove(&line);
            }
        }
        self.went += dropped + lost;
        let safe = self.store.safe();
        if self.opened < safe {
            self.must
                .extend(self.live.range(self.opened..safe).map(|(_, line)| *line));
            self.opened = safe;
        }
        let stats = self.store.stats();
        let sum = self.went + (stats.points - stats.taken) + self.taken.len() as u64;
        if self.came != sum {
            return Err(format!(
                "5, the sum: {} came, {sum} are accounted for: {stats:?}",
                self.came
            ));
        }
        if self.disk.peak() > self.options.spool_bytes.max(4 << 20) || self.disk.used() > self.cap() {
            return Err(format!(
                "3, {} bytes on disk, at most {}",
                self.disk.peak(),
                self.options.spool_bytes
            ));
        }
        if self.store.deadline().is_some_and(|at| at <= self.now) {
            self.store.tick(at(self.now));
            if self.store.deadline().is_some_and(|at| at <= self.now) {
                return Err("9, it does not rest".to_owned());
            }
            return self.look();
        }
        Ok(())
    }

    /// A cap that was lowered holds from the first segment on.
    fn cap(&self) -> u64 {
        if self.store.current.is_some() {
            self.options.spool_bytes
        } else {
            u64::MAX
        }
    }

    pub(super) fn end(&mut self) -> Result<(), String> {
        for _ in 0..4 {
            self.now += Duration::from_secs(31);
            self.store.tick(at(self.now));
            self.look()?;
        }
        let room = self.store.make_room(at(self.now));
        self.look()?;
        if room && (self.store.off().is_some() || self.store.safe() < self.store.next()) {
            return Err(format!("8, not safe on a disk that works: {:?}", self.store.off()));
        }
        self.read_all()?;
        self.hear()?;
        self.store.done(0, u64::MAX);
        for _ in 0..2 {
            self.now += Duration::from_secs(31);
            self.store.tick(at(self.now));
        }
        if self.store.stats().segments > 1 {
            return Err(format!("8, {} segments are left", self.store.stats().segments));
        }
        self.store.close(at(self.now));
        match self.store.stats().segments {
            0 => Ok(()),
            left => Err(format!("8, {left} segments are left after the end")),
        }
    }
}

/// A line, which its number makes.
pub(super) fn text(line: u64) -> String {
    // Some are long.
    let long = if line.is_multiple_of(7) {
        900
    } else {
        line as usize % 50
    };
    format!("put m 1767225600 {line} x={:x<long$}\n", "y")
}

fn number(line: &str) -> Option<u64> {
    line.strip_prefix("put m 1767225600 ")?.split(' ').next()?.parse().ok()
}
