//! The spool: this process's slot, and those it has adopted, under one cap. Time is an argument, as for a [`Store`].
//!
//! New lines go to the own slot alone. Adopted slots are read where they are and let go when they are empty. When the spool
//! is full the adopted ones lose their oldest lines first: they are the older ones.
//!
//! [`Store`]: crate::store::Store

use std::io;
use std::time::Duration;

use crate::disk::Folder;
use crate::slots::{Place, Root, Slot};
use crate::store::{Event, Full, Lines, Moment, OpenError, Options, Refused, Stats};

/// Which slot, within this process: never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub u32);

/// Something to tell, and of which slot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum News {
    /// What a slot tells.
    Slot(SlotId, Event),
    /// A slot was adopted, with so many points.
    Adopted(SlotId, u64),
    /// An adopted slot is empty, and was let go.
    Drained(SlotId),
    /// The own slot's folder is gone, and this one was taken instead. Lines that were only in memory are still in the old one.
    Moved(SlotId),
}

/// The slots of a process.
pub struct Spool<D: Folder> {
    place: Place<D>,
    options: Options,
    about: String,
    own: (SlotId, Slot<D>),
    adopted: Vec<(SlotId, Slot<D>)>,
    ids: u32,
    news: Vec<News>,
}

impl<D: Folder> Spool<D> {
    /// Takes a slot of the store of that name, in the spool's folder.
    ///
    /// # Errors
    ///
    /// What the file system says. Damage is no error.
    pub fn open(root: Root<D>, name: &str, about: &str, options: Options, now: Moment) -> Result<Spool<D>, OpenError> {
        let place = Place::open(root, name).map_err(OpenError::Disk)?;
        let (slot, passed) = place.claim(&options, about, now)?;
        let own = SlotId(0);
        let mut news: Vec<_> = passed.into_iter().map(|event| News::Slot(own, event)).collect();
        if let Some(network) = place.network() {
            let what = format!("it lies on {network}, where locks and syncs may not hold");
            news.push(News::Slot(own, Event::Trouble { what }));
        }
        for other in place.others().unwrap_or_default() {
            let why = "of another store, and left as it is".to_owned();
            news.push(News::Slot(own, Event::Stray { name: other, why }));
        }
        Ok(Spool {
            place,
            options,
            about: about.to_owned(),
            own: (own, slot),
            adopted: Vec::new(),
            ids: 1,
            news,
        })
    }

    /// The slot that new lines go to.
    #[must_use]
    pub fn own(&self) -> SlotId {
        self.own.0
    }

    /// What a slot holds; none: it was let go.
    #[must_use]
    pub fn stats(&self, slot: SlotId) -> Option<Stats> {
        self.slots()
            .find(|(id, _)| *id == slot)
            .map(|(_, slot)| slot.store.stats())
    }

    /// The slots, the oldest lines first: those adopted, and the own one.
    #[must_use]
    pub fn ids(&self) -> Vec<SlotId> {
        self.slots().map(|(id, _)| *id).collect()
    }

    /// Takes lines into the own slot; see [`Store::append`](crate::store::Store::append).
    ///
    /// # Errors
    ///
    /// They were not taken.
    pub fn append(&mut self, now: Moment, lines: Lines) -> Result<(SlotId, u64), Refused> {
        let (own, slot) = &mut self.own;
        if slot.store.off().is_none() && slot.store.wants_segment(&lines) && self.options.full == Full::DropOldest {
            while !self.adopted.is_empty() && !slot.store.has_room().unwrap_or(true) {
                let dropped = self.adopted.iter_mut().any(|(_, slot)| slot.store.drop_oldest(now));
                if !dropped {
                    break;
                }
            }
        }
        slot.store.append(now, lines).map(|first| (*own, first))
    }

    /// Somebody waits until all that was appended is safe.
    pub fn hurry(&mut self, now: Moment) {
        self.own.1.store.hurry(now);
    }

    /// Makes everything safe that was appended, if the disk does.
    pub fn sync(&mut self, now: Moment) {
        self.own.1.store.sync(now);
    }

    /// Every point of the slot below it is on disk or done with. None: the slot was let go, as all of it was done with.
    #[must_use]
    pub fn safe(&self, slot: SlotId) -> Option<u64> {
        self.slots()
            .find(|(id, _)| *id == slot)
            .map(|(_, slot)| slot.store.safe())
    }

