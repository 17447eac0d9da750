//! Generations as their owner sees them. The database writes them (`private.generation_json`), and they
//! pass through unread.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::enums::{Operation, Status};
use crate::catalogue::Adjustment;

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
    /// The model's id, `owner/name`.
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
    /// The seed, if the request set one.
    pub seed: Option<u64>,
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
}

/// A page of the user's generations, newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GenerationPage {
    /// The generations of this page.
    pub generations: Vec<Generation>,
    /// Pass this as `cursor` to get the next page; `null` on the last page.
    pub next_cursor: Option<String>,
}
