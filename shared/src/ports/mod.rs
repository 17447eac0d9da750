//! What the use cases need from outside, as traits. A Worker implements them with `fetch`, a native
//! test with whatever it likes.

mod http;
mod signatures;
mod webhooks;

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::image_file::ImageHead;
use crate::job::{Job, JobType};
use crate::live::Change;
use crate::progress::Progress;
use crate::replicate::{CreateError, NewPrediction, Prediction, ProviderError};

pub use http::{
    Accepted, ChunkCheck, Http, HttpError, HttpRequest, HttpResponse, RELAY_HEAD_BYTES, RelayError,
    RelayHead, Upload,
};
pub use signatures::Signatures;
pub use webhooks::{Attempt, Message, Outbox, ResolveError, Resolver, ToSend, Verdict};

/// The time.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Clock {
    /// Milliseconds since 1970 (UTC).
    fn now_ms(&self) -> u64;

    /// Waits.
    async fn sleep(&self, time: Duration);

    /// Seconds since 1970 (UTC).
    fn now_s(&self) -> u64 {
        self.now_ms() / 1000
    }
}

/// Chance, for jitter.
pub trait Random {
    /// Uniform in `0.0..1.0`.
    fn unit(&self) -> f64;
}

/// What operators read. No secret, token or signed URL may be put into it.
pub trait Log {
    /// Something went as it should not, and was dealt with.
    fn warn(&self, what: &str, job_id: Uuid, detail: &str);

    /// Something that somebody has to look at; once for each time it begins, not for each job.
    fn alert(&self, what: &str, job_id: Uuid, detail: &str);
}

/// What a step of the queue answered. `Stale` means: the lease was lost, nothing was changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It was done; the word is the database's `outcome`.
    Done(String),
    /// The caller no longer holds the job, or what it did is no longer wanted.
    Stale,
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
    /// Nothing more to do here; the word is the database's `outcome`.
    Settled(String),
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
    /// It does not accept our key: somebody has to put the right one, unless keys are being rotated.
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
        prediction_id: &str,
        wait: Duration,
        details: Value,
    ) -> Result<Recorded, QueueError>;
    /// A prediction is under way. `Stale`: that is no news, or not for this job; nothing goes backwards.
    /// `unknown`: nobody has noted this prediction yet.
    async fn record_progress(
        &self,
        job_id: Uuid,
        prediction_id: &str,
        progress: &Progress,
    ) -> Result<Step, QueueError>;
    /// A prediction ended, or one was found that runs. Matched by job and prediction, whatever lease is
    /// current. Where it ended its user has a place free now: up to `more` jobs that are ready come back
    /// as well.
    async fn finish_prediction(
        &self,
        job_id: Uuid,
        prediction_id: &str,
        outcome: Value,
        lease: Duration,
        more: u32,
    ) -> Result<Finished, QueueError>;
    /// The image is stored.
    async fn finish_download(&self, job: &Job, image: Value) -> Result<Step, QueueError>;
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
    /// The job is done; the result is kept with it.
    async fn complete(&self, job: &Job, result: Value) -> Result<Step, QueueError>;
}

/// Why a run failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// A stable snake_case name, shown as `error.code` of the generation.
    pub code: String,
    /// A sentence that the user reads.
    pub message: String,
    /// What the provider said, for operators; never shown to users.
    pub cause: String,
    /// Nobody can tell whether another attempt makes sense: a second failure like this ends the job.
    pub once: bool,
}

impl Failure {
    /// A failure of which there is no more to tell than its sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), cause: String::new(), once: false }
    }

    /// Adds what the provider said.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }

    /// Allows one more attempt, and no further.
    #[must_use]
    pub fn once(mut self) -> Self {
        self.once = true;
        self
    }

    /// What is kept with the job. Owners read it: the provider's own words stay in the log.
    pub fn details(&self) -> Value {
        match self.once {
            true => json!({ "code": self.code, "retry": "once" }),
            false => json!({ "code": self.code }),
        }
    }
}

/// The provider that makes the images.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait ImageProvider {
    /// Creates a prediction: from here on it costs money.
    async fn create(&self, prediction: &NewPrediction) -> Result<Prediction, CreateError>;
    /// Reads a prediction.
    async fn get(&self, prediction_id: &str) -> Result<Prediction, ProviderError>;
    /// The image inside of a prediction's output, as a `data:` address; `None`: there is none.
    async fn inline_image(&self, prediction_id: &str) -> Result<Option<String>, ProviderError>;
    /// Stops a prediction; harmless when it has ended. Gives it as it stands then, where that is told.
    async fn cancel(&self, prediction_id: &str) -> Result<Option<Prediction>, ProviderError>;
    /// The newest predictions created after the time (milliseconds since 1970).
    async fn list_since(&self, created_after_ms: u64) -> Result<Vec<Prediction>, ProviderError>;
}

/// Where in the store a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// Finished images; everyone who knows the path may read them.
    Images,
    /// What users have uploaded to start from: private, and deleted after a day.
    Sources,
}

impl Bucket {
    /// Its name in the store, in the database and in payloads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Images => "generated-images",
            Self::Sources => "source-images",
        }
    }

    /// The bucket of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Images, Self::Sources].into_iter().find(|bucket| bucket.name() == name)
    }
}

/// An image file that lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// Where: `{user_id}/{generation_id}.{ext}`.
    pub path: String,
    /// Where everyone finds it.
    pub public_url: String,
    /// Its size.
    pub bytes: u64,
    /// Format and, where the file tells, width and height.
    pub head: ImageHead,
}

/// Why an image could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Worth trying again.
    #[error("{0}")]
    Transient(String),
    /// Its host says that the source is not there.
    #[error("{0}")]
    Gone(String),
    /// The file will never do: too large, or not an image.
    #[error("{}", .0.cause)]
    Permanent(Failure),
}

/// Who listens to a user's generations hears of changes over it.
pub trait LiveChannel {
    /// Hands changes on, after the database has committed them. It does not wait and does not fail: what
    /// is lost is found by the next look at the database.
    fn publish(&self, changes: Vec<Change>);
}

/// The object store.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait ImageStore {
    /// Streams the file at `source_url`, which may be a `data:` address, into the images, as `{folder}/{name}.{ext}`, replacing what is there.
    async fn store(&self, source_url: &str, folder: Uuid, name: Uuid) -> Result<StoredImage, StoreError>;
    /// A URL under which anybody reads the file at `path` for so long.
    async fn sign(&self, bucket: Bucket, path: &str, life: Duration) -> Result<String, StoreError>;
    /// The first bytes of the file at `path`, at most so many.
    async fn peek(&self, bucket: Bucket, path: &str, bytes: usize) -> Result<Vec<u8>, StoreError>;
    /// Deletes files by their paths; one that is not there is no error.
    async fn remove(&self, bucket: Bucket, paths: &[String]) -> Result<(), StoreError>;
}
