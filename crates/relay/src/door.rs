//! The door: where a relay listens, and what it says if that is open to others.

use potsdb_front::Door;

use crate::config::{Config, Listen};
use crate::relay::StartError;

/// Who may use a Unix socket: its owner and its group.
const MODE: u32 = 0o660;

/// The doors of a relay, each with its name.
pub(crate) fn doors(config: &Config) -> Result<Vec<(String, Door)>, StartError> {
    let doors = config.listen.iter().map(|listen| {
        let door = match listen {
            Listen::Tcp(address, false) => Door::tcp(*address),
            Listen::Tcp(_, true) if config.tls.is_none() => {
                return Err(StartError(format!("{listen}: TLS needs a certificate and its key")));
            }
            Listen::Tcp(address, true) => Door::tcp(*address).encrypted(true),
            Listen::Unix(path) => Door::unix(path, MODE),
        };
        Ok((listen.to_string(), door))
    });
    doors.collect()
}
