//! What a `webhook_url` is sent.

use schemars::JsonSchema;
use serde::Serialize;

use super::generation::Generation;

/// Sent when a generation has ended.
#[derive(Debug, Serialize, JsonSchema)]
pub struct WebhookEvent {
    /// How the generation ended.
    pub r#type: WebhookType,
    /// When the generation ended.
    #[schemars(extend("format" = "date-time"))]
    pub timestamp: String,
    /// The generation at that time.
    pub data: Generation,
}

/// How a generation ended.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum WebhookType {
    /// The generation completed; `data.images` holds the image.
    #[serde(rename = "generation.completed")]
    Completed,
    /// The generation failed; `data.error` says why.
    #[serde(rename = "generation.failed")]
    Failed,
    /// The user cancelled the generation, or it expired before it started.
    #[serde(rename = "generation.cancelled")]
    Cancelled,
}
