//! What goes into the mapper and what comes out.

use std::fmt;
use std::ops::Deref;

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::shape::AspectRatio;

/// What the model does with the prompt and the source image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Makes an image from the prompt alone.
    Generate,
    /// Makes an image that resembles the source image.
    Variation,
    /// Changes the source image as the prompt says.
    Edit,
    /// Enlarges the source image.
    Upscale,
    /// Removes the background of the source image.
    RemoveBackground,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Generate, Self::Variation, Self::Edit, Self::Upscale, Self::RemoveBackground];

    /// Its name on the wire and in the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Generate => "generate",
            Self::Variation => "variation",
            Self::Edit => "edit",
            Self::Upscale => "upscale",
            Self::RemoveBackground => "remove_background",
        }
    }

    /// The operation of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.as_str() == name)
    }
}

/// A file format that some model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutputFormat {
    /// Small, and sharp enough for most.
    Webp,
    /// Without loss; large.
    Png,
    /// Read by everything.
    Jpg,
    /// Drawn, not painted: no pixels.
    Svg,
}

impl OutputFormat {
    /// All of them, from the most to the least welcome.
    pub const ALL: [Self; 4] = [Self::Webp, Self::Png, Self::Jpg, Self::Svg];

    /// Its name on the wire and in the catalogue.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webp => "webp",
            Self::Png => "png",
            Self::Jpg => "jpg",
            Self::Svg => "svg",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.as_str() == name)
    }
}

/// The most source images of one request.
pub const MAX_SOURCES: usize = 10;

// One that is stored here has no URL before it is sent to the provider, so the mapper fills in its id in place of that;
// an input with an id must not be sent.
/// An image to start from, or a mask.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub enum SourceImage {
    /// A public https URL.
    #[serde(rename = "source_image_url")]
    Url(#[cfg_attr(feature = "openapi", schemars(url, length(max = 2048)))] String),
    /// The image of one of the user's own completed generations, by the generation's id.
    #[serde(rename = "source_generation_id")]
    Generation(Uuid),
    /// An upload from `POST /sources`, by its id.
    #[serde(rename = "source_id")]
    Upload(Uuid),
}

impl SourceImage {
    /// The request's field that names it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::Url(_) => "source_image_url",
            Self::Generation(_) => "source_generation_id",
            Self::Upload(_) => "source_id",
        }
    }

    /// Its URL, or the id that stands for it.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Url(url) => url.clone(),
            Self::Generation(id) | Self::Upload(id) => id.to_string(),
        }
    }
}

/// One image that a user asks for. Everything but the model and the prompt is optional; `None` leaves
/// the choice to the model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationParams {
    /// The catalogue's id, `owner/name`.
    pub model_id: String,
    /// A provider version the caller knows. Only the catalogue's own is ever run.
    pub model_version: Option<String>,
    /// What to paint, or how to change the source image.
    pub prompt: String,
    /// What must not be in the image.
    pub negative_prompt: Option<String>,
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// Instead of both: the shape, at about the model's own number of pixels.
    pub aspect_ratio: Option<AspectRatio>,
    /// The file format.
    pub output_format: Option<OutputFormat>,
    /// Denoising steps.
    pub num_inference_steps: Option<u32>,
    /// How closely to follow the prompt; 0 is a value like any other.
    pub guidance_scale: Option<f64>,
    /// Equal seeds give equal images; 0 is a seed like any other.
    pub seed: Option<i64>,
    /// The images to start from.
    pub sources: Vec<SourceImage>,
    /// Which part of the source image is made anew.
    pub mask: Option<SourceImage>,
    /// How much of the source image to change: 0 keeps it, 1 changes everything.
    pub strength: Option<f64>,
    /// How many times as wide and as high as the source image.
    pub scale: Option<f64>,
    /// A style by the model's own name for it.
    pub style: Option<String>,
    /// What to do; `None` is the model's own, and with a source image its `edit`, else its `variation`.
    pub operation: Option<Operation>,
}

/// A model's input as the provider takes it: JSON whose members the model's own schema names. The catalogue makes it and
/// checks it against that schema; nobody looks into it on its way to the provider.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ModelInput(Map<String, Value>);

impl Deref for ModelInput {
    type Target = Map<String, Value>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl From<Map<String, Value>> for ModelInput {
    fn from(members: Map<String, Value>) -> Self {
        Self(members)
    }
}

/// A request in the provider's terms.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapped {
    /// `version` of `POST /v1/predictions`: `owner/name` for official models, else 64 hex digits.
    pub version: String,
    /// `input` of the same call; satisfies the model's schema.
    pub input: ModelInput,
    /// Width and height that will be made; `None` where the facts do not say, for instance because
    /// the image takes its size from the source image.
    pub output: Option<(u32, u32)>,
    /// File format that will be made (`webp`, `png`, `jpg`, `svg`); `None` where the facts do not say.
    pub format: Option<String>,
    /// The operation that will be run, also when the request named none.
    pub operation: Operation,
    /// Everything that was asked for and is made differently.
    pub adjustments: Vec<Adjustment>,
}

/// A value of the request that was changed to fit the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Adjustment {
    /// The request field. `size` stands for `width` and `height` if the size in pixels is not known.
    pub field: &'static str,
    /// The value in the request.
    pub requested: Value,
    /// The value that is used instead; `null` if the field is not used.
    pub used: Value,
    /// The reason, as a sentence for the user.
    pub reason: &'static str,
}

/// The model cannot do what is asked (422 `unsupported`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsupported {
    /// The request's field that cannot be met.
    pub field: &'static str,
    /// Why, in words a user can read.
    pub reason: String,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl std::error::Error for Unsupported {}
