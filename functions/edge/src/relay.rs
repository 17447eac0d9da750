//! Streams one body into another request, looking at its beginning on the way: the answer to a request of
//! ours, or what somebody sends us.
//!
//! Chunks stay JavaScript objects: only the first bytes are copied into wasm memory, and the others of a
//! file that has to be looked at. They are large ones, in one buffer that goes round: a default reader gives
//! 4 KiB at a time, and each chunk costs two promises. `pipeTo` would be cheaper still, but says of a
//! failure only that there was one: a source's fault and the target's must be told apart here.

use futures::future::join;
use js_sys::futures::JsFuture;
use js_sys::{ArrayBuffer, Promise, Reflect, Uint8Array};
use shared::ports::{
    Accepted, ChunkCheck, HttpError, HttpRequest, HttpResponse, RELAY_HEAD_BYTES, RelayError, RelayHead,
};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    AbortController, Headers, ReadableStream, ReadableStreamByobReader, ReadableStreamGetReaderOptions,
    ReadableStreamReaderMode, TransformStream, WritableStreamDefaultWriter,
};
use worker::worker_sys::FixedLengthStream;

use crate::client::{failed, fetch, read};

pub(crate) async fn relay<E>(
    source: HttpRequest,
    max_bytes: u64,
    accept: impl FnOnce(&RelayHead<'_>) -> Result<Accepted<E>, E>,
) -> Result<(HttpResponse, u64), RelayError<E>> {
    let response = fetch(&source, None, None).await.map_err(RelayError::Source)?;
    let body = Body {
        status: response.status(),
        content_type: response.headers().get("content-type").ok().flatten(),
        content_length: content_length(&response.headers()),
        stream: response.body(),
        reusable: false,
    };
    pass_on(body, max_bytes, accept).await
}

/// A body that comes in, and what its head says of it.
pub(crate) struct Body {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) content_length: Option<u64>,
    pub(crate) stream: Option<ReadableStream>,
    /// Whether what is left of a refused body is for somebody else to deal with.
    pub(crate) reusable: bool,
}

/// The length of a body as we see it. With a content encoding the header may have that of the encoded bytes.
pub(crate) fn content_length(headers: &Headers) -> Option<u64> {
    let header = |name: &str| headers.get(name).ok().flatten();
    match header("content-encoding") {
        Some(_) => None,
        None => header("content-length").and_then(|text| text.parse().ok()),
    }
}

pub(crate) async fn pass_on<E>(
    body: Body,
    max_bytes: u64,
    accept: impl FnOnce(&RelayHead<'_>) -> Result<Accepted<E>, E>,
) -> Result<(HttpResponse, u64), RelayError<E>> {
    let content_type = body.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
    let content_length = body.content_length;
    let status = body.status;
    let mut source = Source::open(body);
    let (first_chunks, head) = source.read_head().await.map_err(RelayError::Source)?;
    let decision = accept(&RelayHead {
        status,
        content_type: content_type.split(';').next().unwrap_or_default().trim(),
        content_length,
        bytes: &head,
    });
    let Accepted { target, check } = match decision {
        Ok(accepted) => accepted,
        Err(refusal) => {
            source.abandon();
            return Err(RelayError::Refused(refusal));
        }
    };
    let pipe = pipe(content_length).map_err(|error| RelayError::Target(failed(error)))?;
    let writer = pipe.writable().get_writer().map_err(|error| RelayError::Target(failed(error)))?;
    let breaker = AbortController::new().map_err(|error| RelayError::Target(failed(error)))?;
    let body = pipe.readable().into();
    let upload = async { read(fetch(&target, Some(body), Some(&breaker)).await?, target.max_answer).await };
    let limits = Limits { max_bytes, content_length, check };
    let (moved, answer) = join(pump(first_chunks, source, (&writer, &breaker), limits), upload).await;
    match (moved, answer) {
        (Ok(bytes), Ok(answer)) => Ok((answer, bytes)),
        (Err(PumpError::TooLarge), _) => Err(RelayError::TooLarge),
        (Err(PumpError::Refused(refusal)), _) => Err(RelayError::Refused(refusal)),
        (Err(PumpError::Source(error)), _) => Err(RelayError::Source(error)),
        // A target that refuses early stops reading; its answer says why.
        (Err(PumpError::Target), Ok(answer)) if !answer.is_success() => Ok((answer, 0)),
        (Err(PumpError::Target), Ok(_)) => Err(RelayError::Target(HttpError::Connection)),
        (_, Err(error)) => Err(RelayError::Target(error)),
    }
}

/// Bytes of the largest chunk. An isolate has 128 MB for all its requests.
const CHUNK_BYTES: u32 = 256 * 1024;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(extends = ReadableStreamByobReader)]
    type Reader;

    /// Fills the view with at least so many bytes, or with what is left; an empty one at the end.
    /// https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/
    #[wasm_bindgen(method, js_name = readAtLeast)]
    fn read_at_least(this: &Reader, bytes: u32, view: &Uint8Array) -> Promise;
}

/// Where the chunks come from.
struct Source {
    reader: Option<Reader>,
    reusable: bool,
    /// Bytes of a chunk.
    size: u32,
    /// What the next chunk is read into.
    buffer: Option<ArrayBuffer>,
}

