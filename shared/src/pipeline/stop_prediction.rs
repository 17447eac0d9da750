//! A `cancel-prediction` job: stop a prediction that nobody wants, or look for one that nobody knows.

use std::time::Duration;

use uuid::Uuid;

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::{Job, ToStop};
use crate::ports::{
    Clock, Failure, FailureCode, ImageProvider, JobQueue, Log, Ports, Prediction, ProviderError, QueueError,
};

/// The prediction list is searched from this long before the attempt began: that is a time by the database's
/// clock, and the list's times are by the provider's.
const CLOCK_SLACK_MS: u64 = 600_000;

impl<P: Ports> Pipeline<'_, P> {
    pub(super) async fn cancel_prediction(&self, job: &Job, what: &ToStop) -> Result<RunEnd, QueueError> {
        match what {
            ToStop::Prediction(prediction_id) => match self.stop(prediction_id).await {
                Ok(stopped) => self.stopped(job, stopped.into_iter().collect()).await,
                Err(error) => self.not_stopped(job, &error).await,
            },
            ToStop::Unknown { of, since_ms, until_ms } => {
                self.stop_unknown(job, *of, *since_ms, *until_ms).await
            }
            ToStop::Nothing => {
                let failure = Failure::new(FailureCode::InvalidPayload, "The job names no prediction.");
                self.give_up(job, failure).await
            }
        }
    }

    /// Its generation was cancelled while a create's outcome was not known. What a create has left may
    /// show in the list a little later: so where nothing is found, once more at `until_ms`.
    async fn stop_unknown(
        &self,
        job: &Job,
        of: Uuid,
        since_ms: Option<u64>,
        until_ms: u64,
    ) -> Result<RunEnd, QueueError> {
        let found = match self.predictions_of(of, since_ms).await {
            Ok(found) => found,
            Err(error) => return self.not_stopped(job, &error).await,
        };
        // Both by the database's clock.
        let wait_ms = until_ms.saturating_sub(job.claimed_ms().unwrap_or(until_ms));
        if found.is_empty() && wait_ms > 0 {
            self.ports.queue().snooze(job, Duration::from_millis(wait_ms), false).await?;
            return Ok(RunEnd::Forward);
        }
        let mut stopped = Vec::new();
        for one in found {
            if !one.is_running() {
                stopped.push(one);
                continue;
            }
            self.ports.runtime().warn("unknown prediction of a cancelled job", of, &one.id);
            match self.stop(&one.id).await {
                Ok(now) => stopped.push(now.unwrap_or(one)),
                Err(error) => return self.not_stopped(job, &error).await,
            }
        }
        self.stopped(job, stopped).await
    }

    async fn stop(&self, prediction_id: &str) -> Result<Option<Prediction>, ProviderError> {
        match self.ports.provider().cancel(prediction_id).await {
            Err(ProviderError::NotFound) => Ok(None),
            answer => answer,
        }
    }

    /// Done; what the provider says of them is kept in the ledger.
    async fn stopped(&self, job: &Job, predictions: Vec<Prediction>) -> Result<RunEnd, QueueError> {
        self.ports.queue().complete(job, Some(&predictions)).await?;
        Ok(RunEnd::Forward)
    }

    async fn not_stopped(&self, job: &Job, error: &ProviderError) -> Result<RunEnd, QueueError> {
        let failure = Failure::new(FailureCode::ProviderError, "The prediction could not be cancelled.");
        let failure = failure.with_cause(error.to_string());
        self.put_off(job, failure.clone(), failure).await
    }

    /// The predictions whose webhook names a job; of an attempt that began at `since_ms`. Without a
    /// webhook nothing tells whose a prediction is.
    pub(super) async fn predictions_of(
        &self,
        job_id: Uuid,
        since_ms: Option<u64>,
    ) -> Result<Vec<Prediction>, ProviderError> {
        let Some(callback) = &self.options.callback else { return Ok(Vec::new()) };
        let ours = format!("{callback}?job={job_id}&");
        let since_ms =
            since_ms.unwrap_or_else(|| self.ports.runtime().now_ms()).saturating_sub(CLOCK_SLACK_MS);
        self.ports.provider().list_since(since_ms, &ours).await
    }
}
