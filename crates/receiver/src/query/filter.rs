//! Tag filters: which series a query takes, and by which tags it keeps them apart.
//!
//! Two spellings mean the same: `{host=web01|web02,dc=*}` in a GET query, where every tag also groups, and the objects
//! `{"type":"literal_or","tagk":"host","filter":"web01|web02","groupBy":true}` of a POST body.
//! Used by `mod.rs` to read them, by `result.rs` to apply them.

use regex_lite::Regex;

use crate::store::series::SeriesName;

/// One condition on one tag.
#[derive(Clone, Debug)]
pub(crate) struct Filter {
    pub(crate) tag: String,
    pub(crate) group_by: bool,
    /// Its type, as an answer names it.
    pub(crate) kind: &'static str,
    /// As it was given, without its type.
    pub(crate) text: String,
    rule: Rule,
}

/// Two that ask the same are one, whether they group or not.
impl PartialEq for Filter {
    fn eq(&self, other: &Filter) -> bool {
        (&self.tag, self.kind, &self.text) == (&other.tag, other.kind, &other.text)
    }
}

#[derive(Clone, Debug)]
enum Rule {
    /// One of these, or none of these.
    Literal {
        values: Vec<String>,
        any_case: bool,
        negated: bool,
    },
    /// A pattern whose `*` stands for anything.
    Wildcard {
        pieces: Vec<String>,
        any_case: bool,
    },
    Regexp(Regex),
}

/// The filters there are, with OpenTSDB's words on them, for `/api/config/filters`.
pub(crate) const FILTERS: [(&str, &str, &str); 7] = [
    (
        "literal_or",
        "host=literal_or(web01|web02)",
        "Accepts one or more exact values, divided by pipes.",
    ),
    (
        "iliteral_or",
        "host=iliteral_or(web01|WEB02)",
        "literal_or, regardless of case.",
    ),
    (
        "not_literal_or",
        "host=not_literal_or(web01)",
        "Accepts everything but the given values.",
    ),
    (
        "not_iliteral_or",
        "host=not_iliteral_or(WEB01)",
        "not_literal_or, regardless of case.",
    ),
    (
        "wildcard",
        "host=wildcard(web*)",
        "Accepts values matching a pattern with asterisks.",
    ),
    ("iwildcard", "host=iwildcard(WEB*)", "wildcard, regardless of case."),
    (
        "regexp",
        "host=regexp(^web[0-9]+$)",
        "Accepts values in which the regular expression is found.",
    ),
];

impl Filter {
    /// A filter by its type's name.
    pub(crate) fn new(kind: &str, tag: &str, filter: &str, group_by: bool) -> Result<Filter, String> {
        if kind.is_empty() {
            return Err("The filter type cannot be null or empty".into());
        }
        if tag.is_empty() {
            return Err("The tagk cannot be null or empty".into());
        }
        let known = FILTERS.iter().find(|(known, ..)| *known == kind);
        let &(kind, ..) = known.ok_or_else(|| format!("Could not find a tag value filter of the type: {kind}"))?;
        let any_case = matches!(kind, "iliteral_or" | "not_iliteral_or" | "iwildcard");
        Filter::ruled(kind, tag, filter, group_by, any_case)
    }

    fn ruled(kind: &'static str, tag: &str, filter: &str, group_by: bool, any_case: bool) -> Result<Filter, String> {
        if filter.is_empty() {
            return Err("Filter cannot be null or empty".into());
        }
        let fold = |text: &str| {
            if any_case { text.to_lowercase() } else { text.to_owned() }
        };
        let rule = match kind {
            "regexp" => Rule::Regexp(Regex::new(filter).map_err(|error| error.to_string())?),
            "wildcard" | "iwildcard" if !filter.contains('*') => {
                return Err("Filter must contain an asterisk".into());
            }
            "wildcard" | "iwildcard" => Rule::Wildcard {
                pieces: filter.split('*').map(fold).collect(),
                any_case,
            },
            _ if filter == "|" => return Err("Filter must contain more than just a pipe".into()),
            _ => Rule::Literal {
                values: filter.trim_end_matches('|').split('|').map(fold).collect(),
                any_case,
                negated: kind.starts_with("not"),
            },
        };
        Ok(Filter {
            tag: tag.to_owned(),
            group_by,
            kind,
            text: filter.to_owned(),
            rule,
        })
    }

    /// A filter as GET queries and the `tags` of a POST body spell it: `*`, `a|b`, `web*`, `regexp(...)`.
    pub(crate) fn from_tag(tag: &str, filter: &str, group_by: bool) -> Result<Filter, String> {
        if tag.is_empty() {
            return Err("Tagk cannot be null or empty".into());
        }
        if let Some((kind, rest)) = filter.split_once('(') {
            let inside = rest
                .strip_suffix(')')
                .ok_or_else(|| format!("Filter must end with a ')': {filter}"))?;
            return Filter::new(&kind.to_lowercase(), tag, inside, group_by);
        }
        if filter.contains('*') {
            // Called a wildcard, and regardless of case all the same.
            return Filter::ruled("wildcard", tag, filter, group_by, true);
        }
        Filter::ruled("literal_or", tag, filter, group_by, false)
    }

