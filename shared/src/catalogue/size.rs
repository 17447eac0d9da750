//! How a wanted width and height become the size fields of a model.

use serde_json::{Value, json};

use super::model::{Model, SourceSize};
use super::schema::{Field, Role};
use super::shape::{AspectRatio, reduced};

/// So far a size may be from the shape that was asked for: what rounding to a model's multiples makes of it.
const ROUNDED: f64 = 1.03;

/// The size fields to send, and what comes out.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Values by the role of the field they belong to.
    values: Vec<(Role, Value)>,
    /// An exact size is sent, so `when_sized` values are due.
    exact: bool,
    /// The size comes from the source image, so `when_source` values are due.
    from_source: bool,
    /// The shape that is sent, as a ratio or a size.
    shape: Option<(u32, u32)>,
    /// Real pixels, where known.
    pub output: Option<(u32, u32)>,
}

impl Plan {
    /// Decides the size fields; `asked` is the size of the request, or else `shape` its shape, if it has one.
    pub fn new(model: &Model, asked: Option<(u32, u32)>, shape: Option<AspectRatio>, source: bool) -> Self {
        let role = |role| model.input.role(role);
        let mut plan = Self::default();
        if source && model.source_size == SourceSize::Kept {
            return plan;
        }
        let asked = asked.or_else(|| Some(shape?.of_area(model.size?)));
        let follows = model.input.fields().any(|(_, field)| field.when_source.is_some());
        if source && asked.is_none() && follows {
            plan.from_source = true;
            return plan;
        }
        let Some(wanted) = asked.or(model.size) else {
            return plan;
        };
        let ratios = role(Role::AspectRatio);
        let offered = shape.zip(ratios).and_then(|(shape, field)| same_shape(field, shape.sides()));
        if let (Some(field), Some(option)) = (ratios, offered) {
            plan.by_ratio(model, wanted, field, option);
        } else if let (Some(width), Some(height)) = (role(Role::Width), role(Role::Height)) {
            let most = shape.and(model.size).map_or(f64::MAX, pixels);
            let size = fit(wanted, width, height, most);
            plan.values = vec![(Role::Width, json!(size.0)), (Role::Height, json!(size.1))];
            plan.exact = true;
            plan.output = Some(size);
        } else if let Some((size, text)) = role(Role::Size).and_then(|field| closest(field, 'x', wanted)) {
            plan.values = vec![(Role::Size, json!(text))];
            plan.exact = true;
            plan.output = Some(size);
        } else if let Some(field) = ratios
            && let Some(option) = closest(field, ':', wanted)
        {
            plan.by_ratio(model, wanted, field, option);
        }
        plan.shape = plan.shape.or(plan.output);
        if source && model.source_size == SourceSize::Unknown {
            plan.output = None;
        }
        plan
    }

    /// One of the model's aspect ratios, at the area of the wanted size where that can be chosen.
    fn by_ratio(
        &mut self,
        model: &Model,
        wanted: (u32, u32),
        field: &Field,
        (shape, option): ((u32, u32), &str),
    ) {
        self.values = vec![(Role::AspectRatio, json!(option))];
        self.shape = Some(shape);
        self.output = field.pixels_of(option);
        if let Some((megapixels, text)) =
            model.input.role(Role::Megapixels).and_then(|field| area(field, wanted))
        {
            self.values.push((Role::Megapixels, json!(text)));
            self.output = self.output.map(|size| scaled(size, megapixels));
        }
    }

    /// What to send in this field, if the size has a say in it.
    pub fn value(&self, field: &Field) -> Option<Value> {
        let of_role = self.values.iter().find(|(role, _)| Some(*role) == field.role);
        if let Some((_, value)) = of_role {
            return Some(value.clone());
        }
        let due = match (self.exact, self.from_source) {
            (true, _) => &field.when_sized,
            (_, true) => &field.when_source,
            _ => &None,
        };
        due.clone()
    }

    /// The shape that is made instead of the one asked for; null where the model chooses. `None` if it is met.
    pub fn other_shape(&self, asked: AspectRatio) -> Option<Value> {
        let Some(shape) = self.shape else { return Some(Value::Null) };
        let most = if self.exact { ROUNDED } else { 1.0 };
        let is_met = distance(ratio(shape), ratio(asked.sides())) <= most;
        (!is_met).then(|| if self.exact { json!(reduced(shape)) } else { self.ratio() })
    }

    /// The chosen aspect ratio, where a ratio is all that is known.
    pub fn ratio(&self) -> Value {
        let ratio = self.values.iter().find(|(role, _)| *role == Role::AspectRatio);
        ratio.map_or(Value::Null, |(_, value)| value.clone())
    }
}

