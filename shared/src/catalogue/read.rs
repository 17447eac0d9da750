//! Reads `models.json`.
//!
//! By hand and not by derived code, which would weigh some 25 kB more (gzip) in each of three workers; and
//! it refuses a misspelt member, which would otherwise silently have no effect.

use std::sync::OnceLock;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::Entry;
use super::model::{Model, ModelPrice, OutputForm, SourceSize};
use super::params::Operation;
use super::schema::{Field, Kind, Paints, Role, Schema};
use super::size::pair;

type Read<T> = Result<T, String>;

/// The models of a catalogue file.
pub(super) fn models(text: &str) -> Read<Vec<Model>> {
    let file: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Some(Value::Array(entries)) = file.get("models") else {
        return Err("there is no list of models".to_owned());
    };
    entries.iter().map(|entry| model(entry).map_err(|error| format!("{}: {error}", name_of(entry)))).collect()
}

/// The entries of a catalogue file, of which no more than the id is read; none where that cannot be.
pub(super) fn entries(text: &'static str) -> Vec<Entry> {
    #[derive(Deserialize)]
    struct File {
        #[serde(borrow)]
        models: Vec<&'static RawValue>,
    }
    #[derive(Deserialize)]
    struct Named {
        id: &'static str,
    }
    let Ok(File { models }) = serde_json::from_str(text) else { return Vec::new() };
    let entry = |raw: &&'static RawValue| {
        let text = raw.get();
        let Named { id } = serde_json::from_str(text).ok()?;
        Some(Entry { id, text, model: OnceLock::new() })
    };
    models.iter().filter_map(entry).collect()
}

/// The model of one entry.
pub(super) fn entry(text: &str) -> Option<Model> {
    serde_json::from_str(text).ok().and_then(|entry| model(&entry).ok())
}

fn name_of(entry: &Value) -> &str {
    entry.get("id").and_then(Value::as_str).unwrap_or("a model without an id")
}

fn model(entry: &Value) -> Read<Model> {
    let mut members = Members::of(entry)?;
    let input = members.need("input", Value::as_object)?;
    let fields = input.iter().map(|(name, value)| {
        let field = field(value).map_err(|error| format!("{name}: {error}"))?;
        Ok((name.clone(), field))
    });
    let model = Model {
        input: Schema::new(fields.collect::<Read<_>>()?),
        id: members.text("id")?,
        name: members.text("name")?,
        description: members.text("description")?,
        operations: members.need("operations", operations)?,
        version: members.may("version", Value::as_str)?.map(str::to_owned),
        output: members.need("output", |value| word(value, &OUTPUT_FORMS))?,
        format: members.may("format", Value::as_str)?.map(str::to_owned),
        source_size: members.may("source_size", |value| word(value, &SOURCE_SIZES))?.unwrap_or_default(),
        size: members.may("size", size)?,
        estimated_seconds: members.need("estimated_seconds", whole)?,
        price: members.may("price", Some)?.map(price).transpose()?,
        price_source: members.may("price_source", Value::as_str)?.map(str::to_owned),
        active: members.need("active", Value::as_bool)?,
        default: members.may("default", Value::as_bool)?.unwrap_or_default(),
        facts: members.may("facts", Value::as_str)?.unwrap_or_default().to_owned(),
    };
    members.done()?;
    Ok(model)
}

fn price(entry: &Value) -> Read<ModelPrice> {
    let mut members = Members::of(entry)?;
    let price = ModelPrice {
        image: members.may("image", Value::as_f64)?,
        megapixel: members.may("megapixel", Value::as_f64)?,
        source_megapixel: members.may("source_megapixel", Value::as_f64)?,
        source_megapixels: members.may("source_megapixels", whole)?,
        second: members.may("second", Value::as_f64)?,
        seconds: members.may("seconds", Value::as_f64)?,
    };
    members.done()?;
    Ok(price)
}

