//! What each path does, takes and answers.

use serde_json::{Value, json};
use shared::api::routes::{ROUTES, Target};
use shared::api::{EventsQuery, ListQuery};
use shared::pipeline::MAX_SOURCE_BYTES;
use shared::problem::Code;
use shared::request::MAX_BODY_BYTES;

use super::parts::{USER, WEB_SOCKET, answer, answers, header, id, plain, query, reference, with_header};
use super::samples;

/// The problems that each path can have, beside those of paths and methods that do not exist.
fn codes(target: Target) -> &'static [Code] {
    use Code::*;
    match target {
        Target::Start => &[
            InvalidRequest,
            Unauthorized,
            Forbidden,
            NotFound,
            UnknownModel,
            ModelUnavailable,
            Conflict,
            BodyTooLarge,
            Unsupported,
            IdempotencyMismatch,
            QuotaExceeded,
            RateLimited,
            InternalError,
            BudgetExhausted,
            Unavailable,
        ],
        Target::List => &[InvalidRequest, Unauthorized, RateLimited, InternalError, Unavailable],
        Target::Get => &[Unauthorized, NotFound, RateLimited, InternalError, Unavailable],
        Target::Cancel => &[Unauthorized, NotFound, Conflict, RateLimited, InternalError, Unavailable],
        Target::Events => {
            &[Unauthorized, Forbidden, UpgradeRequired, RateLimited, InternalError, Unavailable]
        }
        Target::GenerationEvents => {
            &[Unauthorized, Forbidden, NotFound, UpgradeRequired, RateLimited, InternalError, Unavailable]
        }
        Target::UploadSource => &[
            InvalidRequest,
            Unauthorized,
            Forbidden,
            BodyTooLarge,
            UnsupportedMediaType,
            InvalidImage,
            RateLimited,
            InternalError,
            Unavailable,
        ],
        Target::Config => &[InternalError],
        Target::Models => &[InternalError, Unavailable],
        Target::OpenApi | Target::Health => &[],
    }
}

/// Those of all paths.
pub fn code_sets() -> impl Iterator<Item = &'static [Code]> {
    ROUTES.iter().map(|(_, _, target)| codes(*target))
}

/// The operation of a path.
pub fn operation(target: Target) -> Value {
    let answers = |good: Vec<(&str, Value)>| answers(good, codes(target));
    match target {
        Target::Start => json!({
            "operationId": "startGeneration",
            "tags": ["Generations"],
            "summary": "Put one picture or a batch into the queue",
            "description": "Answers at once; follow the generation at `urls.events` or `urls.self`.",
            "security": [{ USER: [] }],
            "parameters": [header(
                "Idempotency-Key",
                "Names this request: the same one within 24 hours gets the same answer and creates nothing. \
                 A request that is refused does not use up its key.",
                json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
            )],
            "requestBody": {
                "required": true,
                "description": format!("At most {} KiB.", MAX_BODY_BYTES / 1024),
                "content": { "application/json": {
                    "schema": reference("schemas", "StartRequest"),
                    "examples": samples::requests(),
                } },
            },
            "responses": answers(vec![("202", with_header(
                answer("It is in the queue.", "Started", samples::started()), "idempotency-replayed", "Replayed",
            ))]),
            "callbacks": { "ended": { "{$request.body#/webhook_url}": { "post": ended() } } },
        }),
        Target::List => json!({
            "operationId": "listGenerations",
            "tags": ["Generations"],
            "summary": "The user's generations, the newest first",
            "security": [{ USER: [] }],
            "parameters": query::<ListQuery>(),
            "responses": answers(vec![("200", answer("A page.", "GenerationPage", samples::page()))]),
        }),
        Target::Get => json!({
            "operationId": "getGeneration",
            "tags": ["Generations"],
            "summary": "One generation of the user's own",
            "security": [{ USER: [] }],
            "parameters": [id()],
            "responses": answers(vec![("200", answer("How it stands.", "Generation", samples::completed()))]),
        }),
        Target::Cancel => json!({
            "operationId": "cancelGeneration",
            "tags": ["Generations"],
            "summary": "End a generation",
            "description": "A prediction that runs is stopped at the provider. One that was cancelled already \
                is no error; one whose picture is made (from `downloading` on: it is being stored, and paid for) \
                or that has ended otherwise is 409.",
            "security": [{ USER: [] }],
            "parameters": [id()],
            "responses": answers(vec![("200", answer("It is cancelled.", "Cancelled", samples::cancelled()))]),
        }),
        Target::Events => live("listen", "The user's generations, live", Vec::new(), answers),
        Target::GenerationEvents => {
            live("listenToGeneration", "One generation, live, until it has ended", vec![id()], answers)
        }
        Target::UploadSource => json!({
            "operationId": "uploadSource",
            "tags": ["Sources"],
            "summary": "Store a picture to start from",
            "description": "Its `source_id` goes into a start, for a day. The bytes decide what it is, whatever `Content-Type` says.",
            "security": [{ USER: [] }],
            "requestBody": {
                "required": true,
                "description": format!("The file's bytes, at most {} MiB.", MAX_SOURCE_BYTES / 1024 / 1024),
                "content": { "image/png": {}, "image/jpeg": {}, "image/webp": {}, "application/octet-stream": {} },
            },
            "responses": answers(vec![("201", answer("It is stored.", "Source", samples::source()))]),
        }),
        Target::Models => json!({
            "operationId": "listModels",
            "tags": ["Service"],
            "summary": "The models that may be asked for",
            "description": "At the prices that starts are charged at, the operator's own included; at most a \
                minute old, or ten while the database cannot be reached.",
            "security": [],
            "responses": answers(vec![("200", with_header(
                answer("All of them.", "Models", samples::models()), "cache-control", "CacheControl",
            ))]),
        }),
        Target::Config => json!({
            "operationId": "getConfig",
            "tags": ["Service"],
            "summary": "What a page needs to sign somebody in",
            "security": [],
            "responses": answers(vec![("200", with_header(
                answer("Public values.", "Config", samples::config()), "cache-control", "CacheControl",
            ))]),
        }),
        Target::OpenApi => json!({
            "operationId": "getOpenApi",
            "tags": ["Service"],
            "summary": "This document",
            "security": [],
            "responses": answers(vec![("200", document())]),
        }),
        Target::Health => json!({
            "operationId": "getHealth",
            "tags": ["Service"],
            "summary": "Whether the service answers",
            "security": [],
            "responses": answers(vec![("200", answer("It does.", "Health", json!({ "status": "ok" })))]),
        }),
    }
}

