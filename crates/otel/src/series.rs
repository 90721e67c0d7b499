//! Which attributes become tags, and what tells the SDK's series apart.

use std::collections::{HashMap, HashSet};

use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::Resource;

/// What is chosen of attributes.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    /// `None`: all.
    pub(crate) keep: Option<HashSet<String>>,
    pub(crate) skip: HashSet<String>,
    pub(crate) resource: Vec<String>,
}

/// The tags of a series.
pub(crate) type Tags = Vec<(String, String)>;

impl Attributes {
    pub(crate) fn new<'a>(resource: impl Iterator<Item = &'a str>) -> Attributes {
        Attributes {
            keep: None,
            skip: HashSet::new(),
            resource: resource.map(str::to_owned).collect(),
        }
    }

    /// The tags of a point. An attribute goes before one of the resource.
    pub(crate) fn tags<'a>(&self, attributes: impl Iterator<Item = &'a KeyValue>, resource: &Tags) -> Tags {
        let chosen = attributes.filter(|attribute| self.chooses(attribute.key.as_str()));
        let mut tags: Tags = chosen
            .map(|attribute| (attribute.key.as_str().to_owned(), attribute.value.to_string()))
            .collect();
        for (name, value) in resource {
            if !tags.iter().any(|(there, _)| there == name) {
                tags.push((name.clone(), value.clone()));
            }
        }
        tags
    }

    /// The tags of all points of a resource.
    pub(crate) fn resource_tags(&self, resource: &Resource) -> Tags {
        let value = |name: &String| resource.get(&Key::from(name.clone()));
        let known =
            |name: &str, value: &Value| name != "service.name" || !value.as_str().starts_with("unknown_service");
        self.resource
            .iter()
            .filter_map(|name| Some((name, value(name)?)))
            .filter(|(name, value)| known(name, value))
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect()
    }

    fn chooses(&self, name: &str) -> bool {
        self.keep.as_ref().is_none_or(|keep| keep.contains(name)) && !self.skip.contains(name)
    }
}

/// What the SDK counted before, by series as the SDK has them.
#[derive(Debug)]
pub(crate) struct Before<T>(HashMap<String, T>);

impl<T> Default for Before<T> {
    fn default() -> Before<T> {
        Before(HashMap::new())
    }
}

impl<T: Default> Before<T> {
    pub(crate) fn of<'a>(&mut self, metric: &str, attributes: impl Iterator<Item = &'a KeyValue>) -> &mut T {
        let mut parts: Vec<String> = attributes
            .map(|attribute| format!("\n{}\n{}", attribute.key, attribute.value))
            .collect();
        parts.sort();
        self.0.entry(metric.to_owned() + &parts.concat()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attributes() -> [KeyValue; 3] {
        [
            KeyValue::new("path", "/a"),
            KeyValue::new("code", 200),
            KeyValue::new("service.name", "own"),
        ]
    }

    fn names(tags: &Tags) -> Vec<&str> {
        tags.iter().map(|(name, _)| name.as_str()).collect()
    }

    #[test]
    fn attributes_are_kept_or_skipped_by_their_names() {
        let resource = vec![
            ("service.name".to_owned(), "web".to_owned()),
            ("zone".to_owned(), "a".to_owned()),
        ];
        let mut chosen = Attributes::new(std::iter::empty());
        let tags = chosen.tags(attributes().iter(), &resource);
        assert_eq!(names(&tags), ["path", "code", "service.name", "zone"]);
        assert_eq!((&*tags[1].1, &*tags[2].1), ("200", "own"));
        chosen.skip = ["path".to_owned(), "service.name".to_owned()].into();
        assert_eq!(
            names(&chosen.tags(attributes().iter(), &resource)),
            ["code", "service.name", "zone"]
        );
        chosen.keep = Some(["path".to_owned(), "code".to_owned()].into());
        assert_eq!(names(&chosen.tags(attributes().iter(), &Tags::new())), ["code"]);
    }

    #[test]
    fn a_resource_gives_the_attributes_that_were_asked_for() {
        let chosen = Attributes::new(["service.name", "host.name"].into_iter());
        let resource = |name: &'static str| {
            Resource::builder_empty()
                .with_attributes([KeyValue::new("service.name", name), KeyValue::new("os", "linux")])
                .build()
        };
        assert_eq!(
            chosen.resource_tags(&resource("web")),
            [("service.name".to_owned(), "web".to_owned())]
        );
        assert!(chosen.resource_tags(&resource("unknown_service:web")).is_empty());
    }
}
