//! How the document stands in its file: compact, since it is part of a Worker, and yet a line for each
//! thing, so that a change can be read.

use serde_json::{Map, Value};

/// Objects down to this depth have a line for each member.
const DEPTH: usize = 4;

/// A schema's keyword for us alone: the names of its members in the order in which they are to be read, where
/// that is not what `required` says. Maps of `serde_json` are sorted.
pub const ORDER: &str = "x-order";

/// The text of the file.
pub fn written(document: &Value) -> String {
    let mut text = String::new();
    write(document, DEPTH, &mut text);
    text.push('\n');
    text
}

fn write(value: &Value, depth: usize, text: &mut String) {
    match value {
        Value::Object(members) if depth > 0 => {
            write_members(members.keys().filter(|name| *name != ORDER), members, depth, text);
        }
        other => text.push_str(&other.to_string()),
    }
}

/// An object with its members in an order.
fn write_members<'a>(
    names: impl Iterator<Item = &'a String>,
    members: &Map<String, Value>,
    depth: usize,
    text: &mut String,
) {
    text.push('{');
    for (index, name) in names.enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&Value::from(name.as_str()).to_string());
        text.push(':');
        let Some(member) = members.get(name) else { continue };
        match (name.as_str(), member) {
            ("properties", Value::Object(properties)) => {
                let order = order(members, properties);
                write_members(order.into_iter(), properties, 1, text);
            }
            _ => write(member, depth - 1, text),
        }
    }
    text.push('}');
}

/// The members of a schema as they are declared.
fn order<'a>(schema: &'a Map<String, Value>, properties: &'a Map<String, Value>) -> Vec<&'a String> {
    let told = schema.get(ORDER).or_else(|| schema.get("required")).and_then(Value::as_array);
    let rank =
        |name: &String| told.and_then(|names| names.iter().position(|one| one == name)).unwrap_or(usize::MAX);
    let mut names: Vec<_> = properties.keys().collect();
    names.sort_by_key(|name| rank(name));
    names
}
