//! The frame around each handler: request id, CORS, problems.

use serde_json::json;
use shared::http::cors::allowed_headers;
use shared::problem::Problem;
use worker::{Env, Headers, Request, Response, console_log};

use crate::answer::{Answer, Body};
use crate::environment::variables;
use crate::request::Incoming;
use crate::world::EdgeWorld;

const EXPOSED_HEADERS: &str = "x-request-id, retry-after, idempotency-replayed";

/// Answers a request with what `handle` says: CORS and a request id on everything, preflight
/// included, and one log line for what went wrong on our side.
pub async fn serve(
    request: Request,
    env: &Env,
    handle: impl AsyncFnOnce(&mut Incoming) -> Result<Answer, Problem>,
) -> worker::Result<Response> {
    let mut incoming = Incoming::new(request, EdgeWorld.id().to_string());
    let origin = allowed_origin(env, incoming.header("origin").as_deref());
    let preflight =
        incoming.method() == "OPTIONS" && incoming.header("access-control-request-method").is_some();
    let answer = if preflight {
        let asked = incoming.header("access-control-request-headers");
        Answer::json(204, serde_json::Value::Null)
            .header("access-control-allow-methods", "GET, POST, OPTIONS")
            .header("access-control-allow-headers", allowed_headers(asked.as_deref()))
            .header("access-control-max-age", "86400")
    } else {
        handle(&mut incoming).await.unwrap_or_else(Answer::from)
    };
    if answer.status >= 500 {
        let line = json!({
            "level": "error", "request_id": incoming.id, "method": incoming.method(), "path": incoming.path(),
            "status": answer.status, "code": answer.body.code(),
        });
        console_log!("{line}");
    }
    respond(answer, &incoming, origin)
}

fn respond(answer: Answer, incoming: &Incoming, origin: Option<String>) -> worker::Result<Response> {
    let headers = Headers::new();
    headers.set("x-request-id", &incoming.id)?;
    if origin.as_deref() != Some("*") {
        // Also where this origin is not allowed: a cache must not hand that answer to one that is.
        headers.set("vary", "origin")?;
    }
    if let Some(origin) = origin {
        headers.set("access-control-allow-origin", &origin)?;
        headers.set("access-control-expose-headers", EXPOSED_HEADERS)?;
    }
    for (name, value) in &answer.headers {
        headers.set(name, value)?;
    }
    if answer.status == 204 {
        return Ok(Response::empty()?.with_status(204).with_headers(headers));
    }
    if answer.status != 101 {
        headers.set("content-type", answer.content_type)?;
    }
    let response = match answer.body {
        Body::Json(body) => Response::ok(body.to_string())?.with_status(answer.status),
        Body::Text(text) => Response::ok(text)?.with_status(answer.status),
        Body::Connection(response) => response,
    };
    Ok(response.with_headers(headers))
}

/// Whether a page that has sent this request may hear of the answer. CORS does not protect a WebSocket:
/// the browser lets any page open one.
pub fn origin_is_allowed(incoming: &Incoming, env: &Env) -> bool {
    let Some(origin) = incoming.header("origin") else { return true };
    // Our own page, and React Native, which names the address that it calls.
    origin == incoming.origin() || allowed_origin(env, Some(&origin)).is_some()
}

/// `ALLOWED_ORIGINS`: a list with commas, `*` by default. `None`: this origin is not on it.
fn allowed_origin(env: &Env, origin: Option<&str>) -> Option<String> {
    let list = variables(env).optional("ALLOWED_ORIGINS").unwrap_or_else(|| "*".into());
    if list.split(',').any(|one| one.trim() == "*") {
        return Some("*".into());
    }
    let origin = origin?;
    list.split(',').any(|one| one.trim().trim_end_matches('/') == origin).then(|| origin.to_owned())
}