    /// The values a series must have one of, letter by letter: the store has to know each of them. Those of all filters
    /// of a tag are put together.
    pub(crate) fn literals(&self) -> &[String] {
        match &self.rule {
            Rule::Literal {
                values,
                any_case: false,
                negated: false,
            } => values,
            _ => &[],
        }
    }

    /// Whether a series passes.
    pub(crate) fn accepts(&self, series: &SeriesName) -> bool {
        let Some(value) = series.tag(&self.tag) else {
            return false;
        };
        match &self.rule {
            Rule::Regexp(regexp) => regexp.is_match(value),
            Rule::Literal {
                values,
                any_case,
                negated,
            } => {
                let found = if *any_case {
                    values.contains(&value.to_lowercase())
                } else {
                    values.iter().any(|v| v == value)
                };
                found != *negated
            }
            Rule::Wildcard { pieces, any_case: true } => matches_pieces(&value.to_lowercase(), pieces),
            Rule::Wildcard {
                pieces,
                any_case: false,
            } => matches_pieces(value, pieces),
        }
    }
}

/// Whether a series passes them all: of those that name values of one tag, one is enough.
pub(crate) fn all_accept(filters: &[Filter], series: &SeriesName) -> bool {
    filters.iter().all(|filter| {
        if filter.literals().is_empty() {
            return filter.accepts(series);
        }
        let mut of_the_tag = filters.iter().filter(|other| other.tag == filter.tag);
        of_the_tag.any(|other| !other.literals().is_empty() && other.accepts(series))
    })
}

/// Whether `value` is the pieces in this order with anything between them: the first and last sit at the ends.
fn matches_pieces(value: &str, pieces: &[String]) -> bool {
    let [first, middle @ .., last] = pieces else {
        return pieces.first().is_some_and(|only| only == value);
    };
    let Some(mut rest) = value.strip_prefix(first.as_str()) else {
        return false;
    };
    for piece in middle {
        match rest.find(piece.as_str()) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(filter: &Filter) -> Vec<&'static str> {
        let hosts = ["web01", "WEB01", "web02", "db1", ""];
        let series = |host: &str| SeriesName {
            metric: "m".into(),
            tags: if host.is_empty() {
                vec![]
            } else {
                vec![("host".into(), host.into())]
            },
        };
        hosts.into_iter().filter(|host| filter.accepts(&series(host))).collect()
    }

    #[test]
    fn each_type_takes_what_it_should() {
        let cases: [(&str, &str, &[&str]); 10] = [
            ("literal_or", "web01|db1", &["web01", "db1"]),
            ("iliteral_or", "Web01", &["web01", "WEB01"]),
            ("not_literal_or", "web01|db1", &["WEB01", "web02"]),
            ("not_iliteral_or", "web01|db1", &["web02"]),
            ("wildcard", "*", &["web01", "WEB01", "web02", "db1"]),
            ("wildcard", "web*", &["web01", "web02"]),
            ("wildcard", "*b*1", &["web01", "db1"]),
            ("iwildcard", "WEB*", &["web01", "WEB01", "web02"]),
            ("wildcard", "web0*01", &[]),
            ("regexp", "^web|1$", &["web01", "WEB01", "web02", "db1"]),
        ];
        for (kind, filter, hosts) in cases {
            assert_eq!(
                accepted(&Filter::new(kind, "host", filter, false).expect("a filter")),
                hosts,
                "{kind}({filter})"
            );
        }
    }

    #[test]
    fn a_tag_of_a_get_query_finds_its_type() {
        assert_eq!(
            accepted(&Filter::from_tag("host", "web01|db1", true).expect("a filter")),
            ["web01", "db1"]
        );
        assert_eq!(
            accepted(&Filter::from_tag("host", "web0*", true).expect("a filter")),
            ["web01", "WEB01", "web02"]
        );
        assert_eq!(
            accepted(&Filter::from_tag("host", "regexp(^d)", true).expect("a filter")),
            ["db1"]
        );
        for filter in [
            "nothing(a)",
            "regexp(()",
            "not_key()",
            "literal_or(a",
            "literal_or(|)",
            "wildcard(a)",
            "",
        ] {
            assert!(Filter::from_tag("host", filter, true).is_err(), "{filter}");
        }
    }

    #[test]
    fn of_filters_that_name_values_of_one_tag_one_is_enough() {
        let filter = |kind, text| Filter::new(kind, "host", text, false).expect("a filter");
        let web01 = SeriesName {
            metric: "m".into(),
            tags: vec![("host".into(), "web01".into())],
        };
        let (is_01, is_02) = (filter("literal_or", "web01"), filter("literal_or", "web02"));
        assert!(all_accept(&[is_01.clone(), is_02.clone()], &web01));
        assert!(!all_accept(&[is_02, filter("wildcard", "web*")], &web01));
        assert!(!all_accept(&[is_01, filter("not_literal_or", "web01")], &web01));
    }
}
