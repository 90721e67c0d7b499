//! `potsdb serve --grafana`: a provisioning file that makes this server a data source of Grafana's.
//!
//! Printed instead of serving, so that it can be redirected into Grafana's folder. Texts are JSON strings, which YAML
//! reads as they are meant, whatever is in them.

use std::net::{IpAddr, SocketAddr};

use serde_json::Value;

/// The file, for a server that listens there and serves HTTP below that path.
pub(super) fn provisioning(address: SocketAddr, is_encrypted: bool, base_path: &str, login: Option<&str>) -> String {
    let scheme = if is_encrypted { "https" } else { "http" };
    let url = format!("{scheme}://{}:{}{base_path}", host(address.ip()), address.port());
    let (name, value) = match login {
        Some(login) => (
            "\n      httpHeaderName1: Authorization".to_owned(),
            format!("\n    secureJsonData:\n      httpHeaderValue1: {}", Value::from(login)),
        ),
        None => Default::default(),
    };
    format!(
        "\
# Grafana reads this file at its start, from provisioning/datasources below its configuration:
#     potsdb serve --grafana > /etc/grafana/provisioning/datasources/potsdb.yaml
# If Grafana runs in a container or on another machine, put the name of this machine in place of the host below, and let
# the server listen there: potsdb serve --listen 0.0.0.0
apiVersion: 1
datasources:
  - name: potsdb
    type: opentsdb
    access: proxy
    url: {url}
    jsonData:
      tsdbVersion: 4       # 2.4
      tsdbResolution: 1    # seconds
      lookupLimit: 1000{name}{value}",
        url = Value::from(url),
    )
}

/// How the machine itself reaches a server that listens there.
pub(super) fn host(address: IpAddr) -> String {
    match address {
        address if address.is_unspecified() || address.is_loopback() && address.is_ipv4() => "localhost".into(),
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url_of(address: &str, is_encrypted: bool, base_path: &str) -> String {
        let file = provisioning(address.parse().expect("an address"), is_encrypted, base_path, None);
        let url = file.lines().find_map(|line| line.trim().strip_prefix("url: "));
        url.expect("there is one").to_owned()
    }

    #[test]
    fn the_url_is_one_that_leads_to_the_server() {
        assert_eq!(url_of("127.0.0.1:4242", false, ""), "\"http://localhost:4242\"");
        assert_eq!(url_of("0.0.0.0:4243", false, ""), "\"http://localhost:4243\"");
        assert_eq!(url_of("192.0.2.7:4242", true, ""), "\"https://192.0.2.7:4242\"");
        assert_eq!(url_of("[::1]:4242", false, "/a # b"), "\"http://[::1]:4242/a # b\"");
    }

    #[test]
    fn a_login_is_a_header_that_grafana_keeps_secret() {
        let address = "127.0.0.1:4242".parse().expect("an address");
        let file = provisioning(address, false, "", Some("Bearer \"x\""));
        let (open, secret) = file.split_once("    secureJsonData:\n").expect("there are secrets");
        assert!(open.ends_with("      httpHeaderName1: Authorization\n"), "{open}");
        assert_eq!(secret, "      httpHeaderValue1: \"Bearer \\\"x\\\"\"");
    }
}
