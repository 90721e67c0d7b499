//! Redacts secrets that a server repeats in its error messages.
//!
//! ```text
//! ?token=s3cret%2Fp%40ss                          s3cret%2Fp%40ss  s3cret/p@ss
//! Authorization: Basic YWxpY2U6aHVudGVyMjI=       Basic YWxp...  YWxp...  alice:hunter22  alice  hunter22
//! auth basic alice hunter22                       the line, alice, hunter22
//!                                                 and what each looks like in a URL, in base64, HTML and JSON
//! ```
//!
//! Servers and proxies repeat requests in their errors: the target with its query, a header, a line, also decoded. So
//! whatever of a connection's requests may be secret is looked for in what comes back, in each form it may take. The words
//! were cleaned and cut before (`potsdb_wire::words`); a secret of which only the beginning is left is hidden too.

use potsdb_wire::words;

use crate::config::credentials::base64;
use crate::config::secret::Secret;
use crate::config::url::percent_decoded;

/// Shorter texts are part of many words; they are looked for as a word of their own.
const LONG: usize = 6;

/// Shorter ones are in any text.
const SHORTEST: usize = 3;

/// Words of a login line that are no secret, and that errors need.
const PLAIN: [&str; 8] = [
    "auth",
    "login",
    "basic",
    "bearer",
    "token",
    "user",
    "password",
    "hmacsha256",
];

const HIDDEN: &str = "***";

/// Everything that may be secret about a connection, in every form it may come back in, the longest first.
#[derive(Debug, Default)]
pub(crate) struct Secrets(Vec<Secret>);

impl Secrets {
    /// Those of HTTP requests to this target with these headers, each of which ends in `\r\n`.
    #[cfg(feature = "http")]
    pub(crate) fn of_http(target: &str, headers: &[u8]) -> Secrets {
        let mut found = Found::default();
        let query = target.split_once('?').map_or("", |(_, query)| query);
        found.long(query);
        for pair in query.split('&') {
            found.long(pair.split_once('=').map_or(pair, |(_, value)| value));
        }
        let headers = String::from_utf8_lossy(headers);
        for (_, value) in headers.lines().filter_map(|line| line.split_once(": ")) {
            found.long(value);
            // `Basic x` and `Bearer x`: the second half alone is enough to be let in.
            let (scheme, credentials) = value.rsplit_once(' ').unwrap_or(("", value));
            found.long(credentials);
            if scheme.eq_ignore_ascii_case("basic") {
                found.login(&base64_decoded(credentials).unwrap_or_default());
            }
        }
        found.secrets()
    }

    /// Those of a telnet connection that begins with this line.
    pub(crate) fn of_line(line: &[u8]) -> Secrets {
        let mut found = Found::default();
        let line = String::from_utf8_lossy(line);
        found.long(line.trim());
        for word in line.split_whitespace().filter(|word| !PLAIN.contains(word)) {
            found.any(word);
            found.login(word);
        }
        found.secrets()
    }

    /// These words without them.
    pub(crate) fn hidden(&self, mut words: String) -> String {
        for secret in &self.0 {
            hide(&mut words, secret.reveal());
        }
        self.hide_beginning(&mut words);
        words
    }

    /// Hides the beginning of a secret that the words were cut within.
    fn hide_beginning(&self, words: &mut String) {
        let Some(uncut) = words.strip_suffix(words::CUT) else {
            return;
        };
        let secrets = self.0.iter().map(Secret::reveal);
        let lengths = secrets.filter_map(|secret| {
            let longest = secret.len().min(uncut.len());
            let mut lengths = (SHORTEST..=longest).rev();
            lengths.find(|len| secret.is_char_boundary(*len) && uncut.ends_with(&secret[..*len]))
        });
        if let Some(longest) = lengths.max() {
            words.truncate(uncut.len() - longest);
            words.push_str(HIDDEN);
        }
    }
}

/// Replaces a secret in words.
fn hide(words: &mut String, secret: &str) {
    let mut from = 0;
    while let Some(at) = words[from..].find(secret).map(|at| from + at) {
        let (before, after) = (&words[..at], &words[at + secret.len()..]);
        let is_alone = !before.ends_with(char::is_alphanumeric) && !after.starts_with(char::is_alphanumeric);
        if secret.len() >= LONG || is_alone {
            words.replace_range(at..at + secret.len(), HIDDEN);
            from = at + HIDDEN.len();
        } else {
            from = at + secret.len();
        }
    }
}

