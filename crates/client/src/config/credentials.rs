//! Credentials: what one connection says to be let in, ready to be written.
//!
//! Made from the options `auth` and `headers` before each attempt to connect, because a file that `auth` names may
//! have changed. The exchanges write them; nobody prints them. Reading the file is `files.rs`'s part.

use std::fmt;
use std::io;
use std::path::Path;

use crate::config::auth::{Auth, AuthScheme};
use crate::config::secret::Secret;

/// Headers the client writes itself, or that would change what its requests are.
const OWN: [&str; 12] = [
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "expect",
    "te",
    "trailer",
    "upgrade",
    "proxy-connection",
];

/// The finished bytes; empty where there is nothing to say.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    /// Whole header lines, each ending in `\r\n`.
    pub(crate) header: Vec<u8>,
    /// A telnet connection's first line, newline included.
    pub(crate) line: Option<Vec<u8>>,
}

impl Credentials {
    /// Makes them; `read` gives a file's text. The error says which file, and never what is in it.
    pub(crate) fn new(
        auth: Option<&Auth>,
        headers: &[(String, Secret)],
        read: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<Credentials, String> {
        let mut credentials = Credentials::default();
        if let Some(auth) = auth {
            credentials.say(auth, read)?;
        }
        for (name, value) in headers {
            let line = format!("{name}: {}\r\n", value.reveal());
            credentials.header.extend_from_slice(line.as_bytes());
        }
        Ok(credentials)
    }

    fn say(&mut self, auth: &Auth, read: impl FnOnce(&Path) -> io::Result<String>) -> Result<(), String> {
        let of_file;
        let text = match (auth.text(), auth.file()) {
            (Some(text), _) => text.reveal(),
            (None, file) => {
                let path = file.unwrap_or(Path::new(""));
                let words = |why: &dyn fmt::Display| format!("auth file {}: {why}", path.display());
                of_file = read(path).map_err(|error| words(&error))?;
                let text = of_file.trim_end_matches(['\r', '\n']);
                auth.scheme().check(text).map_err(|rule| words(&rule))?;
                text
            }
        };
        match auth.scheme() {
            AuthScheme::Basic => {
                let line = format!("Authorization: Basic {}\r\n", base64(text.as_bytes()));
                self.header.extend_from_slice(line.as_bytes());
            }
            AuthScheme::Bearer => {
                let line = format!("Authorization: Bearer {text}\r\n");
                self.header.extend_from_slice(line.as_bytes());
            }
            AuthScheme::Line => self.line = Some(format!("{text}\n").into_bytes()),
        }
        Ok(())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

/// The rule a header breaks, if it breaks one. The name is no secret; the value may be.
pub(crate) fn check_header(name: &str, value: &str) -> Result<(), String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) {
        return Err("a header is written `Name: value`, its name of ASCII letters, digits and `-`".to_owned());
    }
    if OWN.contains(&name.to_ascii_lowercase().as_str()) {
        return Err(format!("the header {name} is the client's own"));
    }
    if !value
        .bytes()
        .all(|byte| byte == b' ' || byte == b'\t' || byte.is_ascii_graphic())
    {
        return Err(format!("the value of the header {name} is printable ASCII"));
    }
    Ok(())
}

/// RFC 4648 with padding: some ten lines, where a library would be one more crate in everybody's tree.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            match place <= chunk.len() {
                true => text.push(char::from(DIGITS[(bits >> (18 - 6 * place)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn no_file(_: &Path) -> io::Result<String> {
        panic!("no file is named")
    }

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("\u{ff}\u{fe}", "w7/Dvg=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn headers_stand_ready_after_the_login() {
        let auth = "basic:u:p".parse().unwrap();
        let headers = [("X-Scope-OrgID".to_owned(), "7".into())];
        let made = Credentials::new(Some(&auth), &headers, no_file).unwrap();
        assert_eq!(made.header, b"Authorization: Basic dTpw\r\nX-Scope-OrgID: 7\r\n");
        assert_eq!(
            (made.line.as_deref(), format!("{made:?}").as_str()),
            (None, "Credentials(..)")
        );
    }

    #[test]
    fn a_file_is_read_without_its_last_line_end_and_checked_like_the_option() {
        let auth = "line:@/run/key".parse().unwrap();
        let read = |text: &str| Credentials::new(Some(&auth), &[], |_| Ok(text.to_owned()));
        assert_eq!(read("auth basic k s\r\n").unwrap().line.unwrap(), b"auth basic k s\n");
        let two = read("canary\nput a 1 1 b=c\n").unwrap_err();
        assert!(
            two.starts_with("auth file /run/key: ") && !two.contains("canary"),
            "{two}"
        );
        let missing = Credentials::new(Some(&auth), &[], |_| Err(io::ErrorKind::NotFound.into())).unwrap_err();
        assert!(missing.contains("/run/key"), "{missing}");
    }

    #[test]
    fn no_header_smuggles_another_or_takes_the_clients_own_place() {
        assert!(check_header("X-Api-Key", "a b\tc").is_ok() && check_header("x", "").is_ok());
        for (name, value) in [
            ("", "x"),
            ("A B", "x"),
            ("A:", "x"),
            ("A\r\nB", "x"),
            ("A", "x\r\nB: y"),
            ("A", "x\ny"),
            ("A", "\u{e9}"),
            ("Host", "x"),
            ("content-LENGTH", "0"),
            ("Transfer-Encoding", "chunked"),
        ] {
            assert!(check_header(name, value).is_err(), "{name:?}: {value:?}");
        }
    }
}
