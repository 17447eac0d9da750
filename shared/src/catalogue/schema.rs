//! A model's input schema, and whether an input satisfies it.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The fields a model takes, by the provider's names.
#[derive(Debug, Clone)]
pub struct Schema(Vec<(String, Field)>);

/// JSON type of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; URLs too.
    String,
    /// A whole number.
    Integer,
    /// Any number.
    Number,
    /// true or false.
    Boolean,
    /// A list of strings (URLs).
    Array,
}

/// The colour of a mask where the model paints; the other one is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Paints {
    /// White is painted, black is kept.
    White,
    /// Black is painted, white is kept.
    Black,
}

/// What a field means to the mapper. At most one field has a given role, except `style`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// What to paint.
    Prompt,
    /// What not to paint.
    NegativePrompt,
    /// Randomness.
    Seed,
    /// Denoising steps.
    Steps,
    /// Weight of the prompt.
    Guidance,
    /// The source image, as a URL or a list of URLs.
    Source,
    /// Which part of the source image is made anew, as the URL of an image in black and white.
    Mask,
    /// How many times as wide and as high as the source image: a number, or an enum such as `2x`.
    Scale,
    /// 0..1, 1 changes everything.
    Strength,
    /// 0..1 the other way round: 1 keeps everything of the source image.
    SourceWeight,
    /// A style out of the field's enum.
    Style,
    /// Output file format.
    Format,
    /// Pixels.
    Width,
    /// Pixels.
    Height,
    /// An enum of `WIDTHxHEIGHT`.
    Size,
    /// An enum of `a:b`.
    AspectRatio,
    /// An enum of output areas in megapixels, beside an aspect ratio.
    Megapixels,
}

/// One field: JSON Schema's keywords, and what the mapper does with it.
#[derive(Debug, Clone)]
pub struct Field {
    /// JSON type.
    pub kind: Kind,
    /// The model refuses an input without it.
    pub required: bool,
    /// null is allowed.
    pub nullable: bool,
    /// The allowed values; empty means any.
    pub options: Vec<Value>,
    /// Least value, inclusive.
    pub minimum: Option<f64>,
    /// Greatest value, inclusive.
    pub maximum: Option<f64>,
    /// The value must be a multiple of this.
    pub multiple_of: Option<u32>,
    /// Greatest length of an array.
    pub max_items: Option<u32>,
    /// What the model takes when the field is left out.
    pub default: Option<Value>,
    /// What the mapper fills it with.
    pub role: Option<Role>,
    /// Always sent.
    pub value: Option<Value>,
    /// Sent together with an exact size, which the model ignores without it.
    pub when_sized: Option<Value>,
    /// Sent when there is a source image and no size is asked for.
    pub when_source: Option<Value>,
    /// Of a mask: its colour where the model paints.
    pub paints: Option<Paints>,
    /// Of a mask: the model takes no source image without it.
    pub with_source: bool,
    /// Pixels that come out for each value of an aspect ratio, at one megapixel.
    pub pixels: Vec<(String, (u32, u32))>,
}

impl Schema {
    pub(super) fn new(fields: Vec<(String, Field)>) -> Self {
        Self(fields)
    }

    /// The fields by the model's names for them.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &Field)> {
        self.0.iter().map(|(name, field)| (name.as_str(), field))
    }

    /// The first field with this role.
    pub fn role(&self, role: Role) -> Option<&Field> {
        self.0.iter().map(|(_, field)| field).find(|field| field.role == Some(role))
    }

    /// Whether the provider would accept this input.
    ///
    /// Stricter than the provider: a field the schema does not have is an error here, while the
    /// provider drops it silently.
    ///
    /// # Errors
    /// The first error found, as `field: what is wrong`.
    pub fn validate(&self, input: &Map<String, Value>) -> Result<(), String> {
        let missing = self.fields().find(|(name, field)| field.required && !input.contains_key(*name));
        if let Some((name, _)) = missing {
            return Err(format!("{name}: is required"));
        }
        for (name, value) in input {
            let error = match self.fields().find(|(known, _)| known == name) {
                Some((_, field)) => field.error(value),
                None => Some("is not a field of this model"),
            };
            if let Some(error) = error {
                return Err(format!("{name}: {error}"));
            }
        }
        Ok(())
    }
}

impl Field {
    /// The strings among the allowed values.
    pub fn choices(&self) -> impl Iterator<Item = &str> {
        self.options.iter().filter_map(Value::as_str)
    }

    /// What comes out for one of an aspect ratio's values, where known.
    pub(super) fn pixels_of(&self, choice: &str) -> Option<(u32, u32)> {
        self.pixels.iter().find(|(ratio, _)| ratio == choice).map(|(_, pixels)| *pixels)
    }

    fn error(&self, value: &Value) -> Option<&'static str> {
        if value.is_null() {
            return (!self.nullable).then_some("must not be null");
        }
        let kind_fits = match self.kind {
            Kind::String => value.is_string(),
            Kind::Integer => value.is_i64() || value.is_u64(),
            Kind::Number => value.is_number(),
            Kind::Boolean => value.is_boolean(),
            Kind::Array => value.as_array().is_some_and(|items| items.iter().all(Value::is_string)),
        };
        if !kind_fits {
            return Some("has the wrong type");
        }
        if !self.options.is_empty() && !self.options.contains(value) {
            return Some("is not one of the allowed values");
        }
        if let Some(number) = value.as_f64() {
            if self.minimum.is_some_and(|minimum| number < minimum) {
                return Some("is below the minimum");
            }
            if self.maximum.is_some_and(|maximum| number > maximum) {
                return Some("is above the maximum");
            }
            if self.multiple_of.is_some_and(|step| (number / f64::from(step)).fract() != 0.0) {
                return Some("is not a multiple of the step");
            }
        }
        let too_long = |items: &Vec<Value>| self.max_items.is_some_and(|max| items.len() > max as usize);
        if value.as_array().is_some_and(too_long) {
            return Some("has too many items");
        }
        None
    }
}
