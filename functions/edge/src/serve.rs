//! The frame around each handler: request id, CORS, problems.

use serde_json::json;
use shared::http::cors::allowed_headers;
use shared::http::problem::Problem;
use worker::{Env, Headers};

use crate::answer::{Answer, Body};
use crate::environment::{Environment, variables};
use crate::host;
use crate::request::Incoming;
use crate::runtime::note;

const EXPOSED_HEADERS: &str = "x-request-id, retry-after, idempotency-replayed";

/// Answers a request with what `handle` says: CORS and a request id on everything, preflight
/// included, and one log line for what went wrong on our side.
pub async fn serve(
    request: web_sys::Request,
    env: Env,
    handle: impl AsyncFnOnce(&mut Incoming, &Environment) -> Result<Answer, Problem>,
) -> worker::Result<web_sys::Response> {
    let (mut incoming, number) = Incoming::new(request, &env);
    let env = &Environment::numbered(env, number);
    let origin = allowed_origin(env, incoming.header("origin").as_deref());
    let preflight =
        incoming.method() == "OPTIONS" && incoming.header("access-control-request-method").is_some();
    let answer = if preflight {
        let asked = incoming.header("access-control-request-headers");
        Answer::json(204, serde_json::Value::Null)
            .header("access-control-allow-methods", "GET, POST, PATCH, DELETE, OPTIONS")
            .header("access-control-allow-headers", allowed_headers(asked.as_deref()))
            .header("access-control-max-age", "86400")
    } else {
        handle(&mut incoming, env).await.unwrap_or_else(Answer::from)
    };
    if answer.status >= 500 {
        let line = json!({
            "level": "error", "what": "request failed", "request_id": incoming.id, "method": incoming.method(), "path": incoming.path(),
            "status": answer.status, "code": answer.body.code(),
        });
        note(env, &[line]);
    }
    respond(answer, &incoming, origin)
}

fn respond(answer: Answer, incoming: &Incoming, origin: Option<String>) -> worker::Result<web_sys::Response> {
    let mut headers = vec![("x-request-id", incoming.id.clone())];
    if origin.as_deref() != Some("*") {
        // Also where this origin is not allowed: a cache must not hand that answer to one that is.
        headers.push(("vary", "origin".to_owned()));
    }
    if let Some(origin) = origin {
        headers.push(("access-control-allow-origin", origin));
        headers.push(("access-control-expose-headers", EXPOSED_HEADERS.to_owned()));
    }
    headers.extend(answer.headers);
    if !matches!(answer.status, 101 | 204) {
        headers.push(("content-type", answer.content_type.to_owned()));
    }
    let body = match answer.body {
        _ if answer.status == 204 => None,
        Body::Json(body) => Some(body.to_string()),
        Body::Text(text) => Some(text),
        Body::Connection(response) => {
            let all = Headers::new();
            for (name, value) in &headers {
                all.set(name, value)?;
            }
            return Ok(response.with_headers(all).into());
        }
    };
    let lines: Vec<&str> = headers.iter().flat_map(|(name, value)| [*name, value.as_str()]).collect();
    Ok(host::respond(answer.status, &lines.join("\n"), body.as_deref().map(str::as_bytes))?)
}

/// Whether a page that has sent this request may hear of the answer. CORS does not protect a WebSocket:
/// the browser lets any page open one.
pub fn origin_is_allowed(incoming: &Incoming, env: &Environment) -> bool {
    let Some(origin) = incoming.header("origin") else { return true };
    // Our own page, and React Native, which names the address that it calls.
    origin == incoming.origin() || allowed_origin(env, Some(&origin)).is_some()
}

/// `ALLOWED_ORIGINS`: a list with commas, `*` by default. `None`: this origin is not on it.
fn allowed_origin(env: &Environment, origin: Option<&str>) -> Option<String> {
    let list = variables(env).optional("ALLOWED_ORIGINS").unwrap_or_else(|| "*".into());
    if list.split(',').any(|one| one.trim() == "*") {
        return Some("*".into());
    }
    let origin = origin?;
    list.split(',').any(|one| one.trim().trim_end_matches('/') == origin).then(|| origin.to_owned())
}
