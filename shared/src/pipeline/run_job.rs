//! One claimed job, by its type.

use std::time::Duration;

use super::Pipeline;
use super::backoff::{backoff, retry_wait};
use crate::job::{Job, JobType, Payload};
use crate::ports::{CreatedPrediction, Failure, FailureCode, JobQueue, Log, Ports, QueueError, Step};

/// How a run ended, for the counts of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunEnd {
    /// The job went forward, or will be looked at again as planned.
    Forward,
    /// It went forward and ended a pause: jobs that could not be claimed before can be now.
    Resumed,
    /// The run failed; the job is retried or has failed.
    Failed,
    /// The provider refuses to create, so that nothing is created for so long, for anybody. The job waits.
    Paused(Duration),
}

/// How far a run has come without the queue.
pub(super) enum Begun {
    /// It created a prediction, which is to be recorded.
    Created(CreatedPrediction),
    /// It has ended.
    Ended(RunEnd),
}

impl<P: Ports> Pipeline<'_, P> {
    /// Runs one leased job. An error means that the queue could not be told: the lease runs out
    /// and the job is taken up again.
    pub async fn run_job(&self, job: &Job) -> Result<RunEnd, QueueError> {
        match self.begin(job).await? {
            Begun::Created(prediction) => self.record(job, &prediction).await,
            Begun::Ended(end) => Ok(end),
        }
    }

    /// The same up to the record of the prediction that it creates.
    pub(super) async fn begin(&self, job: &Job) -> Result<Begun, QueueError> {
        let end = match &job.payload {
            Payload::GenerateImage(image) => return self.generate(job, image).await,
            Payload::DownloadImage(image) => self.download(job, image).await,
            Payload::CancelPrediction(what) => self.cancel_prediction(job, what).await,
            Payload::CleanupStorage => self.clean_up(job).await,
            // Webhooks are claimed by the webhook sender.
            Payload::ProcessWebhook | Payload::Unknown => {
                let failure = Failure::new(FailureCode::UnknownJobType, "No worker runs jobs of this type.");
                self.give_up(job, failure).await
            }
        };
        end.map(Begun::Ended)
    }

    /// The run failed in a way that the next one may not: another attempt after the backoff.
    pub(super) async fn try_later(&self, job: &Job, failure: Failure) -> Result<RunEnd, QueueError> {
        self.ports.runtime().warn("attempt failed", job, failure.logged());
        let wait = backoff(job.attempts, self.ports.runtime());
        self.ended(job, self.ports.queue().fail(job, &failure, Some(wait)).await?)
    }

    /// The run failed in a way that passes. The job comes again without using an attempt as long as its time
    /// lasts; after that it fails with `end`.
    pub(super) async fn put_off(
        &self,
        job: &Job,
        failure: Failure,
        end: Failure,
    ) -> Result<RunEnd, QueueError> {
        if job.is_over() {
            return self.give_up(job, end.with_cause(failure.cause)).await;
        }
        // One that was enqueued by somebody else. An image has the time that its first wait gives it.
        if job.retry_until.is_none() && job.job_type() != JobType::GenerateImage {
            return self.try_later(job, failure).await;
        }
        self.ports.runtime().warn("put off", job, failure.logged());
        let wait = retry_wait(job.lease, self.ports.runtime());
        self.ended(job, self.ports.queue().snooze(job, wait, false).await?)
    }

    /// The run failed in a way that every other one would too.
    pub(super) async fn give_up(&self, job: &Job, failure: Failure) -> Result<RunEnd, QueueError> {
        self.ports.runtime().warn("job failed", job, failure.logged());
        self.ended(job, self.ports.queue().fail(job, &failure, None).await?)
    }

    fn ended(&self, job: &Job, step: Step) -> Result<RunEnd, QueueError> {
        if step == Step::Stale {
            self.ports.runtime().warn("lease lost", job, "another worker holds the job now");
        }
        Ok(RunEnd::Failed)
    }
}