/// Secrets as they are gathered.
#[derive(Default)]
struct Found(Vec<String>);

impl Found {
    /// A value that may be secret, or a tenant's number, or `true`: one that is short is none.
    fn long(&mut self, text: &str) {
        if text.len() >= LONG {
            self.any(text);
        }
    }

    /// A name with its password, and each alone.
    fn login(&mut self, text: &str) {
        if text.contains(':') {
            self.any(text);
            text.split(':').for_each(|part| self.any(part));
            // A password may have colons itself.
            text.split_once(':')
                .into_iter()
                .for_each(|(_, password)| self.any(password));
        }
    }

    /// The text in every form.
    fn any(&mut self, text: &str) {
        let decoded = [text.to_owned(), text.replace('+', " ")];
        let mut plain: Vec<String> = decoded.iter().flat_map(|text| percent_decoded(text)).collect();
        plain.push(text.to_owned());
        plain.retain(|text| text.len() >= SHORTEST);
        for text in plain {
            let coded = base64(text.as_bytes());
            let coded = coded.trim_end_matches('=');
            self.0.extend([
                percent_encoded(&text, false),
                percent_encoded(&text, true),
                coded.replace('+', "-").replace('/', "_"),
                coded.to_owned(),
                escaped(
                    &text,
                    &[
                        ('&', "&amp;"),
                        ('<', "&lt;"),
                        ('>', "&gt;"),
                        ('"', "&quot;"),
                        ('\'', "&#39;"),
                    ],
                ),
                escaped(
                    &text,
                    &[
                        ('&', "&amp;"),
                        ('<', "&lt;"),
                        ('>', "&gt;"),
                        ('"', "&#34;"),
                        ('\'', "&#x27;"),
                    ],
                ),
                escaped(&text, &[('"', "\\\""), ('\\', "\\\\")]),
                escaped(&text, &[('"', "\\\""), ('\\', "\\\\"), ('/', "\\/")]),
                escaped(
                    &text,
                    &[
                        ('"', "\\\""),
                        ('\\', "\\\\"),
                        ('&', "\\u0026"),
                        ('<', "\\u003c"),
                        ('>', "\\u003e"),
                    ],
                ),
                text,
            ]);
        }
    }

    fn secrets(mut self) -> Secrets {
        // The longest first: a shorter one may be a part of it.
        self.0
            .sort_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
        self.0.dedup();
        Secrets(self.0.into_iter().map(Secret::from).collect())
    }
}

fn escaped(text: &str, escapes: &[(char, &str)]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match escapes.iter().find(|(special, _)| *special == character) {
            Some((_, escape)) => escaped.push_str(escape),
            None => escaped.push(character),
        }
    }
    escaped
}

