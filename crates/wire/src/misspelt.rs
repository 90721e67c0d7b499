//! How far a name is from the one that may have been meant.

/// Returns how many letters have to be put in, taken out or changed to make one text of the other (Levenshtein 1965).
///
/// ```
/// assert_eq!(potsdb_wire::letters_amiss("overflaw", "overflow"), 1);
/// ```
pub fn letters_amiss(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    // Of one row of the table: from the beginning of `one` so far to each beginning of `other`.
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, letter) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (place, meant) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *meant);
            diagonal = row[place + 1];
            row[place + 1] = changed.min(diagonal + 1).min(row[place] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::letters_amiss;

    #[test]
    fn letters_are_counted_that_differ() {
        for (a, b, apart) in [
            ("", "", 0),
            ("web", "", 3),
            ("web.request", "web.requests", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!((letters_amiss(a, b), letters_amiss(b, a)), (apart, apart), "{a} {b}");
        }
    }
}
