//! Streams one body into another request, looking at its beginning on the way: the answer to a request of
//! ours, or what somebody sends us.
//!
//! The bytes stay in JavaScript (`host.mjs`): only the first ones are copied into wasm memory, and the others of
//! a file that has to be looked at. How they are passed on, and how a source's error is told from the target's:
//! docs/decisions/0041.

use shared::ports::{
    Accepted, ChunkCheck, HttpError, HttpRequest, HttpResponse, PIPE_HEAD_BYTES, PipeError, PipeHead,
};
use wasm_bindgen::JsValue;

use crate::host::{self, Call, Settled, call, error_of, head_of, ms_of};

/// What a target's error is less than the same error of a source, in host.mjs.
const TARGET: i32 = -10;

/// Passes on what `source` is answered.
pub(crate) async fn pipe_answer<E>(
    source: HttpRequest,
    max_bytes: u64,
    accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
) -> Result<(HttpResponse, u64), PipeError<E>> {
    let head = head_of(&source).map_err(PipeError::Source)?;
    let opened = call(|id| host::open_answer(id, &head, ms_of(&source), PIPE_HEAD_BYTES as f64));
    pipe(opened, max_bytes, accept).await
}

/// Passes on the body of a request.
pub(crate) async fn pipe_request<E>(
    request: &web_sys::Request,
    max_bytes: u64,
    accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
) -> Result<(HttpResponse, u64), PipeError<E>> {
    let opened = call(|id| host::open_request(id, request, PIPE_HEAD_BYTES as f64, max_bytes as f64));
    pipe(opened, max_bytes, accept).await
}

async fn pipe<E>(
    (opening, pipe): (Call, JsValue),
    max_bytes: u64,
    accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
) -> Result<(HttpResponse, u64), PipeError<E>> {
    let opened = opening.await;
    let Ok(status) = u16::try_from(opened.status) else { return Err(failed(opened.status)) };
    let content_length = opened.length();
    let content_type = opened.text.unwrap_or_default().to_ascii_lowercase();
    let decision = accept(&PipeHead {
        status,
        content_type: content_type.split(';').next().unwrap_or_default().trim(),
        content_length,
        bytes: &opened.bytes,
    });
    let Accepted { target, check } = match decision {
        Ok(accepted) => accepted,
        Err(refusal) => {
            host::drop(&pipe);
            return Err(PipeError::Refused(refusal));
        }
    };
    let head = match head_of(&target) {
        Ok(head) => head,
        Err(error) => {
            host::drop(&pipe);
            return Err(PipeError::Target(error));
        }
    };
    let (ms, max) = (ms_of(&target), target.max_answer as f64);
    let Some(check) = check else {
        let (poured, ()) = call(|id| host::pour(id, &pipe, &head, ms, max, max_bytes as f64));
        return arrived(poured.await);
    };
    let limits = Limits { max_bytes, content_length, check };
    let checked = pass_checked(&pipe, opened.bytes, limits, || host::aim(&pipe, &head, ms, max)).await;
    let bytes = match checked {
        Ok(bytes) => bytes,
        // A target that refuses early stops reading; its answer says why.
        Err(PipeError::Target(_)) => 0,
        Err(error) => {
            host::drop(&pipe);
            return Err(error);
        }
    };
    let (landed, ()) = call(|id| host::land(id, &pipe, bytes as f64));
    arrived(landed.await)
}

/// What a body must keep to.
struct Limits<E> {
    max_bytes: u64,
    content_length: Option<u64>,
    check: ChunkCheck<E>,
}

/// Shows each chunk before it is passed on, and the end before the last one is; gives the number of bytes. The
/// last chunk is still to be passed on. The target is called when its first chunk has been looked at.
async fn pass_checked<E>(
    pipe: &JsValue,
    first: Vec<u8>,
    mut limits: Limits<E>,
    aim: impl FnOnce(),
) -> Result<u64, PipeError<E>> {
    let mut bytes = 0;
    let mut chunk = first;
    let mut aim = Some(aim);
    loop {
        let is_last = limits.look(&chunk, &mut bytes)?;
        if let Some(aim) = aim.take() {
            aim();
        }
        if is_last {
            return Ok(bytes);
        }
        let (passing, ()) = call(|id| host::pass(id, pipe));
        let passed = passing.await;
        if passed.status < 0 {
            return Err(failed(passed.status));
        }
        chunk = passed.bytes;
    }
}

impl<E> Limits<E> {
    /// Looks at a chunk, which is empty at the end; whether it is the last one.
    fn look(&mut self, chunk: &[u8], bytes: &mut u64) -> Result<bool, PipeError<E>> {
        *bytes = bytes.saturating_add(chunk.len() as u64);
        if *bytes > self.max_bytes {
            return Err(PipeError::TooLarge);
        }
        if !chunk.is_empty() {
            (self.check)(Some(chunk)).map_err(PipeError::Refused)?;
        }
        // The target has all of it with the last chunk, whether or not the stream is closed then.
        let is_last = chunk.is_empty() || self.content_length == Some(*bytes);
        if is_last {
            (self.check)(None).map_err(PipeError::Refused)?;
        }
        Ok(is_last)
    }
}

/// The target's answer, and the number of bytes that went there.
fn arrived<E>(settled: Settled) -> Result<(HttpResponse, u64), PipeError<E>> {
    let (status, bytes) = (settled.status, settled.length().unwrap_or_default());
    settled.into_answer().map(|answer| (answer, bytes)).map_err(|_| failed(status))
}

/// Who failed, and how.
fn failed<E>(status: i32) -> PipeError<E> {
    if status < TARGET {
        return PipeError::Target(error_of(status - TARGET));
    }
    match error_of(status) {
        HttpError::TooLarge => PipeError::TooLarge,
        error => PipeError::Source(error),
    }
}
