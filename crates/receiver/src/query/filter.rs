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
    rule: Rule,
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
    /// The series must not have the tag.
    NoKey,
}

/// The filters there are, with OpenTSDB's words on them, for `/api/config/filters`.
pub(crate) const FILTERS: [(&str, &str, &str); 8] = [
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
    ("not_key", "host=not_key()", "Skips series that have the tag at all."),
];

impl Filter {
    /// A filter by its type's name.
    pub(crate) fn new(kind: &str, tag: &str, filter: &str, group_by: bool) -> Result<Filter, String> {
        let any_case = kind.contains("iliteral") || kind.starts_with('i');
        let fold = |text: &str| {
            if any_case { text.to_lowercase() } else { text.to_owned() }
        };
        let literal = |negated| {
            let values = filter.split('|').map(fold).filter(|value| !value.is_empty()).collect();
            Rule::Literal {
                values,
                any_case,
                negated,
            }
        };
        let rule = match kind {
            "not_key" => Rule::NoKey,
            _ if filter.is_empty() => return Err("Filter cannot be null or empty".into()),
            "literal_or" | "iliteral_or" => literal(false),
            "not_literal_or" | "not_iliteral_or" => literal(true),
            "wildcard" | "iwildcard" => Rule::Wildcard {
                pieces: filter.split('*').map(fold).collect(),
                any_case,
            },
            "regexp" => {
                Rule::Regexp(Regex::new(filter).map_err(|error| format!("Invalid regular expression: {error}"))?)
            }
            _ => {
                return Err(format!("Could not find a tag value filter of the type: {kind}"));
            }
        };
        Ok(Filter {
            tag: tag.to_owned(),
            group_by,
            rule,
        })
    }

    /// A filter as GET queries and the `tags` of a POST body spell it: `*`, `a|b`, `web*`, `regexp(...)`.
    pub(crate) fn from_tag(tag: &str, filter: &str, group_by: bool) -> Result<Filter, String> {
        if let Some((kind, rest)) = filter.split_once('(')
            && let Some(inside) = rest.strip_suffix(')')
        {
            return Filter::new(kind, tag, inside, group_by);
        }
        let kind = if filter.contains('*') {
            "iwildcard"
        } else {
            "literal_or"
        };
        Filter::new(kind, tag, filter, group_by)
    }

    /// The values a series must have one of, letter by letter: the store has to know each of them.
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
            return matches!(self.rule, Rule::NoKey);
        };
        match &self.rule {
            Rule::NoKey => false,
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
        let cases: [(&str, &str, &[&str]); 11] = [
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
            ("not_key", "", &[""]),
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
        assert!(Filter::from_tag("host", "nothing(a)", true).is_err());
        assert!(Filter::from_tag("host", "regexp(()", true).is_err());
    }
}
