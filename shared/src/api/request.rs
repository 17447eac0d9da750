//! The body of a start. [`crate::request`] reads it field by field, so that a refusal says what is wrong;
//! a test holds its bounds and these together.

use schemars::JsonSchema;
use schemars::Schema;
use serde_json::json;
use uuid::Uuid;

use super::words::{Operation, Priority};
use crate::request::bounds::{
    EXPIRES_IN, GUIDANCE, MAX_BATCH, MAX_NAME_CHARS, MAX_PROMPT_CHARS, NUM_IMAGES, SEED, SIDE, STEPS,
    STRENGTH,
};
use crate::url_policy::MAX_URL_BYTES;

/// The body of a start: one prompt, the same prompt several times, or up to ten prompts. A member that is
/// null counts as not given, and one that is not known here is ignored.
#[derive(Debug, JsonSchema)]
#[schemars(transform = one_form)]
pub struct StartRequest {
    /// What to paint, or how to change the source image. 1 to 4,000 characters, not only white space.
    #[schemars(length(min = 1, max = MAX_PROMPT_CHARS))]
    pub prompt: Option<String>,
    /// Instead of `prompt`: a batch, 1 to 10 prompts of 1 to 4,000 characters.
    #[schemars(length(min = 1, max = MAX_BATCH), inner(length(min = 1, max = MAX_PROMPT_CHARS)))]
    pub prompts: Option<Vec<String>>,
    /// 1 to 10 of the same prompt; with a `seed` each one takes the next seed.
    #[schemars(range(min = *NUM_IMAGES.start(), max = *NUM_IMAGES.end()))]
    pub num_images: Option<u32>,
    /// `owner/name`, from `GET /models`.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS))]
    pub model_id: String,
    /// Accepted for the original's callers; the catalogue's own version is run.
    #[schemars(length(max = MAX_NAME_CHARS))]
    pub model_version: Option<String>,
    /// What must not be in the picture. At most 4,000 characters.
    #[schemars(length(max = MAX_PROMPT_CHARS))]
    pub negative_prompt: Option<String>,
    /// Pixels; fitted to the model, see `adjustments`.
    #[schemars(range(min = *SIDE.start(), max = *SIDE.end()))]
    pub width: Option<u32>,
    /// Pixels; fitted to the model, see `adjustments`.
    #[schemars(range(min = *SIDE.start(), max = *SIDE.end()))]
    pub height: Option<u32>,
    /// Denoising steps; more take longer.
    #[schemars(range(min = *STEPS.start(), max = *STEPS.end()))]
    pub num_inference_steps: Option<u32>,
    /// How closely to follow the prompt.
    #[schemars(range(min = *GUIDANCE.start(), max = *GUIDANCE.end()))]
    pub guidance_scale: Option<f64>,
    /// 0 to 4,294,967,295: equal seeds give equal pictures.
    #[schemars(range(min = *SEED.start(), max = *SEED.end()))]
    pub seed: Option<u32>,
    /// The picture to start from: a public https URL.
    #[schemars(url, length(max = MAX_URL_BYTES))]
    pub source_image_url: Option<String>,
    /// Or the finished picture of one of the user's own generations.
    pub source_generation_id: Option<Uuid>,
    /// Or a picture that the user has uploaded, from `POST /sources`.
    pub source_id: Option<Uuid>,
    /// 0 to 1, where 1 changes everything; only with a picture to start from.
    #[schemars(range(min = *STRENGTH.start(), max = *STRENGTH.end()))]
    pub strength: Option<f64>,
    /// One of the styles that the model offers.
    #[schemars(length(max = MAX_NAME_CHARS))]
    pub style: Option<String>,
    /// What is made; by default what the model is for.
    pub operation: Option<Operation>,
    /// `normal` by default; the user's plan says which are allowed.
    pub priority: Option<Priority>,
    /// Not before then: RFC 3339, within a year. Quotas and budget are asked then, too.
    #[schemars(extend("format" = "date-time"))]
    pub scheduled_at: Option<String>,
    /// Seconds from `scheduled_at` or now: not started by then, it is cancelled and costs nothing.
    #[schemars(range(min = *EXPIRES_IN.start(), max = *EXPIRES_IN.end()))]
    pub expires_in: Option<u32>,
    /// A public https URL that is told when the generation has ended.
    #[schemars(url, length(max = MAX_URL_BYTES))]
    pub webhook_url: Option<String>,
}

/// Either `prompt` or `prompts`.
fn one_form(schema: &mut Schema) {
    schema.insert("oneOf".into(), json!([{ "required": ["prompt"] }, { "required": ["prompts"] }]));
}
