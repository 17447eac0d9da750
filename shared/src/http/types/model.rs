//! What `GET /models` says.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Number;

use crate::catalogue::Paints;

/// The models that a request can name, in display order.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Models<'a> {
    /// The models.
    pub models: Vec<Model<'a>>,
}

/// A model: what it accepts, what it costs and what it returns.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Model<'a> {
    /// The model's id, `owner/name`. A request passes it as `model_id`.
    pub id: &'a str,
    /// The model's display name.
    pub name: &'a str,
    /// A one-line description.
    pub description: &'a str,
    /// The provider's version that is run; `null` if the provider always runs the latest one.
    pub version: Option<&'a str>,
    /// The default operation.
    #[cfg_attr(feature = "openapi", schemars(with = "super::Operation"))]
    pub operation: Option<super::Operation>,
    /// All operations that the model supports.
    pub operations: &'a [super::Operation],
    /// The request fields that the model uses.
    pub supports: Supports<'a>,
    /// The values that the model uses for fields that a request leaves out.
    pub defaults: Defaults,
    /// The image sizes that the model supports.
    pub limits: Limits,
    /// The image file that the model returns.
    pub output: Output<'a>,
    /// How long an image usually takes, in seconds.
    pub estimated_seconds: u32,
    /// The price of an image; `null` if it is not known. Users with a money limit cannot use a model without a price.
    pub price: Option<Price>,
    /// Whether requests may use the model.
    pub is_active: bool,
    /// `false` while the provider refuses the model: a request for it fails with `model_unavailable`. Up to a minute
    /// old.
    pub is_available: bool,
    /// Whether this is the model to use if your app does not let users choose.
    pub is_default: bool,
}

/// The request fields that a model uses.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Supports<'a> {
    /// Whether the model uses `prompt`.
    pub prompt: bool,
    /// Whether the model uses `negative_prompt`.
    pub negative_prompt: bool,
    /// Whether the model uses `seed`.
    pub seed: bool,
    /// The range of `num_inference_steps`; `null` if the model does not use it.
    pub steps: Option<Range>,
    /// The range of `guidance_scale`; `null` if the model does not use it.
    pub guidance: Option<Range>,
    /// Whether the model accepts a source image without a mask. If not, and it has a `mask`, it accepts both together.
    pub source_image: bool,
    /// How many source images the model accepts; 0 if it accepts none. With more than one they are `sources`.
    #[cfg_attr(feature = "openapi", schemars(with = "u32"))]
    pub max_source_images: usize,
    /// The colour that `mask` has where the model makes the source image anew: `white` or `black`, the other one where
    /// it is kept. `null` if the model does not use a mask.
    pub mask: Option<Paints>,
    /// The range of `scale`; `null` if the model does not use it.
    pub scale: Option<Range>,
    /// The values that the model accepts for `scale`. Empty if it accepts every value of the range, or does not use it.
    pub scales: Vec<f64>,
    /// Whether the model needs a source image.
    pub source_image_required: bool,
    /// Whether the model uses `strength`.
    pub strength: bool,
    /// The values that the model accepts for `style`.
    pub styles: Vec<&'a str>,
    /// The aspect ratios that the model takes as they are as `aspect_ratio`, for example `16:9`.
    pub aspect_ratios: Vec<&'a str>,
    /// The sizes that the model supports, for example `1024x768`. Empty if the model supports every size within
    /// `limits`, or if its sizes are not known.
    pub sizes: Vec<String>,
}

/// The numbers that a model accepts.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Range {
    /// The minimum; `null` if it is not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub min: Option<Number>,
    /// The maximum; `null` if it is not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub max: Option<Number>,
    /// The default; `null` if it is not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub default: Option<Number>,
}

/// The values that a model uses for fields that a request leaves out. A value is `null` if the model does not use the
/// field, or if its default is not known.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Defaults {
    /// The width in pixels.
    pub width: Option<u32>,
    /// The height in pixels.
    pub height: Option<u32>,
    /// The number of denoising steps.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub num_inference_steps: Option<Number>,
    /// How closely the image follows the prompt.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub guidance_scale: Option<Number>,
    /// How much the model changes a source image.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub strength: Option<Number>,
}

/// The image sizes that a model supports.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Limits {
    /// The width; `null` if it is not known, or if the model takes it from the source image.
    pub width: Option<SideLimits>,
    /// The height; `null` if it is not known, or if the model takes it from the source image.
    pub height: Option<SideLimits>,
}

/// The lengths that a model supports for one side of an image, in pixels.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct SideLimits {
    /// The minimum; `null` if it is not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub min: Option<Number>,
    /// The maximum; `null` if it is not known.
    #[cfg_attr(feature = "openapi", schemars(with = "Option<f64>"))]
    pub max: Option<Number>,
    /// The length must be a multiple of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multiple_of: Option<u32>,
}

/// The image file that a model returns.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Output<'a> {
    /// The default file format: `webp`, `png`, `jpg` or `svg`; `null` if it is not known.
    pub format: Option<&'a str>,
    /// The file formats that can be asked for as `output_format`; empty if they are not known.
    pub formats: Vec<&'a str>,
}

/// The price of an image, as users are charged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Price {
    /// The expected price of an image in the model's default size without a source image, in US dollars.
    pub usd_per_image: f64,
    /// The price of a megapixel in US dollars, if the price depends on the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_megapixel: Option<f64>,
    /// The price of a second that the model runs in US dollars, if the price depends on the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_second: Option<f64>,
    /// The price of a megapixel of each source image in US dollars, rounded up, if source images cost something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_source_megapixel: Option<f64>,
    /// How many megapixels a source image counts at most, and as many where its size is not known, as of an upload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_source_megapixels: Option<u32>,
}
