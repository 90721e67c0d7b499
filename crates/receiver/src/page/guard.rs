//! Who may see the page: browsers on this machine, and no web page of another origin.
//!
//! ```text
//! a page of evil.example asks http://localhost:4242     Origin, Sec-Fetch-Site: refused (it could not read, but write)
//! evil.example's name is changed to 127.0.0.1           Host: evil.example, refused (its script would be of our origin)
//! a form or a simple request writes                     the field that only our own script can set is missing, refused
//! ```
//!
//! Pure. The page is asked for every request of its own; puts and queries are as the imitated server has them.

use std::net::{IpAddr, SocketAddr};

use potsdb_front::Head;

/// Who may see the page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Visitors {
    /// There is no page.
    #[default]
    Nobody,
    /// Peers on this machine.
    Loopback,
    /// Every peer that can connect, under an address, `localhost`, or one of these names.
    Everyone(Vec<String>),
}

/// The field that our script sends with everything that changes something. A page of another origin would have to ask
/// for leave first, and gets none.
const WRITES: &str = "X-Potsdb-Page";

impl Visitors {
    /// Whether a peer may see the page at all; for others it is not there.
    pub(super) fn admit(&self, peer: SocketAddr) -> bool {
        match self {
            Visitors::Nobody => false,
            Visitors::Loopback => peer.ip().to_canonical().is_loopback(),
            Visitors::Everyone(_) => true,
        }
    }

    /// Whether a browser asks for itself, and not for a page of another origin; otherwise why not.
    pub(super) fn judge(&self, head: &Head, is_document: bool) -> Result<(), &'static str> {
        let host = head.field("Host").ok_or("a request for the page names its host")?;
        if !self.is_ours(host) {
            return Err("the page is not served under that name: see potsdb serve --page");
        }
        if let Some(origin) = head.field("Origin")
            && !is_of(origin, host)
        {
            return Err("a page of another origin may not ask that");
        }
        let is_ours = |site| matches!(site, "same-origin" | "none");
        let is_opened = is_document && head.field("Sec-Fetch-Dest") == Some("document");
        if let Some(site) = head.field("Sec-Fetch-Site")
            && !is_ours(site)
            && !is_opened
        {
            return Err("a page of another origin may not ask that");
        }
        match head.method.as_str() {
            "GET" => Ok(()),
            "POST" if head.field(WRITES).is_some() => Ok(()),
            _ => Err("only the page's own script may change something"),
        }
    }

    /// Whether a name in `Host` is one that only we can have: a name of others may be made to lead here.
    fn is_ours(&self, host: &str) -> bool {
        let name = without_port(host).to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_localhost = name == "localhost" || name.ends_with(".localhost");
        match (self, address) {
            (Visitors::Nobody, _) => false,
            (Visitors::Loopback, Ok(address)) => address.is_loopback(),
            (Visitors::Loopback, Err(_)) => is_localhost,
            (Visitors::Everyone(_), Ok(_)) => true,
            (Visitors::Everyone(names), Err(_)) => {
                is_localhost || names.iter().any(|known| known.eq_ignore_ascii_case(&name))
            }
        }
    }
}

/// Whether `http://host:port` is of that host and port.
fn is_of(origin: &str, host: &str) -> bool {
    let of = origin.strip_prefix("http://").or(origin.strip_prefix("https://"));
    of.is_some_and(|of| of.eq_ignore_ascii_case(host))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use potsdb_front::Head;

    use super::*;

    fn judged(visitors: &Visitors, method: &str, fields: &[(&str, &str)]) -> bool {
        let head = Head::new(method, "/potsdb/page/clear", fields);
        visitors.judge(&head, false).is_ok()
    }

    #[test]
    fn only_names_that_nobody_else_can_have_are_served() {
        let local = Visitors::Loopback;
        for host in [
            "localhost:4242",
            "LOCALHOST",
            "127.0.0.1:4242",
            "127.3.2.1",
            "[::1]:4242",
            "a.localhost:1",
        ] {
            assert!(judged(&local, "GET", &[("Host", host)]), "{host}");
        }
        for host in [
            "evil.example:4242",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "192.0.2.1:4242",
            "",
            "[::2]",
        ] {
            assert!(!judged(&local, "GET", &[("Host", host)]), "{host}");
        }
        assert!(!judged(&local, "GET", &[]), "a host is named");
        let everyone = Visitors::Everyone(vec!["dev.example".into()]);
        for host in ["dev.example:4242", "192.0.2.1:4242", "localhost", "[2001:db8::1]:4242"] {
            assert!(judged(&everyone, "GET", &[("Host", host)]), "{host}");
        }
        assert!(!judged(&everyone, "GET", &[("Host", "evil.example")]));
        assert!(!judged(&Visitors::Nobody, "GET", &[("Host", "localhost")]));
    }

    #[test]
    fn no_page_of_another_origin_writes_or_reads() {
        let host = ("Host", "localhost:4242");
        let own = (WRITES, "1");
        let judged = |method, fields: &[(&str, &str)]| judged(&Visitors::Loopback, method, fields);
        assert!(judged("POST", &[host, own, ("Origin", "http://localhost:4242")]));
        assert!(judged("POST", &[host, own, ("Sec-Fetch-Site", "same-origin")]));
        assert!(!judged("POST", &[host]), "a form");
        for origin in [
            "http://evil.example",
            "http://localhost:4243",
            "null",
            "http://localhost:4242.evil.example",
        ] {
            assert!(!judged("POST", &[host, own, ("Origin", origin)]), "{origin}");
            assert!(!judged("GET", &[host, ("Origin", origin)]), "{origin}");
        }
        assert!(!judged("GET", &[host, ("Sec-Fetch-Site", "cross-site")]));
        assert!(
            !judged("GET", &[host, ("Sec-Fetch-Site", "same-site")]),
            "another port is another origin"
        );
        assert!(!judged("OPTIONS", &[host, own]) && !judged("PUT", &[host, own]));
    }

    #[test]
    fn a_link_may_lead_to_the_page() {
        let fields = [
            ("Host", "localhost:4242"),
            ("Sec-Fetch-Site", "cross-site"),
            ("Sec-Fetch-Dest", "document"),
        ];
        let head = Head::new("GET", "/", &fields);
        assert!(Visitors::Loopback.judge(&head, true).is_ok());
        assert!(Visitors::Loopback.judge(&head, false).is_err());
    }

    #[test]
    fn only_peers_on_this_machine_unless_said() {
        let peer = |text: &str| text.parse().expect("an address");
        for (peer, is_local) in [
            (peer("127.0.0.1:1"), true),
            (peer("[::1]:1"), true),
            (peer("[::ffff:127.0.0.1]:1"), true),
            (peer("192.0.2.1:1"), false),
        ] {
            assert_eq!(Visitors::Loopback.admit(peer), is_local, "{peer}");
            assert!(Visitors::Everyone(Vec::new()).admit(peer) && !Visitors::Nobody.admit(peer));
        }
    }
}
