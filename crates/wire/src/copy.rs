//! Copies of a few bytes whose number only the run knows.
//!
//! `copy_from_slice` of unknown length is a call into the C library, which finds out the length's size class by branches
//! the processor cannot know from other callers'. Here the branch is the caller's own and goes the same way for a series each
//! time; within a class two copies of a fixed length, which may overlap, are a load and a store each.

/// Copies `from` to the front of `to`, which is no shorter.
#[inline]
pub(crate) fn short(from: &[u8], to: &mut [u8]) {
    let to = &mut to[..from.len()];
    match from.len() {
        0..8 => from.iter().zip(to).for_each(|(from, to)| *to = *from),
        8..16 => ends::<8>(from, to),
        16..32 => ends::<16>(from, to),
        32..64 => ends::<32>(from, to),
        _ => to.copy_from_slice(from),
    }
}

/// Copies the first and the last `LEN` bytes: all of them, when there are at most twice as many.
#[inline]
fn ends<const LEN: usize>(from: &[u8], to: &mut [u8]) {
    const CLASS: &str = "the length class begins at LEN";
    *to.first_chunk_mut::<LEN>().expect(CLASS) = *from.first_chunk().expect(CLASS);
    *to.last_chunk_mut::<LEN>().expect(CLASS) = *from.last_chunk().expect(CLASS);
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_length_is_copied_and_nothing_behind_it() {
        let from: Vec<u8> = (1..=200).collect();
        for len in 0..=from.len() {
            let mut to = [0; 201];
            super::short(&from[..len], &mut to);
            assert_eq!(to[..len], from[..len]);
            assert!(to[len..].iter().all(|&byte| byte == 0));
        }
    }
}
