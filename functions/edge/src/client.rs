//! The HTTP port over `fetch`.

use shared::ports::{Accepted, Http, HttpError, HttpRequest, HttpResponse, PipeError, PipeHead};

use crate::host::{self, call, head_of, ms_of};
use crate::pipe::pipe_answer;

/// HTTP over `fetch`. Redirects are not followed: no API that we call redirects, and an output
/// that does might lead to where we do not want to go. A request's time limit covers the answer's body too.
#[derive(Debug, Clone, Copy)]
pub struct FetchClient;

impl Http for FetchClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let head = head_of(&request)?;
        let body = (!request.body.is_empty()).then_some(request.body.as_str());
        let peek = request.peek.map_or(-1.0, |bytes| bytes as f64);
        let max = request.max_answer as f64;
        let (answer, ()) = call(|id| host::send(id, &head, body, ms_of(&request), max, peek));
        answer.await.into_answer()
    }

    async fn pipe<E>(
        &self,
        source: HttpRequest,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>> {
        pipe_answer(source, max_bytes, accept).await
    }
}
