//! Words that mean something: the values of fields that take one of a few.

use schemars::JsonSchema;
use serde::Serialize;

pub use crate::live::Status;

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
