//! A `cancel-prediction` job: stop a prediction that nobody wants, or look for one that nobody knows.

use std::time::Duration;

use uuid::Uuid;

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::{Job, milliseconds};
use crate::ports::{
    Clock, Failure, ImageProvider, JobQueue, Log, Ports, Prediction, ProviderError, QueueError,
};

/// The prediction list is searched from this long before the attempt began: that is a time by the database's
/// clock, and the list's times are by the provider's.
const CLOCK_SLACK_MS: u64 = 600_000;

impl<P: Ports> Pipeline<'_, P> {
    pub(super) async fn cancel_prediction(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let text = |name: &str| job.payload.text(name);
        if let Some(prediction_id) = text("prediction_id") {
            return match self.stop(prediction_id).await {
                Ok(stopped) => self.stopped(job, stopped.into_iter().collect()).await,
                Err(error) => self.not_stopped(job, &error).await,
            };
        }
        let Some(of) = text("job_id").and_then(|id| Uuid::try_parse(id).ok()) else {
            let failure = Failure::new("invalid_payload", "The job names no prediction.");
            return self.give_up(job, failure).await;
        };
        let until_ms = text("search_until").and_then(milliseconds).unwrap_or_default();
        self.stop_unknown(job, of, text("since").and_then(milliseconds), until_ms).await
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

    /// Done; what the provider says of them is kept in the books.
    async fn stopped(&self, job: &Job, predictions: Vec<Prediction>) -> Result<RunEnd, QueueError> {
        self.ports.queue().complete(job, Some(&predictions)).await?;
        Ok(RunEnd::Forward)
    }

    async fn not_stopped(&self, job: &Job, error: &ProviderError) -> Result<RunEnd, QueueError> {
        let failure = Failure::new("provider_error", "The prediction could not be cancelled.");
        let failure = failure.because(error.to_string());
        self.put_off(job, failure.clone(), failure).await
    }

    /// The predictions whose webhook names a job; of an attempt that began at `since_ms`. Without a
    /// webhook nothing tells whose a prediction is.
    pub(super) async fn predictions_of(
        &self,
        job_id: Uuid,
        since_ms: Option<u64>,
    ) -> Result<Vec<Prediction>, ProviderError> {
        let Some(webhook_base) = &self.options.webhook_base else { return Ok(Vec::new()) };
        let ours = format!("{webhook_base}/webhooks/replicate?job={job_id}&");
        let since_ms =
            since_ms.unwrap_or_else(|| self.ports.runtime().now_ms()).saturating_sub(CLOCK_SLACK_MS);
        self.ports.provider().list_since(since_ms, &ours).await
    }
}
