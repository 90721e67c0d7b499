//! The door: where a relay listens, who may come in, and what both sides prove themselves with.
//!
//! Files with secrets and certificates are read again when they have changed, and when a reload is asked for. What is wrong
//! then leaves what there was.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use potsdb::binding::base64;
use potsdb_front::{Door, Login, Tls};

use crate::config::{Config, Listen};
use crate::relay::StartError;

/// Who may use a Unix socket: its owner and its group.
const MODE: u32 = 0o660;

/// The doors of a relay, each with its name.
pub(crate) fn doors(config: &Config) -> Result<Vec<(String, Door)>, StartError> {
    let doors = config.listen.iter().map(|listen| {
        let door = match listen {
            Listen::Tcp(address, false) => Door::tcp(*address),
            Listen::Tcp(_, true) if config.keys.certificate.is_none() => {
                return Err(StartError(format!("{listen}: TLS needs a certificate and its key")));
            }
            Listen::Tcp(address, true) => Door::tcp(*address).encrypted(true),
            Listen::Unix(path) => Door::unix(path, MODE),
        };
        Ok((listen.to_string(), door))
    });
    doors.collect()
}

/// What an operator should know of the doors: that some are open to whoever finds them.
pub(crate) fn warnings(config: &Config) -> Vec<String> {
    let is_guarded = !config.allow.is_empty() || config.keys.auth.is_some() || config.keys.client_ca.is_some();
    let open = config.listen.iter().filter(|listen| match listen {
        Listen::Tcp(address, _) => !address.ip().is_loopback(),
        Listen::Unix(_) => false,
    });
    open.filter(|_| !is_guarded)
        .map(|listen| {
            format!("{listen} takes points from whoever reaches it: allow, auth or client certificates keep others out")
        })
        .collect()
}

/// Addresses that may come in: `10.0.0.0/8`, `192.0.2.7`, `2001:db8::/32`. This machine always may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn holds(self, address: IpAddr) -> bool {
        let differ = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => u128::from(ours.to_bits() ^ theirs.to_bits()) << 96,
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => ours.to_bits() ^ theirs.to_bits(),
            _ => return false,
        };
        differ.leading_zeros() >= u32::from(self.bits)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("{text:?} is no network: ADDRESS or ADDRESS/BITS is expected, as in 10.0.0.0/8");
        let (address, bits) = text
            .split_once('/')
            .map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| wrong()))?;
        if bits > most {
            return Err(wrong());
        }
        Ok(Network { address, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Whether a peer may come in.
pub(crate) fn allows(networks: &[Network], peer: &potsdb_front::Peer) -> bool {
    let address = peer.address.ip().to_canonical();
    networks.is_empty() || address.is_loopback() || networks.iter().any(|network| network.holds(address))
}

/// Files that hold what both sides prove themselves with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Keys {
    /// The certificate chain, PEM.
    pub certificate: Option<PathBuf>,
    /// Its private key, PEM.
    pub key: Option<PathBuf>,
    /// The authorities of peers' certificates, PEM: then every peer over TLS has to have one.
    pub client_ca: Option<PathBuf>,
    /// Logins, a line each: `line TEXT` is a telnet connection's first line, `basic USER:PASSWORD` and `bearer TOKEN` are an
    /// HTTP request's. Whoever has none does not get in.
    pub auth: Option<PathBuf>,
}

/// What was read of them, and when they were as they are.
pub(crate) struct KeyRing {
    keys: Keys,
    pub(crate) login: Login,
    pub(crate) tls: Option<Tls>,
    seen: Mutex<Vec<Option<SystemTime>>>,
}

impl KeyRing {
    pub(crate) fn open(keys: &Keys) -> Result<KeyRing, StartError> {
        let (login, tls) = (login(keys)?, tls(keys)?);
        Ok(KeyRing {
            seen: Mutex::new(times(keys)),
            keys: keys.clone(),
            login,
            tls,
        })
    }

    /// Reads all files again.
    pub(crate) fn read_again(&self) -> Result<(), StartError> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = times(&self.keys);
        let (login, tls) = (login(&self.keys)?, tls(&self.keys)?);
        self.login.replace(&login);
        if let (Some(before), Some(tls)) = (&self.tls, tls) {
            before.replace(&tls);
        }
        Ok(())
    }

    /// Reads them again if one has changed; says whether it did.
    pub(crate) fn look(&self) -> Result<bool, StartError> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if times(&self.keys) == seen {
            return Ok(false);
        }
        self.read_again().map(|()| true)
    }
}

