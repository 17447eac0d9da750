//! A job as the queue hands it out.

mod payload;

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

pub use payload::{Bucket, ImageToMake, ImageToStore, Payload, SourceFile, ToStop};

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

/// A row of `job_queue` that is leased to us.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Row")]
pub struct Job {
    /// Its id.
    pub id: Uuid,
    /// What it is about, and what it needs to know.
    pub payload: Payload,
    /// Whether the end of its generation is announced to a webhook.
    pub announces: bool,
    /// The fencing token: each claim raises it, each write names it.
    pub lease: i64,
    /// Runs that ended or whose lease ran out.
    pub attempts: u32,
    /// The generation that it works for.
    pub generation_id: Option<Uuid>,
    /// The prediction that is awaited.
    pub prediction_id: Option<String>,
    /// A create was sent and its answer never came.
    pub outcome_unknown: bool,
    /// Taken over from a lease that ran out.
    pub rescued: bool,
    /// When it was last claimed as a ready one, or its prediction was recorded (ISO 8601): the current attempt
    /// began then.
    pub started_at: Option<String>,
    /// When it was handed out (ISO 8601, by the database's clock).
    pub claimed_at: Option<String>,
    /// Time decides how long it is tried, and no run uses an attempt (ISO 8601).
    pub retry_until: Option<String>,
    /// What its earlier attempts ended with.
    pub history: Vec<PastAttempt>,
}

/// How an earlier attempt ended, as far as a later one asks: an item of the column `error_details`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastAttempt {
    /// The prediction that it ended with.
    pub prediction_id: Option<String>,
    /// It may have been paid for: it failed and nobody can tell, or its lease ran out.
    pub may_be_paid: bool,
}

impl PastAttempt {
    fn read(error: &Value) -> Self {
        let is = |name: &str, word: &str| error.get(name).is_some_and(|value| value == word);
        Self {
            prediction_id: error.get("prediction_id").and_then(Value::as_str).map(str::to_owned),
            may_be_paid: is("retry", "once") || is("code", "lease_expired"),
        }
    }
}

/// The row as PostgREST writes it, before its JSON columns are read.
#[derive(Deserialize)]
struct Row {
    id: Uuid,
    job_type: JobType,
    payload: Value,
    lease: i64,
    attempts: u32,
    #[serde(default)]
    generation_id: Option<Uuid>,
    #[serde(default)]
    prediction_id: Option<String>,
    #[serde(default)]
    outcome_unknown: bool,
    #[serde(default)]
    rescued: bool,
    #[serde(default)]
    started_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    retry_until: Option<String>,
    #[serde(default)]
    error_details: Value,
}

impl From<Row> for Job {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            payload: Payload::read(row.job_type, &row.payload),
            announces: payload::is(&row.payload, "webhook"),
            lease: row.lease,
            attempts: row.attempts,
            generation_id: row.generation_id,
            prediction_id: row.prediction_id,
            outcome_unknown: row.outcome_unknown,
            rescued: row.rescued,
            started_at: row.started_at,
            claimed_at: row.updated_at,
            retry_until: row.retry_until,
            history: row.error_details.as_array().into_iter().flatten().map(PastAttempt::read).collect(),
        }
    }
}

impl Job {
    /// What it is about.
    pub fn job_type(&self) -> JobType {
        self.payload.job_type()
    }

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

    /// Whether as much may have been paid for it as is paid for any: for two runs, whether they failed or were lost.
    pub fn may_be_paid_twice(&self) -> bool {
        self.history.iter().filter(|past| past.may_be_paid).count() > 1
    }

    /// Whether an earlier attempt ended with this prediction.
    pub fn knew(&self, prediction_id: &str) -> bool {
        self.history.iter().any(|past| past.prediction_id.as_deref() == Some(prediction_id))
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
        assert_eq!(job.job_type(), JobType::Unknown);
    }

    fn read(job_type: &str, payload: Value, errors: Value) -> Job {
        serde_json::from_value(serde_json::json!({
            "id": Uuid::nil(), "job_type": job_type, "payload": payload, "lease": 1, "attempts": 0,
            "error_details": errors,
        }))
        .unwrap()
    }

    #[test]
    fn a_payload_of_any_shape_is_one_of_its_jobs_type() {
        for payload in
            [serde_json::json!({}), serde_json::json!(null), serde_json::json!([1]), serde_json::json!("x")]
        {
            let of = |job_type| read(job_type, payload.clone(), Value::Null).payload;
            assert!(matches!(of("generate-image"), Payload::GenerateImage(image) if image.params.is_err()));
            assert!(matches!(of("download-image"), Payload::DownloadImage(image) if image.owner.is_none()));
            assert!(matches!(of("cancel-prediction"), Payload::CancelPrediction(ToStop::Nothing)));
            assert!(matches!(of("resize"), Payload::Unknown));
        }
    }

    #[test]
    fn what_attempts_ended_with_is_read_whatever_else_stands_there() {
        let job = read(
            "generate-image",
            Value::Null,
            serde_json::json!([
                { "attempt": 1, "prediction_id": "a", "retry": "once", "message": "x" },
                { "code": "lease_expired", "prediction_id": 5 }, { "code": "rejected", "prediction_id": "b" }, 7, null,
            ]),
        );
        assert!(job.knew("a") && job.knew("b") && !job.knew("5") && !job.knew(""));
        assert!(job.may_be_paid_twice());
        for errors in [Value::Null, serde_json::json!({}), serde_json::json!([{ "retry": "once" }, {}])] {
            assert!(!read("generate-image", Value::Null, errors).may_be_paid_twice());
        }
    }
}
