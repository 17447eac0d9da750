//! What `GET /models` says about a model.

use serde_json::{Map, Value, json};

use super::draft::inverted;
use super::model::Model;
use super::schema::{Field, Role};
use super::size::{megapixels, pair, scaled};

impl Model {
    /// The public description of this model.
    pub fn describe(&self) -> Value {
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
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "version": self.version,
            "operation": self.operations.first(),
            "operations": self.operations,
            "supports": {
                "prompt": has(Role::Prompt),
                "negative_prompt": has(Role::NegativePrompt),
                "seed": has(Role::Seed),
                "steps": role(Role::Steps).map(range),
                "guidance": role(Role::Guidance).map(range),
                "source_image": has(Role::Source),
                "source_image_required": self.source_required(),
                "strength": self.has_strength(),
                "styles": styles,
                "aspect_ratios": self.aspect_ratios(),
                "sizes": self.sizes().iter().map(|(w, h)| format!("{w}x{h}")).collect::<Vec<_>>(),
            },
            "defaults": {
                "width": self.size.map(|size| size.0),
                "height": self.size.map(|size| size.1),
                "num_inference_steps": default(role(Role::Steps)),
                "guidance_scale": default(role(Role::Guidance)),
                "strength": self.default_strength(),
            },
            "limits": {
                "width": self.side(Role::Width, |size| size.0),
                "height": self.side(Role::Height, |size| size.1),
            },
            "output": { "format": self.format, "formats": formats },
            "estimated_seconds": self.estimated_seconds,
            "price": self.cost_usd.map(|usd| json!({ "usd_per_image": usd })),
            "is_active": self.active,
            "is_default": self.default,
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

    /// Limits of one side: the field's own, or those of the sizes offered; null if unknown.
    fn side(&self, role: Role, pick: fn((u32, u32)) -> u32) -> Value {
        if let Some(field) = self.input.role(role) {
            let mut limits = range(field);
            if let Value::Object(members) = &mut limits {
                members.insert("multiple_of".to_owned(), json!(field.multiple_of.unwrap_or(1)));
                members.remove("default");
            }
            return limits;
        }
        let sides: Vec<_> = self.sizes().into_iter().map(pick).collect();
        match (sides.iter().min(), sides.iter().max()) {
            (Some(min), Some(max)) => json!({ "min": min, "max": max }),
            _ => Value::Null,
        }
    }

    /// The model's own default, in the sense of [`super::Ask::strength`].
    fn default_strength(&self) -> Value {
        let weight = self.input.role(Role::SourceWeight);
        match weight.and_then(|field| field.default.as_ref()?.as_f64()) {
            Some(weight) => json!(inverted(weight)),
            None => default(self.input.role(Role::Strength)),
        }
    }
}

fn default(field: Option<&Field>) -> Value {
    field.and_then(|field| field.default.clone()).unwrap_or_default()
}

/// `{min, max, default}` of a numeric field, whole numbers written as such.
fn range(field: &Field) -> Value {
    let whole = |limit: Option<f64>| match limit {
        Some(limit) if limit.fract() == 0.0 => json!(limit as i64),
        limit => json!(limit),
    };
    let mut members = Map::new();
    members.insert("min".to_owned(), whole(field.minimum));
    members.insert("max".to_owned(), whole(field.maximum));
    members.insert("default".to_owned(), default(Some(field)));
    Value::Object(members)
}
