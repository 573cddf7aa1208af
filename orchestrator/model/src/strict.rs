//! JSON from outside: no key twice, bounded depth, no number beyond what a value holds.

use crate::FieldError;
use core::fmt;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// Reads one JSON value. `serde_json` bounds the depth (128) and refuses numbers that do not fit; a key that is there twice is
/// refused here, since two readers could take different ones for true (RFC 8259 §4).
///
/// # Errors
/// One [`FieldError`] for the whole document, with line and column.
pub fn parse_strict(octets: &[u8]) -> Result<Value, FieldError> {
    let mut reader = serde_json::Deserializer::from_slice(octets);
    let value = Strict.deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    value.map_err(|error| FieldError {
        path: String::new(),
        what: format!("is not JSON that can be taken: {}", crate::check::shown(&error.to_string())),
        allowed: "one JSON value (RFC 8259), each key once, at most 128 levels deep".to_owned(),
    })
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Strict)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format_args!("the key `{key}` is there twice")));
            }
            let value = entries.next_value_seed(Strict)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        assert_eq!(
            parse_strict(br#"{"a":[1,-2,1.5,null,true,"x"]}"#).unwrap().to_string(),
            r#"{"a":[1,-2,1.5,null,true,"x"]}"#
        );
        for (bad, why) in [
            (r#"{"a":1,"a":2}"#, "twice"),
            (r#"{"b":{"a":1,"a":2}}"#, "twice"),
            ("1e400", "out of range"),
            ("{} {}", "trailing"),
            ("", "EOF"),
            ("\u{1}", "expected value"),
        ] {
            let error = parse_strict(bad.as_bytes()).unwrap_err();
            assert!(error.what.contains(why), "{bad}: {error}");
        }
        let deep = "[".repeat(100_000);
        assert!(parse_strict(deep.as_bytes()).unwrap_err().what.contains("recursion"));
    }
}
