//! A request as the handlers see it.

use std::ops::Range;
use std::pin::pin;
use std::time::Duration;

use futures::future::select;
use shared::http::problem::{Code, Problem};
use shared::http::query;
use shared::live::protocol;
use shared::ports::{Accepted, Clock, HttpError, HttpResponse, PipeError, PipeHead, Upload};
use wasm_bindgen::JsValue;

use crate::host::{self, EAGER_HEADERS, call};
use crate::pipe::pipe_request;
use crate::runtime::EdgeRuntime;

/// An incoming request.
#[derive(Debug)]
pub struct Incoming {
    request: web_sys::Request,
    method: String,
    url: String,
    path: Range<usize>,
    /// Those of [`EAGER_HEADERS`] that it has.
    headers: Vec<(String, String)>,
    /// The id under which this request is logged and answered (`x-request-id`).
    pub id: String,
}

impl Incoming {
    /// The request, and the number of the environment that it came with.
    pub(crate) fn new(request: web_sys::Request, env: &JsValue) -> (Self, u32) {
        host::ensure_connected();
        let head = host::head(&request, env);
        let mut lines = head.split('\n').map(str::to_owned);
        let mut next = || lines.next().unwrap_or_default();
        let number = next().parse().unwrap_or_default();
        let (method, url, id) = (next(), next(), next());
        let path = path_of(&url);
        let headers = lines
            .filter_map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.to_owned())));
        let headers = headers.collect();
        (Self { request, method, url, path, headers, id }, number)
    }

    pub(crate) fn request(&self) -> &web_sys::Request {
        &self.request
    }

    /// The method, upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path, still percent-encoded.
    pub fn path(&self) -> &str {
        self.url.get(self.path.clone()).unwrap_or("/")
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<String> {
        if !EAGER_HEADERS.split(',').any(|eager| eager == name) {
            return host::header(&self.request, name);
        }
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
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
        query::value(self.search(), name)
    }

    /// What follows the `?` of the URL, still percent-encoded.
    pub fn search(&self) -> &str {
        let rest = self.url.get(self.path.end..).unwrap_or_default();
        let rest = rest.split_once('#').map_or(rest, |(search, _)| search);
        rest.strip_prefix('?').unwrap_or_default()
    }

    /// Our own origin as the caller used it, with no trailing slash.
    pub fn origin(&self) -> &str {
        self.url.get(..self.path.start).unwrap_or_default()
    }

    /// Begins to read the body, and no further than `max` bytes.
    pub fn body(&self, max: usize) -> impl Future<Output = Result<Vec<u8>, Problem>> + use<> {
        let declared = self.header("content-length").and_then(|text| text.parse::<usize>().ok());
        // A length that is too large is not even begun with.
        let reading = declared.is_none_or(|length| length <= max).then(|| {
            let length = declared.map_or(-1.0, |length| length as f64);
            call(|id| host::body(id, &self.request, length, max as f64)).0
        });
        async move {
            let read = match reading {
                Some(reading) => reading.await,
                None => return Err(too_large(max)),
            };
            match read.status {
                0 => Ok(read.bytes),
                status if host::error_of(status) == HttpError::TooLarge => Err(too_large(max)),
                _ => Err(Problem::invalid("body", "The body could not be read.")),
            }
        }
    }
}

fn too_large(max: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("The body must be at most {} KiB.", max / 1024))
}

/// Where the path stands in a URL as the runtime writes it: there is always one, and before it a host.
fn path_of(url: &str) -> Range<usize> {
    let host = url.find("://").map_or(0, |at| at + 3);
    let rest = url.get(host..).unwrap_or_default();
    let start = host + rest.find('/').unwrap_or(rest.len());
    let path = url.get(start..).unwrap_or_default();
    start..start + path.find(['?', '#']).unwrap_or(path.len())
}

/// How much of a refused body is read to its end, in bytes: a photo from any telephone.
const MAX_DISCARDED_BYTES: u64 = 32 * 1024 * 1024;
/// And for how long.
const DISCARD_TIME: Duration = Duration::from_secs(30);

impl Incoming {
    /// Lets what is left of the body run out, before a refusal is answered: a client that sends before it
    /// listens would find a broken connection in place of the answer. It stays in the runtime, unseen by us.
    pub async fn discard_body(&self) {
        let header = |name: &str| host::header(&self.request, name);
        let length = match header("content-encoding") {
            Some(_) => None,
            None => header("content-length").and_then(|text| text.parse::<u64>().ok()),
        };
        if length.is_none_or(|length| length > MAX_DISCARDED_BYTES) {
            return;
        }
        let (gone, ()) = call(|id| host::discard(id, &self.request));
        select(pin!(gone), pin!(EdgeRuntime.sleep(DISCARD_TIME))).await;
    }
}

/// The body of a request, passed on as it comes.
impl Upload for &mut Incoming {
    async fn pipe<E>(
        self,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), PipeError<E>> {
        pipe_request(&self.request, max_bytes, accept).await
    }
}
