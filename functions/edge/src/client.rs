//! The HTTP port over `fetch`.

use futures::StreamExt;
use js_sys::futures::JsFuture;
use shared::ports::{Accepted, Http, HttpError, HttpRequest, HttpResponse, RelayError, RelayHead};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{AbortController, AbortSignal, Headers, RequestInit, RequestRedirect, WorkerGlobalScope};

use crate::bounded::{ReadError, read_bounded};
use crate::relay::relay;

/// HTTP over `fetch`. Redirects are not followed: no API that we call redirects, and an output
/// that does might lead to where we do not want to go.
#[derive(Debug, Clone, Copy)]
pub struct FetchClient;

impl Http for FetchClient {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let body = (!request.body.is_empty()).then(|| JsValue::from_str(&request.body));
        let response = fetch(&request, body, None).await?;
        match request.excerpt {
            Some(bytes) => Ok(read_excerpt(response, bytes).await),
            None => read(response, request.max_answer).await,
        }
    }

    async fn relay<E>(
        &self,
        source: HttpRequest,
        max_bytes: u64,
        accept: impl FnOnce(&RelayHead<'_>) -> Result<Accepted<E>, E>,
    ) -> Result<(HttpResponse, u64), RelayError<E>> {
        relay(source, max_bytes, accept).await
    }
}

/// Sends a request; its time limit covers the answer's body too. `breaker` breaks it off before.
pub(crate) async fn fetch(
    request: &HttpRequest,
    body: Option<JsValue>,
    breaker: Option<&AbortController>,
) -> Result<web_sys::Response, HttpError> {
    let headers = Headers::new().map_err(failed)?;
    for (name, value) in &request.headers {
        headers.set(name, value).map_err(failed)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    let timeout = u32::try_from(request.timeout.as_millis()).unwrap_or(u32::MAX);
    let mut signal = AbortSignal::timeout_with_u32(timeout);
    if let Some(breaker) = breaker {
        signal = AbortSignal::any(&js_sys::Array::of2(&signal, &breaker.signal()));
    }
    init.set_signal(Some(&signal));
    if let Some(body) = &body {
        init.set_body(body);
    }
    let scope: WorkerGlobalScope = js_sys::global().unchecked_into();
    let response =
        JsFuture::from(scope.fetch_with_str_and_init(&request.url, &init)).await.map_err(failed)?;
    response.dyn_into().map_err(failed)
}

/// Reads the beginning of an answer's body, as far as it comes.
async fn read_excerpt(response: web_sys::Response, max: usize) -> HttpResponse {
    let (status, retry_after) = (response.status(), number(&response, "retry-after"));
    let mut body = Vec::new();
    if let Ok(mut stream) = worker::Response::from(response).stream() {
        while let Some(Ok(chunk)) = stream.next().await {
            body.extend(chunk.into_iter().take(max - body.len()));
            if body.len() >= max {
                break;
            }
        }
    }
    HttpResponse { status, retry_after, body }
}

fn number(response: &web_sys::Response, header: &str) -> Option<u32> {
    response.headers().get(header).ok().flatten().and_then(|text| text.trim().parse().ok())
}

/// Reads an answer whole.
pub(crate) async fn read(response: web_sys::Response, max: usize) -> Result<HttpResponse, HttpError> {
    let (status, retry_after) = (response.status(), number(&response, "retry-after"));
    let declared = number(&response, "content-length").and_then(|length| usize::try_from(length).ok());
    if declared.is_some_and(|length| length > max) {
        return Err(HttpError::TooLarge);
    }
    let mut response = worker::Response::from(response);
    let body = if declared.is_some() {
        response.bytes().await.map_err(|error| broken(&error))?
    } else {
        read_stream(&mut response, max).await?
    };
    Ok(HttpResponse { status, retry_after, body })
}

async fn read_stream(response: &mut worker::Response, max: usize) -> Result<Vec<u8>, HttpError> {
    // An answer without a body has no stream.
    let Ok(stream) = response.stream() else { return Ok(Vec::new()) };
    read_bounded(stream, max).await.map_err(|error| match error {
        ReadError::TooLarge => HttpError::TooLarge,
        ReadError::Broken(error) => broken(&error),
    })
}

/// What a rejected promise means.
pub(crate) fn failed(error: impl Into<JsValue>) -> HttpError {
    let name = js_sys::Reflect::get(&error.into(), &JsValue::from_str("name"))
        .ok()
        .and_then(|name| name.as_string());
    match name.as_deref() {
        Some("TimeoutError" | "AbortError") => HttpError::Timeout,
        _ => HttpError::Connection,
    }
}

fn broken(error: &worker::Error) -> HttpError {
    let text = error.to_string();
    if text.contains("Timeout") || text.contains("abort") {
        HttpError::Timeout
    } else {
        HttpError::Connection
    }
}
