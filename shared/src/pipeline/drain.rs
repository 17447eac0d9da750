//! Runs ready jobs until none is left or the budget is used up.

use std::time::Duration;

use uuid::Uuid;

use super::run_job::RunEnd;
use super::{JOB_LEASE, Pipeline};
use crate::job::{Job, JobType};
use crate::ports::{About, Clock, JobQueue, Log, Ports, QueueError};

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

/// What a webhook's delivery takes of the budget: with two look-ups and the request itself it needs five
/// subrequests, where a job that makes an image mostly needs two.
const JOBS_A_WEBHOOK: u32 = 3;
/// The same for a cleanup: three subrequests and its share of a claim.
const JOBS_A_CLEANUP: u32 = 2;
/// A pause that lasts longer is not slept out: the next wake-up, or the cron trigger, goes on.
const MAX_SLEEP: Duration = Duration::from_secs(10);
/// So much later the database says so too.
const AFTER_PAUSE: Duration = Duration::from_millis(100);
/// No cleanup is begun after this time: the next run of the cron trigger goes on.
const CLEANUP_TIME: Duration = Duration::from_secs(5);

impl Budget {
    /// The part of an invocation's budget that images may use up: a sixth is left for webhooks.
    #[must_use]
    pub fn for_images(self) -> Self {
        Self { jobs: self.jobs - self.jobs / 6, ..self }
    }

    /// What is left for webhooks after the images; `None` where it is not enough for one.
    pub fn for_webhooks(self, images: &Drained) -> Option<Self> {
        let left = self.jobs.saturating_sub(images.claimed) / JOBS_A_WEBHOOK;
        // With the smallest of budgets, one when there is nothing else to do.
        let jobs = left.max(u32::from(images.claimed == 0));
        (jobs > 0).then_some(Self { parallel: MAX_WEBHOOKS_AT_ONCE, time: WEBHOOK_TIME, jobs })
    }

    /// What is left for cleanups after both; `None` where it is not enough for one.
    pub fn for_cleanup(self, images: &Drained, webhooks: &Drained) -> Option<Self> {
        let used = images.claimed + JOBS_A_WEBHOOK * webhooks.claimed;
        let left = self.jobs.saturating_sub(used) / JOBS_A_CLEANUP;
        let jobs = left.max(u32::from(used == 0));
        (jobs > 0).then_some(Self { time: CLEANUP_TIME, jobs, ..self })
    }

    /// For the webhook of a generation that has just ended, and others that are due; `beside` is what the
    /// same invocation has given to jobs that make images.
    pub fn after_generation(beside: Option<Self>) -> Self {
        let jobs = beside.map_or(6, |budget| (budget.jobs / 6 / JOBS_A_WEBHOOK).max(1));
        Self { parallel: MAX_WEBHOOKS_AT_ONCE, time: WEBHOOK_TIME, jobs }
    }
}

/// Half of the six connections that a Worker may wait for at once,
/// <https://developers.cloudflare.com/workers/platform/limits/#simultaneous-open-connections>.
const MAX_WEBHOOKS_AT_ONCE: u32 = 3;
/// With a receiver's time-out of 15 s after it, the 30 s that a Worker lives on after its answer suffice.
const WEBHOOK_TIME: Duration = Duration::from_secs(10);

/// What a drain did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Jobs claimed. Those that met a pause count here alone.
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

impl Drained {
    /// The counts of two drains together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            claimed: self.claimed + other.claimed,
            processed: self.processed + other.processed,
            errors: self.errors + other.errors,
            rescued: self.rescued + other.rescued,
            unfinished: self.unfinished || other.unfinished,
        }
    }
}

impl<P: Ports> Pipeline<'_, P> {
    /// Runs jobs that are leased already, at once, and goes on with [`drain`](Self::drain) where there may be `more`
    /// that are ready: also where one failed, for its user's slot may have gone to a job that was blocked, or
    /// ended a pause.
    pub async fn run_leased(&self, jobs: &[Job], more: bool, budget: Budget) -> Result<Drained, QueueError> {
        let mut drained = Drained::default();
        let end = end_of(budget, self.ports.runtime());
        let then = then(self.ports.runtime(), self.run_jobs(jobs).await, &mut drained);
        let slept = sleep_out(then.pause, end, self.ports.runtime()).await;
        if !more && drained.errors == 0 && !then.resumed && !slept {
            return Ok(drained);
        }
        let time = Duration::from_millis(end.saturating_sub(self.ports.runtime().now_ms()));
        let left = budget.jobs.saturating_sub(drained.claimed).max(1);
        Ok(drained.and(self.drain(Budget { time, jobs: left, ..budget }).await?))
    }

    /// Claims and runs jobs that make images until the queue is empty or the budget is used up.
    /// Nothing here waits for a generation: a job is let go once its prediction is created. An error
    /// means that the first claim failed.
    pub async fn drain(&self, budget: Budget) -> Result<Drained, QueueError> {
        drain(self.ports.queue(), self.ports.runtime(), budget, &JobType::IMAGES, self).await
    }

    /// The same for jobs that delete stored files.
    pub async fn drain_cleanup(&self, budget: Budget) -> Result<Drained, QueueError> {
        drain(self.ports.queue(), self.ports.runtime(), budget, &JobType::CLEANUP, self).await
    }
}