    /// The position behind the last point that was appended.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.own.1.store.next()
    }

    /// Reads on in a slot; see [`Store::read`](crate::store::Store::read).
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn read(&mut self, now: Moment, slot: SlotId, from: u64) -> io::Result<Option<(u64, Lines)>> {
        self.slot(slot).map_or(Ok(None), |slot| slot.store.read(now, from))
    }

    /// These points have their verdict; see [`Store::done`](crate::store::Store::done).
    pub fn done(&mut self, slot: SlotId, first: u64, points: u64) {
        if let Some(slot) = self.slot(slot) {
            slot.store.done(first, points);
        }
    }

    /// These points were read and go nowhere now.
    pub fn give_back(&mut self, slot: SlotId, first: u64, points: u64) {
        if let Some(slot) = self.slot(slot) {
            slot.store.give_back(first, points);
        }
    }

    /// Keeps lines that the server refused for ever, for people.
    pub fn reject(&mut self, now: Moment, slot: SlotId, lines: &[u8], words: &str) {
        if let Some(slot) = self.slot(slot) {
            slot.store.reject(now, lines, words);
        }
    }

    /// Adopts the orphan with the oldest lines, if there is one.
    pub fn adopt(&mut self, now: Moment) -> Option<SlotId> {
        match self.place.adopt(&self.options, now) {
            Ok(None) => None,
            Ok(Some(slot)) => {
                let id = self.new_id();
                self.news.push(News::Adopted(id, slot.store.stats().points));
                self.adopted.push((id, slot));
                Some(id)
            }
            Err(error) => {
                let what = format!("slots could not be adopted: {error}");
                self.news.push(News::Slot(self.own.0, Event::Trouble { what }));
                None
            }
        }
    }

    /// Does what is due in all slots.
    pub fn tick(&mut self, now: Moment) {
        let own = &self.own.1;
        if own.store.off().is_some()
            && own.store.deadline().is_some_and(|at| at <= now.mono)
            && !self.place.holds(own.number)
        {
            self.move_on(now);
        }
        self.own.1.store.tick(now);
        for (_, slot) in &mut self.adopted {
            slot.store.tick(now);
        }
        let news = &mut self.news;
        self.adopted.retain_mut(|(id, slot)| {
            let is_empty = slot.store.stats().points == 0;
            if is_empty {
                slot.store.close(now);
                news.extend(slot.store.events().into_iter().map(|event| News::Slot(*id, event)));
                news.push(News::Drained(*id));
            }
            !is_empty
        });
    }

    /// When [`tick`](Spool::tick) has something to do.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        self.slots().filter_map(|(_, slot)| slot.store.deadline()).min()
    }

    /// What there is to tell since it was last asked.
    pub fn news(&mut self) -> Vec<News> {
        let mut news = std::mem::take(&mut self.news);
        for (id, slot) in self.adopted.iter_mut().chain([&mut self.own]) {
            news.extend(slot.store.events().into_iter().map(|event| News::Slot(*id, event)));
        }
        news
    }

    /// Syncs, saves what is done with, and lets all slots go.
    pub fn close(mut self, now: Moment) -> Vec<News> {
        for (_, slot) in self.adopted.iter_mut().chain([&mut self.own]) {
            slot.store.close(now);
        }
        self.news()
    }

    /// The own slot's folder is gone: takes another one. What is in the old one's memory can still be read.
    fn move_on(&mut self, now: Moment) {
        // The store's folder may be gone too.
        let Ok(Ok((slot, _))) = self
            .place
            .renew()
            .map(|()| self.place.claim(&self.options, &self.about, now))
        else {
            return;
        };
        let id = self.new_id();
        let old = std::mem::replace(&mut self.own, (id, slot));
        self.adopted.push(old);
        self.news.push(News::Moved(id));
    }

    fn new_id(&mut self) -> SlotId {
        self.ids += 1;
        SlotId(self.ids - 1)
    }

    fn slots(&self) -> impl Iterator<Item = &(SlotId, Slot<D>)> {
        self.adopted.iter().chain([&self.own])
    }

    fn slot(&mut self, id: SlotId) -> Option<&mut Slot<D>> {
        self.adopted
            .iter_mut()
            .chain([&mut self.own])
            .find(|(slot, _)| *slot == id)
            .map(|(_, slot)| slot)
    }
}
