//! What the use cases need from outside, as traits. A Worker implements them with `fetch`, a native
//! test with whatever it likes.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use crate::image_file::ImageHead;
use crate::job::{Job, JobType};
use crate::replicate::{CreateError, NewPrediction, Prediction, ProviderError};

/// An outgoing HTTP request.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Absolute URL.
    pub url: String,
    /// Header names and values.
    pub headers: Vec<(String, String)>,
    /// The body; empty means none.
    pub body: String,
    /// The whole exchange ends after this time.
    pub timeout: Duration,
}

impl HttpRequest {
    /// A request without headers and body, ended after ten seconds.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: String::new(),
            timeout: Duration::from_secs(10),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets a JSON body.
    #[must_use]
    pub fn json(mut self, body: &Value) -> Self {
        self.body = body.to_string();
        self.header("content-type", "application/json")
    }

    /// Sets the time after which the exchange ends.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }
}

/// The answer to an [`HttpRequest`], read whole (up to the adapter's limit).
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// `Retry-After` in seconds, where the answer has one.
    pub retry_after: Option<u32>,
    /// The body.
    pub body: Vec<u8>,
}

impl HttpResponse {
    /// 2xx.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON, `Null` where it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }
}

/// No usable answer came. Whether the request arrived is unknown in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The time was over.
    #[error("no answer in time")]
    Timeout,
    /// The connection failed or broke.
    #[error("the connection failed")]
    Connection,
    /// The answer was larger than is read.
    #[error("the answer was too large")]
    TooLarge,
}

/// The beginning of a download, on which [`Http::relay`] decides.
#[derive(Debug)]
pub struct RelayHead<'a> {
    /// The status code of the source's answer.
    pub status: u16,
    /// Its `Content-Type`, lower case, without parameters; empty where there is none.
    pub content_type: &'a str,
    /// Its `Content-Length`.
    pub content_length: Option<u64>,
    /// Its first bytes: the whole file if it is shorter than [`RELAY_HEAD_BYTES`].
    pub bytes: &'a [u8],
}

/// How many bytes [`RelayHead`] shows at most. A JPEG's size stands behind its metadata; 64 KiB
/// covers one full metadata segment.
pub const RELAY_HEAD_BYTES: usize = 64 * 1024;

/// Why a relay did not end well.
#[derive(Debug, thiserror::Error)]
pub enum RelayError<E> {
    /// The source did not answer or broke off.
    #[error("source: {0}")]
    Source(HttpError),
    /// The decision on the head was no.
    #[error("refused")]
    Refused(E),
    /// More than the allowed number of bytes came.
    #[error("too large")]
    TooLarge,
    /// The target did not answer.
    #[error("target: {0}")]
    Target(HttpError),
}

/// HTTP as a client.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Http {
    /// Sends a request and reads the answer whole.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError>;

    /// Streams the answer to `source` into the request that `accept` makes from its beginning,
    /// without holding it in memory. Gives the target's answer and the number of bytes moved.
    async fn relay<E>(
        &self,
        source: HttpRequest,
        max_bytes: u64,
        accept: impl FnOnce(&RelayHead<'_>) -> Result<HttpRequest, E>,
    ) -> Result<(HttpResponse, u64), RelayError<E>>;
}

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
}

/// What a step of the queue answered. `Stale` means: the lease was lost, nothing was changed.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It was done; the word is the database's `outcome`.
    Done(String),
    /// The caller no longer holds the job, or what it did is no longer wanted.
    Stale,
}

/// What became of a finished prediction.
#[derive(Debug, Clone)]
pub enum Finished {
    /// The output is to be stored: the download job, already leased to the caller.
    Download(Box<Job>),
    /// Nothing more to do here; the word is the database's `outcome`.
    Settled(String),
}

/// The queue could not be asked, or refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("queue: {0}")]
pub struct QueueError(pub String);

/// The job queue, from the workers' side.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait JobQueue {
    /// Leases up to `limit` jobs of these types, the first type first.
    async fn claim(&self, limit: u32, lease: Duration, types: &[JobType]) -> Result<Vec<Job>, QueueError>;
    /// Notes the prediction that now runs for the job; the sweep looks at it after `wait`.
    async fn record_prediction(
        &self,
        job: &Job,
        prediction_id: &str,
        wait: Duration,
        details: Value,
    ) -> Result<Step, QueueError>;
    /// A prediction ended. Matched by job and prediction, whatever lease is current.
    async fn finish_prediction(
        &self,
        job_id: Uuid,
        prediction_id: &str,
        outcome: Value,
        lease: Duration,
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
    /// The job is done and needs nothing recorded.
    async fn complete(&self, job: &Job) -> Result<Step, QueueError>;
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
}

impl Failure {
    /// A failure of which there is no more to tell than its sentence.
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), cause: String::new() }
    }

    /// Adds what the provider said.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = cause.into();
        self
    }
}

/// The provider that makes the images.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait ImageProvider {
    /// Creates a prediction: from here on it costs money.
    async fn create(&self, prediction: &NewPrediction) -> Result<Prediction, CreateError>;
    /// Reads a prediction.
    async fn get(&self, prediction_id: &str) -> Result<Prediction, ProviderError>;
    /// Stops a prediction; harmless when it has ended.
    async fn cancel(&self, prediction_id: &str) -> Result<(), ProviderError>;
    /// The newest predictions created after the time (milliseconds since 1970).
    async fn list_since(&self, created_after_ms: u64) -> Result<Vec<Prediction>, ProviderError>;
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
    /// The file will never do: gone, too large, or not an image.
    #[error("{}", .0.cause)]
    Permanent(Failure),
}

/// The object store for finished images.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait ImageStore {
    /// Streams the file at `source_url` into `{folder}/{name}.{ext}`, replacing what is there.
    async fn store(&self, source_url: &str, folder: Uuid, name: Uuid) -> Result<StoredImage, StoreError>;
}
