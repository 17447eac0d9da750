//! Generations as their owner sees them. The database writes them (`private.generation_json`), and they
//! pass through unread.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::words::{Operation, Status};
use crate::catalogue::Adjustment;

/// One picture that was asked for, and how it stands.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Generation {
    /// Its id.
    pub id: Uuid,
    /// The batch that it belongs to; null for a single one.
    pub batch_id: Option<Uuid>,
    /// How it stands.
    pub status: Status,
    /// Percent: 0 while it waits, 10 to 90 while the model runs, by what the model prints, 100 at the end.
    /// A retry begins at 0.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// Its place in the queue, 1 is next; null once it runs.
    #[schemars(range(min = 1))]
    pub queue_position: Option<u32>,
    /// Seconds until it has ended, as far as that can be told; null when it has.
    pub estimated_seconds: Option<u32>,
    /// What is made.
    pub operation: Operation,
    /// The model that makes it, `owner/name`.
    pub model_id: String,
    /// The prompt.
    pub prompt: String,
    /// What must not be in the picture.
    pub negative_prompt: Option<String>,
    /// Pixels: what will be made, and in the end what was made; null where that is not known yet.
    #[schemars(range(min = 1))]
    pub width: Option<u32>,
    /// Pixels, as `width`.
    #[schemars(range(min = 1))]
    pub height: Option<u32>,
    /// The seed, where one was asked for.
    pub seed: Option<u64>,
    /// What was asked for and changed to fit the model.
    pub adjustments: Vec<Adjustment>,
    /// Why it failed; null unless it did.
    pub error: Option<GenerationError>,
    /// The picture; empty until it is completed.
    pub images: Vec<GeneratedImage>,
    /// What it cost, in US dollars; null where no price is known.
    #[schemars(range(min = 0))]
    pub cost_usd: Option<f64>,
    /// When it was asked for.
    #[schemars(extend("format" = "date-time"))]
    pub created_at: String,
    /// When its first attempt began.
    #[schemars(extend("format" = "date-time"))]
    pub started_at: Option<String>,
    /// When it ended, however it ended.
    #[schemars(extend("format" = "date-time"))]
    pub completed_at: Option<String>,
}

/// Why a generation has no picture.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GenerationError {
    /// Stable: branch on this. `content_flagged`, `out_of_memory` or `source_missing`, for instance.
    pub code: Option<String>,
    /// A sentence for people.
    pub message: Option<String>,
}

/// A stored picture.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GeneratedImage {
    /// Its id.
    pub id: Uuid,
    /// Where it is: public, at a path that cannot be guessed.
    #[schemars(url)]
    pub url: String,
    /// The file format: `webp`, `png`, `jpg`, `gif` or `svg`.
    pub format: String,
    /// Pixels.
    #[schemars(range(min = 1))]
    pub width: u32,
    /// Pixels.
    #[schemars(range(min = 1))]
    pub height: u32,
    /// The file's size.
    #[schemars(range(min = 1))]
    pub bytes: u64,
}

/// Some of the user's generations, the newest first.
#[derive(Debug, Serialize, JsonSchema)]
pub struct GenerationPage {
    /// This page.
    pub generations: Vec<Generation>,
    /// `cursor` of the next page; null: there is none.
    pub next_cursor: Option<String>,
}

/// What a cancelling came to.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Cancelled {
    /// Which one it was.
    pub generation_id: Uuid,
    /// How it ended.
    pub status: Status,
}
