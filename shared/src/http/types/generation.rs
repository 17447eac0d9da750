//! Generations as their owner sees them. The database writes them (`private.generation_json`), and they
//! pass through unread.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::enums::{Operation, Status};
use crate::catalogue::{Adjustment, OutputFormat, SourceImage};

/// A request for one image, and its current state.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Generation {
    /// The generation's id.
    pub id: Uuid,
    /// The id of the batch that the generation belongs to; `null` for a single generation.
    pub batch_id: Option<Uuid>,
    /// The generation's status.
    pub status: Status,
    /// The progress in percent: 0 while the generation waits, 10 to 90 while the model runs, 100 when it is completed.
    /// A retry starts again at 0.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// The position in the queue; 1 is next. `null` once the generation runs.
    #[schemars(range(min = 1))]
    pub queue_position: Option<u32>,
    /// The estimated time until the generation ends, in seconds; `null` if it has ended or cannot be estimated.
    pub estimated_seconds: Option<u32>,
    /// What the model does.
    pub operation: Operation,
    /// The model's id, `owner/name`. Empty for a generation that was brought in without one.
    pub model_id: String,
    /// The prompt.
    pub prompt: String,
    /// What the image must not show.
    pub negative_prompt: Option<String>,
    /// The image's width in pixels. Until the generation is completed, this is the expected width; `null` if it is not
    /// known yet.
    #[schemars(range(min = 1))]
    pub width: Option<u32>,
    /// The image's height in pixels, as `width`.
    #[schemars(range(min = 1))]
    pub height: Option<u32>,
    /// The aspect ratio; `null` if the request set none, or if the model does not use it.
    pub aspect_ratio: Option<String>,
    /// The file format that was asked for, or the one that the model makes instead; `null` if the request set none.
    /// The format of the stored file is that of the image.
    pub output_format: Option<OutputFormat>,
    /// The seed that is used: the request's, or one drawn for this generation. `null` if the model takes none.
    pub seed: Option<u64>,
    /// The number of denoising steps; `null` if the model's default is used.
    #[schemars(range(min = 1))]
    pub num_inference_steps: Option<u32>,
    /// How closely the image follows the prompt; `null` if the model's default is used.
    #[schemars(range(min = 0))]
    pub guidance_scale: Option<f64>,
    /// How much of the source image is changed; `null` if the model's default is used or there is no source image.
    #[schemars(range(min = 0, max = 1))]
    pub strength: Option<f64>,
    /// How many times as wide and as high as the source image; `null` if the request set none, or if the model does not
    /// use it.
    pub scale: Option<f64>,
    /// The style; `null` if the request set none.
    pub style: Option<String>,
    /// The version of the model; `null` for a model that has none.
    pub model_version: Option<String>,
    /// The source images in their order; empty if there are none, or if they are known to be gone.
    pub sources: Vec<SourceImage>,
    /// The mask that says which part of the source image is made anew; `null` if there is none.
    pub mask: Option<SourceImage>,
    /// The source image, if it is a single one and a public URL.
    #[schemars(url)]
    pub source_image_url: Option<String>,
    /// The generation whose image is the single source image; `null` once that generation is deleted.
    pub source_generation_id: Option<Uuid>,
    /// The upload that is the single source image. It may have been deleted.
    pub source_id: Option<Uuid>,
    /// The generation that this one came from: the one that it makes again, otherwise the one whose image is its first
    /// source image. It may have been deleted. `GET /generations?parent_id=` lists what came from a generation.
    pub parent_id: Option<Uuid>,
    /// The values of the request that were changed to fit the model.
    pub adjustments: Vec<Adjustment>,
    /// Why the generation failed; `null` unless it did.
    pub error: Option<GenerationError>,
    /// The image; empty until the generation is completed.
    pub images: Vec<GeneratedImage>,
    /// The cost in US dollars; `null` if the model's price is not known.
    #[schemars(range(min = 0))]
    pub cost_usd: Option<f64>,
    /// When the request was made.
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// When the first attempt started.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,
    /// When the generation completed, failed or was cancelled.
    #[schemars(extend("format" = "date-time"))]
    pub completed_at: Option<String>,
}

/// Why a generation failed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GenerationError {
    /// A stable code for programs, for example `content_flagged`, `out_of_memory` or `source_missing`.
    pub code: Option<String>,
    /// A sentence for the user.
    pub message: Option<String>,
}

/// A stored image.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GeneratedImage {
    /// The image's id.
    pub id: Uuid,
    /// The generation that made the image; `null` for an image that was brought in without one.
    pub generation_id: Option<Uuid>,
    /// The image's URL. It is public, and its path cannot be guessed.
    #[schemars(url)]
    pub url: String,
    /// A small version for lists and grids, as wide as the installation says. The same as `url` where it has none.
    #[schemars(url)]
    pub thumbnail_url: String,
    /// The file format: `webp`, `png`, `jpg`, `gif` or `svg`.
    pub format: String,
    /// The width in pixels.
    #[schemars(range(min = 1))]
    pub width: u32,
    /// The height in pixels.
    #[schemars(range(min = 1))]
    pub height: u32,
    /// The size of the file in bytes.
    #[schemars(range(min = 1))]
    pub bytes: u64,
    /// Whether the user has marked the image as a favourite.
    pub is_favorite: bool,
    /// Whether every signed-in user may find the image.
    pub is_public: bool,
    /// When the user archived the image; `null` if it is not archived.
    #[schemars(extend("format" = "date-time"))]
    pub archived_at: Option<String>,
}

/// The images that were marked.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MarkedImages {
    /// The images, in the order of the ids. An id that names none of the user's images is passed over.
    pub images: Vec<GeneratedImage>,
}

/// A page of the user's generations, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GenerationPage {
    /// The generations of this page. A request reads 2,000 generations at most, so with filters a page may have fewer
    /// than `limit`, or none, although more follow.
    pub generations: Vec<Generation>,
    /// Pass this as `cursor` with the same filters to get the next page; `null` on the last page.
    pub next_cursor: Option<String>,
}
