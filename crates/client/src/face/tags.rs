//! Tags: what a point's tags may be given as.
//!
//! One call that hands over each tag, so that nothing is collected and a list whose length is known is unrolled. An
//! implementation for every iterator would be one line, but then there could be none for `()`: std may make it an iterator.

use std::collections::{BTreeMap, HashMap};

/// What can be a point's tags: `()` for none, arrays, slices, `Vec`s and maps of names and values, and [`TagIter`].
///
/// Borrowed or owned, of `&str`, `String` or anything else that is text.
///
/// ```
/// use std::collections::BTreeMap;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// client.send("up", 1, ())?; // its tags are the client's: `host`
/// client.send("web.requests", 1, [("path", "/login")])?;
///
/// let tags = vec![("path".to_owned(), "/logout".to_owned())];
/// client.send("web.requests", 1, &tags)?;
/// client.send("web.requests", 1, BTreeMap::from([("path", "/search")]))?;
/// assert_eq!(client.stats().accepted, 4);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A program's own type is given as it is, once it says what its tags are:
///
/// ```
/// struct Request {
///     path: String,
///     status: u16,
/// }
///
/// impl potsdb::Tags for &Request {
///     fn try_for_each<E>(self, mut tag: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
///         tag("path", &self.path)?;
///         tag("status", &self.status.to_string())
///     }
/// }
///
/// let request = Request { path: "/login".to_owned(), status: 200 };
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// client.send("web.seconds", 0.012, &request)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Tags {
    /// Hands name and value of each tag to `tag`, in their order. Ends at its first error, and returns that.
    ///
    /// # Errors
    ///
    /// That of `tag`.
    fn try_for_each<E>(self, tag: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E>;
}

/// No tags but the client's own.
impl Tags for () {
    #[inline]
    fn try_for_each<E>(self, _: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        Ok(())
    }
}

/// Tags that an iterator gives.
///
/// ```
/// use potsdb::TagIter;
///
/// let client = potsdb::Client::open("tsdb://localhost?test_mode=true")?;
/// let tags = TagIter("path=/login,dc=eu".split(',').filter_map(|tag| tag.split_once('=')));
/// client.send("web.requests", 1, tags)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TagIter<I>(pub I);

impl<I, K, V> Tags for TagIter<I>
where
    I: IntoIterator<Item = (K, V)>,
    K: AsRef<str>,
    V: AsRef<str>,
{
    #[inline]
    fn try_for_each<E>(self, mut tag: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
        for (name, value) in self.0 {
            tag(name.as_ref(), value.as_ref())?;
        }
        Ok(())
    }
}

/// Implements [`Tags`] for collections of pairs.
macro_rules! tags {
    ($([$($parameter:tt)*] $collection:ty;)*) => {$(
        impl<K: AsRef<str>, V: AsRef<str>, $($parameter)*> Tags for $collection {
            #[inline]
            fn try_for_each<E>(self, mut tag: impl FnMut(&str, &str) -> Result<(), E>) -> Result<(), E> {
                for (name, value) in self {
                    tag(name.as_ref(), value.as_ref())?;
                }
                Ok(())
            }
        }
    )*};
}

tags! {
    [const N: usize] [(K, V); N];
    [const N: usize] &[(K, V); N];
    [] &[(K, V)];
    [] Vec<(K, V)>;
    [] &Vec<(K, V)>;
    [S] HashMap<K, V, S>;
    [S] &HashMap<K, V, S>;
    [] BTreeMap<K, V>;
    [] &BTreeMap<K, V>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tags: impl Tags) -> String {
        let mut text = String::new();
        let read = tags.try_for_each(|name, value| {
            text += &format!("{name}={value} ");
            if name == "last" { Err(()) } else { Ok(()) }
        });
        assert_eq!(read.is_err(), text.contains("last"));
        text
    }

    #[test]
    fn every_collection_gives_its_tags_in_their_order() {
        let pairs = [("b", "1"), ("a", "2")];
        let array = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let owned = array.to_vec();
        assert_eq!(read(()), "");
        for text in [
            read(pairs),
            read(&pairs[..]),
            read(&array),
            read(array),
            read(&owned),
            read(&owned[..]),
            read(owned),
            read(TagIter(pairs)),
        ] {
            assert_eq!(text, "b=1 a=2 ");
        }
        let sorted = BTreeMap::from(pairs);
        assert_eq!((read(&sorted), read(sorted)), ("a=2 b=1 ".into(), "a=2 b=1 ".into()));
        let one = HashMap::from([("a", "2")]);
        assert_eq!((read(&one), read(one)), ("a=2 ".into(), "a=2 ".into()));
        assert_eq!(read([("last", "1"), ("after", "2")]), "last=1 ");
    }
}
