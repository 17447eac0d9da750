//! What a model offers, by its input schema.

use serde_json::{Number, Value};

use super::draft::inverted;
use super::model::Model;
use super::params::{MAX_SOURCES, Operation};
use super::schema::{Field, Kind, Role};
use super::size::{megapixels, pair, scaled};

impl Model {
    /// Whether every operation of this model needs a source image.
    pub(crate) fn source_required(&self) -> bool {
        let generates = self.operations.contains(&Operation::Generate);
        !generates || self.input.role(Role::Source).is_some_and(|field| field.required)
    }

    /// How many source images the model takes, at most as many as a request may have; 0 where it takes none.
    pub(crate) fn most_sources(&self) -> usize {
        let most = |field: &Field| match field.kind {
            Kind::Array => field.max_items.map_or(MAX_SOURCES, |most| MAX_SOURCES.min(most as usize)),
            _ => 1,
        };
        self.input.role(Role::Source).map_or(0, most)
    }

    /// Whether the model takes no source image without a mask.
    pub(crate) fn mask_required(&self) -> bool {
        self.input.role(Role::Mask).is_some_and(|field| field.with_source)
    }

    /// The shapes the model offers, such as `16:9`.
    pub(crate) fn aspect_ratios(&self) -> Vec<&str> {
        let field = self.input.role(Role::AspectRatio);
        let choices = field.into_iter().flat_map(Field::choices);
        choices.filter(|text| pair(text, ':').is_some()).collect()
    }

    /// The sizes the model offers, where it offers a fixed set that is known.
    pub(crate) fn sizes(&self) -> Vec<(u32, u32)> {
        let choices = |role| self.input.role(role).into_iter().flat_map(Field::choices);
        let mut areas: Vec<f64> = choices(Role::Megapixels).filter_map(megapixels).collect();
        if areas.is_empty() {
            areas.push(1.0);
        }
        let ratios = self.input.role(Role::AspectRatio).into_iter().flat_map(|field| field.pixels.iter());
        let by_ratio = ratios.flat_map(|(_, size)| areas.iter().map(|area| scaled(*size, *area)));
        choices(Role::Size).filter_map(|text| pair(text, 'x')).chain(by_ratio).collect()
    }

    /// The model's own default, in the sense of [`super::GenerationParams::strength`].
    pub(crate) fn default_strength(&self) -> Option<Number> {
        let weight = self.input.role(Role::SourceWeight);
        match weight.and_then(|field| field.default.as_ref()?.as_f64()) {
            Some(weight) => Number::from_f64(inverted(weight)),
            None => self.input.role(Role::Strength)?.default_number(),
        }
    }
}

impl Field {
    /// The scales among the allowed values, such as `2x`, each with its number.
    pub fn scales(&self) -> impl Iterator<Item = (f64, &str)> {
        self.choices().filter_map(|text| Some((megapixels(text.strip_suffix('x')?)?, text)))
    }

    /// The default, where it is a number.
    pub(crate) fn default_number(&self) -> Option<Number> {
        match self.default.as_ref()? {
            Value::Number(number) => Some(number.clone()),
            _ => None,
        }
    }
}
