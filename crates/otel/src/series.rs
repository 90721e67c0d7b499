//! Which attributes become tags, and what tells the SDK's series apart.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;

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
    pub(crate) fn tags(&self, attributes: &[&KeyValue], resource: &Tags) -> Tags {
        let chosen = attributes
            .iter()
            .filter(|attribute| self.chooses(attribute.key.as_str()));
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

/// The SDK's series of one kind: what it counted before, and the instrument that it goes to.
#[derive(Debug)]
pub(crate) struct Known<T, I> {
    series: HashMap<String, Entry<T, I>>,
    export: u64,
    /// The name that is looked up, here for its memory.
    spelled: String,
}

#[derive(Debug)]
pub(crate) struct Entry<T, I> {
    pub(crate) before: T,
    /// `None` if there is none yet, or it cannot be had.
    pub(crate) instrument: Option<I>,
    /// The last export that had it.
    seen: u64,
}

impl<T, I> Default for Known<T, I> {
    fn default() -> Known<T, I> {
        Known {
            series: HashMap::new(),
            export: 0,
            spelled: String::new(),
        }
    }
}

impl<T: Default, I> Known<T, I> {
    /// The series of a metric, `source`, with these attributes in any order: they are put into that of their names.
    pub(crate) fn of(&mut self, source: &str, attributes: &mut [&KeyValue]) -> &mut Entry<T, I> {
        attributes.sort_by(|one, other| one.key.cmp(&other.key));
        self.spelled.clear();
        self.spelled.push_str(source);
        for attribute in attributes {
            // A string takes everything.
            let _ = write!(self.spelled, "\n{}\n{}", attribute.key, attribute.value);
        }
        if !self.series.contains_key(&self.spelled) {
            let entry = Entry {
                before: T::default(),
                instrument: None,
                seen: 0,
            };
            self.series.insert(self.spelled.clone(), entry);
        }
        let entry = self
            .series
            .get_mut(&self.spelled)
            .expect("it was put there if it was not");
        entry.seen = self.export;
        entry
    }

    /// Lets go of the instruments of series that the export did not have, so that they can end. If what they counted
    /// before is of no use either, they are forgotten.
    pub(crate) fn end_export(&mut self, forget: bool) {
        let export = self.export;
        if forget {
            self.series.retain(|_, entry| entry.seen == export);
        }
        for entry in self.series.values_mut().filter(|entry| entry.seen != export) {
            entry.instrument = None;
        }
        self.export += 1;
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
        let tags = chosen.tags(&attributes().each_ref(), &resource);
        assert_eq!(names(&tags), ["path", "code", "service.name", "zone"]);
        assert_eq!((&*tags[1].1, &*tags[2].1), ("200", "own"));
        chosen.skip = ["path".to_owned(), "service.name".to_owned()].into();
        assert_eq!(
            names(&chosen.tags(&attributes().each_ref(), &resource)),
            ["code", "service.name", "zone"]
        );
        chosen.keep = Some(["path".to_owned(), "code".to_owned()].into());
        assert_eq!(names(&chosen.tags(&attributes().each_ref(), &Tags::new())), ["code"]);
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

    #[test]
    fn a_series_is_known_in_any_order_of_its_attributes_and_forgotten_if_it_is_of_no_use() {
        let mut known: Known<u64, ()> = Known::default();
        let one = [KeyValue::new("a", 1), KeyValue::new("b", 2)];
        let same = [KeyValue::new("b", 2), KeyValue::new("a", 1)];
        let entry = known.of("hits", &mut one.each_ref());
        (entry.before, entry.instrument) = (7, Some(()));
        assert_eq!(known.of("hits", &mut same.each_ref()).before, 7);
        assert_eq!(known.of("hits", &mut []).before, 0);
        known.end_export(false);
        assert_eq!(known.of("hits", &mut same.each_ref()).instrument, Some(()));
        known.end_export(false);
        known.end_export(false);
        let entry = known.of("hits", &mut same.each_ref());
        assert_eq!((entry.before, entry.instrument), (7, None));
        known.end_export(true);
        known.end_export(true);
        assert!(known.series.is_empty());
    }
}
