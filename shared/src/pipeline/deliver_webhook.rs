//! A `process-webhook` job: tell a user's server that a generation has ended, or an operator of an alert, as Standard
//! Webhooks wants it, <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>.

use std::time::Duration;

use futures::future::join_all;

use url::Url;

use super::backoff::delivery_wait;
use super::drain::{Budget, Drained, Runner, drain};
use super::run_job::RunEnd;
use crate::auth::webhook_signature::{ID_HEADER, SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, sign};
use crate::http::traceparent::TRACEPARENT;
use crate::job::{Job, JobType};
use crate::policy::address_policy::is_public;
use crate::policy::url_policy::{AllowedOrigins, check_webhook};
use crate::ports::{
    Attempt, Clock, Delivery, DeliveryOutcome, Http, HttpError, HttpRequest, HttpResponse, JobQueue, Log,
    Message, Outbox, QueueError, Random, Resolver, Step, WebhookPorts,
};

/// A receiver that has not answered by then has failed. Standard Webhooks: 15 to 30 seconds.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much of an answer is read, for the log, in bytes.
const PEEK_BYTES: usize = 256;
/// The longest wait that a receiver's `Retry-After` can bring about.
const MAX_RETRY_AFTER_S: u32 = 24 * 3600;

/// Delivers webhooks, on the ports that it needs.
#[derive(Debug)]
pub struct WebhookSender<'a, P> {
    /// Outbox, HTTP, resolver, and the runtime.
    pub ports: P,
    /// Receivers that need not be public.
    pub allowed: &'a AllowedOrigins,
}

impl<P: WebhookPorts> Runner for WebhookSender<'_, P> {
    async fn run<'a>(&'a self, jobs: &'a [Job]) -> Vec<(&'a Job, Result<RunEnd, QueueError>)> {
        join_all(jobs.iter().map(async |job| (job, self.deliver(job).await))).await
    }
}

impl<P: WebhookPorts> WebhookSender<'_, P> {
    /// Claims and delivers webhooks until none is ready or the budget is used up.
    pub async fn drain(&self, queue: &impl JobQueue, budget: Budget) -> Result<Drained, QueueError> {
        drain(queue, self.ports.runtime(), budget, &JobType::WEBHOOKS, self).await
    }

    /// Runs one leased job. An error means that the queue could not be told: the lease runs out and
    /// the webhook is sent again, so receivers must know an id that they have seen.
    pub async fn deliver(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let started = self.ports.runtime().now_ms();
        let (attempt, outcome) = match self.ports.outbox().message(job).await? {
            Delivery::Message(message) => match self.send(&message).await {
                Ok(response) => classify_response(&response, job.attempts, self.ports.runtime()),
                Err(NotSent::Refused(why)) => {
                    (failed(format!("The receiver is refused: {why}.")), DeliveryOutcome::Failed)
                }
                Err(NotSent::Failed(why)) => (failed(why), retry(job.attempts, 0, self.ports.runtime())),
            },
            Delivery::Unknown => (failed("The job names no webhook.".into()), DeliveryOutcome::Failed),
            Delivery::Stale => {
                self.ports.runtime().warn("lease lost", job, "another worker holds the job now");
                return Ok(RunEnd::Failed);
            }
        };
        let attempt =
            Attempt { duration_ms: self.ports.runtime().now_ms().saturating_sub(started), ..attempt };
        if let Some(error) = &attempt.error {
            self.ports.runtime().warn("webhook not delivered", job, error);
        }
        if self.ports.outbox().record(job, &attempt, outcome).await? == Step::Stale {
            self.ports.runtime().warn("lease lost", job, "another worker holds the job now");
        }
        Ok(if outcome == DeliveryOutcome::Delivered { RunEnd::Forward } else { RunEnd::Failed })
    }

    async fn send(&self, message: &Message) -> Result<HttpResponse, NotSent> {
        // Checked when the request came, too; but by other rules then, or by the database alone.
        let url = check_webhook(&message.url, self.allowed).map_err(NotSent::Refused)?;
        if !self.allowed.contain(&url) {
            self.check_addresses(&url).await?;
        }
        let timestamp = self.ports.runtime().now_s();
        let signatures = message
            .secrets
            .iter()
            .map(|secret| {
                Secret::parse(secret)
                    .map(|secret| sign(&secret, &message.webhook_id, timestamp, message.body.as_bytes()))
            })
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| NotSent::Failed(format!("The webhook could not be signed: {error}.")))?;
        let mut request = HttpRequest::new("POST", url.as_str())
            .header("content-type", "application/json")
            .header("user-agent", "picture-queue-webhooks/1")
            .header(ID_HEADER, &message.webhook_id)
            .header(TIMESTAMP_HEADER, timestamp.to_string())
            .timeout(TIMEOUT)
            .peek(PEEK_BYTES);
        if !signatures.is_empty() {
            request = request.header(SIGNATURE_HEADER, signatures.join(" "));
        }
        if let Some((name, value)) = &message.header {
            request = request.header(name, value);
        }
        if let Some(traceparent) = &message.traceparent {
            request = request.header(TRACEPARENT, traceparent);
        }
        request.body = message.body.clone();
        self.ports.http().send(request).await.map_err(|error| {
            NotSent::Failed(match error {
                HttpError::Timeout => format!("The receiver did not answer within {} s.", TIMEOUT.as_secs()),
                _ => "The connection to the receiver failed.".to_owned(),
            })
        })
    }

    /// All addresses of the receiver must be public ones: which of them is taken is not ours to say.
    async fn check_addresses(&self, url: &Url) -> Result<(), NotSent> {
        let name = url.host_str().unwrap_or_default();
        let addresses = self
            .ports
            .resolver()
            .addresses(name)
            .await
            .map_err(|error| NotSent::Failed(format!("The receiver could not be looked up: {error}.")))?;
        if addresses.iter().all(|address| is_public(*address)) {
            Ok(())
        } else {
            Err(NotSent::Refused("its name leads to a private address"))
        }
    }
}

enum NotSent {
    /// It must not be sent.
    Refused(&'static str),
    /// It may work another time.
    Failed(String),
}

/// What an answer means.
fn classify_response(
    response: &HttpResponse,
    attempts: u32,
    random: &impl Random,
) -> (Attempt, DeliveryOutcome) {
    let error = format!("The receiver answered with status {}.", response.status);
    let (error, outcome) = match response.status {
        200..=299 => (None, DeliveryOutcome::Delivered),
        410 => (Some(error), DeliveryOutcome::Gone),
        _ => (Some(error), retry(attempts, response.retry_after.unwrap_or(0), random)),
    };
    let attempt =
        Attempt { status: Some(response.status), error, response: preview(&response.body), duration_ms: 0 };
    (attempt, outcome)
}

/// The wait of the schedule after an attempt that failed, longer where the receiver asks for it.
fn retry(attempts: u32, retry_after_s: u32, random: &impl Random) -> DeliveryOutcome {
    delivery_wait(attempts, random).map_or(DeliveryOutcome::Failed, |wait| {
        DeliveryOutcome::Retry(wait.max(Duration::from_secs(retry_after_s.min(MAX_RETRY_AFTER_S).into())))
    })
}

fn failed(error: String) -> Attempt {
    Attempt { error: Some(error), ..Attempt::default() }
}

/// The beginning of an answer as text. Postgres cannot store NUL, and nobody reads the other ones.
fn preview(body: &[u8]) -> Option<String> {
    let head = body.get(..PEEK_BYTES).unwrap_or(body);
    let text: String =
        String::from_utf8_lossy(head).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}
