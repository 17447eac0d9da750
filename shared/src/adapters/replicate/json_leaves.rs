//! The texts and numbers inside a JSON value of any shape, in reading order, without keeping the value.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// How deep lists and objects are looked into.
const MAX_DEPTH: u8 = 8;
/// How many values are looked at.
const MAX_VALUES: u16 = 1000;

/// One value without an inside.
#[derive(Clone, Copy)]
pub(super) enum Leaf<'a> {
    Text(&'a str),
    Number(f64),
    True,
    /// A value behind the bounds, whatever it is.
    PassedOver,
}

/// Is told each leaf with the name of the member that it is or is inside of; empty where there is none.
pub(super) type Take<'a> = &'a mut dyn FnMut(&str, Leaf<'_>);

/// Reads a value, of whatever shape; what lies deeper or further back than the bounds is passed over.
pub(super) struct Leaves<'a> {
    depth: u8,
    left: &'a mut u16,
    name: &'a str,
    take: Take<'a>,
}

/// Calls `take` with each leaf of the members of an object, and each member's own name.
pub(super) fn each_member<'de, D: Deserializer<'de>>(
    object: D,
    take: &mut dyn FnMut(&str, &str, Leaf<'_>),
) -> Result<(), D::Error> {
    object.deserialize_map(Members(take))
}

struct Members<'a>(&'a mut dyn FnMut(&str, &str, Leaf<'_>));

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(member) = object.next_key::<String>()? {
            let mut left = MAX_VALUES;
            let take: Take<'_> = &mut |name, leaf| (self.0)(&member, name, leaf);
            object.next_value_seed(Leaves { depth: MAX_DEPTH, left: &mut left, name: "", take })?;
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Leaves<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        *self.left = self.left.saturating_sub(1);
        if self.depth == 0 || *self.left == 0 {
            (self.take)(self.name, Leaf::PassedOver);
            return value.deserialize_ignored_any(IgnoredAny).map(drop);
        }
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Leaves<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        (self.take)(self.name, Leaf::Text(text));
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let depth = self.depth.saturating_sub(1);
        while list
            .next_element_seed(Leaves { depth, left: self.left, name: self.name, take: self.take })?
            .is_some()
        {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let depth = self.depth.saturating_sub(1);
        while let Some(name) = object.next_key::<String>()? {
            object.next_value_seed(Leaves { depth, left: self.left, name: &name, take: self.take })?;
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        if value {
            (self.take)(self.name, Leaf::True);
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.visit_f64(value as f64)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        (self.take)(self.name, Leaf::Number(value));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
