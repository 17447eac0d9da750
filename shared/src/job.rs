//! A job as the queue hands it out.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::catalogue::Ask;
use crate::problem::Problem;
use crate::request::parse_ask;

/// What a job is about. The queue carries other types too, for other people's workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobType {
    /// Make one image at the provider.
    GenerateImage,
    /// Bring a finished image into the store.
    DownloadImage,
    /// Stop a prediction that nobody wants any more.
    CancelPrediction,
    /// Tell a user's server that a generation has ended.
    ProcessWebhook,
    /// Delete stored files that no row names.
    CleanupStorage,
    /// A type that this version does not run.
    #[serde(other)]
    Unknown,
}

impl JobType {
    /// The types that make images, what costs least and is waited for longest first.
    pub const IMAGES: [Self; 3] = [Self::CancelPrediction, Self::DownloadImage, Self::GenerateImage];
    /// Claimed apart: receivers that do not answer must not hold up images.
    pub const WEBHOOKS: [Self; 1] = [Self::ProcessWebhook];
    /// Claimed last: nobody waits for it.
    pub const CLEANUP: [Self; 1] = [Self::CleanupStorage];

    /// The name in the column `job_type`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GenerateImage => "generate-image",
            Self::DownloadImage => "download-image",
            Self::CancelPrediction => "cancel-prediction",
            Self::ProcessWebhook => "process-webhook",
            Self::CleanupStorage => "cleanup-storage",
            Self::Unknown => "unknown",
        }
    }
}

/// What a job needs to know, as whoever enqueued it wrote it: JSON of any shape, and untrusted. Each use case takes the
/// members that it knows, by type, and checks them.
#[derive(Debug, Clone, Deserialize)]
pub struct Payload(Value);

impl Payload {
    /// Whether there is a member of this name, of any type.
    pub fn has(&self, name: &str) -> bool {
        self.0.get(name).is_some()
    }

    /// The member of this name, where it is a text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    /// The member of this name, where it is a number of that size.
    pub fn number(&self, name: &str) -> Option<u32> {
        self.0.get(name).and_then(Value::as_u64).and_then(|number| u32::try_from(number).ok())
    }

    /// Whether the member of this name is true.
    pub fn is(&self, name: &str) -> bool {
        self.0.get(name).and_then(Value::as_bool).unwrap_or(false)
    }

    /// The image that is asked for, checked as a request is.
    pub fn ask(&self) -> Result<Ask, Problem> {
        parse_ask(&self.0)
    }
}

/// A row of `job_queue` that is leased to us.
#[derive(Debug, Clone, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// What it is about.
    pub job_type: JobType,
    /// What it needs to know.
    pub payload: Payload,
    /// The fencing token: each claim raises it, each write names it.
    pub lease: i64,
    /// Runs that ended or whose lease ran out.
    pub attempts: u32,
    /// The generation that it works for.
    #[serde(default)]
    pub generation_id: Option<Uuid>,
    /// The prediction that is awaited.
    #[serde(default)]
    pub prediction_id: Option<String>,
    /// A create was sent and its answer never came.
    #[serde(default)]
    pub outcome_unknown: bool,
    /// Taken over from a lease that ran out.
    #[serde(default)]
    pub rescued: bool,
    /// When it was last claimed as a ready one, or its prediction was recorded (ISO 8601): the current attempt
    /// began then.
    #[serde(default)]
    pub started_at: Option<String>,
    /// When it was handed out (ISO 8601, by the database's clock).
    #[serde(default, rename = "updated_at")]
    pub claimed_at: Option<String>,
    /// Time decides how long it is tried, and no run uses an attempt (ISO 8601).
    #[serde(default)]
    pub retry_until: Option<String>,
    /// What its attempts ended with: `[{attempt, prediction_id?, …}]`.
    #[serde(default)]
    error_details: Value,
}

impl Job {
    /// When the current attempt began, in milliseconds since 1970.
    pub fn started_ms(&self) -> Option<u64> {
        milliseconds(self.started_at.as_deref()?)
    }

    /// When it was handed out, in milliseconds since 1970.
    pub fn claimed_ms(&self) -> Option<u64> {
        milliseconds(self.claimed_at.as_deref()?)
    }

    /// How long the current attempt had gone on when the job was handed out: both times are the database's, so
    /// no other clock matters.
    pub fn waited(&self) -> Duration {
        let times = self.claimed_ms().zip(self.started_ms());
        Duration::from_millis(times.map_or(0, |(claimed, started)| claimed.saturating_sub(started)))
    }

    /// Whether the time was over, when it was handed out, until which it is tried: both times are the database's,
    /// so no other clock matters. Where it has no such time its attempts decide.
    pub fn is_over(&self) -> bool {
        let until = self.retry_until.as_deref().and_then(milliseconds);
        self.claimed_ms().zip(until).is_some_and(|(claimed, until)| claimed >= until)
    }

    /// Whether the provider refuses its model, as the queue knew when it handed the job out.
    pub fn model_is_refused(&self) -> bool {
        self.payload.is("model_refused")
    }

    /// Whether the end of its generation is announced to a webhook.
    pub fn announces(&self) -> bool {
        self.payload.is("webhook")
    }

    /// Whether as much may have been paid for it as is paid for any: for two runs, whether they failed or were lost.
    pub fn may_be_paid_twice(&self) -> bool {
        let paid = |error: &&Value| {
            let is = |name: &str, word: &str| error.get(name).is_some_and(|value| value == word);
            is("retry", "once") || is("code", "lease_expired")
        };
        self.history().iter().filter(paid).count() > 1
    }

    fn history(&self) -> &[Value] {
        self.error_details.as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether an earlier attempt ended with this prediction.
    pub fn knew(&self, prediction_id: &str) -> bool {
        self.history().iter().any(|error| error.get("prediction_id").is_some_and(|id| id == prediction_id))
    }
}

/// A time in ISO 8601 as milliseconds since 1970.
pub fn milliseconds(time: &str) -> Option<u64> {
    let time = chrono::DateTime::parse_from_rfc3339(time).ok()?;
    u64::try_from(time.timestamp_millis()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_of_an_unknown_type_is_still_read() {
        let job: Job = serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "job_type": "resize", "payload": {}, "lease": 1, "attempts": 0,
            "status": "processing", "some_new_column": 3
        }))
        .unwrap();
        assert_eq!(job.job_type, JobType::Unknown);
    }
}
