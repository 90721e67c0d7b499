//! Which series changed since somebody last looked: each once, in the order of the first change.
//!
//! The table notes it at each point. While nobody looks that is a comparison, beside the count and the time of the
//! series' points, which the page shows from before it was opened. The page asks for the list: reading all series
//! instead would hold up intake for as long as there are series.

use crate::store::series::Series;

#[derive(Default)]
pub(crate) struct Changes {
    /// The time of the points that come now, in milliseconds since 1970: that of the read that brought them.
    pub(crate) now: u64,
    /// Somebody looks.
    is_watched: bool,
    slots: Vec<u32>,
}

impl Changes {
    /// Begins to note, or stops. What is there when it begins has to be read in full: it is not on the list.
    pub(crate) fn watch(&mut self, is_watched: bool) {
        self.is_watched = is_watched;
        self.slots = Vec::new();
    }

    /// A point came to a series.
    #[inline]
    pub(crate) fn came(&mut self, slot: u32, series: &mut Series) {
        series.came = series.came.wrapping_add(1);
        series.seen = (self.now / 1000) as u32;
        self.changed(slot, &mut series.is_listed);
    }

    /// A series is another one, or has other points.
    #[inline]
    pub(crate) fn changed(&mut self, slot: u32, is_listed: &mut bool) {
        if self.is_watched && !*is_listed {
            *is_listed = true;
            self.slots.push(slot);
        }
    }

    /// The slots of what changed. Each is listed again once it was read.
    pub(crate) fn take(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.slots)
    }
}
