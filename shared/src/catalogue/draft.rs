//! A model's input while it is filled, role by role.

use serde_json::{Map, Value, json};

use super::params::{Adjustment, GenerationParams, OutputFormat, SourceImage};
use super::schema::{Field, Kind, Role};

const LIMITS: &str = "outside the model's limits";
const CLOSEST_SCALE: &str = "the closest scale the model offers";
const NOT_A_NUMBER: &str = "not a finite number, left out";

/// The input as far as it is filled, and what was adjusted on the way.
pub(super) struct Draft<'a> {
    pub params: &'a GenerationParams,
    /// The URLs of the source images, or what stands for them.
    pub sources: Vec<String>,
    pub input: Map<String, Value>,
    pub adjustments: Vec<Adjustment>,
    /// The format that will be made, as far as it is known.
    pub format: Option<String>,
    /// A field took the request's style.
    pub styled: bool,
}

impl<'a> Draft<'a> {
    pub fn new(params: &'a GenerationParams, format: Option<String>) -> Self {
        let sources = params.sources.iter().map(SourceImage::text).collect();
        Self { params, sources, input: Map::new(), adjustments: Vec::new(), format, styled: false }
    }

    /// What the request puts into this field, if anything.
    pub fn value(&mut self, field: &Field) -> Option<Value> {
        let params = self.params;
        match field.role? {
            Role::Prompt => Some(&params.prompt).filter(|prompt| !prompt.trim().is_empty()).map(|p| json!(p)),
            Role::NegativePrompt => params.negative_prompt.as_ref().map(|text| json!(text)),
            Role::Seed => Some(self.seed(field, params.seed?)),
            Role::Steps => self.number("num_inference_steps", field, f64::from(params.num_inference_steps?)),
            Role::Guidance => self.number("guidance_scale", field, params.guidance_scale?),
            Role::Source if self.sources.is_empty() => None,
            Role::Source if field.kind == Kind::Array => Some(json!(self.sources)),
            Role::Source => self.sources.first().map(|source| json!(source)),
            Role::Mask => Some(json!(params.mask.as_ref()?.text())),
            Role::Scale => self.scale(field, params.scale?),
            Role::Strength => self.number("strength", field, params.strength?),
            Role::SourceWeight => {
                let strength = self.number("strength", field, params.strength?)?;
                Some(json!(inverted(strength.as_f64()?)))
            }
            Role::Style => self.style(field),
            Role::Format => self.format(field),
            Role::Width | Role::Height | Role::Size | Role::AspectRatio | Role::Megapixels => None,
        }
    }

    /// Notes a difference between what was asked for and what is used, if there is one.
    pub fn report(&mut self, field: &'static str, requested: Value, used: Value, reason: &'static str) {
        if requested != used {
            self.adjustments.push(Adjustment { field, requested, used, reason });
        }
    }

    /// A number clamped to the field's limits, in the field's type.
    fn number(&mut self, asked: &'static str, field: &Field, value: f64) -> Option<Value> {
        let as_field = |value: f64| match field.kind {
            Kind::Integer => json!(value as i64),
            _ => json!(value),
        };
        if !value.is_finite() {
            let (requested, used) = (Value::Null, Value::Null);
            self.adjustments.push(Adjustment { field: asked, requested, used, reason: NOT_A_NUMBER });
            return None;
        }
        let minimum = field.minimum.unwrap_or(f64::MIN);
        let maximum = field.maximum.unwrap_or(f64::MAX);
        let used = as_field(value.max(minimum).min(maximum));
        self.report(asked, as_field(value), used.clone(), LIMITS);
        Some(used)
    }

    /// A scale within the field's limits, or of its choices the largest that is no more, as more costs more.
    fn scale(&mut self, field: &Field, scale: f64) -> Option<Value> {
        let closest = field.scales().reduce(|one, other| {
            let (low, high) = if one.0 < other.0 { (one, other) } else { (other, one) };
            if high.0 <= scale { high } else { low }
        });
        let Some((used, name)) = closest else { return self.number("scale", field, scale) };
        self.report("scale", json!(scale), json!(used), CLOSEST_SCALE);
        Some(json!(name))
    }

    /// A seed; one outside a field that has a maximum is folded into 0 to that maximum, so that
    /// different seeds stay different as far as possible.
    fn seed(&mut self, field: &Field, seed: i64) -> Value {
        let Some(maximum) = field.maximum else {
            return json!(seed);
        };
        let range = (maximum as i64).saturating_add(1).max(1);
        let used = json!(seed.rem_euclid(range));
        self.report("seed", json!(seed), used.clone(), LIMITS);
        used
    }

    /// The style in the model's spelling, for the first field that knows it.
    fn style(&mut self, field: &Field) -> Option<Value> {
        let wanted = self.params.style.as_ref().filter(|_| !self.styled)?;
        let style = field.choices().find(|choice| choice.eq_ignore_ascii_case(wanted))?;
        self.styled = true;
        Some(json!(style))
    }

    fn format(&mut self, field: &Field) -> Option<Value> {
        let asked = self.params.output_format.into_iter().chain(OutputFormat::ALL);
        let mut names = asked.map(OutputFormat::as_str);
        let format = names.find(|format| field.choices().any(|choice| choice == *format))?;
        self.format = Some(format.to_owned());
        Some(json!(format))
    }
}

/// A strength as the weight of the source image and back, without the dust of binary fractions.
pub(super) fn inverted(strength: f64) -> f64 {
    ((1.0 - strength) * 1e6).round() / 1e6
}
