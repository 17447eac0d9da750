//! Words that mean something: the values of fields that take one of a few.

use schemars::JsonSchema;
use serde::Serialize;

/// Where a generation is on its way: `queued`, `processing`, `downloading`, then one of the three ends.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It waits for its turn, or for its next attempt.
    Queued,
    /// The model has it.
    Processing,
    /// The picture is made and is being stored.
    Downloading,
    /// The end: there is a picture.
    Completed,
    /// The end: there is none, `error` says why.
    Failed,
    /// The end: cancelled by its user, or not started before it expired.
    Cancelled,
}

/// What is made of the prompt and the source image.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A picture from the prompt alone.
    Generate,
    /// A picture like the source image.
    Variation,
    /// The source image, changed as the prompt says.
    Edit,
    /// The source image, larger.
    Upscale,
    /// The source image without its background.
    RemoveBackground,
}

/// A head start in the queue, or the opposite; waiting makes up for it in the end.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// After the others.
    Low,
    /// What a request has that names none.
    Normal,
    /// Before the others.
    High,
}
