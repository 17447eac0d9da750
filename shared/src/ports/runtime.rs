//! What a Worker has of its own: time, chance and a log.

use std::time::Duration;

use uuid::Uuid;

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

/// What operators read. No secret, token or signed URL may be put into it.
pub trait Log {
    /// Something went as it should not, and was dealt with.
    fn warn(&self, what: &str, job_id: Uuid, detail: &str);

    /// Something that somebody has to look at; once for each time it begins, not for each job.
    fn alert(&self, what: &str, job_id: Uuid, detail: &str);
}
