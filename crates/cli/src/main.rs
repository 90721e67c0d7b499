//! The command `potsdb`: what it can do is this file, how is a file per subcommand.
//!
//! | file | |
//! |---|---|
//! | `send`, `pipe` | points to a server |
//! | `check` | can points be sent to a URL, in plain words |
//! | `serve` | the embedded receiver |
//! | `relay` | store and forward |
//! | `compare` | two stores side by side |
//! | `spool` | looks into a spool, and keeps it |
//! | `demo` | this machine's own figures there and back |
//! | `completions`, `man` | for the shell and the manual |
//! | `options`, `statistics`, `output`, `signals`, `request` | what the subcommands share |
//!
//! Exit codes: 0 all delivered, 1 some points were not (which and why is on standard error), 2 could not run, 3 the
//! rest is kept in the spool; 128 and a signal's number in place of 1 if that came first.

#![forbid(unsafe_code)]

mod check;
mod compare;
mod completions;
mod demo;
mod man;
mod options;
mod output;
mod pipe;
mod relay;
mod request;
mod send;
mod serve;
mod signals;
mod spool;
mod statistics;

use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use crate::output::Output;

/// Send points to OpenTSDB and compatible servers, and account for every one
#[derive(Debug, Parser)]
#[command(name = "potsdb", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = EXIT_CODES)]
struct Potsdb {
    #[command(subcommand)]
    command: Command,

    /// Print nothing, except the reason if it could not run
    #[arg(short, long, global = true)]
    quiet: bool,
}

const EXIT_CODES: &str = "\
Exit codes:
  0      all delivered; check: points can be sent; spool: nothing is wrong; compare: no difference
  1      some points were not delivered; check: points cannot be sent; spool: something is wrong;
         compare: there are differences
  2      could not run
  3      some points are not delivered yet: they are kept in the spool (-o spool=FOLDER)
  128+N  instead of 1, if signal N ended it (serve and relay exit with 0)";

#[derive(Debug, Subcommand)]
enum Command {
    Send(send::Send),
    Pipe(pipe::Pipe),
    Check(check::Check),
    Serve(Box<serve::Serve>),
    Relay(Box<relay::Relay>),
    Compare(compare::Compare),
    Spool(spool::Spool),
    Demo(demo::Demo),
    Completions(completions::Completions),
    Man(man::Man),
}

/// What a subcommand that could run ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    AllDelivered,
    NotAllDelivered,
    /// What was not is in the spool.
    Kept,
    /// This signal came before all were delivered.
    Interrupted(i32),
    /// Nothing could be done, and why has been said.
    CouldNotRun,
}

impl Outcome {
    fn delivered(all: bool) -> Outcome {
        Outcome::delivered_until(all, None)
    }

    /// The same for what a signal may have ended.
    fn delivered_until(all: bool, signal: Option<i32>) -> Outcome {
        match signal {
            _ if all => Outcome::AllDelivered,
            Some(signal) => Outcome::Interrupted(signal),
            None => Outcome::NotAllDelivered,
        }
    }
}

fn main() -> ExitCode {
    let output = Output::default();
    let potsdb = match Potsdb::try_parse() {
        Ok(potsdb) => potsdb,
        Err(error) => return ended_by_usage(&error, &output),
    };
    output.set_quiet(potsdb.quiet);
    let outcome = match potsdb.command {
        Command::Send(send) => send.run(&output),
        Command::Pipe(pipe) => pipe.run(&output),
        Command::Check(check) => check.run(&output),
        Command::Serve(serve) => serve.run(&output),
        Command::Relay(relay) => relay.run(&output),
        Command::Compare(compare) => compare.run(&output),
        Command::Spool(spool) => spool.run(&output),
        Command::Demo(demo) => demo.run(&output),
        Command::Completions(completions) => completions.run(&output),
        Command::Man(man) => man.run(&output),
    };
    let outcome = outcome.and_then(|outcome| {
        output.finish().context("cannot write to standard output")?;
        Ok(outcome)
    });
    match outcome {
        Ok(Outcome::AllDelivered) => ExitCode::SUCCESS,
        Ok(Outcome::NotAllDelivered) => ExitCode::from(1),
        Ok(Outcome::CouldNotRun) => ExitCode::from(2),
        Ok(Outcome::Kept) => ExitCode::from(3),
        Ok(Outcome::Interrupted(signal)) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
        Err(error) => {
            output.error(format_args!("{error:#}"));
            ExitCode::from(2)
        }
    }
}

/// Prints help and the version, or what is wrong with the command line, under the one prefix of all errors.
fn ended_by_usage(error: &clap::Error, output: &Output) -> ExitCode {
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(words) => output.error(in_one_line(error, words)),
        // Help that was asked for is a result, help in place of a subcommand is not.
        None => {
            let _ = error.print();
        }
    }
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// What is wrong with a command line, without clap's paragraphs about it: what is similar only if it is, and where help is.
fn in_one_line(error: &clap::Error, words: &str) -> String {
    let (wrong, rest) = words.split_once("\n\n").unwrap_or((words, ""));
    let mut line = wrong.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(similar) = similar(error) {
        line.push_str(&format!("; did you mean {similar}?"));
    }
    let usage = rest.lines().find_map(|line| line.strip_prefix("Usage: "));
    let subcommand = usage.into_iter().flat_map(str::split_whitespace).nth(1);
    let subcommand = subcommand.filter(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
    if usage.is_some() {
        let subcommand = subcommand.map_or_else(String::new, |word| format!(" {word}"));
        line.push_str(&format!(" (help: potsdb{subcommand} -h)"));
    }
    line
}

/// What clap holds for similar; of arguments only if it begins alike.
fn similar(error: &clap::Error) -> Option<&str> {
    use clap::error::{ContextKind, ContextValue};
    let word = |kind| match error.get(kind)? {
        ContextValue::String(word) => Some(word.as_str()),
        ContextValue::Strings(words) => words.first().map(String::as_str),
        _ => None,
    };
    let begins_alike = |argument: &&str| {
        let wrong = word(ContextKind::InvalidArg).unwrap_or_default();
        let alike = wrong.bytes().zip(argument.bytes()).take_while(|(a, b)| a == b).count();
        alike >= argument.len().min(4)
    };
    word(ContextKind::SuggestedSubcommand).or(word(ContextKind::SuggestedArg).filter(begins_alike))
}