fn times(keys: &Keys) -> Vec<Option<SystemTime>> {
    let files = [&keys.certificate, &keys.key, &keys.client_ca, &keys.auth];
    let changed = |path: &PathBuf| fs::metadata(path).and_then(|file| file.modified()).ok();
    files.iter().map(|file| file.as_ref().and_then(changed)).collect()
}

fn tls(keys: &Keys) -> Result<Option<Tls>, StartError> {
    let (Some(certificate), Some(key)) = (&keys.certificate, &keys.key) else {
        return match keys {
            Keys {
                certificate: None,
                key: None,
                client_ca: None,
                ..
            } => Ok(None),
            _ => Err(StartError("TLS needs both a certificate and its key".into())),
        };
    };
    let (pem, private) = (read(certificate)?, read(key)?);
    let tls = match &keys.client_ca {
        None => Tls::from_pem(&pem, &private),
        Some(authorities) => Tls::from_pem_with_authorities(&pem, &private, &read(authorities)?),
    };
    tls.map(Some)
        .map_err(|error| StartError(format!("{}: {error}", certificate.display())))
}

fn login(keys: &Keys) -> Result<Login, StartError> {
    let Some(path) = &keys.auth else {
        return Ok(Login::default());
    };
    let text = String::from_utf8(read(path)?).unwrap_or_default();
    let (mut lines, mut headers) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        match line.split_once(' ').map(|(kind, secret)| (kind, secret.trim())) {
            _ if line.is_empty() || line.starts_with('#') => {}
            Some(("line", secret)) => lines.push(secret.to_owned()),
            Some(("basic", secret)) => headers.push(format!("Basic {}", base64(secret.as_bytes()))),
            Some(("bearer", secret)) => headers.push(format!("Bearer {secret}")),
            // The line may be a secret by mistake: it is not shown.
            _ => {
                let place = format!("{}, line {}", path.display(), number + 1);
                let rule = "\"line TEXT\", \"basic USER:PASSWORD\" or \"bearer TOKEN\" is expected";
                return Err(StartError(format!("{place}: {rule}")));
            }
        }
    }
    if lines.is_empty() && headers.is_empty() {
        return Err(StartError(format!("{}: there is no login in it", path.display())));
    }
    Ok(Login::any_of(lines, headers))
}

fn read(path: &Path) -> Result<Vec<u8>, StartError> {
    fs::read(path).map_err(|error| StartError(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> potsdb_front::Peer {
        potsdb_front::Peer::plain((address.parse::<IpAddr>().expect("an address"), 1).into())
    }

    #[test]
    fn who_may_come_in_is_said_by_networks() {
        let networks: Vec<Network> = ["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "0.0.0.0/32"]
            .iter()
            .map(|text| text.parse().expect(text))
            .collect();
        for (address, may) in [
            ("10.255.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("::ffff:10.1.1.1", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
            ("127.0.0.1", true),
            ("::1", true),
        ] {
            assert_eq!(allows(&networks, &peer(address)), may, "{address}");
        }
        assert!(allows(&[], &peer("192.0.2.1")) && allows(&["0.0.0.0/0".parse().expect("all")], &peer("192.0.2.1")));
        for wrong in ["", "10.0.0.0/33", "10.0.0/8", "a/8", "::/129", "10.0.0.0/-1"] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn logins_are_read_again_when_their_file_changes_and_kept_when_it_is_wrong() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("auth");
        let write = |text: &str, second: u64| {
            fs::write(&path, text).expect("a file");
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            fs::File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_modified(time))
                .expect("a time");
        };
        let keys = Keys {
            auth: Some(path.clone()),
            ..Keys::default()
        };
        assert!(KeyRing::open(&keys).is_err(), "there is none");
        write("# ours\nline auth a b\n\nbasic user:pass\n", 1);
        let ring = KeyRing::open(&keys).expect("logins");
        assert_eq!(ring.look().ok(), Some(false));
        write("bearer x", 2);
        assert_eq!(ring.look().ok(), Some(true));
        write("hunter22", 3);
        let words = ring.look().expect_err("no login").0;
        assert!(words.contains("line 1") && !words.contains("hunter22"), "{words}");
        write("\n", 4);
        assert!(ring.look().expect_err("none").0.ends_with("there is no login in it"));
    }

    #[test]
    fn an_open_door_is_warned_of() {
        let config = |listen: &str| Config {
            listen: vec![listen.parse().expect("a place")],
            ..Config::default()
        };
        assert!(warnings(&config("127.0.0.1:4242")).is_empty() && warnings(&config("unix:/a")).is_empty());
        assert_eq!(warnings(&config("0.0.0.0:4242")).len(), 1);
        let mut guarded = config("0.0.0.0:4242");
        guarded.allow = vec!["10.0.0.0/8".parse().expect("a network")];
        assert!(warnings(&guarded).is_empty());
    }
}
