//! `potsdb relay --explain`: what the rules make of lines, without a relay.

use std::io::BufRead;

use potsdb_relay::{Rule, Verdict, apply};
use potsdb_wire::Rules;

use crate::output::Output;

/// Reads lines to the end of the input, and says of each what becomes of it, and at the end what each rule did.
pub(super) fn explain(rules: &[Rule], legal: &Rules, input: impl BufRead, output: &Output) -> anyhow::Result<()> {
    for line in input.split(b'\n') {
        let line = line?;
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let before: Vec<u64> = rules.iter().map(Rule::applied).collect();
        match apply(rules, legal, text) {
            Ok(Verdict::Forwarded(line)) => output.write_bytes(&line),
            Ok(Verdict::Dropped) => output.say(format_args!("dropped: {}", String::from_utf8_lossy(text))),
            Err(error) => output.say(format_args!("refused: {}: {error}", String::from_utf8_lossy(text))),
        }
        for (rule, _) in rules
            .iter()
            .zip(before)
            .filter(|(rule, before)| rule.applied() > *before)
        {
            output.say(format_args!("    {}", rule.text()));
        }
    }
    for rule in rules {
        output.note(format_args!("{} times: {}", rule.applied(), rule.text()));
    }
    Ok(())
}
