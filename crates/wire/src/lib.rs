//! OpenTSDB's write protocol as pure functions.
