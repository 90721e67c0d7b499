//! `metric{tag=value,...}` as URLs have it: one pair of braces, or in a query two, of which the second only filters.
//!
//! Read by `url.rs`, `lookup.rs` and `last.rs`; the errors are OpenTSDB's.

use crate::query::filter::Filter;

/// Names and values.
pub(crate) type Pairs<'a> = Vec<(&'a str, &'a str)>;

/// A metric, and the texts `tag=value` in its braces.
pub(crate) fn with_tags(text: &str) -> Result<(&str, Pairs<'_>), String> {
    let Some((metric, inside)) = braced(text)? else {
        return Ok((text, Vec::new()));
    };
    let tags = inside
        .split(',')
        .map(|tag| pair(tag).map_err(|error| of_tag(tag, &error)));
    Ok((metric, tags.collect::<Result<_, _>>()?))
}

/// A metric and its filters, those of the second braces first, as OpenTSDB keeps them.
pub(crate) fn with_filters(text: &str) -> Result<(&str, Vec<Filter>), String> {
    if text.is_empty() {
        return Err("Metric cannot be null or empty".into());
    }
    let Some((metric, inside)) = braced(text)? else {
        return Ok((text.split('{').next().unwrap_or(text), Vec::new()));
    };
    let mut filters: Vec<Filter> = Vec::new();
    let (grouping, filtering) = match inside.split_once('}') {
        Some((grouping, rest)) => (grouping, rest.rsplit_once('{').map(|(_, filtering)| filtering)),
        None => (inside, None),
    };
    for text in filtering
        .into_iter()
        .flat_map(split)
        .take_while(|text| !text.is_empty())
    {
        let filter = pair(text).and_then(|(tag, filter)| Filter::from_tag(tag, filter, false));
        filters.push(filter.map_err(|error| format!("When parsing filter '{text}': {error}"))?);
    }
    for text in split(grouping) {
        if text.is_empty() && filtering.is_some() {
            break;
        }
        let filter = pair(text).and_then(|(tag, filter)| Filter::from_tag(tag, filter, true));
        group(&mut filters, filter.map_err(|error| of_tag(text, &error))?);
    }
    Ok((metric, filters))
}

/// Adds a filter that groups; one that is there already groups from now on.
pub(crate) fn group(filters: &mut Vec<Filter>, filter: Filter) {
    match filters.iter_mut().find(|known| **known == filter) {
        Some(known) => known.group_by = true,
        None => filters.push(filter),
    }
}

/// What is before the first brace, and between it and the last; nothing if there is nothing between them.
fn braced(text: &str) -> Result<Option<(&str, &str)>, String> {
    let Some((metric, rest)) = text.split_once('{') else {
        return Ok(None);
    };
    let missing = || format!("Missing '}}' at the end of: {text}");
    let inside = rest.strip_suffix('}').ok_or_else(missing)?;
    Ok((!inside.is_empty()).then_some((metric, inside)))
}

fn of_tag(tag: &str, error: &str) -> String {
    format!("When parsing tag '{tag}': {error}")
}

fn pair(tag: &str) -> Result<(&str, &str), String> {
    match tag.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() && !value.contains('=') => Ok((name, value)),
        _ => Err(format!("invalid tag: {tag}")),
    }
}

/// Splits at commas. OpenTSDB splits at those of a regular expression, too, and so does this.
fn split(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_braces_group_and_the_second_filter() {
        let (metric, filters) = with_filters("m{host=*,dc=eu|us}{host=regexp(^a)}").expect("a metric");
        let shown: Vec<_> = filters
            .iter()
            .map(|filter| (filter.kind, filter.tag.as_str(), filter.text.as_str(), filter.group_by))
            .collect();
        assert_eq!(metric, "m");
        assert_eq!(
            shown,
            [
                ("regexp", "host", "^a", false),
                ("wildcard", "host", "*", true),
                ("literal_or", "dc", "eu|us", true)
            ]
        );
        assert_eq!(with_filters("m{}{a=b}").expect("a metric").1.len(), 1);
        assert_eq!(with_tags("m{a=b,c=*}"), Ok(("m", vec![("a", "b"), ("c", "*")])));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("", "Metric cannot be null or empty"),
            ("m{host=a", "Missing '}' at the end of: m{host=a"),
            ("m{host}", "When parsing tag 'host': invalid tag: host"),
            ("m{host=a=b}", "When parsing tag 'host=a=b': invalid tag: host=a=b"),
            ("m{}{host}", "When parsing filter 'host': invalid tag: host"),
        ];
        for (text, message) in cases {
            assert_eq!(with_filters(text).err().as_deref(), Some(message), "{text}");
        }
    }
}
