//! A verdict on a refused line: which bytes are at fault, and which of the servers would have taken it.
//!
//! It asks the servers' own readings, whatever their words are: if one word of the line is replaced by a good one and
//! the complaint changes, that word is at fault; the same within the word, character by character.
//!
//! ```text
//! put web.load 1767225600 0x10 host=a        0x10 -> 1: taken, so the value is at fault     x -> 1: taken, so it is the x
//! put web.load 1767225600 1                  + k=v: taken, so the end is at fault
//! ```

use std::ops::Range;

use crate::personality::{Personality, Setup, Voice};
use crate::point::put::Rules;

/// The servers' readings.
pub(super) struct Judge {
    voices: Vec<(Personality, Box<dyn Voice>)>,
    own: Personality,
    rules: Rules,
}

/// Characters of a word that are tried one by one.
const MOST_TRIED: usize = 64;

impl Judge {
    /// For lines that this server refused. `rules` are its own; which metrics are known does not matter here.
    pub(super) fn new(own: Personality, max_tags: usize) -> Judge {
        let setup = Setup {
            creates_metrics: true,
            database_exists: true,
            ..Setup::default()
        };
        Judge {
            voices: Personality::ALL.map(|each| (each, each.voice(&setup))).into(),
            own,
            rules: Rules {
                known_metrics: None,
                max_tags,
            },
        }
    }

    /// The server that refuses.
    pub(super) fn own(&self) -> Personality {
        self.own
    }

    /// The names of the servers that would have taken a line; none of what is no line.
    pub(super) fn takers(&self, line: &str) -> Vec<&'static str> {
        let takers = self
            .voices
            .iter()
            .filter(|(_, voice)| self.complaint(voice.as_ref(), line).is_none());
        takers.map(|(personality, _)| personality.name()).collect()
    }

    /// Where a line is at fault; empty at its end if something is missing there. `None` if that cannot be told.
    pub(super) fn fault(&self, line: &str) -> Option<Range<usize>> {
        let (_, voice) = self.voices.iter().find(|(personality, _)| *personality == self.own)?;
        let voice = voice.as_ref();
        let words = words(line);
        if !voice.is_put(line.as_bytes()) {
            return None;
        }
        let Some(complaint) = self.complaint(voice, line) else {
            // A good line: it was its metric that the server did not want.
            return words.get(1).cloned();
        };
        if self.complaint(voice, &format!("{line} k=v")).is_none() {
            return Some(line.len()..line.len());
        }
        let instead = |word: &Range<usize>, good: &str| [&line[..word.start], good, &line[word.end..]].concat();
        // A word too many, or one that does not go with those before it: the line is good up to there.
        let first_words = |word: &Range<usize>| self.complaint(voice, &line[..word.end]);
        let last_good = words
            .iter()
            .enumerate()
            .skip(4)
            .take_while(|(_, word)| first_words(word).is_none())
            .last();
        let changed = |(index, word): &(usize, &Range<usize>)| self.complaint(voice, &instead(word, good(*index)));
        let mends = || words.iter().enumerate().skip(1).find(|each| changed(each).is_none());
        // With more than one fault the complaint is another one then. Some name the metric beside what they are about.
        let order = || {
            words
                .iter()
                .enumerate()
                .skip(2)
                .chain(words.iter().enumerate().skip(1).take(1))
        };
        let changes = || order().find(|each| changed(each).as_ref() != Some(&complaint));
        let at_fault = match last_good {
            Some((last, _)) => words.get(last + 1).map(|word| (last + 1, word)),
            None => mends().or_else(changes),
        };
        let Some((index, word)) = at_fault else {
            return (words.len() < 5).then_some(line.len()..line.len());
        };
        Some(self.character(voice, line, index, word).unwrap_or(word.clone()))
    }

    /// The character of a word that is at fault: a second `=`, or the first that no such word may have.
    fn character(&self, voice: &dyn Voice, line: &str, index: usize, word: &Range<usize>) -> Option<Range<usize>> {
        let alone = |word: &str| {
            let mut words = ["put", "m", GOOD_TIME, "1", "k=v"];
            words[index.min(4)] = word;
            self.complaint(voice, &words.join(" ")).is_some()
        };
        let text = &line[word.clone()];
        if !alone(text) {
            return None;
        }
        let middle = text.find('=').unwrap_or(text.len());
        let is_wrong = |(at, stranger): &(usize, char)| match index {
            1 => alone(&format!("a{stranger}a")),
            2 => alone(&format!("17672256{stranger}0")),
            3 => alone(&format!("1{stranger}1")),
            _ if *at == middle => false,
            _ if *at < middle => alone(&format!("k{stranger}k=v")),
            _ => alone(&format!("k=v{stranger}v")),
        };
        let wrong: Vec<(usize, char)> = text.char_indices().take(MOST_TRIED).filter(is_wrong).collect();
        let second = |(at, stranger): &&(usize, char)| *stranger == '=' && *at > middle;
        let (at, stranger) = wrong.iter().find(second).or(wrong.first())?;
        let start = word.start + at;
        Some(start..start + stranger.len_utf8())
    }

    /// What a server has against a line: nothing, or its reason, which may be empty.
    fn complaint(&self, voice: &dyn Voice, line: &str) -> Option<String> {
        if !voice.is_put(line.as_bytes()) {
            return Some("no put".into());
        }
        let read = voice.read(line, &self.rules, &mut |_| {});
        read.err().map(|refusal| refusal.text().to_owned())
    }
}

