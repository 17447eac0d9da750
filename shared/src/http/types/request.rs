//! The body of a start. [`crate::http::request`] reads it field by field, so that a refusal says what is wrong;
//! a test holds its bounds and these together.

use schemars::JsonSchema;
use schemars::Schema;
use serde_json::json;
use uuid::Uuid;

use super::enums::{Operation, Priority};
use crate::catalogue::{MAX_SOURCES, OutputFormat, SourceImage};
use crate::policy::bounds::{
    EXPIRES_IN, GUIDANCE, MAX_BATCH, MAX_NAME_CHARS, MAX_PROMPT_CHARS, NUM_IMAGES, SCALE, SEED, SIDE, STEPS,
    STRENGTH,
};
use crate::policy::url_policy::MAX_URL_BYTES;

/// A request for images: one prompt, one prompt several times, or up to ten prompts. A field that is `null` counts as
/// left out. Any other field is refused.
#[derive(Debug, JsonSchema)]
#[schemars(transform = one_form, deny_unknown_fields)]
pub struct StartRequest {
    /// What the image shows, or how to change the source image: 1 to 4,000 characters, not only white space. A model
    /// whose `supports.prompt` is false needs none, and keeps one as a title.
    #[schemars(length(min = 1, max = MAX_PROMPT_CHARS))]
    pub prompt: Option<String>,
    /// A batch of 1 to 10 prompts, each 1 to 4,000 characters long. Use it instead of `prompt`.
    #[schemars(length(min = 1, max = MAX_BATCH), inner(length(min = 1, max = MAX_PROMPT_CHARS)))]
    pub prompts: Option<Vec<String>>,
    /// How many images to make of `prompt`, 1 to 10. If you set a `seed`, each further image uses the next seed.
    #[schemars(range(min = *NUM_IMAGES.start(), max = *NUM_IMAGES.end()))]
    pub num_images: Option<u32>,
    /// The id of a model from `GET /models`, `owner/name`.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS))]
    pub model_id: String,
    /// Accepted for clients of the original and not used: the version in the catalogue is run, and `adjustments` of the
    /// generation tells it.
    #[schemars(length(max = MAX_NAME_CHARS))]
    pub model_version: Option<String>,
    /// What the image must not show, at most 4,000 characters.
    #[schemars(length(max = MAX_PROMPT_CHARS))]
    pub negative_prompt: Option<String>,
    /// The width in pixels. It is fitted to the model; `adjustments` of the generation lists what was changed.
    #[schemars(range(min = *SIDE.start(), max = *SIDE.end()))]
    pub width: Option<u32>,
    /// The height in pixels, fitted to the model as `width` is.
    #[schemars(range(min = *SIDE.start(), max = *SIDE.end()))]
    pub height: Option<u32>,
    /// The shape instead of `width` and `height`: two whole numbers from 1 to 99, such as `16:9`. It is fitted to the
    /// model, which makes about as many pixels as it does by default.
    #[schemars(regex(pattern = "^[1-9][0-9]?:[1-9][0-9]?$"))]
    pub aspect_ratio: Option<String>,
    /// The file format. A model that does not make it makes another one; `adjustments` of the generation says which.
    pub output_format: Option<OutputFormat>,
    /// The number of denoising steps. More steps take longer.
    #[schemars(range(min = *STEPS.start(), max = *STEPS.end()))]
    pub num_inference_steps: Option<u32>,
    /// How closely the image follows the prompt.
    #[schemars(range(min = *GUIDANCE.start(), max = *GUIDANCE.end()))]
    pub guidance_scale: Option<f64>,
    /// The seed, 0 to 4,294,967,295. The same request with the same seed gives the same image.
    #[schemars(range(min = *SEED.start(), max = *SEED.end()))]
    pub seed: Option<u32>,
    /// The source image, as a public https URL. Set at most one of the three source fields, or `sources`.
    #[schemars(url, length(max = MAX_URL_BYTES))]
    pub source_image_url: Option<String>,
    /// The source image, as the id of one of the user's own completed generations.
    pub source_generation_id: Option<Uuid>,
    /// The source image, as the id of an upload from `POST /sources`.
    pub source_id: Option<Uuid>,
    /// Several source images in the order in which the prompt speaks of them, 1 to 10 and no more than the model's
    /// `max_source_images`. Use it instead of the three fields above.
    #[schemars(length(min = 1, max = MAX_SOURCES))]
    pub sources: Option<Vec<NamedImage>>,
    /// An image in black and white, as large as the source image, that says which part of it is made anew: the part
    /// that has the colour of the model's `mask`. Needs a source image.
    pub mask: Option<NamedImage>,
    /// How much to change the source image, from 0 (keep it) to 1 (change everything). Needs a source image.
    #[schemars(range(min = *STRENGTH.start(), max = *STRENGTH.end()))]
    pub strength: Option<f64>,
    /// How many times as wide and as high as the source image, for models that enlarge. It is fitted to the model;
    /// `adjustments` of the generation says what was changed. The time and the price grow with its square.
    #[schemars(range(min = *SCALE.start(), max = *SCALE.end()))]
    pub scale: Option<f64>,
    /// One of the model's `styles`.
    #[schemars(length(max = MAX_NAME_CHARS))]
    pub style: Option<String>,
    /// What the model does. The default is the model's default operation; of a model that generates, with a source image
    /// its `edit`, else its `variation`.
    pub operation: Option<Operation>,
    /// The priority in the queue. The user's plan determines which priorities are allowed. The default is `normal`.
    pub priority: Option<Priority>,
    /// The earliest time to start, within a year (RFC 3339). Quotas and budget are checked again at that time.
    #[schemars(extend("format" = "date-time"))]
    pub scheduled_at: Option<String>,
    /// Cancels the generation if it has not started after this many seconds, counted from `scheduled_at` or from now.
    /// It then costs nothing.
    #[schemars(range(min = *EXPIRES_IN.start(), max = *EXPIRES_IN.end()))]
    pub expires_in: Option<u32>,
    /// A public https URL that receives a webhook when a generation has ended.
    #[schemars(url, length(max = MAX_URL_BYTES))]
    pub webhook_url: Option<String>,
    /// Whose generations they are. Servers send it, and have to, with the project's secret key; a request with a user's
    /// token that has it is refused with `forbidden`.
    pub user_id: Option<Uuid>,
}

/// The id of an upload from `POST /sources`, or an object that says which image it is.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum NamedImage {
    /// The id of an upload.
    Upload(Uuid),
    /// Any image.
    Image(SourceImage),
}

/// Not `prompt` and `prompts`. Whether there has to be one of them is the model's.
fn one_form(schema: &mut Schema) {
    let both = json!({
        "required": ["prompt", "prompts"],
        "properties": { "prompt": { "type": "string" }, "prompts": { "type": "array" } },
    });
    schema.insert("not".into(), both);
}
