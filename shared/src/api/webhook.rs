//! What a `webhook_url` is sent.

use schemars::JsonSchema;
use serde::Serialize;

use super::generation::Generation;

/// The end of a generation.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WebhookEvent {
    /// How it ended.
    pub r#type: WebhookType,
    /// When it ended.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
    /// The generation as it stood then.
    pub data: Generation,
}

/// How a generation ended.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum WebhookType {
    /// There is a picture.
    #[serde(rename = "generation.completed")]
    Completed,
    /// There is none: `data.error` says why.
    #[serde(rename = "generation.failed")]
    Failed,
    /// Cancelled by its user, or not started before it expired.
    #[serde(rename = "generation.cancelled")]
    Cancelled,
}
