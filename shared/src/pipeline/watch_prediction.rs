//! A prediction that is awaited, looked at by the sweep.

use super::run_job::RunEnd;
use super::{LAST_LOOKS, OVERDUE, Pipeline};
use crate::job::Job;
use crate::ports::{
    Failure, FailureClass, FailureCode, ImageProvider, JobQueue, Log, Outcome, Ports, Prediction,
    ProviderError, QueueError, Status,
};

impl<P: Ports> Pipeline<'_, P> {
    pub(super) async fn look_at(&self, job: &Job, prediction_id: &str) -> Result<RunEnd, QueueError> {
        match self.ports.provider().get(prediction_id).await {
            Ok(prediction) => self.go_on_with(job, &prediction).await,
            // Even one that is not found: it was there, and its webhook may still come.
            Err(error) => {
                self.ports.runtime().warn("prediction not readable", job, &error.to_string());
                if job.waited() > OVERDUE {
                    return self.stop_overdue(job, prediction_id).await;
                }
                self.look_later(job).await
            }
        }
    }

    pub(super) async fn go_on_with(&self, job: &Job, prediction: &Prediction) -> Result<RunEnd, QueueError> {
        if !prediction.is_running() {
            return self.finish(job.id, job.attempts, prediction).await;
        }
        if let Some(progress) = prediction.progress()
            && let Err(error) = self.ports.queue().record_progress(job.id, &prediction.id, &progress).await
        {
            self.ports.runtime().warn("progress not recorded", job, &error.to_string());
        }
        if job.waited() > OVERDUE {
            return self.stop_overdue(job, &prediction.id).await;
        }
        self.look_later(job).await
    }

    /// The provider should have stopped it by itself, and told us. Its attempt ends; with an image, if it has
    /// one by now.
    async fn stop_overdue(&self, job: &Job, prediction_id: &str) -> Result<RunEnd, QueueError> {
        self.ports.runtime().warn("prediction overdue", job, prediction_id);
        let timed_out = || {
            Failure::new(FailureCode::TimedOut, "The model took too long and was stopped.")
                .with_cause("the prediction outlived its deadline")
        };
        let failure = match self.ports.provider().cancel(prediction_id).await {
            // It was we who stopped it, whatever its times say.
            Ok(Some(now)) if now.status == Status::Canceled => {
                let failure = timed_out().once();
                let outcome = Outcome::Failed { class: FailureClass::Unknown, failure };
                return self.finish(job.id, job.attempts, &Prediction { outcome, ..now }).await;
            }
            Ok(Some(now)) if !now.is_running() => return self.finish(job.id, job.attempts, &now).await,
            Ok(_) => timed_out(),
            Err(ProviderError::NotFound) => Failure::new(
                FailureCode::PredictionLost,
                "The provider lost the image. Please try again later.",
            )
            .with_cause("the prediction is not found"),
            Err(error @ ProviderError::Unavailable(_)) if job.waited() <= OVERDUE + LAST_LOOKS => {
                self.ports.runtime().warn("prediction not cancelled", job, &error.to_string());
                return self.look_later(job).await;
            }
            Err(error @ ProviderError::Unavailable(_)) => {
                let message = "The provider did not tell what became of the image. Please try again later.";
                Failure::new(FailureCode::ProviderUnreachable, message).with_cause(error.to_string())
            }
        };
        // It may have been paid for.
        self.try_later(job, failure.once()).await
    }

    async fn look_later(&self, job: &Job) -> Result<RunEnd, QueueError> {
        self.ports.queue().snooze(job, self.options.sweep_after(), false).await?;
        Ok(RunEnd::Forward)
    }
}
