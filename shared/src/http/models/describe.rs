//! What `GET /models` says about a model.

use serde_json::{Number, Value, json};

use crate::catalogue::{Field, Model, Role};
use crate::http::types::{self, Defaults, Limits, Output, Price, Range, SideLimits, Supports};

impl Model {
    /// The public description of this model, with the catalogue's own price.
    pub fn describe(&self) -> Value {
        let expected = self.price.and_then(|price| Some((price, price.expected(self.size)?)));
        let price = expected.map(|(price, usd_per_image)| Price {
            usd_per_image,
            usd_per_megapixel: price.megapixel,
            usd_per_second: price.second,
            usd_per_source_megapixel: price.source_megapixel,
            max_source_megapixels: price.source_megapixels,
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
        let mut styles = Vec::new();
        for (_, field) in self.input.fields().filter(|(_, field)| field.role == Some(Role::Style)) {
            for style in field.choices() {
                // Two fields may know one style: the first takes it.
                if !styles.contains(&style) {
                    styles.push(style);
                }
            }
        }
        json!(types::Model {
            id: &self.id,
            name: &self.name,
            description: &self.description,
            version: self.version.as_deref(),
            operation: self.operations.first().copied(),
            operations: &self.operations,
            supports: Supports {
                prompt: has(Role::Prompt),
                negative_prompt: has(Role::NegativePrompt),
                seed: has(Role::Seed),
                steps: role(Role::Steps).map(range),
                guidance: role(Role::Guidance).map(range),
                source_image: has(Role::Source) && !self.mask_required(),
                max_source_images: self.most_sources(),
                mask: role(Role::Mask).and_then(|field| field.paints),
                scale: role(Role::Scale).map(scale_range),
                scales: role(Role::Scale)
                    .into_iter()
                    .flat_map(Field::scales)
                    .map(|(scale, _)| scale)
                    .collect(),
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
}

fn default(field: Option<&Field>) -> Option<Number> {
    field?.default_number()
}

fn range(field: &Field) -> Range {
    let limit = |limit: Option<f64>| limit.and_then(number);
    Range { min: limit(field.minimum), max: limit(field.maximum), default: default(Some(field)) }
}

/// Of a field with choices such as `2x`: from the first to the last one.
fn scale_range(field: &Field) -> Range {
    let scales = || field.scales().map(|(scale, _)| scale);
    let of = |value: &Option<Value>| {
        field
            .scales()
            .find(|(_, name)| value.as_ref().is_some_and(|value| value == name))
            .map(|(scale, _)| scale)
    };
    match scales().next() {
        None => range(field),
        Some(_) => Range {
            min: scales().reduce(f64::min).and_then(number),
            max: scales().reduce(f64::max).and_then(number),
            default: of(&field.value).or(of(&field.default)).and_then(number),
        },
    }
}

/// Whole numbers are written as such.
fn number(number: f64) -> Option<Number> {
    if number.fract() == 0.0 { Some((number as i64).into()) } else { Number::from_f64(number) }
}
