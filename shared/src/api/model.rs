//! What `GET /models` says.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;

/// The models that may be asked for, in order of display.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Models<'a> {
    /// All of them.
    pub models: Vec<Model<'a>>,
}

/// A model: what it takes, what it costs and what comes out.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Model<'a> {
    /// `owner/name`: the `model_id` of a start.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// One line for people.
    pub description: &'a str,
    /// The provider's version; null where the provider keeps the model up to date itself.
    pub version: Option<&'a str>,
    /// What it is for.
    #[cfg_attr(feature = "openapi", schemars(with = "super::Operation"))]
    pub operation: Option<&'a str>,
    /// All that it can do.
    #[cfg_attr(feature = "openapi", schemars(with = "Vec<super::Operation>"))]
    pub operations: &'a [String],
    /// What of a request it makes use of.
    pub supports: Supports<'a>,
    /// What it does where a request does not say.
    pub defaults: Defaults,
    /// The sizes that it makes.
    pub limits: Limits,
    /// The file that comes out.
    pub output: Output<'a>,
    /// Seconds that a picture usually takes.
    pub estimated_seconds: u32,
    /// What a picture costs; null where that is not known: then nobody whose money is limited may ask for it.
    pub price: Option<Price>,
    /// Whether it may be asked for.
    pub is_active: bool,
    /// False while the provider refuses it, as far as the database knew up to a minute ago: a start is
    /// refused with `model_unavailable`.
    pub is_available: bool,
    /// Whether an app that offers no choice should take this one.
    pub is_default: bool,
}

/// What of a request a model makes use of.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Supports<'a> {
    /// `prompt`.
    pub prompt: bool,
    /// `negative_prompt`.
    pub negative_prompt: bool,
    /// `seed`.
    pub seed: bool,
    /// `num_inference_steps`; null: it has none.
    pub steps: Option<Range>,
    /// `guidance_scale`; null: it has none.
    pub guidance: Option<Range>,
    /// A picture to start from.
    pub source_image: bool,
    /// It does nothing without one.
    pub source_image_required: bool,
    /// `strength`.
    pub strength: bool,
    /// The values of `style`.
    pub styles: Vec<&'a str>,
    /// The shapes that it makes, such as `16:9`.
    pub aspect_ratios: Vec<&'a str>,
    /// `1024x768`; empty where any size within the limits is made, or the sizes are not known.
    pub sizes: Vec<String>,
}

/// Numbers that a model accepts.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Range {
    /// The least one; null: not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub min: Option<Number>,
    /// The greatest one; null: not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub max: Option<Number>,
    /// What is used where a request does not say; null: not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub default: Option<Number>,
}

/// What a model does where a request does not say; null: it has no such field, or that is not known.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Defaults {
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Denoising steps.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub num_inference_steps: Option<Number>,
    /// How closely it follows the prompt.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub guidance_scale: Option<Number>,
    /// How much it changes a source image.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub strength: Option<Number>,
}

/// The sizes that a model makes.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Limits {
    /// Null: not known, or taken from the source image.
    pub width: Option<SideLimits>,
    /// Null: not known, or taken from the source image.
    pub height: Option<SideLimits>,
}

/// Lengths of a side that a model makes, in pixels.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct SideLimits {
    /// The least one; null: not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub min: Option<Number>,
    /// The greatest one; null: not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub max: Option<Number>,
    /// Where any length within the limits is made: the step between them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<u32>,
}

/// The file that comes out.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Output<'a> {
    /// `webp`, `png`, `jpg` or `svg`; null: not known.
    pub format: Option<&'a str>,
    /// What it can make; empty: not known.
    pub formats: Vec<&'a str>,
}

/// What a picture costs, by what the database charges.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Price {
    /// US dollars that a picture of the model's default size is expected to cost.
    pub usd_per_image: f64,
    /// US dollars of it for each megapixel, where the price depends on the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_megapixel: Option<f64>,
    /// US dollars for a second that the model runs, where the price depends on the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_second: Option<f64>,
}
