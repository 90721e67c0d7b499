//! URLs as people write them, and as they should not.

use super::*;

fn parse(url: &str) -> Result<Url, ConfigError> {
    super::parse(url, None)
}

fn shows(url: &str) -> Vec<String> {
    parse(url).unwrap().endpoints.iter().map(ToString::to_string).collect()
}

fn targets(url: &str) -> String {
    parse(url).unwrap().endpoints[0].target().to_owned()
}

#[test]
fn every_host_form_is_read() {
    let url = "tsdb://tsd1,tsd2:4243,[::1]:4244,[fe80::1]?mps=500&tags=a%3Db";
    assert_eq!(
        shows(url),
        [
            "tsdb://tsd1:4242",
            "tsdb://tsd2:4243",
            "tsdb://[::1]:4244",
            "tsdb://[fe80::1]:4242"
        ]
    );
    let options = parse(url).unwrap().options;
    let expected = [("mps", "500"), ("tags", "a=b")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(options, expected);
}

#[test]
fn each_scheme_has_its_own_port() {
    assert_eq!(shows("tsdb://h/"), ["tsdb://h:4242"]);
    assert_eq!(shows("tsdbs://h"), ["tsdbs://h:4242"]);
    assert_eq!(shows("http://h,i:4242"), ["http://h:80", "http://i:4242"]);
    assert_eq!(shows("https://[::1]/"), ["https://[::1]:443"]);
}

#[test]
fn a_port_beside_the_url_is_for_the_hosts_without_one() {
    let ports = |url, port| -> Result<Vec<u16>, String> {
        let url = super::parse(url, Some(port)).map_err(|error| error.to_string())?;
        Ok(url.endpoints.iter().map(Endpoint::port).collect())
    };
    assert_eq!(ports("http://h", 8086), Ok(vec![8086]));
    assert_eq!(ports("tsdb://a,b:4243,[::1]", 4243), Ok(vec![4243; 3]));
    let refused = ports("tsdb://a,b:4243", 4242).unwrap_err();
    assert!(refused.contains("b:4243") && refused.contains("another"), "{refused}");
}

#[test]
fn a_path_is_a_base_unless_it_puts() {
    for (url, target) in [
        ("http://h", "/api/put"),
        ("http://h/", "/api/put"),
        ("http://h/insert/0/opentsdb", "/insert/0/opentsdb/api/put"),
        ("http://h/insert/0/opentsdb/", "/insert/0/opentsdb/api/put"),
        ("http://h/insert/0/opentsdb/api/put", "/insert/0/opentsdb/api/put"),
        ("http://h/opentsdb/v1/put/json/db", "/opentsdb/v1/put/json/db"),
        ("http://h/computer", "/computer/api/put"),
        ("tsdb://h", ""),
    ] {
        assert_eq!(targets(url), target, "{url}");
    }
}

#[test]
fn over_http_what_is_no_option_belongs_to_the_server() {
    let url = "http://h/write?extra_label=dc%3Deu&mps=500&db=public&flag&sync_timeout=100&app=x";
    assert_eq!(
        targets(url),
        "/write/api/put?extra_label=dc%3Deu&db=public&flag&sync_timeout=100&app=x"
    );
    assert_eq!(parse(url).unwrap().options, [("mps".to_owned(), "500".to_owned())]);
    assert_eq!(shows(url), ["http://h:80/write/api/put"], "the query may hold a secret");
}

#[test]
fn an_option_misspelt_is_not_the_servers() {
    for (url, meant) in [
        ("http://h?overlfow=block", "overflow"),
        ("http://h?conections=2", "connections"),
        ("http://h?%6Dax_ag=2", "max_age"),
        ("http://h?gizp=false", "gzip"),
    ] {
        let error = parse(url).unwrap_err().to_string();
        assert!(error.contains(&format!("did you mean {meant:?}")), "{url}: {error}");
    }
}

#[test]
fn a_user_and_password_are_basic_auth() {
    let url = parse("https://me:p%40ss%2Fword@h,i/base").unwrap();
    assert_eq!(url.auth, Some("basic:me:p@ss/word".parse().unwrap()));
    assert_eq!(url.endpoints.len(), 2);
    let url = parse("http://token@h").unwrap();
    assert_eq!(url.auth, Some("basic:token:".parse().unwrap()));
}

#[test]
fn an_option_that_stands_there_twice_is_refused() {
    for url in ["tsdb://h?mps=1&mps=2", "http://h?mps=1&x=y&mps=1"] {
        let error = parse(url).unwrap_err();
        assert_eq!(error.to_string(), "option mps: it stands in the URL twice", "{url}");
    }
    parse("http://h?x=1&x=2").expect("what is the server's own may stand there twice");
}

#[test]
fn what_is_no_url_is_refused_with_the_rule() {
    for (url, rule) in [
        ("localhost", "starts with its scheme"),
        ("ftp://x", "the scheme is tsdb"),
        ("HTTP://x", "the scheme is tsdb"),
        ("tsdb://", "a host is a name"),
        (
            "tsdb://a,,b",
            "\"a,,b\": a host is a name or an address: one is missing",
        ),
        ("a,http://b", "the scheme stands once"),
        ("tsdb://a:0", "a port is a number"),
        ("tsdb://a:99999", "a port is a number"),
        ("tsdb://::1", "in brackets"),
        ("tsdb://[::1", "ends in `]`"),
        ("tsdb://a b", "a host is a name"),
        ("tsdb://a?mps", "name=value"),
        ("tsdb://a?mps=%zz", "two hexadecimal digits"),
        ("tsdb://a/path", "a path is for http"),
        ("http://a\r\nX", "a host is a name"),
        ("http://\u{e9}", "ASCII"),
        ("http://a/\u{e9}", "printable ASCII"),
        ("http://a/b c", "printable ASCII"),
        ("http://a?b=c\r\nd", "printable ASCII"),
        ("http://a?mps", "name=value"),
    ] {
        let error = parse(url).unwrap_err().to_string();
        assert!(error.contains(rule), "{url}: {error}");
    }
}

#[test]
fn no_error_shows_a_secret() {
    for url in [
        "canary@h",
        "u:canary@h",
        "http//u:canary@h",
        "ftp://u:canary@h",
        "u:canary@x://h",
        "tsdb://u:canary@h",
        "http://u:canary@h:99999",
        "http://u:can@canary@h",
        "http://u:canary%zz@h",
        "http://u:canary/x@h",
        "http://u:1/canary@h",
        "http://u:canary?x@h",
        "http://u:1?canary@h",
        "http://u:canary?mps=x@h:x",
        "http://u:x/y?canary@h",
        "http://u:canary@h/\u{e9}",
        "tsdb://h?auth:canary",
        "tsdb://h:x?auth=basic:u:canary",
        "tsdb://h?auth=canary%zz",
        "h?auth=bearer:canary",
        "http://h:x?token=canary",
    ] {
        let error = parse(url).map(|_| ()).unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(!said.contains("canary"), "{url}: {said}");
    }
}

#[test]
fn an_endpoint_prints_as_it_is_read() {
    for scheme in Scheme::ALL {
        assert_eq!(scheme.to_string().parse::<Scheme>().unwrap(), scheme);
    }
    for url in [
        "tsdb://tsd1:4242",
        "tsdbs://[::1]:4243",
        "http://tsd1:80",
        "https://vm:8480/insert/0/opentsdb/api/put",
    ] {
        assert_eq!(url.parse::<Endpoint>().unwrap().to_string(), url);
    }
    let endpoint: Endpoint = "http://vm/opentsdb?extra_label=dc=eu".parse().unwrap();
    assert_eq!(endpoint.target(), "/opentsdb/api/put?extra_label=dc=eu");
    for (wrong, rule) in [
        ("tsd1:4242", "starts with its scheme"),
        ("udp://tsd1", "the scheme is tsdb"),
        ("tsdb://a,b", "one host"),
        ("tsdb://a?mps=canary", "no options"),
        ("https://user:canary@a", "no login"),
    ] {
        let error = wrong.parse::<Endpoint>().unwrap_err();
        let said = format!("{error} {error:?}");
        assert!(said.contains(rule) && !said.contains("canary"), "{wrong}: {said}");
    }
    assert!("gopher".parse::<Scheme>().is_err());
}
