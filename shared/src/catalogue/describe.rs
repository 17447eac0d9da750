//! What `GET /models` says about a model.

use serde_json::{Number, Value, json};

use super::draft::inverted;
use super::model::Model;
use super::schema::{Field, Role};
use super::size::{megapixels, pair, scaled};
use crate::api::{self, Defaults, Limits, Output, Price, Range, SideLimits, Supports};

impl Model {
    /// The public description of this model, with the catalogue's own price.
    pub fn describe(&self) -> Value {
        let expected = self.price.and_then(|price| Some((price, price.expected(self.size)?)));
        let price = expected.map(|(price, usd_per_image)| Price {
            usd_per_image,
            usd_per_megapixel: price.megapixel,
            usd_per_second: price.second,
        });
        self.describe_at(price, true)
    }

    /// The public description of this model, at a price.
    pub(super) fn describe_at(&self, price: Option<Price>, is_available: bool) -> Value {
        let role = |role| self.input.role(role);
        let has = |wanted| role(wanted).is_some();
        let formats: Vec<_> = match (role(Role::Format), &self.format) {
            (Some(field), _) => field.choices().collect(),
            (None, format) => format.as_deref().into_iter().collect(),
        };
        let styles: Vec<_> = self
            .input
            .fields()
            .filter(|(_, field)| field.role == Some(Role::Style))
            .flat_map(|(_, field)| field.choices())
            .collect();
        json!(api::Model {
            id: &self.id,
            name: &self.name,
            description: &self.description,
            version: self.version.as_deref(),
            operation: self.operations.first().map(String::as_str),
            operations: &self.operations,
            supports: Supports {
                prompt: has(Role::Prompt),
                negative_prompt: has(Role::NegativePrompt),
                seed: has(Role::Seed),
                steps: role(Role::Steps).map(range),
                guidance: role(Role::Guidance).map(range),
                source_image: has(Role::Source),
                source_image_required: self.source_required(),
                strength: self.has_strength(),
                styles,
                aspect_ratios: self.aspect_ratios(),
                sizes: self.sizes().iter().map(|(w, h)| format!("{w}x{h}")).collect(),
            },
            defaults: Defaults {
                width: self.size.map(|size| size.0),
                height: self.size.map(|size| size.1),
                num_inference_steps: default(role(Role::Steps)),
                guidance_scale: default(role(Role::Guidance)),
                strength: self.default_strength(),
            },
            limits: Limits {
                width: self.side(Role::Width, |size| size.0),
                height: self.side(Role::Height, |size| size.1),
            },
            output: Output { format: self.format.as_deref(), formats },
            estimated_seconds: self.estimated_seconds,
            price,
            is_active: self.active,
            is_available,
            is_default: self.default,
        })
    }

    /// Whether every operation of this model needs a source image.
    fn source_required(&self) -> bool {
        let generates = self.operations.iter().any(|operation| operation == "generate");
        !generates || self.input.role(Role::Source).is_some_and(|field| field.required)
    }

    fn aspect_ratios(&self) -> Vec<&str> {
        let field = self.input.role(Role::AspectRatio);
        let choices = field.into_iter().flat_map(Field::choices);
        choices.filter(|text| pair(text, ':').is_some()).collect()
    }

    /// The sizes the model offers, where it offers a fixed set that is known.
    fn sizes(&self) -> Vec<(u32, u32)> {
        let choices = |role| self.input.role(role).into_iter().flat_map(Field::choices);
        let mut areas: Vec<f64> = choices(Role::Megapixels).filter_map(megapixels).collect();
        if areas.is_empty() {
            areas.push(1.0);
        }
        let ratios = self.input.role(Role::AspectRatio).into_iter().flat_map(|field| field.pixels.iter());
        let by_ratio = ratios.flat_map(|(_, size)| areas.iter().map(|area| scaled(*size, *area)));
        choices(Role::Size).filter_map(|text| pair(text, 'x')).chain(by_ratio).collect()
    }

    /// Limits of one side: the field's own, or those of the sizes offered; `None` if unknown.
    fn side(&self, role: Role, pick: fn((u32, u32)) -> u32) -> Option<SideLimits> {
        if let Some(field) = self.input.role(role) {
            let Range { min, max, .. } = range(field);
            return Some(SideLimits { min, max, multiple_of: Some(field.multiple_of.unwrap_or(1)) });
        }
        let sides: Vec<_> = self.sizes().into_iter().map(pick).collect();
        let (min, max) = (*sides.iter().min()?, *sides.iter().max()?);
        Some(SideLimits { min: Some(min.into()), max: Some(max.into()), multiple_of: None })
    }

    /// The model's own default, in the sense of [`super::Ask::strength`].
    fn default_strength(&self) -> Option<Number> {
        let weight = self.input.role(Role::SourceWeight);
        match weight.and_then(|field| field.default.as_ref()?.as_f64()) {
            Some(weight) => Number::from_f64(inverted(weight)),
            None => default(self.input.role(Role::Strength)),
        }
    }
}

fn default(field: Option<&Field>) -> Option<Number> {
    match field?.default.as_ref()? {
        Value::Number(number) => Some(number.clone()),
        _ => None,
    }
}

fn range(field: &Field) -> Range {
    let limit = |limit: Option<f64>| limit.and_then(number);
    Range { min: limit(field.minimum), max: limit(field.maximum), default: default(Some(field)) }
}

/// Whole numbers are written as such.
fn number(number: f64) -> Option<Number> {
    if number.fract() == 0.0 { Some((number as i64).into()) } else { Number::from_f64(number) }
}
