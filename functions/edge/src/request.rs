//! A request as the handlers see it.

use std::pin::pin;
use std::time::Duration;

use futures::future::select;
use js_sys::futures::JsFuture;
use shared::live::protocol;
use shared::ports::{Accepted, Clock, HttpError, HttpResponse, RelayError, RelayHead, Upload};
use shared::problem::{Code, Problem};
use web_sys::WritableStream;
use worker::Request;

use crate::bounded::{ReadError, read_bounded};
use crate::relay::{Body, content_length, pass_on};
use crate::world::EdgeWorld;

/// An incoming request.
#[derive(Debug)]
pub struct Incoming {
    request: Request,
    path: String,
    /// The id under which this request is logged and answered (`x-request-id`).
    pub id: String,
}

impl Incoming {
    pub(crate) fn new(request: Request, id: String) -> Self {
        let path = request.path();
        Self { request, path, id }
    }

    /// The method, upper case.
    pub fn method(&self) -> String {
        self.request.inner().method()
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        self.request.headers().get(name).ok().flatten()
    }

    /// The token of `Authorization: Bearer …`.
    pub fn bearer(&self) -> Option<String> {
        let header = self.header("authorization")?;
        let (scheme, token) = header.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
    }

    /// The token that a browser sends with a WebSocket, for which it sets no other header.
    pub fn subprotocol_token(&self) -> Option<String> {
        let header = self.header("sec-websocket-protocol")?;
        protocol::token(&header).map(str::to_owned)
    }

    /// A query parameter.
    pub fn query(&self, name: &str) -> Option<String> {
        let url = self.request.url().ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// Our own origin as the caller used it, with no trailing slash.
    pub fn origin(&self) -> String {
        self.request.url().map(|url| url.origin().ascii_serialization()).unwrap_or_default()
    }

    /// Reads the body, and no further than `max` bytes.
    pub async fn body(&mut self, max: usize) -> Result<Vec<u8>, Problem> {
        let too_large =
            || Problem::new(Code::BodyTooLarge, format!("The body must be at most {} KiB.", max / 1024));
        let declared = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        if declared.is_some_and(|length| length > max) {
            return Err(too_large());
        }
        let broken = || Problem::invalid("body", "The body could not be read.");
        if declared.is_some() {
            // The runtime holds a body to the length that it declares.
            return self.request.bytes().await.map_err(|_| broken());
        }
        let Ok(stream) = self.request.stream() else { return Ok(Vec::new()) };
        read_bounded(stream, max).await.map_err(|error| match error {
            ReadError::TooLarge => too_large(),
            ReadError::Broken(_) => broken(),
        })
    }
}

/// How much of a refused body is read to its end, in bytes: a photo from any telephone.
const MAX_DISCARDED_BYTES: u64 = 32 * 1024 * 1024;
/// And for how long.
const DISCARD_TIME: Duration = Duration::from_secs(30);

impl Incoming {
    /// Lets what is left of the body run out, before a refusal is answered: a client that sends before it
    /// listens would find a broken connection in place of the answer. It stays in the runtime, unseen by us.
    pub async fn discard_body(&self) {
        let request = self.request.inner();
        if content_length(&request.headers()).is_none_or(|length| length > MAX_DISCARDED_BYTES) {
            return;
        }
        let Some(stream) = request.body().filter(|stream| !stream.locked()) else { return };
        if let Ok(nowhere) = WritableStream::new() {
            let gone = JsFuture::from(stream.pipe_to(&nowhere));
            let _ = select(pin!(gone), pin!(EdgeWorld.sleep(DISCARD_TIME))).await;
        }
    }
}

/// The body of a request, passed on as it comes.
impl Upload for &mut Incoming {
    async fn pass_on<E>(
        self,
        max_bytes: u64,
        accept: impl FnOnce(&RelayHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), RelayError<E>> {
        let content_type = self.header("content-type");
        let declared = content_length(&self.request.inner().headers());
        let body = match declared {
            Some(_) => Body {
                status: 200,
                content_type,
                content_length: declared,
                stream: self.request.inner().body(),
                reusable: true,
            },
            None => self.whole(max_bytes, content_type).await?,
        };
        pass_on(body, max_bytes, accept).await
    }
}

impl Incoming {
    /// A body that does not say how long it is, read to its end: Storage's policy wants to know its length
    /// before it comes.
    async fn whole<E>(
        &mut self,
        max_bytes: u64,
        content_type: Option<String>,
    ) -> Result<Body, RelayError<E>> {
        let broken = |_| RelayError::Source(HttpError::Connection);
        let bytes = match self.request.stream() {
            Ok(stream) => read_bounded(stream, usize::try_from(max_bytes).unwrap_or(usize::MAX))
                .await
                .map_err(|error| match error {
                    ReadError::TooLarge => RelayError::TooLarge,
                    ReadError::Broken(error) => broken(error),
                })?,
            Err(_) => Vec::new(),
        };
        let content_length = u64::try_from(bytes.len()).ok();
        let body: web_sys::Response = worker::Response::from_bytes(bytes).map_err(broken)?.into();
        Ok(Body { status: 200, content_type, content_length, stream: body.body(), reusable: false })
    }
}
