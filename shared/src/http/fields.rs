//! Reads the fields of a JSON object one by one, so that a refusal names the field and says what
//! would be right.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::http::problem::Problem;

/// A JSON object from outside.
#[derive(Debug)]
pub struct Fields<'a>(&'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// The fields of a body that must be a JSON object.
    pub fn of(body: &'a Value) -> Result<Self, Problem> {
        body.as_object().map(Self).ok_or_else(|| Problem::invalid("body", "The body must be a JSON object."))
    }

    /// The names of all fields, also of those that are null.
    pub fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.0.keys().map(String::as_str)
    }

    /// The value, unless it is absent or null: clients send null for "not set".
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// The name of a field that is neither absent nor null, besides this one.
    pub fn besides(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(other, value)| *other != name && !value.is_null())
            .map(|(other, _)| other.as_str())
    }

    /// True or false.
    pub fn flag(&self, name: &str) -> Result<Option<bool>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, format!("{name} must be true or false.")))
    }

    /// A string of at most `max` characters.
    pub fn text(&self, name: &str, max: usize) -> Result<Option<String>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let text =
            value.as_str().ok_or_else(|| Problem::invalid(name, format!("{name} must be a string.")))?;
        if text.chars().count() > max {
            return Err(Problem::invalid(name, format!("{name} must be at most {max} characters long.")));
        }
        // PostgreSQL cannot store it in text or jsonb.
        if text.contains('\0') {
            return Err(Problem::invalid(name, format!("{name} must not contain a NUL character.")));
        }
        Ok(Some(text.to_owned()))
    }

    /// A whole number within the bounds.
    pub fn integer(&self, name: &str, range: RangeInclusive<i64>) -> Result<Option<i64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        // 28.0 is a whole number: some JSON writers print all numbers that way.
        let whole = value.as_i64().or_else(|| {
            value
                .as_f64()
                .filter(|number| number.fract() == 0.0 && number.abs() < 9.0e15)
                .map(|number| number as i64)
        });
        match whole {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (min, max) = range.into_inner();
                Err(Problem::invalid(name, format!("{name} must be a whole number from {min} to {max}.")))
            }
        }
    }

    /// A number within the bounds.
    pub fn number(&self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        match value.as_f64() {
            Some(number) if range.contains(&number) => Ok(Some(number)),
            _ => {
                let (min, max) = range.into_inner();
                Err(Problem::invalid(name, format!("{name} must be a number from {min} to {max}.")))
            }
        }
    }

    /// One of the given words.
    pub fn word(&self, name: &str, words: &[&'static str]) -> Result<Option<&'static str>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        value
            .as_str()
            .and_then(|text| words.iter().find(|word| **word == text))
            .copied()
            .map(Some)
            .ok_or_else(|| Problem::invalid(name, format!("{name} must be one of: {}.", words.join(", "))))
    }
}
