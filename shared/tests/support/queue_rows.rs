//! The rows of the in-memory queue.

use serde_json::{Value, json};
use uuid::Uuid;

/// A row of `job_queue`.
#[derive(Debug, Clone)]
pub struct Row {
    pub id: Uuid,
    pub job_type: String,
    pub payload: Value,
    pub status: &'static str,
    pub attempts: u32,
    pub max_attempts: u32,
    pub priority: i32,
    pub scheduled_ms: u64,
    pub created_ms: u64,
    pub started_ms: Option<u64>,
    /// When it was last handed out.
    pub claimed_ms: Option<u64>,
    /// The place of its last claim among all claims.
    pub claimed: u64,
    pub lease: i64,
    pub lease_expires_ms: Option<u64>,
    pub prediction_id: Option<String>,
    pub outcome_unknown: bool,
    /// Leased in the answer to its start.
    pub handed_over: bool,
    /// That lease ran out: a run that counts for nothing.
    pub hand_over_lost: bool,
    pub rescued: bool,
    pub generation_id: Option<Uuid>,
    pub expires_ms: Option<u64>,
    pub retry_until_ms: Option<u64>,
    pub error_message: Option<String>,
    /// The history, one entry an attempt.
    pub errors: Vec<Value>,
}

impl Row {
    /// `carries_generation`: job types whose end is their generation's end.
    pub fn carries_generation(&self) -> bool {
        matches!(self.job_type.as_str(), "generate-image" | "download-image")
    }

    /// `knew_prediction`: an earlier attempt ended with it.
    pub fn knew(&self, prediction_id: &str) -> bool {
        self.errors.iter().any(|error| error["prediction_id"] == prediction_id)
    }

    /// `add_error`
    pub fn add_error(&mut self, now_ms: u64, message: &str, details: &Value) {
        let mut entry = json!({ "attempt": self.attempts + 1, "at": now_ms, "message": message });
        if let Some(prediction_id) = &self.prediction_id {
            entry["prediction_id"] = json!(prediction_id);
        }
        entry.as_object_mut().unwrap().extend(details.as_object().cloned().unwrap_or_default());
        self.errors.push(entry);
    }

    /// A second error of which nobody can tell whether another attempt makes sense.
    pub fn is_second_unknown(&self, details: &Value) -> bool {
        let once = |error: &Value| error["retry"] == "once";
        once(details) && self.errors.iter().any(once)
    }

    pub fn is_lost(&self, now_ms: u64) -> bool {
        self.status == "processing" && self.lease_expires_ms.is_some_and(|time| time <= now_ms)
    }

    /// The current run left no prediction, known or possible.
    pub fn left_nothing(&self) -> bool {
        self.prediction_id.is_none() && !self.outcome_unknown && !self.handed_over
    }

    /// `has_deadline`: time decides how long it is tried, and no run uses an attempt.
    pub fn has_deadline(&self) -> bool {
        self.retry_until_ms.is_some() && self.job_type != "generate-image"
    }

    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_ms.is_some_and(|time| time <= now_ms)
    }
}

/// A row of `image_generations`.
#[derive(Debug, Clone)]
pub struct Generation {
    pub id: Uuid,
    pub job_id: Uuid,
    pub user_id: Uuid,
    pub status: &'static str,
    pub prediction_id: Option<String>,
    pub width: Option<u64>,
    pub height: Option<u64>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub retries: u32,
    /// Percent.
    pub progress: u8,
    /// Every status that it had, with a mark where a retry led back.
    pub history: Vec<&'static str>,
}

impl Generation {
    pub fn ended(&self) -> bool {
        matches!(self.status, "completed" | "failed" | "cancelled")
    }

    pub fn go(&mut self, status: &'static str) {
        self.status = status;
        self.history.push(status);
    }
}
