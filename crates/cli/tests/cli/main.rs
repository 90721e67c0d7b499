//! The built command against the real receiver, a module per subcommand.

mod check;
mod command;
mod compare;
mod demo;
mod help;
mod pipe;
mod relay;
mod relay_killed;
mod send;
mod serve;
mod spool;
mod spooled;
