//! A `generate-image` job: create its prediction, or look at the one that is awaited.

use serde_json::{Value, json};

use super::run_job::RunEnd;
use super::{ACCOUNT_PAUSE, JOB_LEASE, PREDICTION_DEADLINE, Pipeline, SOURCE_LIFE, WEBHOOK_WINDOW};
use crate::catalogue::Mapped;
use crate::job::Job;
use crate::ports::{
    Clock, Failure, ImageProvider, ImageStore, JobQueue, Log, QueueError, Random, Step, StoreError,
};
use crate::problem::Problem;
use crate::progress::Progress;
use crate::replicate::{CreateError, NewPrediction, Outcome, Prediction, ProviderError, outcome};
use crate::request::{map_ask, parse_ask};

/// The prediction list is searched from this long before the attempt began: clocks differ.
const CLOCK_SLACK_MS: u64 = 120_000;

impl<Q: JobQueue, P: ImageProvider, S: ImageStore, W: Clock + Random + Log> Pipeline<'_, Q, P, S, W> {
    pub(super) async fn generate(&self, job: &Job) -> Result<RunEnd, QueueError> {
        if let Some(prediction_id) = &job.prediction_id {
            return self.look_at(job, prediction_id).await;
        }
        // A run that ended without a word may have created a prediction: look before paying again.
        if job.outcome_unknown || job.rescued {
            match self.find_created(job).await {
                Ok(Some(found)) => return self.adopt(job, found).await,
                // The create that left nothing was this attempt's: one attempt, one create.
                Ok(None) if job.outcome_unknown => {
                    let failure = Failure::new("provider_unreachable", "The provider did not answer.");
                    return self.try_later(job, failure.because("a create left no prediction")).await;
                }
                // The search may have taken long: whoever has the job by now creates its prediction.
                Ok(None) => {
                    if self.queue.extend_lease(job, JOB_LEASE).await? == Step::Stale {
                        self.world.warn("lease lost while searching", job.id, "nothing is created");
                        return Ok(RunEnd::Failed);
                    }
                }
                Err(error) => return self.wait_for_webhook(job, &error.to_string()).await,
            }
        }
        let mut ask = match parse_ask(&job.payload) {
            Ok(ask) => ask,
            Err(problem) => return self.give_up(job, refused(problem)).await,
        };
        if ask.source_generation_id.take().is_some() {
            match self.sign_source(&job.payload).await {
                Ok(url) => ask.source_image_url = Some(url),
                Err(StoreError::Permanent(failure)) => return self.give_up(job, failure).await,
                Err(StoreError::Transient(cause)) => {
                    let failure = Failure::new("storage_failed", "The source image could not be read.");
                    return self.try_later(job, failure.because(cause)).await;
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
        match source_path(payload) {
            Some(path) => self.store.sign(path, SOURCE_LIFE).await,
            None => {
                let failure = Failure::new("invalid_payload", "The source image could not be used.");
                Err(StoreError::Permanent(failure.because("no path in the user's own folder")))
            }
        }
    }

    async fn create(&self, job: &Job, mapped: Mapped) -> Result<RunEnd, QueueError> {
        let details = details_of(&mapped);
        let new = NewPrediction {
            version: mapped.version,
            input: mapped.input,
            webhook: self.webhook_for(job),
            deadline: PREDICTION_DEADLINE,
        };
        match self.provider.create(&new).await {
            Ok(prediction) => self.record(job, &prediction.id, details).await,
            Err(CreateError::Throttled { retry_after }) => {
                self.world.warn("throttled", job.id, "the provider asks to wait");
                self.queue.snooze(job, retry_after, false).await?;
                Ok(RunEnd::Forward)
            }
            Err(CreateError::Account(detail)) => {
                self.world.warn("the provider refuses our account", job.id, &detail);
                self.queue.snooze(job, ACCOUNT_PAUSE, false).await?;
                Ok(RunEnd::Failed)
            }
            Err(CreateError::Rejected(detail)) => {
                let failure = Failure::new("rejected", "The model does not accept this request.");
                self.give_up(job, failure.because(detail)).await
            }
            Err(CreateError::Unknown(detail)) => self.wait_for_webhook(job, &detail).await,
        }
    }

    /// Notes the prediction. Where the job is no longer ours or wanted, the prediction is stopped,
    /// so that nobody pays for it.
    async fn record(&self, job: &Job, prediction_id: &str, details: Value) -> Result<RunEnd, QueueError> {
        let wait = self.options.sweep_after();
        match self.queue.record_prediction(job, prediction_id, wait, details).await? {
            Step::Done(_) => Ok(RunEnd::Forward),
            Step::Stale => {
                self.world.warn("lease lost while creating", job.id, "the prediction is cancelled");
                if let Err(error) = self.provider.cancel(prediction_id).await {
                    self.world.warn("prediction not cancelled", job.id, &error.to_string());
                }
                Ok(RunEnd::Failed)
            }
        }
    }

    async fn look_at(&self, job: &Job, prediction_id: &str) -> Result<RunEnd, QueueError> {
        match self.provider.get(prediction_id).await {
            Ok(prediction) => self.go_on_with(job, &prediction).await,
            Err(ProviderError::NotFound) => {
                let failure = Failure::new("prediction_lost", "The provider lost the image.");
                self.try_later(job, failure.because("the prediction is not found")).await
            }
            Err(error @ ProviderError::Unavailable(_)) => {
                self.world.warn("prediction not readable", job.id, &error.to_string());
                self.queue.snooze(job, self.options.sweep_after(), false).await?;
                Ok(RunEnd::Forward)
            }
        }
    }

    async fn adopt(&self, job: &Job, found: Prediction) -> Result<RunEnd, QueueError> {
        self.world.warn("prediction adopted", job.id, "it was created by a run that ended unseen");
        let mapped = parse_ask(&job.payload).and_then(|ask| map_ask(&ask));
        let details = mapped.map_or_else(|_| json!({}), |mapped| details_of(&mapped));
        self.record(job, &found.id, details).await?;
        self.go_on_with(job, &found).await
    }

    async fn go_on_with(&self, job: &Job, prediction: &Prediction) -> Result<RunEnd, QueueError> {
        if outcome(prediction, &self.options.provider_origin) == Outcome::Running {
            if let Some(progress) = Progress::of(prediction)
                && let Err(error) = self.queue.record_progress(job.id, &prediction.id, &progress).await
            {
                self.world.warn("progress not recorded", job.id, &error.0);
            }
            self.queue.snooze(job, self.options.sweep_after(), false).await?;
            return Ok(RunEnd::Forward);
        }
        self.finish(job.id, job.attempts, prediction).await
    }

    /// The prediction whose webhook names this job, and that no earlier attempt ended with.
    async fn find_created(&self, job: &Job) -> Result<Option<Prediction>, ProviderError> {
        let Some(webhook_base) = &self.options.webhook_base else { return Ok(None) };
        let ours = format!("{webhook_base}/webhooks/replicate?job={}&", job.id);
        let since = job
            .started_at
            .as_deref()
            .and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok())
            .and_then(|time| u64::try_from(time.timestamp_millis()).ok())
            .unwrap_or_else(|| self.world.now_ms())
            .saturating_sub(CLOCK_SLACK_MS);
        let created = self.provider.list_since(since).await?;
        Ok(created.into_iter().find(|one| {
            !job.knew(&one.id) && one.webhook.as_deref().is_some_and(|webhook| webhook.starts_with(&ours))
        }))
    }

    async fn wait_for_webhook(&self, job: &Job, detail: &str) -> Result<RunEnd, QueueError> {
        self.world.warn("outcome of a create is unknown", job.id, detail);
        self.queue.snooze(job, WEBHOOK_WINDOW, true).await?;
        Ok(RunEnd::Failed)
    }

    fn webhook_for(&self, job: &Job) -> Option<String> {
        let base = self.options.webhook_base.as_deref()?;
        Some(format!(
            "{base}/webhooks/replicate?job={}&lease={}&attempts={}",
            job.id, job.lease, job.attempts
        ))
    }
}

/// A job's payload is checked as a request is: whoever wrote it.
fn refused(problem: Problem) -> Failure {
    Failure::new(problem.code.as_str(), problem.detail)
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
