//! What the live channel says: one message in each text frame, or in the `data:` of each server-sent event.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::enums::Status;
use super::generation::GenerationError;

/// A message of the live channel.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LiveMessage {
    /// The state of a generation.
    Generation(LiveGeneration),
    /// The current states have been sent.
    Ready(LiveReady),
    /// The server ends the connection; the client connects again.
    Resume(LiveResume),
}

/// The state of a generation. The same message may arrive twice: ignore a message whose `seq` is not greater than the
/// last one for the same generation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveGeneration {
    /// Always `generation`.
    #[schemars(extend("const" = "generation"))]
    pub r#type: String,
    /// The generation's id.
    pub generation_id: Uuid,
    /// The id of the batch that the generation belongs to; `null` for a single generation.
    pub batch_id: Option<Uuid>,
    /// The generation's status.
    pub status: Status,
    /// The progress in percent, as in `Generation`.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// The position in the queue; 1 is next. `null` once the generation runs.
    #[schemars(range(min = 1))]
    pub queue_position: Option<u32>,
    /// The estimated time until the generation ends, in seconds; `null` if it has ended or cannot be estimated.
    pub estimated_seconds: Option<u32>,
    /// The image's URL, if the generation is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(url)]
    pub image_url: Option<String>,
    /// Why the generation failed, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<GenerationError>,
    /// A number that grows with each change of a generation; roughly the time in milliseconds. Pass the greatest one
    /// that you have seen as `since` when you connect again.
    pub seq: u64,
}

/// The current states have been sent. Only changes follow.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveReady {
    /// Always `ready`.
    #[schemars(extend("const" = "ready"))]
    pub r#type: String,
    /// The greatest `seq` so far.
    pub seq: u64,
}

/// The server ends this event stream, because the reader does not keep up or another connection needs its place.
/// Connect again with the greatest `seq` that you have seen; nothing is lost.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveResume {
    /// Always `resume`.
    #[schemars(extend("const" = "resume"))]
    pub r#type: String,
    /// The greatest `seq` that was sent on this connection.
    pub seq: u64,
}
