//! Where the questions of reading back are asked: known from a request's first line, and from its path.
//!
//! ```text
//! /api/query/last    /api/v1/query/last    endpoint: query    below it: last
//! ```

/// The endpoints there are in every personality; what is below one is its own business.
const ENDPOINTS: [&str; 10] = [
    "query",
    "suggest",
    "search",
    "aggregators",
    "stats",
    "config",
    "annotation",
    "annotations",
    "uid",
    "potsdb",
];

/// Whether a request line asks for any of this, or for the page.
pub(crate) fn is_asked_for(request_line: &[u8]) -> bool {
    let target = request_line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    str::from_utf8(path).is_ok_and(|path| {
        let path = path.to_ascii_lowercase();
        asked(&path).is_some() || path == "/" || path.starts_with("/potsdb/page/")
    })
}

/// A path below `/api`, in its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) version: u32,
    pub(crate) endpoint: &'a str,
    /// What follows it, or nothing.
    pub(crate) below: &'a str,
}

/// Reads a path below `/api`, whatever it is.
pub(crate) fn place(path: &str) -> Option<Place<'_>> {
    let path = path.strip_prefix("/api/")?;
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let version = first.strip_prefix('v').and_then(|number| number.parse().ok());
    let path = if version.is_some() { rest } else { path };
    let (endpoint, below) = path.split_once('/').unwrap_or((path, ""));
    Some(Place {
        version: version.unwrap_or(1),
        endpoint,
        below: below.split('/').next().unwrap_or_default(),
    })
}

/// Which question of reading back a path is.
pub(crate) fn asked(path: &str) -> Option<Place<'_>> {
    let place = place(path)?;
    let is_ours = match place.endpoint {
        // The rest of its configuration is the personality's.
        "config" => place.below == "filters",
        "potsdb" => place.below == "collisions",
        endpoint => ENDPOINTS.contains(&endpoint),
    };
    (is_ours && place.version <= 1).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_version_an_endpoint_and_what_is_below_it() {
        let shown = |path| place(path).map(|place| (place.version, place.endpoint, place.below));
        assert_eq!(shown("/api/query"), Some((1, "query", "")));
        assert_eq!(shown("/api/v1/search/lookup/"), Some((1, "search", "lookup")));
        assert_eq!(shown("/api/v2/query"), Some((2, "query", "")));
        assert_eq!(shown("/api/vx/query"), Some((1, "vx", "query")));
        assert_eq!(shown("/query"), None);
        assert!(is_asked_for(b"GET /API/Suggest?type=metrics HTTP/1.1"));
        assert!(!is_asked_for(b"GET /api/config HTTP/1.1") && !is_asked_for(b"POST /api/put HTTP/1.1"));
    }
}
