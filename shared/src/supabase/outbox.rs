//! The webhooks that are to be sent, on their SQL functions.

use serde_json::{Value, json};

use super::queue::{Queue, outcome, unknown};
use crate::job::Job;
use crate::ports::{Attempt, Clock, Http, Message, Outbox, QueueError, Random, Step, ToSend, Verdict};

impl<H: Http, W: Clock + Random> Outbox for Queue<'_, H, W> {
    async fn message(&self, job: &Job) -> Result<ToSend, QueueError> {
        let answer =
            self.call("webhook_message", json!({ "p_job_id": job.id, "p_lease": job.lease })).await?;
        match outcome(&answer) {
            "message" => read(&answer)
                .map(ToSend::Message)
                .ok_or_else(|| QueueError::Defect("webhook_message: a message that cannot be read".into())),
            "unknown" => Ok(ToSend::Unknown),
            "stale" => Ok(ToSend::Stale),
            word => Err(unknown("webhook_message", word)),
        }
    }

    async fn record(&self, job: &Job, attempt: &Attempt, verdict: Verdict) -> Result<Step, QueueError> {
        let (status, wait) = match verdict {
            Verdict::Delivered => ("delivered", None),
            Verdict::Retry(wait) => ("failed", Some(wait.as_secs_f64())),
            Verdict::Failed => ("failed", None),
            Verdict::Gone => ("gone", None),
        };
        self.step(
            "record_delivery",
            json!({
                "p_job_id": job.id, "p_lease": job.lease, "p_status": status, "p_retry_in_seconds": wait,
                "p_attempt": {
                    "status": attempt.status, "duration_ms": attempt.duration_ms, "error": attempt.error,
                    "response": attempt.response,
                },
            }),
            &["completed", "retrying", "failed"],
        )
        .await
    }
}

fn read(answer: &Value) -> Option<Message> {
    let text = |name: &str| answer.get(name)?.as_str().map(str::to_owned);
    let secrets = answer.get("secrets")?.as_array()?;
    Some(Message {
        webhook_id: text("webhook_id")?,
        url: text("url")?,
        body: text("body")?,
        secrets: secrets.iter().map(|secret| secret.as_str().map(str::to_owned)).collect::<Option<_>>()?,
    })
}