/// What jobs that were run beside each other have found.
struct Then {
    /// One of them ended a pause.
    resumed: bool,
    /// The longest pause that one of them has met, from now.
    pause: Option<Duration>,
}

/// Who runs jobs beside each other.
pub(super) trait Runner {
    async fn run<'a>(&'a self, jobs: &'a [Job]) -> Vec<(&'a Job, Result<RunEnd, QueueError>)>;
}

impl<P: Ports> Runner for Pipeline<'_, P> {
    async fn run<'a>(&'a self, jobs: &'a [Job]) -> Vec<(&'a Job, Result<RunEnd, QueueError>)> {
        self.run_jobs(jobs).await
    }
}

/// Counts how jobs have ended, and tells what they have found.
fn then(runtime: &impl Log, ends: Vec<(&Job, Result<RunEnd, QueueError>)>, drained: &mut Drained) -> Then {
    let mut then = Then { resumed: false, pause: None };
    let mut told = None;
    for (job, end) in ends {
        drained.claimed += 1;
        drained.rescued += u32::from(job.rescued);
        match end {
            Ok(end) => match end {
                RunEnd::Forward => drained.processed += 1,
                RunEnd::Resumed => {
                    drained.processed += 1;
                    then.resumed = true;
                }
                RunEnd::Paused(time) => then.pause = then.pause.max(Some(time)),
                RunEnd::Failed => drained.errors += 1,
            },
            Err(error) => {
                if told.as_ref() == Some(&error) {
                    // One alert suffices for what is so for all of them.
                    runtime.warn("the queue could not be told", job, &error.to_string());
                } else {
                    report(runtime, job.into(), &error);
                }
                drained.errors += 1;
                told = Some(error);
            }
        }
    }
    then
}

/// What operators hear of a call that the queue did not take. An outage passes and costs time; a key that is not
/// accepted, and a defect, stay until somebody does something about them.
fn report(runtime: &impl Log, about: About, error: &QueueError) {
    match error {
        QueueError::Unavailable(_) => runtime.warn("the queue could not be told", about, &error.to_string()),
        QueueError::Denied(cause) => runtime.alert("the database refuses our key", about, cause),
        QueueError::Defect(cause) => runtime.alert("the queue does not take a step", about, cause),
    }
}

/// Whether a pause was met and is over now: a short one that ends in time is slept out, for jobs that are
/// started meanwhile are not handed out to those who look for them.
async fn sleep_out(pause: Option<Duration>, end_ms: u64, runtime: &impl Clock) -> bool {
    let Some(pause) = pause else { return false };
    let left = Duration::from_millis(end_ms.saturating_sub(runtime.now_ms()));
    if pause > MAX_SLEEP.min(left) {
        return false;
    }
    runtime.sleep(pause + AFTER_PAUSE).await;
    true
}

fn end_of(budget: Budget, runtime: &impl Clock) -> u64 {
    runtime.now_ms().saturating_add(u64::try_from(budget.time.as_millis()).unwrap_or(u64::MAX))
}

/// Claims jobs of some types and runs them, until none is ready or the budget is used up.
pub(super) async fn drain(
    queue: &impl JobQueue,
    runtime: &(impl Clock + Log),
    budget: Budget,
    types: &[JobType],
    runner: &impl Runner,
) -> Result<Drained, QueueError> {
    let end = end_of(budget, runtime);
    let mut drained = Drained::default();
    loop {
        let limit = budget.parallel.min(budget.jobs.saturating_sub(drained.claimed));
        let jobs = match queue.claim(limit, JOB_LEASE, types).await {
            Ok(jobs) => jobs,
            Err(error) if drained.claimed == 0 => {
                if matches!(error, QueueError::Denied(_)) {
                    report(runtime, Uuid::nil().into(), &error);
                }
                return Err(error);
            }
            Err(error) => {
                report(runtime, Uuid::nil().into(), &error);
                return Ok(drained);
            }
        };
        let before = drained;
        let then = then(runtime, runner.run(&jobs).await, &mut drained);
        let slept = sleep_out(then.pause, end, runtime).await;
        // A job that has ended gives its user's slot to one that was blocked: there may be more now.
        let ended =
            slept || then.resumed || drained.errors > before.errors || drained.rescued > before.rescued;
        if drained.claimed - before.claimed < limit && !ended {
            return Ok(drained);
        }
        if drained.claimed >= budget.jobs || runtime.now_ms() >= end {
            drained.unfinished = true;
            return Ok(drained);
        }
    }
}
