//! Where the questions of reading back are asked: known from a request's first line, and from its path.

const PATHS: [&str; 7] = [
    "query",
    "suggest",
    "search/lookup",
    "aggregators",
    "stats",
    "config/filters",
    "potsdb/collisions",
];

/// Whether a request line asks for any of this.
pub(crate) fn is_asked_for(request_line: &[u8]) -> bool {
    let target = request_line.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    let path = target.split(|&byte| byte == b'?').next().unwrap_or_default();
    str::from_utf8(path).is_ok_and(|path| named(&path.to_ascii_lowercase()).is_some())
}

/// Which of them a path is.
pub(crate) fn named(path: &str) -> Option<&'static str> {
    let path = path.trim_end_matches('/').strip_prefix("/api/")?;
    let path = path.strip_prefix("v1/").unwrap_or(path);
    PATHS.into_iter().find(|known| *known == path)
}
