//! An HTTP port that answers from a list and keeps every request.

use std::cell::RefCell;
use std::collections::VecDeque;

use shared::ports::{
    Accepted, Http, HttpError, HttpRequest, HttpResponse, PIPE_HEAD_BYTES, PipeError, PipeHead, Upload,
};

/// What the source of a pipe answers.
#[derive(Debug, Clone)]
pub struct Source {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

#[derive(Default)]
pub struct Recorder {
    pub requests: RefCell<Vec<HttpRequest>>,
    answers: RefCell<VecDeque<Result<HttpResponse, HttpError>>>,
    sources: RefCell<VecDeque<Result<Source, HttpError>>>,
}

impl Recorder {
    /// The next request is answered with this.
    pub fn answers(self, status: u16, body: &str) -> Self {
        self.responds(Ok(HttpResponse { status, retry_after: None, body: body.as_bytes().to_vec() }))
    }

    pub fn responds(self, answer: Result<HttpResponse, HttpError>) -> Self {
        self.answers.borrow_mut().push_back(answer);
        self
    }

    /// The next pipe reads this.
    pub fn serves(self, source: Result<Source, HttpError>) -> Self {
        self.sources.borrow_mut().push_back(source);
        self
    }

    /// The only request that was made.
    pub fn only(&self) -> HttpRequest {
        let requests = self.requests.borrow();
        assert_eq!(requests.len(), 1, "one request is expected: {requests:?}");
        requests[0].clone()
    }
}

/// The value of a header, by its lower-case name.
pub fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut values = request.headers.iter().filter(|(seen, _)| seen.eq_ignore_ascii_case(name));
    let value = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "the header {name} is sent twice");
    value
}

impl Http for Recorder {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.requests.borrow_mut().push(request);
        // Nothing answers a request more than was foreseen.
        self.answers.borrow_mut().pop_front().unwrap_or(Err(HttpError::Connection))
    }

    async fn pipe<E>(
        &self,
        source: HttpRequest,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>> {
        self.requests.borrow_mut().push(source);
        let file = self.sources.borrow_mut().pop_front().unwrap().map_err(PipeError::Source)?;
        pipe_body(self, &file, None, max_bytes, accept).await
    }
}

/// A body that somebody sends us, and the HTTP port over which it goes on.
pub struct Sent<'a> {
    pub http: &'a Recorder,
    pub content_type: &'static str,
    pub content_length: Option<u64>,
    pub body: Vec<u8>,
}

impl Upload for Sent<'_> {
    async fn pipe<E>(
        self,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>> {
        let source = Source { status: 200, content_type: self.content_type, body: self.body };
        pipe_body(self.http, &source, self.content_length, max_bytes, accept).await
    }
}

async fn pipe_body<E>(
    http: &Recorder,
    file: &Source,
    content_length: Option<u64>,
    max_bytes: u64,
    accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
) -> Result<(HttpResponse, u64), PipeError<E>> {
    let length = file.body.len() as u64;
    let head = PipeHead {
        status: file.status,
        content_type: file.content_type,
        content_length,
        bytes: &file.body[..file.body.len().min(PIPE_HEAD_BYTES)],
    };
    let Accepted { target, check } = accept(&head).map_err(PipeError::Refused)?;
    if let Some(mut check) = check {
        let mut chunks = file.body.chunks(1000).map(Some).chain([None]);
        chunks.try_for_each(&mut check).map_err(PipeError::Refused)?;
    }
    if length > max_bytes {
        return Err(PipeError::TooLarge);
    }
    let answer = http.send(target).await.map_err(PipeError::Target)?;
    Ok((answer, length))
}
