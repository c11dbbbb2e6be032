//! A JSON object in which no property stands twice: of two, a reader would silently take one.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};

/// The properties of an object, or the name of the first that stands twice.
pub struct Object(pub Result<Map<String, Value>, String>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Properties)
    }
}

struct Properties;

impl<'de> Visitor<'de> for Properties {
    type Value = Object;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
        let mut properties = Map::new();
        let mut twice = None;
        while let Some((name, value)) = access.next_entry::<String, Value>()? {
            if properties.contains_key(&name) {
                twice.get_or_insert(name);
            } else {
                properties.insert(name, value);
            }
        }
        Ok(Object(twice.map_or(Ok(properties), Err)))
    }
}