/// The two numbers of `16:9` or `1024x768`; `None` for words such as `custom`.
pub(super) fn pair(text: &str, separator: char) -> Option<(u32, u32)> {
    let (a, b) = text.split_once(separator)?;
    let (a, b) = (a.parse().ok()?, b.parse().ok()?);
    (a > 0 && b > 0).then_some((a, b))
}

/// The number in `0.25`. JSON's parser reads it, as the workers hold that one anyway.
pub(super) fn megapixels(text: &str) -> Option<f64> {
    serde_json::from_str::<Value>(text).ok()?.as_f64()
}

/// A size at one megapixel brought to another area.
pub(super) fn scaled((width, height): (u32, u32), megapixels: f64) -> (u32, u32) {
    let side = |side: u32| (f64::from(side) * megapixels.sqrt()) as u32;
    (side(width), side(height))
}

/// How far apart two positive numbers are: 1 when equal, and the same order as |ln a − ln b|.
fn distance(a: f64, b: f64) -> f64 {
    (a / b).max(b / a)
}

fn ratio((width, height): (u32, u32)) -> f64 {
    f64::from(width.max(1)) / f64::from(height.max(1))
}

fn pixels((width, height): (u32, u32)) -> f64 {
    f64::from(width.max(1)) * f64::from(height.max(1))
}

/// The choice that is this shape, in whatever numbers.
fn same_shape(field: &Field, shape: (u32, u32)) -> Option<((u32, u32), &str)> {
    let mut choices = field.choices().filter_map(|text| Some((pair(text, ':')?, text)));
    choices.find(|(choice, _)| ratio(*choice) == ratio(shape))
}

/// The choice with the closest aspect ratio; among equal ratios the one with the closest area.
///
/// A choice such as `3:4` counts by its name and by the pixels it really makes (896×1152, which is not
/// quite 3:4), whichever is closer: so a size the model makes is its own closest.
fn closest(field: &Field, separator: char, wanted: (u32, u32)) -> Option<((u32, u32), &str)> {
    let rank = |(size, text): &((u32, u32), &str)| {
        let made = field.pixels_of(text).unwrap_or(*size);
        let shape = distance(ratio(*size), ratio(wanted)).min(distance(ratio(made), ratio(wanted)));
        (shape, distance(pixels(*size), pixels(wanted)))
    };
    let choices = field.choices().filter_map(|text| Some((pair(text, separator)?, text)));
    choices.min_by(|a, b| {
        let ((shape_a, area_a), (shape_b, area_b)) = (rank(a), rank(b));
        shape_a.total_cmp(&shape_b).then(area_a.total_cmp(&area_b))
    })
}

/// The choice whose number of megapixels is closest to the wanted area.
fn area(field: &Field, wanted: (u32, u32)) -> Option<(f64, &str)> {
    let wanted = pixels(wanted) / 1e6;
    let choices = field.choices().filter_map(|text| {
        let megapixels = megapixels(text)?;
        (megapixels > 0.0).then_some((megapixels, text))
    });
    choices.min_by(|a, b| distance(a.0, wanted).total_cmp(&distance(b.0, wanted)))
}

/// The size that [`rounded`] makes of the wanted one, or of one a little smaller, so that it has no more pixels than
/// `most`: the next megapixel may cost as much as the first.
fn fit(wanted: (u32, u32), for_width: &Field, for_height: &Field, most: f64) -> (u32, u32) {
    let mut size = wanted;
    for scale in [1.0, 0.99, 0.97, 0.94] {
        size = rounded(wanted, for_width, for_height, scale);
        if pixels(size) <= most {
            break;
        }
    }
    size
}

/// Scales into the limits, keeping the shape as far as they allow, and rounds to the model's step.
fn rounded((width, height): (u32, u32), for_width: &Field, for_height: &Field, mut scale: f64) -> (u32, u32) {
    let sides = [(width, for_width), (height, for_height)];
    for (side, field) in sides {
        let minimum = field.minimum.unwrap_or(1.0);
        scale = scale.max(minimum / f64::from(side.max(1)));
    }
    for (side, field) in sides {
        let maximum = field.maximum.unwrap_or(f64::from(u32::MAX));
        scale = scale.min(maximum / f64::from(side.max(1)));
    }
    let [width, height] = sides.map(|(side, field)| {
        let step = f64::from(field.multiple_of.unwrap_or(1).max(1));
        let least = (field.minimum.unwrap_or(1.0) / step).ceil();
        let most = (field.maximum.unwrap_or(f64::from(u32::MAX)) / step).floor();
        let steps = (f64::from(side.max(1)) * scale / step).round();
        (steps.max(least).min(most) * step) as u32
    });
    (width, height)
}