fn percent_encoded(text: &str, lower_case: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ if lower_case => encoded.push_str(&format!("%{byte:02x}")),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// What RFC 4648 made of a text, in either alphabet, with padding or without; `None` if it is not that.
#[cfg(feature = "http")]
fn base64_decoded(text: &str) -> Option<String> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(secrets: &Secrets, said: &str) -> String {
        secrets.hidden(words::clean(said.as_bytes()))
    }

    #[cfg(feature = "http")]
    #[test]
    fn what_may_be_a_secret_is_hidden_and_nothing_else() {
        let headers = b"Authorization: Basic bWU6Y2FuYXJ5\r\nX-Scope-OrgID: 7\r\n";
        let secrets = Secrets::of_http("/api/put?token=sesame42&details", headers);
        for (said, words) in [
            ("no token=sesame42&details here", "no *** here"),
            ("sesame42?", "***?"),
            ("Basic bWU6Y2FuYXJ5", "***"),
            ("got bWU6Y2FuYXJ5", "got ***"),
            ("me:canary came", "*** came"),
            ("the bird is a canary", "the bird is a ***"),
            ("value 7 of m at /api/put", "value 7 of m at /api/put"),
        ] {
            assert_eq!(heard(&secrets, said), words);
        }
    }

    #[cfg(feature = "http")]
    #[test]
    fn a_secret_is_hidden_however_it_is_coded() {
        let headers = format!(
            "Authorization: Basic {}\r\nX-Key: a\"b&c<d'e\r\n",
            base64(b"alice:hunter22")
        );
        let secrets = Secrets::of_http("/api/put?token=s3cret%2Fp%40ss&u=x+y+z%2B1", headers.as_bytes());
        for said in [
            "token s3cret/p@ss of alice:hunter22",
            "token s3cret%2Fp%40ss",
            "token s3cret%2fp%40ss",
            "token s3cret\\/p@ss",
            "password hunter22",
            "user alice",
            "alice%3Ahunter22",
            &format!("{} and {}", base64(b"alice:hunter22"), base64(b"hunter22")),
            &format!("token {}", base64(b"s3cret/p@ss")),
            "x y z+1",
            "x+y+z%2B1",
            r#"a"b&c<d'e"#,
            r#"a\"b&c<d'e"#,
            r#"a\"b\u0026c\u003cd'e"#,
            "a&quot;b&amp;c&lt;d&#39;e",
            "a&#34;b&amp;c&lt;d&#x27;e",
            "a%22b%26c%3Cd%27e",
        ] {
            let words = heard(&secrets, said);
            assert!(words.contains("***"), "{said}: {words}");
            for secret in [
                "s3cret", "p@ss", "alice", "hunter22", "YWxp", "aHVu", "czNj", "x y", "x+y", "b&", "22b", "quot",
            ] {
                assert!(!words.contains(secret), "{said}: {words}");
            }
        }
        assert_eq!(
            heard(&secrets, "token s3cret/p@ss of alice:hunter22"),
            "token *** of ***"
        );
    }

    #[test]
    fn a_login_line_is_hidden_as_a_whole_and_in_its_words() {
        let secrets = Secrets::of_line(b"auth hmacsha256 key1:0a1b2c3d:1700000000 pw\n");
        for (said, words) in [
            ("put: auth hmacsha256 key1:0a1b2c3d:1700000000 pw", "put: ***"),
            ("bad digest 0a1b2c3d of key1", "bad digest *** of ***"),
            ("auth hmacsha256 is off, pw", "auth hmacsha256 is off, pw"),
            ("monkey1 is no key1x", "monkey1 is no key1x"),
            (
                "put: illegal argument: invalid tag: h=a=b",
                "put: illegal argument: invalid tag: h=a=b",
            ),
        ] {
            assert_eq!(heard(&secrets, said), words);
        }
    }

    #[test]
    fn a_secret_that_the_words_were_cut_within_is_hidden() {
        let token = "t0ken".repeat(100);
        let secrets = Secrets::of_line(format!("auth {token}\n").as_bytes());
        for before in [0, 100, 250, 285, 290, 292] {
            let words = heard(&secrets, &format!("{}: {token}", "x".repeat(before)));
            assert!(words.ends_with("***") && !words.contains("t0k"), "{before}: {words}");
        }
        let words = heard(&secrets, &"x".repeat(400));
        assert!(words.ends_with("x..."));
    }

    #[test]
    fn without_secrets_words_stay_as_they_are() {
        for secrets in [Secrets::default(), Secrets::of_line(b"\n"), Secrets::of_line(b"a b\n")] {
            assert_eq!(heard(&secrets, "a b: c"), "a b: c");
        }
    }

    #[test]
    fn they_are_not_printed() {
        let secrets = Secrets::of_line(b"auth basic alice hunter22\n");
        assert!(!format!("{secrets:?}").contains("hunter22"));
    }

    #[cfg(feature = "http")]
    #[test]
    fn base64_is_read_as_it_is_written() {
        for text in ["", "f", "fo", "foo", "foob", "~~~???>>>", "zürich"] {
            let coded = base64(text.as_bytes());
            assert_eq!(base64_decoded(&coded).as_deref(), Some(text));
            assert_eq!(base64_decoded(coded.trim_end_matches('=')).as_deref(), Some(text));
        }
        assert_eq!((base64_decoded("a b="), base64_decoded("/w==")), (None, None));
    }
}
