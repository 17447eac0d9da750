//! A `generate-image` job: create its prediction, or look at the one that is awaited.

use std::time::Duration;

use serde_json::{Value, json};

use super::run_job::RunEnd;
use super::{ACCOUNT_PAUSE, JOB_LEASE, LAST_LOOKS, OVERDUE, Pipeline, SOURCE_LIFE, WEBHOOK_WINDOW};
use crate::catalogue::Mapped;
use crate::job::Job;
use crate::ports::{
    Bucket, Clock, Failure, ImageProvider, ImageStore, JobQueue, Log, QueueError, Random, Recorded, Refusal,
    Refused, Step, StoreError,
};
use crate::problem::Problem;
use crate::progress::Progress;
use crate::replicate::{
    CreateError, DEADLINE, FailureClass, NewPrediction, Outcome, Prediction, ProviderError, Status,
};
use crate::request::{map_ask, parse_ask};

impl<Q: JobQueue, P: ImageProvider, S: ImageStore, W: Clock + Random + Log> Pipeline<'_, Q, P, S, W> {
    pub(super) async fn generate(&self, job: &Job) -> Result<RunEnd, QueueError> {
        if let Some(prediction_id) = &job.prediction_id {
            return self.look_at(job, prediction_id).await;
        }
        // A run that ended without a word may have created a prediction: look before paying again.
        if job.outcome_unknown || job.rescued {
            match self.find_created(job).await {
                Ok(found) if !found.is_empty() => return self.adopt(job, found).await,
                Ok(_) if job.outcome_unknown => return self.left_nothing(job).await,
                // The search may have taken long: whoever has the job by now creates its prediction.
                Ok(_) => {
                    if self.queue.extend_lease(job, JOB_LEASE).await? == Step::Stale {
                        self.world.warn("lease lost while searching", job.id, "nothing is created");
                        return Ok(RunEnd::Failed);
                    }
                }
                Err(error) if self.is_over(job) => {
                    return self.give_up(job, unreachable().because(error.to_string())).await;
                }
                Err(error) => {
                    self.world.warn("outcome of a create is unknown", job.id, &error.to_string());
                    self.queue.snooze(job, WEBHOOK_WINDOW, true).await?;
                    return Ok(RunEnd::Failed);
                }
            }
        }
        if job.model_is_refused() {
            return self.give_up(job, model_unavailable().because("the provider refuses the model")).await;
        }
        let mut ask = match parse_ask(&job.payload) {
            Ok(ask) => ask,
            Err(problem) => return self.give_up(job, refused(problem)).await,
        };
        // Not `||`: neither may be left.
        if ask.source_generation_id.take().is_some() | ask.source_id.take().is_some() {
            match self.sign_source(&job.payload).await {
                Ok(url) => ask.source_image_url = Some(url),
                Err(StoreError::Permanent(failure)) => return self.give_up(job, failure).await,
                Err(StoreError::Transient(cause) | StoreError::Gone(cause)) => {
                    let failure = Failure::new("storage_failed", "The source image could not be read.");
                    let failure = failure.because(cause);
                    return self.put_off(job, failure.clone(), failure).await;
                }
            }
        }
        match map_ask(&ask) {
            Ok(mapped) => self.create(job, mapped).await,
            Err(problem) => self.give_up(job, refused(problem)).await,
        }
    }

    /// The source image is one that is stored here: a URL for the provider, made when it is needed and
    /// alive only as long as a prediction may wait for its machine.
    async fn sign_source(&self, payload: &Value) -> Result<String, StoreError> {
        match (source_bucket(payload), source_path(payload)) {
            (Some(bucket), Some(path)) => {
                self.check_source(bucket, path).await?;
                self.store.sign(bucket, path, SOURCE_LIFE).await
            }
            _ => {
                let failure = Failure::new("invalid_payload", "The source image could not be used.");
                Err(StoreError::Permanent(failure.because("no file in the user's own folder")))
            }
        }
    }

    async fn create(&self, job: &Job, mapped: Mapped) -> Result<RunEnd, QueueError> {
        let mut details = details_of(&mapped);
        if let (Some(details), Some(model)) = (details.as_object_mut(), job.payload.get("model_id")) {
            details.insert("model_id".into(), model.clone());
        }
        let new = NewPrediction {
            version: mapped.version,
            input: mapped.input,
            webhook: self.webhook_for(job),
            deadline: DEADLINE,
        };
        match self.provider.create(&new).await {
            Ok(prediction) => self.record(job, &prediction.id, details).await,
            Err(CreateError::Throttled { retry_after }) => {
                let (what, detail) = ("throttled", "the provider asks to wait");
                self.pause(job, retry_after, Refusal::Throttled, what, detail).await
            }
            Err(CreateError::Account { status, detail }) => {
                let what = "the provider refuses our account";
                self.pause(job, ACCOUNT_PAUSE, Refusal::Account(status), what, &detail).await
            }
            Err(CreateError::Model { status, detail }) => {
                let model = job.payload.get("model_id").and_then(Value::as_str).unwrap_or_default();
                let failure = model_unavailable().because(format!("{model}: status {status}, {detail}"));
                match self.queue.refuse_model(job, status, &failure).await? {
                    Refused::Model => {
                        self.world.alert("the provider refuses a model", job.id, &failure.cause)
                    }
                    Refused::Account => {
                        self.world.alert("the provider refuses our account", job.id, &failure.cause);
                    }
                    Refused::Known => self.world.warn("job failed", job.id, &failure.cause),
                }
                Ok(RunEnd::Failed)
            }
            Err(CreateError::Rejected(detail)) => {
                let failure = Failure::new("rejected", "The model does not accept this request.");
                self.give_up(job, failure.because(detail)).await
            }
            Err(CreateError::Unknown(detail)) => {
                self.world.warn("outcome of a create is unknown", job.id, &detail);
                let what = "the provider creates nothing";
                self.pause(job, WEBHOOK_WINDOW, Refusal::Outage, what, &detail).await
            }
        }
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
        let pause = self.queue.pause(job, time, refusal).await?;
        if pause.is_news {
            self.world.alert(what, job.id, detail);
        }
        Ok(RunEnd::Paused(pause.lasts))
    }

    /// Notes the prediction. Where the job is no longer ours or wanted, the prediction is stopped,
    /// so that nobody pays for it: by a job, lest it be forgotten if we end before that.
    async fn record(&self, job: &Job, prediction_id: &str, details: Value) -> Result<RunEnd, QueueError> {
        let wait = self.options.sweep_after();
        match self.queue.record_prediction(job, prediction_id, wait, details).await? {
            Recorded::Noted => Ok(RunEnd::Forward),
            Recorded::Resumed => Ok(RunEnd::Resumed),
            Recorded::Unwanted(cancel) => {
                self.world.warn("lease lost while creating", job.id, "the prediction is cancelled");
                if let Some(cancel) = cancel {
                    self.cancel_prediction(&cancel).await?;
                }
                Ok(RunEnd::Failed)
            }
        }
    }

    async fn look_at(&self, job: &Job, prediction_id: &str) -> Result<RunEnd, QueueError> {
        match self.provider.get(prediction_id).await {
            Ok(prediction) => self.go_on_with(job, &prediction).await,
            // Even one that is not found: it was there, and its webhook may still come.
            Err(error) => {
                self.world.warn("prediction not readable", job.id, &error.to_string());
                if job.waited() > OVERDUE {
                    return self.stop_overdue(job, prediction_id).await;
                }
                self.look_later(job).await
            }
        }
    }

    /// Goes on with what a run has left that ended unseen: the best of it, and stops the rest.
    async fn adopt(&self, job: &Job, mut found: Vec<Prediction>) -> Result<RunEnd, QueueError> {
        let ranks = found.iter().map(|one| match one.end() {
            "succeeded" => 0,
            "running" => 1,
            _ => 2,
        });
        let Some((_, place)) = ranks.zip(0..).min() else { return Ok(RunEnd::Forward) };
        let best = found.remove(place);
        self.world.warn("prediction adopted", job.id, "it was created by a run that ended unseen");
        let mapped = parse_ask(&job.payload).and_then(|ask| map_ask(&ask));
        let mut details = mapped.map_or_else(|_| json!({}), |mapped| details_of(&mapped));
        if let Some(details) = details.as_object_mut() {
            details.insert("learned".into(), json!("adopted"));
        }
        let recorded = self.record(job, &best.id, details).await?;
        if recorded == RunEnd::Failed {
            return Ok(RunEnd::Failed);
        }
        for other in found {
            self.world.warn("second prediction of one attempt", job.id, &other.id);
            self.finish(job.id, job.attempts, &other).await?;
        }
        match self.go_on_with(job, &best).await? {
            RunEnd::Forward => Ok(recorded),
            end => Ok(end),
        }
    }

    async fn go_on_with(&self, job: &Job, prediction: &Prediction) -> Result<RunEnd, QueueError> {
        if !prediction.is_running() {
            return self.finish(job.id, job.attempts, prediction).await;
        }
        if let Some(progress) = Progress::of(prediction)
            && let Err(error) = self.queue.record_progress(job.id, &prediction.id, &progress).await
        {
            self.world.warn("progress not recorded", job.id, &error.to_string());
        }
        if job.waited() > OVERDUE {
            return self.stop_overdue(job, &prediction.id).await;
        }
        self.look_later(job).await
    }

    /// The provider should have stopped it by itself, and told us. Its attempt ends; with a picture, if it has
    /// one by now.
    async fn stop_overdue(&self, job: &Job, prediction_id: &str) -> Result<RunEnd, QueueError> {
        self.world.warn("prediction overdue", job.id, prediction_id);
        let timed_out = || {
            Failure::new("timed_out", "The model took too long and was stopped.")
                .because("the prediction outlived its deadline")
        };
        let failure = match self.provider.cancel(prediction_id).await {
            // It was we who stopped it, whatever its times say.
            Ok(Some(now)) if now.status == Status::Canceled => {
                let failure = timed_out().once();
                let meaning = Outcome::Failed { class: FailureClass::Unknown, failure };
                return self.finish_as(job.id, job.attempts, &now, meaning).await;
            }
            Ok(Some(now)) if !now.is_running() => return self.finish(job.id, job.attempts, &now).await,
            Ok(_) => timed_out(),
            Err(ProviderError::NotFound) => {
                Failure::new("prediction_lost", "The provider lost the image. Please try again later.")
                    .because("the prediction is not found")
            }
            Err(error @ ProviderError::Unavailable(_)) if job.waited() <= OVERDUE + LAST_LOOKS => {
                self.world.warn("prediction not cancelled", job.id, &error.to_string());
                return self.look_later(job).await;
            }
            Err(error @ ProviderError::Unavailable(_)) => {
                let message = "The provider did not tell what became of the image. Please try again later.";
                Failure::new("provider_unreachable", message).because(error.to_string())
            }
        };
        // It may have been paid for.
        self.try_later(job, failure.once()).await
    }

    async fn look_later(&self, job: &Job) -> Result<RunEnd, QueueError> {
        self.queue.snooze(job, self.options.sweep_after(), false).await?;
        Ok(RunEnd::Forward)
    }

    /// The predictions that this attempt may have left: no earlier one ended with them.
    async fn find_created(&self, job: &Job) -> Result<Vec<Prediction>, ProviderError> {
        let found = self.predictions_of(job.id, job.started_ms()).await?;
        Ok(found.into_iter().filter(|one| !job.knew(&one.id)).collect())
    }

    /// The search shows that the last create left nothing: the job waits for its turn again, behind a pause
    /// where there is one, and no attempt is used. Without a webhook nothing tells whose a prediction is: there
    /// each create is an attempt, so that there are no more of them.
    async fn left_nothing(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let failure = unreachable().because("a create left no prediction");
        if self.options.webhook_base.is_none() {
            return self.try_later(job, failure).await;
        }
        if self.is_over(job) {
            return self.give_up(job, failure).await;
        }
        self.queue.snooze(job, Duration::ZERO, false).await?;
        Ok(RunEnd::Failed)
    }

    /// Whether it has been put off for as long as anybody may wait.
    fn is_over(&self, job: &Job) -> bool {
        job.retry_until_ms().is_some_and(|until| self.world.now_ms() >= until)
    }

    fn webhook_for(&self, job: &Job) -> Option<String> {
        let base = self.options.webhook_base.as_deref()?;
        Some(format!(
            "{base}/webhooks/replicate?job={}&lease={}&attempts={}",
            job.id, job.lease, job.attempts
        ))
    }
}

