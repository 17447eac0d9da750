//! The job queue, step by step.

use std::time::Duration;

use uuid::Uuid;

use super::{Bucket, Failure, Prediction, StoredImage};
use crate::catalogue::Adjustment;
use crate::job::{Job, JobType};
use crate::progress::Progress;

/// What became of a step that names the job's lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was done.
    Done,
    /// The caller no longer holds the job: nothing was changed.
    Stale,
}

/// What became of the news that a prediction is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressNoted {
    /// It is noted.
    Recorded,
    /// It is no news, or not for this job. Nothing goes backwards.
    Stale,
    /// Nobody has noted this prediction yet.
    Unknown,
}

/// How the system came to know a prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PredictionSource {
    /// It has created it.
    Created,
    /// It has found it in the provider's list, or by asking for it.
    Adopted,
    /// The provider's webhook told of it.
    Webhook,
}

/// A prediction that is to be recorded, with what is kept of it with its generation.
#[derive(Debug, Clone)]
pub struct CreatedPrediction {
    /// The provider's id.
    pub id: String,
    /// Whether this run has created it, or has found it.
    pub source: PredictionSource,
    /// The catalogue's id of its model, where the job names one.
    pub model_id: Option<String>,
    /// Width and height that are made, in pixels, where that is known.
    pub size: Option<(u32, u32)>,
    /// What was changed to fit the model; `None` where that is not known, so that what is known of it stays.
    pub adjustments: Option<Vec<Adjustment>>,
}

/// What is told of a prediction that has ended, or that nobody knew to run.
#[derive(Debug, Clone, Copy)]
pub struct PredictionNews<'a> {
    /// As it stands, with its meaning.
    pub prediction: &'a Prediction,
    /// How it came to be known, if this is the first that is heard of it.
    pub source: PredictionSource,
    /// Where it has failed: another attempt after this time; `None` means for good.
    pub retry_in: Option<Duration>,
}

/// What became of a prediction that was to be recorded.
#[derive(Debug, Clone)]
pub enum Recorded {
    /// It is the one that the job awaits, or has awaited.
    Noted,
    /// It is noted, and ends a pause: more jobs can be claimed than before.
    Resumed,
    /// The job is no longer the caller's or wanted, or has another one. With it the job, already leased,
    /// that cancels the prediction; `None` where that is done or under way.
    Unwanted(Option<Box<Job>>),
}

/// Why the provider creates nothing for anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Too many requests (429).
    Throttled,
    /// It refuses our account, with this status: 401 or 402.
    Account(u16),
    /// It does not answer, or answers with an error of its own. What became of the create is not known.
    Outage,
}

/// A pause of creating, as it stands after a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paused {
    /// Operators should hear of it now.
    pub is_news: bool,
    /// How much longer it lasts, by the queue's clock.
    pub lasts: Duration,
}

/// What the refusal of a model means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The model is refused from now on.
    Model,
    /// So many are that it is the account: it is paused from now on.
    Account,
    /// That was known.
    Known,
}

/// What became of a prediction that has ended.
#[derive(Debug, Clone)]
pub struct Finished {
    /// What to do next.
    pub next: AfterPrediction,
    /// Jobs to go on with, leased to the caller: at most as many as were asked for.
    pub more: Vec<Job>,
}

/// What follows the end of a prediction.
#[derive(Debug, Clone)]
pub enum AfterPrediction {
    /// A job to be run at once, already leased to the caller: it stores the output, or cancels a
    /// prediction that nobody awaits.
    Run(Box<Job>),
    /// Nothing more to do here.
    Nothing(Received),
}

/// How the news of a prediction was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It runs, and its job awaits it from now on.
    Recorded,
    /// It runs, and there is nothing to record.
    Running,
    /// It has failed, and its job waits for another attempt.
    Retrying,
    /// It has failed, and its job with it.
    Failed,
    /// That was known.
    Duplicate,
    /// It is not the one that its job awaits, or there is no such job.
    Mismatch,
    /// Its generation was cancelled.
    Cancelled,
    /// It runs, and is not wanted; that it stops is seen to.
    Stale,
}