fn live(name: &str, summary: &str, path: Vec<Value>, answers: impl Fn(Vec<(&str, Value)>) -> Value) -> Value {
    let mut parameters = path;
    parameters.extend(query::<EventsQuery>());
    parameters.push(header(
        "Last-Event-ID",
        "As `since`: what an `EventSource` sends when it connects again.",
        json!({ "type": "string", "pattern": "^[0-9]+$" }),
    ));
    let mut good = vec![
        (
            "101",
            plain("A WebSocket: each text frame is a `LiveMessage`. The text `ping` is answered `pong`."),
        ),
        ("200", stream()),
    ];
    if name == "listenToGeneration" {
        good.push((
            "204",
            plain("Server-sent events that begin after the end: there is nothing to wait for."),
        ));
    }
    json!({
        "operationId": name,
        "tags": ["Live channel"],
        "summary": summary,
        "description": "A WebSocket, or server-sent events with `Accept: text/event-stream`. First comes how \
            things stand, then `ready`, then each change. Messages may come twice; one that was lost is sent \
            again after a reconnection with `since`.",
        "security": [{ USER: [] }, { WEB_SOCKET: [] }],
        "parameters": parameters,
        "responses": answers(good),
    })
}

fn stream() -> Value {
    let mut answer = plain(
        "Server-sent events: `data` is a `LiveMessage`, `id` its `seq`; a comment each 15 seconds shows that \
         the connection lives.",
    );
    if let Some(answer) = answer.as_object_mut() {
        // OpenAPI 3.2 has itemSchema for it; 3.1 has no word for what a stream is made of.
        let stream = json!({
            "schema": { "type": "string" },
            "x-item-schema": reference("schemas", "LiveMessage"),
            "example": samples::events(),
        });
        answer.insert("content".into(), json!({ "text/event-stream": stream }));
    }
    answer
}

fn document() -> Value {
    let mut answer = with_header(plain("OpenAPI 3.1."), "cache-control", "CacheControl");
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("content".into(), json!({ "application/json": { "schema": { "type": "object" } } }));
    }
    answer
}

fn ended() -> Value {
    let text = json!({ "type": "string" });
    json!({
        "operationId": "generationEnded",
        "summary": "A generation has ended",
        "description": "Sent to `webhook_url`, signed as Standard Webhooks defines it; again for 32 hours until \
            it is answered 2xx.",
        "security": [],
        "parameters": [
            header("webhook-id", "The event, the same on every attempt.", text.clone()),
            header("webhook-timestamp", "Unix seconds of this attempt.", text.clone()),
            header("webhook-signature", "`v1,` and the base64 of HMAC-SHA256 over `{id}.{timestamp}.{body}`.", text),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": reference("schemas", "WebhookEvent"),
                "example": samples::webhook(),
            } },
        },
        "responses": {
            "2XX": { "description": "Delivered." },
            "410": { "description": "Ends it for good." },
        },
    })
}