fn model_unavailable() -> Failure {
    let message = "This model cannot be used at the moment. Please choose another one.";
    Failure::new("model_unavailable", message)
}

fn unreachable() -> Failure {
    Failure::new("provider_unreachable", "The provider could not be reached. Please try again later.")
}

/// A job's payload is checked as a request is: whoever wrote it.
fn refused(problem: Problem) -> Failure {
    Failure::new(problem.code.as_str(), problem.detail)
}

/// The bucket with the source image; an older payload names none.
fn source_bucket(payload: &Value) -> Option<Bucket> {
    match payload.get("source_bucket") {
        Some(name) => Bucket::from_name(name.as_str()?),
        None => Some(Bucket::Images),
    }
}

/// Where the source image is stored: in the folder of the job's user and nowhere else.
fn source_path(payload: &Value) -> Option<&str> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let path = text("source_path")?;
    let name = path.strip_prefix(text("user_id")?)?.strip_prefix('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (name.chars().all(plain) && !name.starts_with('.') && !name.is_empty()).then_some(path)
}

fn details_of(mapped: &Mapped) -> Value {
    let mut details = json!({ "adjustments": mapped.adjustments });
    if let (Some((width, height)), Some(details)) = (mapped.output, details.as_object_mut()) {
        details.insert("width".into(), json!(width));
        details.insert("height".into(), json!(height));
    }
    details
}
