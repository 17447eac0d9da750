//! What a Worker has of its own: time, chance and a log.

use std::time::Duration;

use uuid::Uuid;

use crate::job::Job;

/// The time.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Clock {
    /// Milliseconds since 1970 (UTC).
    fn now_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, time: Duration);

    /// Seconds since 1970 (UTC).
    fn now_s(&self) -> u64 {
        self.now_ms() / 1000
    }
}

/// Chance, for jitter.
pub trait Random {
    /// Uniform in `0.0..1.0`.
    fn unit(&self) -> f64;
}

/// What a Worker has of its own, together.
pub trait Runtime: Clock + Random + Log {}

impl<T: Clock + Random + Log> Runtime for T {}

/// What a line of the log is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// The job.
    pub job_id: Uuid,
    /// The generation that it works for, where that is known.
    pub generation_id: Option<Uuid>,
}

impl From<Uuid> for About {
    fn from(job_id: Uuid) -> Self {
        Self { job_id, generation_id: None }
    }
}

impl From<&Job> for About {
    fn from(job: &Job) -> Self {
        Self { job_id: job.id, generation_id: job.generation_id }
    }
}

/// What operators read. No secret, token, prompt or signed URL may be put into it.
pub trait Log {
    /// Something went as it should not, and was dealt with.
    fn warn(&self, what: &str, about: impl Into<About>, detail: &str);

    /// Something that somebody has to look at; once for each time it begins, not for each job.
    fn alert(&self, what: &str, about: impl Into<About>, detail: &str);
}