impl Source {
    fn open(body: Body) -> Self {
        let options = ReadableStreamGetReaderOptions::new();
        options.set_mode(ReadableStreamReaderMode::Byob);
        let reader = body.stream.map(|stream| stream.get_reader_with_options(&options).unchecked_into());
        let length = body.content_length.and_then(|length| u32::try_from(length).ok());
        let size = length.map_or(CHUNK_BYTES, |length| length.clamp(1, CHUNK_BYTES));
        Self { reader, reusable: body.reusable, size, buffer: None }
    }

    /// The next chunk; `None` at the end.
    async fn next(&mut self) -> Result<Option<Uint8Array>, HttpError> {
        let Some(reader) = &self.reader else { return Ok(None) };
        let buffer = self.buffer.take().unwrap_or_else(|| ArrayBuffer::new(self.size));
        let read = reader.read_at_least(self.size, &Uint8Array::new(&buffer));
        let result = JsFuture::from(read).await.map_err(failed)?;
        let value = Reflect::get(&result, &JsValue::from_str("value")).map_err(failed)?;
        Ok(value.dyn_into::<Uint8Array>().ok().filter(|chunk| chunk.length() > 0))
    }

    /// Reads until the head is full or the source ends; gives the chunks and a copy of the head.
    async fn read_head(&mut self) -> Result<(Vec<Uint8Array>, Vec<u8>), HttpError> {
        let (mut chunks, mut head) = (Vec::new(), Vec::new());
        while head.len() < RELAY_HEAD_BYTES {
            let Some(chunk) = self.next().await? else { break };
            let room = u32::try_from(RELAY_HEAD_BYTES - head.len()).unwrap_or(0);
            head.extend(chunk.subarray(0, room.min(chunk.length())).to_vec());
            chunks.push(chunk);
        }
        Ok((chunks, head))
    }

    /// Tells the source that no more is wanted here.
    fn abandon(self) {
        let Some(reader) = self.reader else { return };
        if self.reusable {
            reader.release_lock();
        } else {
            // Nobody waits for it, so a rejection must not count as unhandled.
            wasm_bindgen_futures::spawn_local(async move {
                let _ = JsFuture::from(reader.cancel()).await;
            });
        }
    }
}

enum PumpError<E> {
    Source(HttpError),
    Target,
    TooLarge,
    Refused(E),
}

/// What a body must keep to.
struct Limits<E> {
    max_bytes: u64,
    content_length: Option<u64>,
    check: Option<ChunkCheck<E>>,
}

async fn pump<E>(
    first_chunks: Vec<Uint8Array>,
    mut source: Source,
    (writer, breaker): (&WritableStreamDefaultWriter, &AbortController),
    limits: Limits<E>,
) -> Result<u64, PumpError<E>> {
    let result = copy(first_chunks, &mut source, writer, limits).await;
    let ending = match &result {
        Ok(_) => writer.close(),
        // The target has broken off, and its answer may be on its way.
        Err(PumpError::Target) => writer.abort(),
        Err(_) => {
            // A body that does not tell its length would end here as if it were whole: workerd closes it
            // properly, whatever becomes of the stream. So the request goes first.
            breaker.abort();
            writer.abort()
        }
    };
    let ended = JsFuture::from(ending).await;
    match result {
        Ok(_) if ended.is_err() => Err(PumpError::Target),
        Ok(bytes) => Ok(bytes),
        Err(error) => {
            source.abandon();
            Err(error)
        }
    }
}

async fn copy<E>(
    first_chunks: Vec<Uint8Array>,
    source: &mut Source,
    writer: &WritableStreamDefaultWriter,
    mut limits: Limits<E>,
) -> Result<u64, PumpError<E>> {
    let mut bytes = 0_u64;
    let mut waiting = first_chunks.into_iter();
    loop {
        let chunk = match waiting.next() {
            Some(chunk) => Some(chunk),
            None => source.next().await.map_err(PumpError::Source)?,
        };
        bytes = bytes.saturating_add(chunk.as_ref().map_or(0, |chunk| chunk.length().into()));
        if bytes > limits.max_bytes {
            return Err(PumpError::TooLarge);
        }
        if let Some(check) = &mut limits.check {
            if let Some(chunk) = &chunk {
                check(Some(&chunk.to_vec())).map_err(PumpError::Refused)?;
            }
            // The target has all of it with the last chunk, whether or not the stream is closed then.
            if chunk.is_none() || limits.content_length == Some(bytes) {
                check(None).map_err(PumpError::Refused)?;
                limits.check = None;
            }
        }
        let Some(chunk) = chunk else { return Ok(bytes) };
        JsFuture::from(writer.write_with_chunk(&chunk)).await.map_err(|_| PumpError::Target)?;
        source.buffer = Some(chunk.buffer());
    }
}

/// A stream with two ends. With a known length the upload carries a `Content-Length`.
fn pipe(content_length: Option<u64>) -> Result<TransformStream, JsValue> {
    match content_length.and_then(|length| u32::try_from(length).ok()) {
        Some(length) => Ok(FixedLengthStream::new(length)?.unchecked_into()),
        None => TransformStream::new(),
    }
}
