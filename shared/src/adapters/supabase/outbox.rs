//! The webhooks that are to be sent, on their SQL functions.

use serde_json::{Value, json};

use super::queue::{Queue, outcome, unknown};
use crate::job::Job;
use crate::ports::{
    Attempt, Clock, Delivery, DeliveryOutcome, Http, Message, Outbox, QueueError, Random, Step,
};

impl<H: Http, W: Clock + Random> Outbox for Queue<'_, H, W> {
    async fn message(&self, job: &Job) -> Result<Delivery, QueueError> {
        let answer =
            self.call("webhook_message", json!({ "p_job_id": job.id, "p_lease": job.lease })).await?;
        match outcome(&answer) {
            "message" => read(&answer)
                .map(Delivery::Message)
                .ok_or_else(|| QueueError::Defect("webhook_message: a message that cannot be read".into())),
            "unknown" => Ok(Delivery::Unknown),
            "stale" => Ok(Delivery::Stale),
            word => Err(unknown("webhook_message", word)),
        }
    }

    async fn record(
        &self,
        job: &Job,
        attempt: &Attempt,
        outcome: DeliveryOutcome,
    ) -> Result<Step, QueueError> {
        let (status, wait) = match outcome {
            DeliveryOutcome::Delivered => ("delivered", None),
            DeliveryOutcome::Retry(wait) => ("failed", Some(wait.as_secs_f64())),
            DeliveryOutcome::Failed => ("failed", None),
            DeliveryOutcome::Gone => ("gone", None),
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
        header: serde_json::from_value(answer.get("header").cloned().unwrap_or_default()).ok()?,
        traceparent: text("traceparent"),
    })
}
