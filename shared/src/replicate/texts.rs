//! The texts inside a JSON value of any shape, in reading order, without keeping the value.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How deep lists and objects are looked into.
const MAX_DEPTH: u8 = 8;
/// How many values are looked at.
const MAX_VALUES: u16 = 1000;

/// Calls `take` with each text; what lies deeper or further back is passed over.
pub(super) fn each_text<'de, D: Deserializer<'de>>(
    value: D,
    take: &mut dyn FnMut(&str),
) -> Result<(), D::Error> {
    let mut left = MAX_VALUES;
    Texts { depth: MAX_DEPTH, left: &mut left, take }.deserialize(value)
}

struct Texts<'a> {
    depth: u8,
    left: &'a mut u16,
    take: &'a mut dyn FnMut(&str),
}

impl Texts<'_> {
    fn inner(&mut self) -> Texts<'_> {
        Texts { depth: self.depth.saturating_sub(1), left: self.left, take: self.take }
    }
}

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        *self.left = self.left.saturating_sub(1);
        if self.depth == 0 || *self.left == 0 {
            return value.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.take)(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(self.inner())?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        while object.next_key::<IgnoredAny>()?.is_some() {
            object.next_value_seed(self.inner())?;
        }
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
