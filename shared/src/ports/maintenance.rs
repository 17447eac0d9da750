//! What the cron trigger asks of the database besides jobs.

use serde::Serialize;

use super::QueueError;

/// What a run over all ready jobs did: its answer, and the row of the last cron run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RunReport {
    /// Always true: a run that could not claim is an error.
    pub success: bool,
    /// Jobs claimed.
    pub claimed: u32,
    /// Of these: went forward.
    pub processed: u32,
    /// Of these: failed, or the queue could not be told.
    pub errors: u32,
    /// Of the claimed: taken over from a lease that ran out.
    pub rescued: u32,
    /// How long it took.
    pub duration_ms: u64,
}

/// A sentence that somebody has to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert(pub String);

/// The database's maintenance, one step at a time. None is repeated: the next run of the cron trigger makes up for it.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Maintenance {
    /// Looks for stored files without rows, and enqueues the jobs that delete them.
    async fn sweep_storage(&self) -> Result<(), QueueError>;
    /// Notes that the cron trigger ran, and what it did. Each alert is given once.
    async fn record_sweep(&self, report: &RunReport) -> Result<Vec<Alert>, QueueError>;
    /// Deletes jobs that finished long ago.
    async fn prune_jobs(&self) -> Result<(), QueueError>;
}
