//! What the sending of webhooks needs from outside.

use std::net::IpAddr;
use std::time::Duration;

use super::{QueueError, Step};
use crate::job::Job;

/// Looks names up: a Worker has no resolver of its own.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Resolver {
    /// All addresses of a name, IPv4 and IPv6; at least one.
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError>;
}

/// Why a name's addresses are not known. Both may pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such name, or it has no address.
    #[error("the name has no address")]
    NoAddress,
    /// The resolver did not answer, or not in full.
    #[error("the resolver: {0}")]
    Unavailable(String),
}

/// A webhook as it is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The event's id, the same on every attempt.
    pub webhook_id: String,
    /// Whom the user wants it told; untrusted.
    pub url: String,
    /// JSON, the same bytes on every attempt.
    pub body: String,
    /// `whsec_…`: the current secret, and old ones that are still valid. None: it is not signed.
    pub secrets: Vec<String>,
    /// A header that the receiver wants besides, name and value: a mailer's token.
    pub header: Option<(String, String)>,
    /// The trace that the start belonged to, as W3C Trace Context writes it.
    pub traceparent: Option<String>,
}

/// What a leased job sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// This.
    Message(Message),
    /// Nothing: the job names no webhook of ours.
    Unknown,
    /// The lease was lost.
    Stale,
}

/// What came of one attempt, as its log shows it to the generation's owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    /// The receiver's status code, if it answered.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// A sentence, unless it was delivered.
    pub error: Option<String>,
    /// The beginning of the receiver's answer.
    pub response: Option<String>,
}

/// How a delivery goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver has it.
    Delivered,
    /// Another attempt after this time.
    Retry(Duration),
    /// No attempt is left, or none would help.
    Failed,
    /// The receiver wants no more of it (410).
    Gone,
}

/// The webhooks that are to be sent, from the workers' side.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Outbox {
    /// What the leased job sends.
    async fn message(&self, job: &Job) -> Result<Delivery, QueueError>;
    /// Logs the attempt and ends the job's run.
    async fn record(
        &self,
        job: &Job,
        attempt: &Attempt,
        outcome: DeliveryOutcome,
    ) -> Result<Step, QueueError>;
}
