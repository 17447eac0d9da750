//! The prediction object, as far as we read it.

use serde::Deserialize;
use serde_json::Value;

use crate::job::milliseconds;

/// Where a prediction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Waiting for a machine.
    Starting,
    /// Running.
    Processing,
    /// Done, with output.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped while running; billed for the time run.
    Canceled,
    /// Its deadline came before it started; not billed. Since October 2025,
    /// <https://replicate.com/changelog/2025-10-16-prediction-deadlines>.
    Aborted,
    /// A status that this version does not know; treated as running, so the sweep asks again.
    #[serde(other)]
    Other,
}

impl Status {
    /// The provider's word for how it ended; `running` where it has not.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting | Self::Processing | Self::Other => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Canceled => "canceled",
            Self::Aborted => "aborted",
        }
    }
}

/// A prediction. Recorded answers lack most fields at times, so only `id` and `status` are required.
#[derive(Debug, Clone, Deserialize)]
pub struct Prediction {
    /// Opaque id.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// One URL, a list of them, or null; other shapes occur with other models.
    #[serde(default)]
    pub output: Value,
    /// Why it failed; a string where it is known.
    #[serde(default)]
    pub error: Value,
    /// What the model printed.
    #[serde(default)]
    pub logs: Option<String>,
    /// Input and output were deleted, an hour after the end.
    #[serde(default)]
    pub data_removed: bool,
    /// `predict_time` and `total_time` in seconds.
    #[serde(default)]
    pub metrics: Value,
    /// When it was created (ISO 8601).
    #[serde(default)]
    pub created_at: Option<String>,
    /// When the model began (ISO 8601).
    #[serde(default)]
    pub started_at: Option<String>,
    /// The webhook that it was created with, where the answer repeats it.
    #[serde(default)]
    pub webhook: Option<String>,
}

impl Prediction {
    /// Parses a prediction and refuses ids that would not fit into a path.
    pub fn parse(body: &[u8]) -> Option<Self> {
        serde_json::from_slice::<Self>(body).ok().filter(|prediction| is_id(&prediction.id))
    }

    /// When it was created, in milliseconds since 1970.
    pub fn created_ms(&self) -> Option<u64> {
        milliseconds(self.created_at.as_deref()?)
    }

    /// Seconds that the model ran: what is billed for models billed by time.
    pub fn predict_time(&self) -> Option<f64> {
        self.metrics
            .get("predict_time")
            .and_then(Value::as_f64)
            .filter(|time| time.is_finite() && *time >= 0.0)
    }
}

/// Ids are opaque; seen are 26 letters and digits.
pub fn is_id(id: &str) -> bool {
    (1..=100).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
