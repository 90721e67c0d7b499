//! Copies: lines that one endpoint leaves without an answer and another is given, too.
//!
//! ```text
//!   endpoint that does not answer: [original] --its verdict comes first--> the copy is void
//!   another one:                   [copy]     --its verdict comes first--> the original is void
//! ```
//!
//! Whichever is answered first has the verdict; the other becomes void, wherever it is held. So each position still gets one
//! verdict, and it does not matter which endpoint was only slow. A copy that comes back without a verdict is forgotten, because
//! its original is still out. If an original comes back, a copy that is still out takes its place. Lines of which a server failed a
//! copy are not copied again: it may be these lines, which is not found out about here.
//!
//! Lines are recognised by their bytes' place in memory, which originals and copies share.

use crate::delivery::outstanding::{Outstanding, Twin};
use crate::queue::block::Lines;

/// Lines held in some order, some of which may be cut in two.
pub(crate) trait Row {
    /// How many places there are.
    fn places(&self) -> usize;

    /// The lines at a place, if lines are what is there.
    fn held(&mut self, place: usize) -> Option<&mut Outstanding>;

    /// Cuts the lines at a place in two, behind so many bytes, which are whole lines.
    fn cut(&mut self, place: usize, bytes: usize);
}

impl Row for Vec<Outstanding> {
    fn places(&self) -> usize {
        self.len()
    }

    fn held(&mut self, place: usize) -> Option<&mut Outstanding> {
        self.get_mut(place)
    }

    fn cut(&mut self, place: usize, bytes: usize) {
        if let Some(front) = self[place].split_front(bytes, u64::MAX) {
            self.insert(place, front);
        }
    }
}

/// Makes void what of those lines is held here, or tells originals that their copy was tried.
pub(crate) fn mark(row: &mut impl Row, those: &Lines, twin: Twin) {
    change(row, those, |held| match (twin, held.twin) {
        (Twin::Tried, Twin::Original) => held.twin = twin,
        (Twin::Tried, _) => {}
        _ => (held.twin, held.verdict_posted) = (twin, true),
    });
}

/// Takes what of those lines is held here as a copy for the original from now on, and makes void what it stands for.
pub(crate) fn adopt(row: &mut impl Row, those: &mut Vec<Outstanding>) {
    let mut adopted = Vec::new();
    for lines in those.iter().map(|held| held.lines.clone()).collect::<Vec<_>>() {
        change(row, &lines, |held| {
            if held.twin == Twin::Copy {
                held.twin = Twin::Original;
                adopted.push(held.lines.clone());
            }
        });
    }
    for lines in adopted {
        mark(those, &lines, Twin::Void);
    }
    those.retain(|held| !held.is_void());
}

/// Changes what of those lines is held here, cut at their ends.
fn change(row: &mut impl Row, those: &Lines, mut change: impl FnMut(&mut Outstanding)) {
    let mut place = 0;
    while place < row.places() {
        let overlap = row
            .held(place)
            .and_then(|held| Some((held.lines.overlap(those)?, held.lines.len())));
        if let Some((part, bytes)) = overlap {
            if part.end < bytes {
                row.cut(place, part.end);
            }
            if part.start > 0 {
                row.cut(place, part.start);
                place += 1;
            }
            if let Some(held) = row.held(place) {
                change(held);
            }
        }
        place += 1;
    }
}

/// Copies lines that wait for a verdict, as long as there is room for bytes and points. `again`: also those that have been copied.
pub(crate) fn copy(row: &mut impl Row, room: &mut (usize, u64), again: bool, copies: &mut Vec<Outstanding>) {
    for place in 0.. {
        if place >= row.places() {
            return;
        }
        let Some(held) = row.held(place).filter(|held| may_be_copied(held, again)) else {
            continue;
        };
        let whole = held.lines.len();
        let Some(lines) = held.lines.clone().split_front(room.0, room.1) else {
            return;
        };
        if lines.len() < whole {
            row.cut(place, lines.len());
        }
        *room = (room.0 - lines.len(), room.1 - lines.points());
        let Some(held) = row.held(place) else { return };
        held.twin = Twin::Original;
        copies.push(Outstanding {
            lines,
            twin: Twin::Copy,
            ..*held
        });
    }
}

/// Whether these wait for a verdict, and are not being found out about. `again`: even if they have been copied.
pub(crate) fn may_be_copied(held: &Outstanding, again: bool) -> bool {
    let free = match held.twin {
        Twin::None => true,
        Twin::Original => again,
        Twin::Tried | Twin::Copy | Twin::Void => false,
    };
    free && !held.verdict_posted && !held.is_apart()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn twins(row: &[Outstanding]) -> Vec<(u64, u64, Twin)> {
        let of = |held: &Outstanding| (held.lines.first(), held.lines.points(), held.twin);
        row.iter().map(of).collect()
    }

    #[test]
    fn what_is_copied_within_a_credit_can_be_made_void_where_it_came_from_part_by_part() {
        let mut row = vec![Outstanding::of_tests(0, 4), Outstanding::of_tests(4, 3)];
        let mut copies = Vec::new();
        let mut room = (100, 5);
        copy(&mut row, &mut room, false, &mut copies);
        assert_eq!(room, (90, 0));
        assert_eq!(twins(&copies), [(0, 4, Twin::Copy), (4, 1, Twin::Copy)]);
        let originals = [(0, 4, Twin::Original), (4, 1, Twin::Original), (5, 2, Twin::None)];
        assert_eq!(twins(&row), originals);
        let two = copies[0].lines.split_front(4, 9).unwrap();
        let one = copies[0].lines.split_front(2, 9).unwrap();
        mark(&mut row, &one, Twin::Void);
        let one_void = [(0, 2, Twin::Original), (2, 1, Twin::Void), (3, 1, Twin::Original)];
        assert_eq!(twins(&row)[..3], one_void);
        mark(&mut row, &two, Twin::Void);
        assert!(row[0].is_void() && row[0].verdict_posted);
        assert_eq!(row.iter().map(|held| held.lines.points()).sum::<u64>(), 7);
    }

    #[test]
    fn a_copy_takes_the_place_of_an_original_that_comes_back_as_far_as_it_goes() {
        let mut row = vec![Outstanding::of_tests(0, 4)];
        let mut copies = Vec::new();
        copy(&mut row, &mut (6, 9), false, &mut copies);
        let mut back = row.clone();
        adopt(&mut copies, &mut back);
        assert_eq!(twins(&copies), [(0, 3, Twin::Original)]);
        assert_eq!(twins(&back), [(3, 1, Twin::None)]);
        let mut again = row.split_off(0);
        adopt(&mut copies, &mut again);
        assert_eq!(again.len(), 2, "there is no copy any more");
    }

    #[test]
    fn what_has_been_copied_is_copied_again_only_if_that_is_asked_for() {
        let mut row = vec![Outstanding::of_tests(0, 2)];
        let mut copies = Vec::new();
        for again in [false, false, true] {
            copy(&mut row, &mut (100, 9), again, &mut copies);
        }
        assert_eq!(copies.len(), 2);
        mark(&mut row, &copies[0].lines.clone(), Twin::Tried);
        assert!(!row[0].is_void());
        copy(&mut row, &mut (100, 9), true, &mut copies);
        assert_eq!(copies.len(), 2);
    }
}
