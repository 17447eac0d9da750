//! HTTP as a client, as a port.

use std::time::Duration;

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
    /// Only so many bytes of the answer's body are wanted: what comes after them, or breaks off, does
    /// not matter.
    pub peek: Option<usize>,
    /// An answer with a larger body, in bytes, is not read: [`HttpError::TooLarge`].
    pub max_answer: usize,
}

/// The largest answer that is read whole unless a request says otherwise, in bytes.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

impl HttpRequest {
    /// A request without headers and body, ended after ten seconds.
    pub fn new(method: &'static str, url: impl Into<String>) -> Self {
        Self {
            method,
            url: url.into(),
            headers: Vec::new(),
            body: String::new(),
            timeout: Duration::from_secs(10),
            peek: None,
            max_answer: MAX_ANSWER_BYTES,
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// Sets the time after which the exchange ends.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Takes an answer of up to so many bytes.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.max_answer = bytes;
        self
    }

    /// Wants no more than the beginning of the answer's body.
    #[must_use]
    pub fn peek(mut self, bytes: usize) -> Self {
        self.peek = Some(bytes);
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

/// The beginning of a body that is piped on, on which [`Http::pipe`] and [`Upload::pipe`] decide.
#[derive(Debug)]
pub struct PipeHead<'a> {
    /// The status code of the source's answer; 200 for a body that was sent to us.
    pub status: u16,
    /// Its `Content-Type`, lower case, without parameters; empty where there is none.
    pub content_type: &'a str,
    /// Its `Content-Length`.
    pub content_length: Option<u64>,
    /// Its first bytes: the whole file if it is shorter than [`PIPE_HEAD_BYTES`].
    pub bytes: &'a [u8],
}

/// Looks at each chunk of a body before it is passed on, and at its end (`None`) before the last one is.
pub type ChunkCheck<E> = Box<dyn FnMut(Option<&[u8]>) -> Result<(), E>>;

/// What is done with a body whose beginning was accepted.
pub struct Accepted<E> {
    /// The request that carries it on.
    pub target: HttpRequest,
    /// Where it says no, that request is broken off, unfinished, before the chunk is sent. It is shown the
    /// whole file, the beginning again included.
    pub check: Option<ChunkCheck<E>>,
}

/// How many bytes [`PipeHead`] shows at most. A JPEG's size stands behind its metadata; 64 KiB
/// covers one full metadata segment.
pub const PIPE_HEAD_BYTES: usize = 64 * 1024;

/// Why a body was not piped to its end.
#[derive(Debug, thiserror::Error)]
pub enum PipeError<E> {
    /// The source did not answer or broke off.
    #[error("source: {0}")]
    Source(HttpError),
    /// The decision on the head, or on a later chunk, was no.
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

    /// Streams the answer to `source`, which may be a `data:` address, into the request that `accept` makes from its beginning,
    /// without holding it in memory. Gives the target's answer and the number of bytes moved.
    async fn pipe<E>(
        &self,
        source: HttpRequest,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>>;
}

/// The body of a request that was sent to us.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Upload {
    /// Streams it into the request that `accept` makes from its beginning, as [`Http::pipe`] does.
    async fn pipe<E>(
        self,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>>;
}
