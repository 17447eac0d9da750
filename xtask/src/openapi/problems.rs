//! Refusals: one answer for each set of codes that a status can have.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::http::problem::{Code, Problem};

use super::operations::code_sets;
use super::parts::{plain, reference, with_header};

/// The name of the answer with these codes, which have one status.
pub fn response_name(codes: &[Code]) -> String {
    codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join("Or")
}

/// Every such answer that an operation names, and the one for all else.
pub fn responses() -> Value {
    let mut sets: BTreeMap<(u16, String), Vec<Code>> = BTreeMap::new();
    for codes in code_sets() {
        for code in codes {
            let same: Vec<Code> =
                codes.iter().copied().filter(|other| other.status() == code.status()).collect();
            sets.insert((code.status(), response_name(&same)), same);
        }
    }
    let mut all: Map<String, Value> =
        sets.into_iter().map(|((status, name), codes)| (name, response(status, &codes))).collect();
    let mut any = plain("Any other problem, for example an unknown path or a wrong method.");
    content(&mut any, json!({ "schema": reference("schemas", "Problem") }));
    all.insert("Problem".into(), any);
    Value::Object(all)
}

fn response(status: u16, codes: &[Code]) -> Value {
    let described: Vec<_> = codes.iter().map(|code| problem(*code).detail).collect();
    let mut answer = plain(&described.join(" Or: "));
    let passing = codes.iter().filter(|code| problem(**code).retry_after.is_some()).count();
    if passing > 0 {
        let header = if passing == codes.len() { "RetryAfter" } else { "MayRetryAfter" };
        answer = with_header(answer, "retry-after", header);
    }
    if status == 401 {
        answer = with_header(answer, "www-authenticate", "Challenge");
    }
    let names: Vec<_> = codes.iter().map(|code| code.as_str()).collect();
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| (code.as_str().to_owned(), json!({ "value": problem(*code).body() })))
        .collect();
    let mut schema = reference("schemas", "Problem");
    if let Some(schema) = schema.as_object_mut() {
        schema
            .insert("properties".into(), json!({ "status": { "const": status }, "code": { "enum": names } }));
    }
    content(&mut answer, json!({ "schema": schema, "examples": examples }));
    answer
}

fn content(answer: &mut Value, content: Value) {
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("content".into(), json!({ "application/problem+json": content }));
    }
}

/// An example of each code, as it is served.
fn problem(code: Code) -> Problem {
    let say = |detail: &str| Problem::new(code, detail);
    match code {
        Code::InvalidRequest => say("width must be a whole number from 16 to 8192.").with_field("width"),
        Code::Unauthorized => say("The access token has expired."),
        Code::Forbidden => say("This account is suspended or no longer exists."),
        Code::NotFound => say("There is no such generation."),
        Code::UnknownModel => {
            say("There is no model with this id. GET /models lists the models.").with_field("model_id")
        }
        Code::ModelUnavailable => {
            let detail = "This model cannot be used at the moment. Please choose another one.";
            Problem { retry_after: Some(60), ..say(detail).with_field("model_id") }
        }
        Code::MethodNotAllowed => say("This path answers to POST only."),
        Code::Conflict => say("The generation is already completed."),
        Code::BodyTooLarge => say("The body must be at most 64 KiB."),
        Code::UnsupportedMediaType => {
            say("The file is no PNG, JPEG or WebP. Send one of these as it is, as the body of the request.")
        }
        Code::InvalidImage => say("The image file is damaged, or not all of it was sent."),
        Code::ContentFlagged => {
            say("This prompt asks for something that is not made here. Please change it.")
        }
        Code::Unsupported => say("This model takes no source image.").with_field("source_image_url"),
        Code::IdempotencyMismatch => say("This idempotency key was used for another request."),
        Code::UpgradeRequired => {
            say("Live updates come over a WebSocket (Upgrade: websocket) or as server-sent events (Accept: \
             text/event-stream).")
        }
        Code::QuotaExceeded => Problem {
            retry_after: Some(42),
            limit: Some("requests_per_minute".into()),
            ..say("You can send 60 requests a minute.")
        },
        Code::RateLimited => {
            Problem { retry_after: Some(60), ..say("Too many requests. Please wait a minute.") }
        }
        Code::BudgetExhausted => Problem {
            retry_after: Some(3600),
            ..say("No more images can be made today. Please try again tomorrow.")
        },
        Code::InternalError => Problem::internal(),
        Code::Unavailable => Problem::unavailable(),
    }
}

/// The codes that no operation can name: they are about what is none.
pub const ELSEWHERE: [Code; 1] = [Code::MethodNotAllowed];
