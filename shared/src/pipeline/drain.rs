//! Runs ready jobs until none is left or the time is over.

use std::time::Duration;

use futures::future::join_all;

use super::run_job::RunEnd;
use super::{JOB_LEASE, Pipeline};
use crate::job::{Job, JobType};
use crate::ports::{Clock, ImageProvider, ImageStore, JobQueue, Log, QueueError, Random};

/// How much one drain may do.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Jobs claimed and run at once.
    pub parallel: u32,
    /// No claim after this time.
    pub time: Duration,
    /// At most this many jobs: each takes a few of the platform's subrequests (50 an invocation on
    /// the free plan, 10,000 on the paid one,
    /// <https://developers.cloudflare.com/workers/platform/limits/#subrequests>).
    pub jobs: u32,
}

/// What a drain did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Jobs claimed.
    pub claimed: u32,
    /// Of these: went forward.
    pub processed: u32,
    /// Of these: failed, or the queue could not be told.
    pub errors: u32,
    /// Of the claimed: taken over from a lease that ran out.
    pub rescued: u32,
    /// The budget was used up before the queue was empty.
    pub unfinished: bool,
}

impl<Q: JobQueue, P: ImageProvider, S: ImageStore, W: Clock + Random + Log> Pipeline<'_, Q, P, S, W> {
    /// Runs jobs that are leased already, at once, and goes on with [`drain`](Self::drain) where one
    /// failed: the place of its user may have gone to a job that was held.
    pub async fn run_leased(&self, jobs: &[Job], budget: Budget) -> Result<Drained, QueueError> {
        let mut drained = Drained::default();
        self.run_all(jobs, &mut drained).await;
        if drained.errors > 0 { self.drain(budget).await } else { Ok(drained) }
    }

    async fn run_all(&self, jobs: &[Job], drained: &mut Drained) {
        let ends = join_all(jobs.iter().map(|job| async move {
            let end = self.run_job(job).await;
            if let Err(error) = &end {
                self.world.warn("the queue could not be told", job.id, &error.0);
            }
            end
        }))
        .await;
        for (job, end) in jobs.iter().zip(ends) {
            drained.claimed += 1;
            match end {
                Ok(RunEnd::Forward) => drained.processed += 1,
                Ok(RunEnd::Failed) | Err(_) => drained.errors += 1,
            }
            drained.rescued += u32::from(job.rescued);
        }
    }

    /// Claims and runs jobs until the queue is empty or the budget is used up. Nothing here waits
    /// for a generation: a job is let go once its prediction is created. An error means that the
    /// first claim failed.
    pub async fn drain(&self, budget: Budget) -> Result<Drained, QueueError> {
        let end =
            self.world.now_ms().saturating_add(u64::try_from(budget.time.as_millis()).unwrap_or(u64::MAX));
        let mut drained = Drained::default();
        loop {
            let limit = budget.parallel.min(budget.jobs.saturating_sub(drained.claimed));
            let jobs = match self.queue.claim(limit, JOB_LEASE, &JobType::OURS).await {
                Ok(jobs) => jobs,
                Err(error) if drained.claimed == 0 => return Err(error),
                Err(_) => return Ok(drained),
            };
            let before = drained;
            self.run_all(&jobs, &mut drained).await;
            // A job that has ended gives its user's place to one that was held: there may be more now.
            let ended = drained.errors > before.errors || drained.rescued > before.rescued;
            if drained.claimed - before.claimed < limit && !ended {
                return Ok(drained);
            }
            if drained.claimed >= budget.jobs || self.world.now_ms() >= end {
                drained.unfinished = true;
                return Ok(drained);
            }
        }
    }
}