/// Which stored files a cleanup may delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removable {
    /// These, by path in their bucket: they are there, and nobody needs them or is about to.
    Files(Bucket, Vec<String>),
    /// The job does not say what it is about.
    Invalid,
    /// The caller no longer holds the job.
    Stale,
}

/// The queue could not be asked, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueueError {
    /// It did not answer, or not now: that passes.
    #[error("queue: {0}")]
    Unavailable(String),
    /// It does not accept our key, or the key lacks a right: somebody has to put the right one, unless keys are being
    /// rotated or the schema is being changed.
    #[error("queue: the service key is not accepted: {0}")]
    Denied(String),
    /// An answer that should not happen: a defect, or a missing migration.
    #[error("queue: {0}")]
    Defect(String),
}

impl QueueError {
    /// Whether the same call may be answered another time.
    pub fn passes(&self) -> bool {
        !matches!(self, Self::Defect(_))
    }
}

/// The job queue, from the workers' side.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait JobQueue {
    /// Leases up to `limit` jobs of these types, the highest priority first.
    async fn claim(&self, limit: u32, lease: Duration, types: &[JobType]) -> Result<Vec<Job>, QueueError>;
    /// Notes the prediction that now runs for the job; the sweep looks at it after `wait`.
    async fn record_prediction(
        &self,
        job: &Job,
        created: &CreatedPrediction,
        wait: Duration,
    ) -> Result<Recorded, QueueError>;
    /// The same for several jobs in one call, all or none; the answers in the same order.
    async fn record_predictions(
        &self,
        created: &[(&Job, CreatedPrediction)],
        wait: Duration,
    ) -> Result<Vec<Recorded>, QueueError>;
    /// A prediction is under way.
    async fn record_progress(
        &self,
        job_id: Uuid,
        prediction_id: &str,
        progress: &Progress,
    ) -> Result<ProgressNoted, QueueError>;
    /// A prediction ended, or one was found that runs. Matched by job and prediction, whatever lease is
    /// current. Where it ended its user has a slot free now: up to `more` jobs that are ready come back
    /// as well.
    async fn finish_prediction(
        &self,
        job_id: Uuid,
        news: PredictionNews<'_>,
        lease: Duration,
        more: u32,
    ) -> Result<Finished, QueueError>;
    /// The image is stored.
    async fn finish_download(&self, job: &Job, image: &StoredImage) -> Result<Step, QueueError>;
    /// The run failed; `retry_in` of `None` means for good.
    async fn fail(
        &self,
        job: &Job,
        failure: &Failure,
        retry_in: Option<Duration>,
    ) -> Result<Step, QueueError>;
    /// The job is looked at again later; no attempt is used.
    async fn snooze(&self, job: &Job, time: Duration, outcome_unknown: bool) -> Result<Step, QueueError>;
    /// The provider refuses to create: for `time` nothing is created for anybody, and the job waits as
    /// long; no attempt is used. In an outage the queue decides how long everybody waits, and `time` is the
    /// job's own, as one whose outcome is unknown.
    async fn pause(&self, job: &Job, time: Duration, refusal: Refusal) -> Result<Paused, QueueError>;
    /// The provider refuses the job's model, with this status: the job fails, without an attempt, and for some
    /// time nothing is asked of that model. Where several are refused with 403, it is the account.
    async fn refuse_model(&self, job: &Job, status: u16, failure: &Failure) -> Result<Refused, QueueError>;
    /// The caller goes on with the job: its lease runs for `lease` from now.
    async fn extend_lease(&self, job: &Job, lease: Duration) -> Result<Step, QueueError>;
    /// Which of the files that a `cleanup-storage` job names may go, as things stand.
    async fn removable(&self, job: &Job) -> Result<Removable, QueueError>;
    /// The job is done; the predictions that it has stopped are kept with it.
    async fn complete(&self, job: &Job, stopped: Option<&[Prediction]>) -> Result<Step, QueueError>;
}
