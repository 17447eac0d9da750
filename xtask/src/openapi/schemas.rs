//! The types as JSON schemas.

use schemars::generate::{SchemaGenerator, SchemaSettings};
use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value, json};
use shared::http::marks::MARKS;
use shared::http::types::{
    Cancelled, Config, Deleted, Generation, GenerationPage, Health, ImageMarks, ImagesMarks, LiveMessage,
    MarkedImages, Models, ProblemDetails, Source, StartRequest, Started, StartedBatch, Usage, WebhookEvent,
    Woken,
};

use super::write::ORDER;

/// Where OpenAPI keeps schemas that have a name.
const PLACE: &str = "/components/schemas";

/// Every type that the document names, by its name.
pub fn schemas() -> Value {
    let mut read = generator(SchemaSettings::for_deserialize);
    read.subschema_for::<StartRequest>();
    read.subschema_for::<ImageMarks>();
    read.subschema_for::<ImagesMarks>();
    let mut written = generator(SchemaSettings::for_serialize);
    written.subschema_for::<Started>();
    written.subschema_for::<Generation>();
    written.subschema_for::<GenerationPage>();
    written.subschema_for::<MarkedImages>();
    written.subschema_for::<Usage>();
    written.subschema_for::<Cancelled>();
    written.subschema_for::<Deleted>();
    written.subschema_for::<StartedBatch<'static>>();
    written.subschema_for::<Woken>();
    written.subschema_for::<LiveMessage>();
    written.subschema_for::<WebhookEvent>();
    written.subschema_for::<Source>();
    written.subschema_for::<Models<'_>>();
    written.subschema_for::<Config<'_>>();
    written.subschema_for::<Health>();
    written.subschema_for::<ProblemDetails<'_>>();
    let mut all = read.take_definitions(true);
    all.extend(written.take_definitions(true));
    let mut all: Map<String, Value> = all.into_iter().map(|(name, schema)| (name, tidy(schema))).collect();
    if let Some(Value::Object(request)) = all.get_mut("StartRequest") {
        request.insert(ORDER.into(), json!(names::<StartRequest>()));
        null_is_left_out(request);
        let rerun = rerun(request);
        all.insert("RerunRequest".into(), Value::Object(rerun));
    }
    for name in ["ImageMarks", "ImagesMarks"] {
        if let Some(Value::Object(marks)) = all.get_mut(name) {
            null_is_left_out(marks);
            marks.insert("anyOf".into(), MARKS.map(with_flag).into_iter().collect());
        }
    }
    Value::Object(all)
}

/// An object with this flag, which is not null.
fn with_flag(flag: &str) -> Value {
    json!({ "required": [flag], "properties": { flag: { "type": "boolean" } } })
}

/// A start in part: no member has to be there, and each may be null.
fn rerun(start: &Map<String, Value>) -> Map<String, Value> {
    let mut rerun = start.clone();
    rerun.retain(|name, _| name != "required" && name != "not");
    let description = "What is to be different from the generation that is made again: fields of a start. A field that is \
                       left out is kept, and `null` takes a kept one away.";
    rerun.insert("description".into(), json!(description));
    if let Some(members) = rerun.get_mut("properties").and_then(Value::as_object_mut) {
        members.remove("user_id");
    }
    rerun
}

/// A type whose members are parameters.
pub fn schema_of<T: JsonSchema>() -> Value {
    let mut generator = generator(SchemaSettings::for_deserialize);
    tidy(T::json_schema(&mut generator).into())
}

/// The names of a type's members, in the order in which they are declared. What is written has all of them,
/// null where there is no value, and schemars lists what is always there in that order.
pub fn names<T: JsonSchema>() -> Vec<String> {
    let schema = T::json_schema(&mut generator(SchemaSettings::for_serialize));
    let names = schema.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    names.into_iter().filter_map(|name| name.as_str().map(str::to_owned)).collect()
}

fn generator(contract: fn(SchemaSettings) -> SchemaSettings) -> SchemaGenerator {
    contract(SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into()))
        .into_generator()
}

fn tidy(schema: Value) -> Value {
    let Ok(mut schema) = Schema::try_from(schema) else { return Value::Null };
    RecursiveTransform(one_paragraph).transform(&mut schema);
    RecursiveTransform(plain_numbers).transform(&mut schema);
    RecursiveTransform(documented_words).transform(&mut schema);
    RecursiveTransform(missing_or_null).transform(&mut schema);
    schema.into()
}

/// Lines of a comment are broken where the source's are; a description is one paragraph.
fn one_paragraph(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
}

/// Rust's names of numbers say nothing to others.
fn plain_numbers(schema: &mut Schema) {
    let names = ["uint8", "uint16", "uint32", "uint64", "int64", "double"];
    if schema.get("format").and_then(Value::as_str).is_some_and(|format| names.contains(&format)) {
        schema.remove("format");
    }
}

/// An enum of words, each with its meaning, as an `enum` and a list: what tools understand best.
fn documented_words(schema: &mut Schema) {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else { return };
    let word = |choice: &Value| {
        Some((choice.get("const")?.as_str()?.to_owned(), choice.get("description")?.clone()))
    };
    let Some(words) = choices.iter().map(word).collect::<Option<Vec<_>>>() else { return };
    let described = schema.get("description").and_then(Value::as_str).unwrap_or_default();
    let list: String = words
        .iter()
        .map(|(word, meaning)| format!("\n- `{word}`: {}", meaning.as_str().unwrap_or_default()))
        .collect();
    let description = format!("{described}\n{list}");
    let words: Vec<_> = words.into_iter().map(|(word, _)| word).collect();
    schema.remove("oneOf");
    schema.insert("description".into(), json!(description));
    schema.insert("type".into(), json!("string"));
    schema.insert("enum".into(), json!(words));
}

/// A member that may be missing is not null as well.
fn missing_or_null(schema: &mut Schema) {
    let required = schema.get("required").cloned().unwrap_or_else(|| json!([]));
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let Some(members) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (name, member) in members {
        if let (false, Some(member)) = (is_required(name), member.as_object_mut()) {
            without_null(member);
        }
    }
}

/// A member of a request that may be missing may be null as well.
fn null_is_left_out(request: &mut Map<String, Value>) {
    let required = request.get("required").cloned().unwrap_or_default();
    let is_required =
        |name: &str| required.as_array().is_some_and(|names| names.iter().any(|one| one == name));
    let Some(members) = request.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for (_, member) in members.iter_mut().filter(|(name, _)| !is_required(name)) {
        let Some(member) = member.as_object_mut() else { continue };
        if let Some(Value::String(one)) = member.get("type").cloned() {
            member.insert("type".into(), json!([one, "null"]));
        }
        if let Some(reference) = member.remove("$ref") {
            member.insert("anyOf".into(), json!([{ "$ref": reference }, { "type": "null" }]));
        }
    }
}

/// What a member is where it is there, and not null.
pub fn given(member: &Value) -> Value {
    let mut given = member.clone();
    if let Some(members) = given.as_object_mut() {
        without_null(members);
    }
    given
}

fn without_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [one] = types.as_slice() {
            let one = one.clone();
            schema.insert("type".into(), one);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|one| one != "null"));
        if let [Value::Object(one)] = choices.as_slice() {
            let one = one.clone();
            schema.remove("anyOf");
            schema.extend(one);
        }
    }
}
