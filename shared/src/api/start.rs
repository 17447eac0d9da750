//! The answer to a start.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;

/// The answer of a start. The first generation's members are at the top; a batch lists all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Started {
    /// Always true: a refusal is a problem.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = true)))]
    pub success: bool,
    /// The generation to follow.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    pub generation_id: String,
    /// Its job in the queue.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    pub job_id: String,
    /// Always `queued`.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "queued")))]
    pub status: &'static str,
    /// A sentence for people.
    pub message: String,
    /// Its place in the queue, 1 is next.
    pub queue_position: Option<i64>,
    /// Seconds until it has ended, as far as that can be told.
    pub estimated_seconds: Option<i64>,
    /// Where to go on.
    pub urls: Urls,
    /// The batch, where there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    pub batch_id: Option<String>,
    /// Every generation of the batch, the first one too, in the order of the prompts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generations: Option<Vec<StartedGeneration>>,
}

/// One generation of a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct StartedGeneration {
    /// The generation to follow.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    pub generation_id: String,
    /// Its job in the queue.
    #[cfg_attr(feature = "openapi", schemars(extend("format" = "uuid")))]
    pub job_id: String,
    /// Always `queued`.
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "queued")))]
    pub status: &'static str,
    /// Its place in the queue, 1 is next.
    pub queue_position: Option<i64>,
    /// Seconds until it has ended, as far as that can be told.
    pub estimated_seconds: Option<i64>,
    /// Where to go on.
    pub urls: Urls,
}

/// Where a generation is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema))]
pub struct Urls {
    /// `GET`: how it stands.
    #[serde(rename = "self")]
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub this: String,
    /// `POST`: cancels it.
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub cancel: String,
    /// `GET`: its live channel, a WebSocket or server-sent events.
    #[cfg_attr(feature = "openapi", schemars(url))]
    pub events: String,
}