/// A time that every server takes.
const GOOD_TIME: &str = "1767225600";

/// What is good in that place of a line.
fn good(index: usize) -> &'static str {
    match index {
        1 => "m",
        2 => GOOD_TIME,
        3 => "1",
        _ => "k=v",
    }
}

/// Where the words of a line are, parted by single spaces.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut start = 0;
    let words = line.split(' ').map(|word| {
        let range = start..start + word.len();
        start = range.end + 1;
        range
    });
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(own: Personality, line: &str) -> String {
        match Judge::new(own, 8).fault(line) {
            Some(fault) => format!(
                "{}[{}]{}",
                &line[..fault.start],
                &line[fault.clone()],
                &line[fault.end..]
            ),
            None => "?".into(),
        }
    }

    #[test]
    fn the_byte_at_fault_is_found() {
        for expected in [
            "put m 1767225600 [x] h=a",
            "put m 1767225600 0[x]10 h=a",
            "put m 17672256[o]0 1 h=a",
            "put m 1767225600 1 host=a[:]b",
            "put m 1767225600 1 host=a b[]",
            "put m[!]etric 1767225600 1 h=a",
            "put m 1767225600 1[]",
            "put m[]",
            "put [] 1767225600 1 h=a",
            "put m 1767225600 [N]aN h=a",
            "put m 1767225600 1 h=[<]b>",
            "put m 1767225600 1 path=/a?q[=]1",
            "put m 1767225600 1 h=a [h=b]",
            "put [known] 1767225600 1 h=a",
            "put m 1767225600 1 a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 [i=1]",
            "put ü 1767225600 1 h=zü[,]rich",
            "put m! 1767225600 [x] h=a:b",
            "put m 1767225600 1 h=a[:]b i=c:d",
        ] {
            let line = expected.replace(['[', ']'], "");
            let found = marked(Personality::OpenTsdb, &line);
            // A word without a `=` is at fault as a whole.
            let expected = expected.replace("b[]", "[b]");
            assert_eq!(found, expected);
        }
        assert_eq!(marked(Personality::OpenTsdb, "{\"metric\":\"m\"}"), "?");
    }

    #[test]
    fn a_server_that_says_nothing_has_its_reasons_too() {
        assert_eq!(
            marked(Personality::VictoriaMetrics, "put m 1767225600 1,5 h=a"),
            "put m 1767225600 1[,]5 h=a"
        );
        assert_eq!(
            marked(Personality::KairosDb, "put m 1767225600 1e3 h=a"),
            "put m 1767225600 1[e]3 h=a"
        );
    }

    #[test]
    fn who_would_have_taken_it_is_told() {
        let judge = Judge::new(Personality::OpenTsdb, 8);
        let none: [&str; 0] = [];
        assert_eq!(judge.takers("put m 1767225600 x h=a"), none);
        assert_eq!(
            judge.takers("put m 1767225600 1 h=a:b"),
            ["victoriametrics", "influxdb", "kairosdb"]
        );
        assert_eq!(
            judge.takers("put m 1767225600 1"),
            ["victoriametrics", "influxdb", "kairosdb"]
        );
        assert_eq!(judge.takers("put m 1767225600 1 h=a").len(), 4);
        assert_eq!(judge.takers("{\"metric\":\"m\"}"), none);
    }
}
