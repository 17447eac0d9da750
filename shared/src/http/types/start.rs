//! The answers to a start and to a cancelling.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;
use uuid::Uuid;

use super::enums::Status;

/// The answer to a start. The fields at the top describe the first generation; a batch lists all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Started {
    /// Always `true`. A request that fails returns a problem.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = true)))]
    pub success: bool,
    /// The generation's id.
    pub generation_id: Uuid,
    /// The id of its job in the queue.
    pub job_id: Uuid,
    /// Always `queued`.
    #[cfg_attr(feature = "openapi", schemars(with = "String", extend("const" = "queued")))]
    pub status: Status,
    /// A sentence for people.
    pub message: String,
    /// The generation's position in the queue; 1 is next.
    pub queue_position: Option<i64>,
    /// The estimated time until the generation ends, in seconds; `null` if it cannot be estimated.
    pub estimated_seconds: Option<i64>,
    /// Links to follow and cancel the generation.
    pub urls: Urls,
    /// The batch's id, if the request started several generations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_id: Option<Uuid>,
    /// All generations of the batch, including the first one, in the order of the prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generations: Option<Vec<StartedGeneration>>,
}

/// One generation that a request started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct StartedGeneration {
    /// The generation's id.
    pub generation_id: Uuid,
    /// The id of its job in the queue.
    pub job_id: Uuid,
    /// Always `queued`.
    #[cfg_attr(feature = "openapi", schemars(with = "String", extend("const" = "queued")))]
    pub status: Status,
    /// The generation's position in the queue; 1 is next.
    pub queue_position: Option<i64>,
    /// The estimated time until the generation ends, in seconds; `null` if it cannot be estimated.
    pub estimated_seconds: Option<i64>,
    /// Links to follow and cancel the generation.
    pub urls: Urls,
}

/// The answer to a start of the original's apps' batches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct StartedBatch<'a> {
    /// Always `true`. A request that fails returns a problem.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = true)))]
    pub success: bool,
    /// A sentence for people.
    pub message: String,
    /// The batch.
    pub batch: NamedBatch<'a>,
}

/// A batch that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct NamedBatch<'a> {
    /// The batch's id.
    pub id: Option<Uuid>,
    /// The name that the request gave it.
    pub name: Option<&'a str>,
    /// How many generations it has.
    pub total_count: i64,
    /// Its generations, in the order of the prompts.
    pub generations: Vec<BatchItem>,
}

/// One generation of a batch that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct BatchItem {
    /// The generation's id.
    pub id: Uuid,
    /// The id of its job in the queue.
    pub job_id: Uuid,
    /// Always `queued`.
    #[cfg_attr(feature = "openapi", schemars(with = "String", extend("const" = "queued")))]
    pub status: Status,
}

/// Links to follow and cancel a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Urls {
    /// `GET` returns the generation.
    #[serde(rename = "self")]
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub this: String,
    /// `POST` cancels the generation.
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub cancel: String,
    /// `GET` opens the generation's live channel, as a WebSocket or as server-sent events.
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub events: String,
}

/// A generation that was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Cancelled {
    /// The generation's id.
    pub generation_id: Uuid,
    /// The generation's status, always `cancelled`.
    pub status: Status,
}

/// What was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Deleted {
    /// The id of the generation or of the image.
    pub id: Uuid,
    /// Always `true`.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = true)))]
    pub deleted: bool,
}

/// The queue is being looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Woken {
    /// Always `true`.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = true)))]
    pub success: bool,
}
