//! Requests that are for another of our Workers: it answers them as if they had come to it.

use shared::http::problem::{Code, Problem};
use worker::console_warn;

use crate::answer::Answer;
use crate::environment::Environment;
use crate::host::{self, call};
use crate::request::Incoming;

/// Hands a request on over a service binding, as it is. The binding has no `props`: who calls must show the service key,
/// as at the Worker's own address.
pub async fn forward(incoming: &Incoming, env: &Environment, binding: &str) -> Result<Answer, Problem> {
    let (answer, is_bound) = call(|id| host::forward(id, &env.bindings, binding, incoming.request()));
    if !is_bound {
        return Err(Problem::new(Code::NotFound, "There is nothing at this path."));
    }
    let answer = answer.await;
    let content_type = match answer.text.as_deref() {
        Some("application/problem+json") => "application/problem+json",
        _ => "application/json",
    };
    let retry_after = answer.retry_after();
    match (u16::try_from(answer.status), String::from_utf8(answer.bytes)) {
        (Ok(status), Ok(text)) => {
            let mut forwarded = Answer::text(content_type, text).status(status);
            if status == 401 {
                forwarded = forwarded.header("www-authenticate", "Bearer");
            }
            Ok(match retry_after {
                Some(seconds) => forwarded.header("retry-after", seconds.to_string()),
                None => forwarded,
            })
        }
        _ => {
            console_warn!("{binding} did not answer: {}", answer.text.unwrap_or_default());
            Err(Problem::unavailable())
        }
    }
}
