//! The parameters of a URL, decoded: `+` is a space, `%XX` a byte, bytes are UTF-8.
//!
//! Flags are given by being there, as in `?details&sync`. [`Head::parameters`](super::Head::parameters) reads them.

/// Names and values, in order; a name may come more than once.
#[derive(Clone, Debug, Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads what follows the `?`.
    #[must_use]
    pub fn parse(query: &str) -> Parameters {
        // Without a name before it a `=` is nothing.
        let pairs = query.split('&').map(|pair| pair.trim_start_matches('='));
        let pairs = pairs.filter(|pair| !pair.is_empty());
        let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        Parameters(pairs.map(|(name, value)| (decode(name), decode(value))).collect())
    }

    /// The first value of a name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(known, _)| known == name)?;
        Some(value)
    }

    /// Every value of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let of_name = self.0.iter().filter(move |(known, _)| known == name);
        of_name.map(|(_, value)| value.as_str())
    }

    /// Whether a flag is given, whatever its value.
    #[must_use]
    pub fn given(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// Whether a flag is given and not `false`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "false")
    }

    /// A number, if there is one.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<usize> {
        self.value(name)?.parse().ok()
    }
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, hex(after)) {
            (b'%', Some(decoded)) => {
                bytes.push(decoded);
                rest = &after[2..];
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(byte),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The byte that two hexadecimal digits at the beginning stand for.
fn hex(bytes: &[u8]) -> Option<u8> {
    let digits = bytes.get(..2)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::Parameters;

    #[test]
    fn names_and_values_are_decoded() {
        let parameters = Parameters::parse("details&m=sum%3Am%7Bh=%2A%7D&m=a+b&q=z%C3%BCrich&x=%zz%+1&&n=5&==y=6&=");
        assert!(parameters.given("details") && !parameters.given("summary"));
        assert_eq!(parameters.all("m").collect::<Vec<_>>(), ["sum:m{h=*}", "a b"]);
        assert_eq!(parameters.value("q"), Some("zürich"));
        assert_eq!(parameters.value("x"), Some("%zz% 1"));
        assert_eq!((parameters.number("n"), parameters.number("y")), (Some(5), Some(6)));
    }
}