fn field(entry: &Value) -> Read<Field> {
    let mut members = Members::of(entry)?;
    let field = Field {
        kind: members.need("type", |value| word(value, &KINDS))?,
        required: members.may("required", Value::as_bool)?.unwrap_or_default(),
        nullable: members.may("nullable", Value::as_bool)?.unwrap_or_default(),
        options: members.may("enum", Value::as_array)?.cloned().unwrap_or_default(),
        minimum: members.may("minimum", Value::as_f64)?,
        maximum: members.may("maximum", Value::as_f64)?,
        multiple_of: members.may("multiple_of", whole)?,
        max_items: members.may("max_items", whole)?,
        default: members.may("default", any)?,
        role: members.may("role", |value| word(value, &ROLES))?,
        value: members.may("value", any)?,
        when_sized: members.may("when_sized", any)?,
        when_source: members.may("when_source", any)?,
        paints: members.may("paints", |value| word(value, &PAINTS))?,
        with_source: members.may("with_source", Value::as_bool)?.unwrap_or_default(),
        pixels: members.may("pixels", pixels)?.unwrap_or_default(),
    };
    members.done()?;
    Ok(field)
}

/// The members of one JSON object that are not read yet.
struct Members<'a> {
    object: &'a Map<String, Value>,
    read: usize,
}

impl<'a> Members<'a> {
    fn of(value: &'a Value) -> Read<Self> {
        let object = value.as_object().ok_or("is not an object")?;
        Ok(Self { object, read: 0 })
    }

    fn may<T>(&mut self, key: &str, read: impl Fn(&'a Value) -> Option<T>) -> Read<Option<T>> {
        let Some(value) = self.object.get(key) else {
            return Ok(None);
        };
        self.read += 1;
        read(value).map(Some).ok_or_else(|| format!("{key} cannot be {value}"))
    }

    fn need<T>(&mut self, key: &str, read: impl Fn(&'a Value) -> Option<T>) -> Read<T> {
        self.may(key, read)?.ok_or_else(|| format!("{key} is missing"))
    }

    fn text(&mut self, key: &str) -> Read<String> {
        self.need(key, Value::as_str).map(str::to_owned)
    }

    /// Every member must have been read: another one is misspelt.
    fn done(self) -> Read<()> {
        if self.read == self.object.len() {
            return Ok(());
        }
        let names: Vec<_> = self.object.keys().map(String::as_str).collect();
        Err(format!("one of its members is not known: {}", names.join(", ")))
    }
}

fn any(value: &Value) -> Option<Value> {
    Some(value.clone())
}

fn whole(value: &Value) -> Option<u32> {
    u32::try_from(value.as_u64()?).ok()
}

fn operations(value: &Value) -> Option<Vec<Operation>> {
    value.as_array()?.iter().map(|name| Operation::from_name(name.as_str()?)).collect()
}

/// Pixels, written `1344x768`.
fn size(value: &Value) -> Option<(u32, u32)> {
    pair(value.as_str()?, 'x')
}

fn pixels(value: &Value) -> Option<Vec<(String, (u32, u32))>> {
    value.as_object()?.iter().map(|(ratio, pixels)| Some((ratio.clone(), size(pixels)?))).collect()
}

fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Option<T> {
    let text = value.as_str()?;
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

const OUTPUT_FORMS: [(&str, OutputForm); 2] = [("string", OutputForm::String), ("list", OutputForm::List)];

const SOURCE_SIZES: [(&str, SourceSize); 3] =
    [("ignored", SourceSize::Ignored), ("kept", SourceSize::Kept), ("unknown", SourceSize::Unknown)];

const PAINTS: [(&str, Paints); 2] = [("white", Paints::White), ("black", Paints::Black)];

const KINDS: [(&str, Kind); 5] = [
    ("string", Kind::String),
    ("integer", Kind::Integer),
    ("number", Kind::Number),
    ("boolean", Kind::Boolean),
    ("array", Kind::Array),
];

const ROLES: [(&str, Role); 17] = [
    ("prompt", Role::Prompt),
    ("negative_prompt", Role::NegativePrompt),
    ("seed", Role::Seed),
    ("steps", Role::Steps),
    ("guidance", Role::Guidance),
    ("source", Role::Source),
    ("mask", Role::Mask),
    ("scale", Role::Scale),
    ("strength", Role::Strength),
    ("source_weight", Role::SourceWeight),
    ("style", Role::Style),
    ("format", Role::Format),
    ("width", Role::Width),
    ("height", Role::Height),
    ("size", Role::Size),
    ("aspect_ratio", Role::AspectRatio),
    ("megapixels", Role::Megapixels),
];
