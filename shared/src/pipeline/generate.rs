//! A `generate-image` job: create its prediction.

use std::time::Duration;

use super::run_job::{Begun, RunEnd};
use super::{ACCOUNT_PAUSE, JOB_LEASE, Pipeline, WEBHOOK_WINDOW};
use crate::catalogue::{Mapped, SourceImage};
use crate::http::problem::{Code, Problem};
use crate::http::request::map_params;
use crate::job::{ImageToMake, Job};
use crate::ports::{
    CreateError, CreatedPrediction, DEADLINE, Failure, FailureCode, ImageProvider, JobQueue, Log,
    NewPrediction, Ports, PredictionSource, QueueError, Recorded, Refusal, Refused, Step, StoreError,
};

impl<P: Ports> Pipeline<'_, P> {
    pub(super) async fn generate(&self, job: &Job, image: &ImageToMake) -> Result<Begun, QueueError> {
        if let Some(prediction_id) = &job.prediction_id {
            return self.look_at(job, prediction_id).await.map(Begun::Ended);
        }
        // A run that ended without a word may have created a prediction: look before paying again.
        if job.outcome_unknown || job.rescued {
            match self.find_created(job).await {
                Ok(found) if !found.is_empty() => {
                    return self.adopt(job, image, found).await.map(Begun::Ended);
                }
                Ok(_) if job.outcome_unknown => return self.left_nothing(job).await.map(Begun::Ended),
                // The search may have taken long: whoever has the job by now creates its prediction.
                Ok(_) => {
                    if self.ports.queue().extend_lease(job, JOB_LEASE).await? == Step::Stale {
                        self.ports.runtime().warn("lease lost while searching", job, "nothing is created");
                        return Ok(Begun::Ended(RunEnd::Failed));
                    }
                }
                Err(error) if job.is_over() => {
                    return self
                        .give_up(job, unreachable().with_cause(error.to_string()))
                        .await
                        .map(Begun::Ended);
                }
                Err(error) => {
                    self.ports.runtime().warn("outcome of a create is unknown", job, &error.to_string());
                    self.ports.queue().snooze(job, WEBHOOK_WINDOW, true).await?;
                    return Ok(Begun::Ended(RunEnd::Failed));
                }
            }
        }
        // Where nobody can look for what lost runs have created, there may be something of each.
        if self.options.callback.is_none() && job.may_be_paid_twice() {
            let failure = Failure::new(
                FailureCode::AttemptsExhausted,
                "The image could not be made after several attempts.",
            );
            return self
                .give_up(job, failure.with_cause("two runs may have been paid for"))
                .await
                .map(Begun::Ended);
        }
        if image.model_is_refused {
            return self
                .give_up(job, model_unavailable().with_cause("the provider refuses the model"))
                .await
                .map(Begun::Ended);
        }
        let mut params = match image.params.clone() {
            Ok(params) => params,
            Err(problem) => return self.give_up(job, refused(problem)).await.map(Begun::Ended),
        };
        let images = params.sources.iter_mut().chain(&mut params.mask);
        for (source, file) in images.zip(&image.files) {
            if matches!(source, SourceImage::Url(_)) {
                continue;
            }
            match self.sign_source(file.as_ref()).await {
                Ok(url) => *source = SourceImage::Url(url),
                Err(StoreError::Permanent(failure)) => {
                    return self.give_up(job, failure).await.map(Begun::Ended);
                }
                Err(StoreError::Transient(cause) | StoreError::Gone(cause)) => {
                    let failure =
                        Failure::new(FailureCode::StorageFailed, "The source image could not be read.");
                    let failure = failure.with_cause(cause);
                    return self.put_off(job, failure.clone(), failure).await.map(Begun::Ended);
                }
            }
        }
        // Several may have taken long: whoever has the job by now creates its prediction.
        if image.files.len() > 1 && self.ports.queue().extend_lease(job, JOB_LEASE).await? == Step::Stale {
            self.ports.runtime().warn("lease lost", job, "while its source images were signed");
            return Ok(Begun::Ended(RunEnd::Failed));
        }
        match map_params(&params) {
            Ok(mapped) => self.create(job, image, mapped).await,
            Err(problem) => self.give_up(job, refused(problem)).await.map(Begun::Ended),
        }
    }

    async fn create(&self, job: &Job, image: &ImageToMake, mapped: Mapped) -> Result<Begun, QueueError> {
        let new = NewPrediction {
            version: mapped.version,
            input: mapped.input,
            webhook: self.webhook_for(job),
            deadline: DEADLINE,
        };
        let end = match self.ports.provider().create(&new).await {
            Ok(prediction) => {
                return Ok(Begun::Created(CreatedPrediction {
                    id: prediction.id,
                    source: PredictionSource::Created,
                    model_id: image.model_id.clone(),
                    size: mapped.output,
                    adjustments: Some(mapped.adjustments),
                }));
            }
            Err(CreateError::Throttled { retry_after }) => {
                let (what, detail) = ("throttled", "the provider asks to wait");
                self.pause(job, retry_after, Refusal::Throttled, what, detail).await
            }
            Err(CreateError::Account { status, detail }) => {
                let what = "the provider refuses our account";
                self.pause(job, ACCOUNT_PAUSE, Refusal::Account(status), what, &detail).await
            }
            Err(CreateError::Model { status, detail }) => {
                let model = image.model_id.as_deref().unwrap_or_default();
                let failure = model_unavailable().with_cause(format!("{model}: status {status}, {detail}"));
                match self.ports.queue().refuse_model(job, status, &failure).await? {
                    Refused::Model => {
                        self.ports.runtime().alert("the provider refuses a model", job, &failure.cause)
                    }
                    Refused::Account => {
                        self.ports.runtime().alert("the provider refuses our account", job, &failure.cause);
                    }
                    Refused::Known => self.ports.runtime().warn("job failed", job, &failure.cause),
                }
                Ok(RunEnd::Failed)
            }
            Err(CreateError::Rejected(detail)) => {
                let failure = Failure::new(FailureCode::Rejected, "The model does not accept this request.");
                self.give_up(job, failure.with_cause(detail)).await
            }
            Err(CreateError::Unknown(detail)) => {
                self.ports.runtime().warn("outcome of a create is unknown", job, &detail);
                let what = "the provider creates nothing";
                self.pause(job, WEBHOOK_WINDOW, Refusal::Outage, what, &detail).await
            }
        };
        end.map(Begun::Ended)
    }

    /// Nothing is created for anybody for some time.
    async fn pause(
        &self,
        job: &Job,
        time: Duration,
        refusal: Refusal,
        what: &str,
        detail: &str,
    ) -> Result<RunEnd, QueueError> {
        let pause = self.ports.queue().pause(job, time, refusal).await?;
        if pause.is_news {
            self.ports.runtime().alert(what, job, detail);
        }
        Ok(RunEnd::Paused(pause.lasts))
    }

    /// Notes the prediction. Where the job is no longer ours or wanted, the prediction is stopped,
    /// so that nobody pays for it: by a job, lest it be forgotten if we end before that.
    pub(super) async fn record(&self, job: &Job, created: &CreatedPrediction) -> Result<RunEnd, QueueError> {
        let recorded = self.ports.queue().record_prediction(job, created, self.options.sweep_after()).await?;
        self.recorded(recorded, job).await
    }

    pub(super) async fn recorded(&self, recorded: Recorded, job: &Job) -> Result<RunEnd, QueueError> {
        match recorded {
            Recorded::Noted => Ok(RunEnd::Forward),
            Recorded::Resumed => Ok(RunEnd::Resumed),
            Recorded::Unwanted(cancel) => {
                self.ports.runtime().warn("lease lost while creating", job, "the prediction is cancelled");
                if let Some(cancel) = cancel {
                    self.follow_up(&cancel).await?;
                }
                Ok(RunEnd::Failed)
            }
        }
    }

    fn webhook_for(&self, job: &Job) -> Option<String> {
        let callback = self.options.callback.as_deref()?;
        Some(format!("{callback}?job={}&lease={}&attempts={}", job.id, job.lease, job.attempts))
    }
}

fn model_unavailable() -> Failure {
    let message = "This model cannot be used at the moment. Please choose another one.";
    Failure::new(FailureCode::Refused(Code::ModelUnavailable), message)
}

pub(super) fn unreachable() -> Failure {
    Failure::new(
        FailureCode::ProviderUnreachable,
        "The provider could not be reached. Please try again later.",
    )
}

/// A job's payload is checked as a request is: whoever wrote it.
fn refused(problem: Problem) -> Failure {
    Failure::new(FailureCode::Refused(problem.code), problem.detail)
}
