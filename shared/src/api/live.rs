//! What the live channel says: one message in each text frame, or in the `data:` of each server-sent event.

use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::generation::GenerationError;
use super::words::Status;

/// A message of the live channel.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum LiveMessage {
    /// How a generation stands now.
    Generation(LiveGeneration),
    /// What was there before the connection has been told.
    Ready(LiveReady),
    /// The last message of a connection that ends, and is to be opened again.
    Resume(LiveResume),
}

/// How a generation stands now. The same one may come twice: of one generation, ignore what has no greater
/// `seq` than the last one.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveGeneration {
    /// Always `generation`.
    #[schemars(extend("const" = "generation"))]
    pub r#type: String,
    /// Which one.
    pub generation_id: Uuid,
    /// Its batch; null for a single one.
    pub batch_id: Option<Uuid>,
    /// How it stands.
    pub status: Status,
    /// Percent, as in a generation.
    #[schemars(range(min = 0, max = 100))]
    pub progress: u8,
    /// Its place in the queue, 1 is next; null once it runs.
    #[schemars(range(min = 1))]
    pub queue_position: Option<u32>,
    /// Seconds until it has ended; null when it has.
    pub estimated_seconds: Option<u32>,
    /// Where the picture is, once it is completed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(url)]
    pub image_url: Option<String>,
    /// Why there is none, once it has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<GenerationError>,
    /// Grows with each change of a generation, and is roughly the time in milliseconds: the greatest one seen
    /// is `since` of the next connection.
    pub seq: u64,
}

/// The current state has been sent; from here on come changes.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveReady {
    /// Always `ready`.
    #[schemars(extend("const" = "ready"))]
    pub r#type: String,
    /// The greatest `seq` so far.
    pub seq: u64,
}

/// An event stream ends here, because its reader does not keep up or another connection needs its place.
/// Connect again with the greatest `seq` seen: nothing is lost.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LiveResume {
    /// Always `resume`.
    #[schemars(extend("const" = "resume"))]
    pub r#type: String,
    /// The greatest `seq` that this connection has told.
    pub seq: u64,
}
