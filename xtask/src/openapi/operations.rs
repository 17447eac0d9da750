//! What each path does, takes and answers.

use serde_json::{Map, Value, json};
use shared::http::problem::Code;
use shared::http::routes::{ROUTES, Target};
use shared::http::types::{EventsQuery, ListQuery, UserQuery};
use shared::pipeline::MAX_SOURCE_BYTES;
use shared::policy::bounds::{
    MAX_BATCH, MAX_BODY_BYTES, MAX_NAME_CHARS, MAX_PROMPT_CHARS, PROMPTS, SEED, SETTINGS,
};

use super::parts::{
    ORIGINAL, SERVICE, USER, WEB_SOCKET, answer, answers, header, id, image_id, plain, query, reference,
    with_header,
};
use super::samples;

/// The problems that each path can have, beside those of paths and methods that do not exist.
fn codes(target: Target) -> &'static [Code] {
    use Code::*;
    match target {
        Target::Start | Target::Rerun | Target::StartInserted | Target::StartBatch => &[
            InvalidRequest,
            Unauthorized,
            Forbidden,
            NotFound,
            UnknownModel,
            ModelUnavailable,
            Conflict,
            BodyTooLarge,
            Unsupported,
            ContentFlagged,
            IdempotencyMismatch,
            QuotaExceeded,
            RateLimited,
            InternalError,
            BudgetExhausted,
            Unavailable,
        ],
        Target::List | Target::Usage => {
            &[InvalidRequest, Unauthorized, Forbidden, RateLimited, InternalError, Unavailable]
        }
        Target::Get => &[InvalidRequest, Unauthorized, NotFound, RateLimited, InternalError, Unavailable],
        Target::MarkImage => {
            &[InvalidRequest, Unauthorized, NotFound, BodyTooLarge, RateLimited, InternalError, Unavailable]
        }
        Target::MarkImages => {
            &[InvalidRequest, Unauthorized, Forbidden, BodyTooLarge, RateLimited, InternalError, Unavailable]
        }
        Target::Cancel => &[
            InvalidRequest,
            Unauthorized,
            NotFound,
            Conflict,
            BodyTooLarge,
            RateLimited,
            InternalError,
            Unavailable,
        ],
        Target::Delete | Target::DeleteImage => {
            &[Unauthorized, NotFound, RateLimited, InternalError, Unavailable]
        }
        Target::Events => &[
            InvalidRequest,
            Unauthorized,
            Forbidden,
            UpgradeRequired,
            RateLimited,
            InternalError,
            Unavailable,
        ],
        Target::GenerationEvents => &[
            InvalidRequest,
            Unauthorized,
            Forbidden,
            NotFound,
            UpgradeRequired,
            RateLimited,
            InternalError,
            Unavailable,
        ],
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
        Target::Models => &[InvalidRequest, InternalError, Unavailable],
        Target::Retry => &[
            InvalidRequest,
            Unauthorized,
            Forbidden,
            NotFound,
            UnknownModel,
            ModelUnavailable,
            Conflict,
            BodyTooLarge,
            QuotaExceeded,
            RateLimited,
            InternalError,
            BudgetExhausted,
            Unavailable,
        ],
        Target::WakeQueue => {
            &[InvalidRequest, Unauthorized, BodyTooLarge, RateLimited, InternalError, Unavailable]
        }
        Target::ProcessJobs => &[Unauthorized, InternalError, Unavailable],
        Target::ProcessGeneration => {
            &[InvalidRequest, Unauthorized, BodyTooLarge, Unsupported, InternalError, Unavailable]
        }
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
            "summary": "Start a generation",
            "description": "Puts one generation or a batch of them into the queue and answers at once. Follow them at `urls.events` or `urls.self`. A server of the app's sends the secret key, as `apikey` or as bearer token, and `user_id`: the generations start within that user's plan, quotas and money.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [idempotency_key()],
            "requestBody": {
                "required": true,
                "description": format!("At most {} KiB.", MAX_BODY_BYTES / 1024),
                "content": { "application/json": {
                    "schema": reference("schemas", "StartRequest"),
                    "examples": samples::requests(),
                } },
            },
            "responses": answers(vec![("202", with_header(
                answer("The generations are in the queue.", "Started", samples::started()), "idempotency-replayed", "Replayed",
            ))]),
            "callbacks": { "ended": { "{$request.body#/webhook_url}": { "post": ended() } } },
        }),
        Target::List => json!({
            "operationId": "listGenerations",
            "tags": ["Generations"],
            "summary": "List generations",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": query::<ListQuery>(),
            "description": "Lists the user's generations, newest first. Filters are combined. A request reads 2,000 \
                generations at most: with filters, a page may be short or empty and still have a `next_cursor`.",
            "responses": answers(vec![("200", answer("A page of the user's generations, newest first.", "GenerationPage", samples::page()))]),
        }),
        Target::Get => json!({
            "operationId": "getGeneration",
            "tags": ["Generations"],
            "summary": "Get a generation",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [id()],
            "responses": answers(vec![("200", answer("The generation.", "Generation", samples::completed()))]),
        }),
        Target::Cancel => json!({
            "operationId": "cancelGeneration",
            "tags": ["Generations"],
            "summary": "Cancel a generation",
            "description": "Cancels the generation and stops the model if it is running. To cancel a generation that is \
                already cancelled is no error. A generation that is `downloading`, `completed` or `failed` cannot be \
                cancelled: the request fails with `conflict`.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [id()],
            "responses": answers(vec![("200", answer("The generation is cancelled.", "Cancelled", samples::cancelled()))]),
        }),
        Target::Retry => json!({
            "operationId": "retryGeneration",
            "tags": ["Generations"],
            "summary": "Try a failed generation again",
            "description": "Puts a failed generation back into the queue, with the quotas and the money of a start. One that \
                waits already is left as it is.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [id()],
            "responses": answers(vec![("202", answer("The generation waits.", "Generation", samples::waiting()))]),
        }),
        Target::Rerun => json!({
            "operationId": "rerunGeneration",
            "tags": ["Generations"],
            "summary": "Make a generation again",
            "description": "Starts a new generation from one of the user's, in whatever state that is, with the checks, the \
                quotas and the money of a start. Every field of the request is kept unless the body replaces it; `null` \
                takes a field away. So the seed stays, and `\"seed\": null` draws a new one. A source image in the body \
                takes the place of the kept one, and `prompts` that of `prompt`. With another model, or with a source \
                image where there was none or the other way round, the operation is the model's own unless the body \
                names one. When to start and when to expire are not kept. The new generation's `parent_id` is the id in \
                the path. A deleted source image, unless the body replaces it, and a model that is not offered any more \
                are refused.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [id(), idempotency_key()],
            "requestBody": {
                "required": false,
                "description": format!("What is to be different, at most {} KiB. No body changes nothing.", MAX_BODY_BYTES / 1024),
                "content": { "application/json": {
                    "schema": reference("schemas", "RerunRequest"),
                    "examples": samples::reruns(),
                } },
            },
            "responses": answers(vec![("202", with_header(
                answer("The generations are in the queue.", "Started", samples::started()), "idempotency-replayed", "Replayed",
            ))]),
        }),
        Target::Delete => json!({
            "operationId": "deleteGeneration",
            "tags": ["Generations"],
            "summary": "Delete a generation",
            "description": "Deletes the generation with its image and its file, in whatever state it is. A model that is \
                running is stopped, and stays paid for. The file is gone within a few minutes.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [id()],
            "responses": answers(vec![("200", answer("The generation is deleted.", "Deleted", samples::deleted()))]),
        }),
        Target::MarkImage => json!({
            "operationId": "markImage",
            "tags": ["Images"],
            "summary": "Mark an image",
            "description": "Marks an image as a favourite, as public or as archived, or takes such a mark away.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [image_id()],
            "requestBody": {
                "required": true,
                "description": "The marks.",
                "content": { "application/json": {
                    "schema": reference("schemas", "ImageMarks"), "example": { "is_favorite": true },
                } },
            },
            "responses": answers(vec![("200", answer("The image, as it is marked now.", "GeneratedImage", samples::image()))]),
        }),
        Target::MarkImages => json!({
            "operationId": "markImages",
            "tags": ["Images"],
            "summary": "Mark several images",
            "description": "Marks up to 100 images at once. An id that names none of the user's images is passed over.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "requestBody": {
                "required": true,
                "description": "The ids and the marks.",
                "content": { "application/json": {
                    "schema": reference("schemas", "ImagesMarks"),
                    "example": { "ids": [samples::IMAGE], "archived": true },
                } },
            },
            "responses": answers(vec![
                ("200", answer("The images, as they are marked now.", "MarkedImages", json!({ "images": [samples::image()] }))),
            ]),
        }),
        Target::DeleteImage => json!({
            "operationId": "deleteImage",
            "tags": ["Images"],
            "summary": "Delete an image",
            "description": "Deletes the image and its file. Its generation stays, without images.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": [image_id()],
            "responses": answers(vec![("200", answer("The image is deleted.", "Deleted", samples::deleted()))]),
        }),
        Target::Events => live("listen", "Listen to all generations", Vec::new(), answers),
        Target::GenerationEvents => {
            live("listenToGeneration", "Listen to a generation until it has ended", vec![id()], answers)
        }
        Target::UploadSource => json!({
            "operationId": "uploadSource",
            "tags": ["Sources"],
            "summary": "Upload a source image",
            "description": "The user's requests can use the upload as `source_id` for a day. Its bytes determine the file format, not `Content-Type`.",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": query::<UserQuery>(),
            "requestBody": {
                "required": true,
                "description": format!("The file's bytes, at most {} MiB.", MAX_SOURCE_BYTES / 1024 / 1024),
                "content": { "image/png": {}, "image/jpeg": {}, "image/webp": {}, "application/octet-stream": {} },
            },
            "responses": answers(vec![("201", answer("The upload is stored.", "Source", samples::source()))]),
        }),
        Target::Usage => json!({
            "operationId": "getUsage",
            "tags": ["Plan"],
            "summary": "Get a user's plan and what is used of it",
            "security": [{ USER: [] }, { SERVICE: [] }],
            "parameters": query::<UserQuery>(),
            "responses": answers(vec![("200", answer("The plan and what is used of it.", "Usage", samples::usage()))]),
        }),
        Target::Models => json!({
            "operationId": "listModels",
            "tags": ["Service"],
            "summary": "List models",
            "description": "Returns the models with the prices that users are charged. The list is at most a minute old, \
                or ten minutes while the database cannot be reached.",
            "security": [],
            "responses": answers(vec![("200", with_header(
                answer("The models.", "Models", samples::models()), "cache-control", "CacheControl",
            ))]),
        }),
        Target::Config => json!({
            "operationId": "getConfig",
            "tags": ["Service"],
            "summary": "Get the sign-in configuration",
            "security": [],
            "responses": answers(vec![("200", with_header(
                answer("The configuration.", "Config", samples::config()), "cache-control", "CacheControl",
            ))]),
        }),
        Target::OpenApi => json!({
            "operationId": "getOpenApi",
            "tags": ["Service"],
            "summary": "Get this document",
            "security": [],
            "responses": answers(vec![("200", document())]),
        }),
        Target::Health => json!({
            "operationId": "getHealth",
            "tags": ["Service"],
            "summary": "Check that the service is reachable",
            "security": [],
            "responses": answers(vec![("200", answer("The service is reachable.", "Health", json!({ "status": "ok" })))]),
        }),
        Target::StartInserted => json!({
            "operationId": "generateImage",
            "tags": [ORIGINAL],
            "summary": "Start a generation that was inserted",
            "description": "Starts a generation whose row the user has inserted into `image_generations` with the status \
                `pending`. What the body leaves out is what the row says. A second call returns the same start.",
            "security": [{ USER: [] }],
            "requestBody": {
                "required": true,
                "description": "The row's id, and the fields of a start, or none of them.",
                "content": { "application/json": {
                    "schema": inserted(),
                    "example": { "generation_id": samples::GENERATION },
                } },
            },
            "responses": answers(vec![("202", with_header(
                answer("The generation is queued.", "Started", samples::started()),
                "idempotency-replayed",
                "Replayed",
            ))]),
        }),
        Target::StartBatch => json!({
            "operationId": "batchGenerate",
            "tags": [ORIGINAL],
            "summary": "Start a batch that has a name",
            "description": "Starts a generation for each prompt. Tags of prompts are not kept, and the message says so. The \
                path takes no `Idempotency-Key`.",
            "security": [{ USER: [] }],
            "requestBody": {
                "required": true,
                "description": "The prompts, what they have in common, and the batch's name.",
                "content": { "application/json": { "schema": batch(), "example": samples::batch() } },
            },
            "responses": answers(vec![
                ("202", answer("The generations are queued.", "StartedBatch", samples::started_batch())),
            ]),
        }),
        Target::WakeQueue => json!({
            "operationId": "processQueue",
            "tags": [ORIGINAL],
            "summary": "Look at the queue at once",
            "description": "Wakes the worker of the queue, which every start does, too. It is for apps that change a row \
                themselves. Nothing waits for what it does.",
            "security": [{ USER: [] }],
            "responses": answers(vec![("202", answer("The queue is being looked at.", "Woken", json!({ "success": true })))]),
        }),
        Target::ProcessJobs => json!({
            "operationId": "processJobs",
            "tags": [ORIGINAL],
            "summary": "Run the queue",
            "description": "Hands the request to process-jobs, where the deployment binds it.",
            "security": [{ SERVICE: [] }],
            "responses": answers(vec![("200", plain("What was done: counts of jobs."))]),
        }),
        Target::ProcessGeneration => json!({
            "operationId": "processGeneration",
            "tags": [ORIGINAL],
            "summary": "Make an image without the queue",
            "description": "Hands the request to process-generation, where the deployment binds it.",
            "security": [{ SERVICE: [] }],
            "requestBody": {
                "required": true,
                "description": "What to make, as the original's function took it.",
                "content": { "application/json": { "schema": { "type": "object" } } },
            },
            "responses": answers(vec![("200", plain("The image, or why there is none."))]),
        }),
    }
}

fn idempotency_key() -> Value {
    header(
        "Idempotency-Key",
        "A unique name for this request. Within 24 hours, a second request with the same key returns the \
         answer of the first one and creates nothing. A request that fails does not use up its key.",
        json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" }),
    )
}

fn live(name: &str, summary: &str, path: Vec<Value>, answers: impl Fn(Vec<(&str, Value)>) -> Value) -> Value {
    let mut parameters = path;
    parameters.extend(query::<EventsQuery>());
    parameters.push(header(
        "Last-Event-ID",
        "The same as `since`, and goes before it. An `EventSource` sends it when it connects again. One that is no `seq` \
         counts as 0 where there is no `since`, and an empty one as none.",
        json!({ "type": "string" }),
    ));
    let mut good = vec![
        (
            "101",
            plain(
                "A WebSocket. Each text frame is a `LiveMessage`. The server answers the text `ping` with `pong`.",
            ),
        ),
        ("200", stream()),
    ];
    if name == "listenToGeneration" {
        good.push((
            "204",
            plain("The generation has ended, and the client has seen its end: no further event will come."),
        ));
    }
    json!({
        "operationId": name,
        "tags": ["Live channel"],
        "summary": summary,
        "description": "Opens a WebSocket, or server-sent events with `Accept: text/event-stream`. The server sends \
            the current states, then `ready`, then each change. A message may arrive twice. If you connect again with \
            `since`, the server sends what you have missed.",
        "security": [{ USER: [] }, { WEB_SOCKET: [] }],
        "parameters": parameters,
        "responses": answers(good),
    })
}

fn stream() -> Value {
    let mut answer = plain(
        "Server-sent events. Each has `data`, a `LiveMessage`, and `id`, its `seq`; the first one has `retry` as well. \
         In a silence the server sends the line of a comment every 15 seconds to keep the connection open.",
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
        "description": "Sent to `webhook_url` when a generation has ended, signed as defined by Standard Webhooks. It \
            is sent again for up to 32 hours until the receiver answers with a 2xx status.",
        "security": [],
        "parameters": [
            header("webhook-id", "The event's id, the same for every attempt.", text.clone()),
            header("webhook-timestamp", "The time of this attempt, in seconds since 1970.", text.clone()),
            header("webhook-signature", "`v1,` and the base64 of the HMAC-SHA256 of `{id}.{timestamp}.{body}`.", text),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": reference("schemas", "WebhookEvent"),
                "example": samples::webhook(),
            } },
        },
        "responses": {
            "2XX": { "description": "The receiver has accepted the event." },
            "410": { "description": "The receiver does not want the event. It is not sent again." },
        },
    })
}

/// Fields as a start has them.
fn fields_of_a_start<'a>(lists: impl IntoIterator<Item = &'a [&'static str]>) -> Map<String, Value> {
    let names = lists.into_iter().flatten().copied();
    let field =
        |name: &str| json!({ "$ref": format!("#/components/schemas/StartRequest/properties/{name}") });
    names.map(|name| (name.to_owned(), field(name))).collect()
}

/// The body of a start of an inserted row: its id alone, or with what a start needs.
fn inserted() -> Value {
    let mut fields = fields_of_a_start([&PROMPTS[..], &SETTINGS]);
    fields.insert("generation_id".into(), json!({ "type": "string", "format": "uuid" }));
    json!({
        "type": "object",
        "required": ["generation_id"],
        "properties": fields,
        "additionalProperties": false,
    })
}

/// The body of a batch of the original's apps.
fn batch() -> Value {
    let prompt = json!({
        "type": "object",
        "required": ["text"],
        "properties": {
            "text": { "type": "string", "minLength": 1, "maxLength": MAX_PROMPT_CHARS },
            "negative_prompt": { "type": ["string", "null"], "maxLength": MAX_PROMPT_CHARS },
            "seed": { "type": ["integer", "null"], "minimum": SEED.start(), "maximum": SEED.end() },
            "tags": { "description": "Taken and not kept." },
        },
        "additionalProperties": false,
    });
    let mut settings = fields_of_a_start([&SETTINGS[..]]);
    if let Some(steps) = settings.get("num_inference_steps").cloned() {
        settings.insert("steps".into(), steps);
    }
    json!({
        "type": "object",
        "required": ["prompts", "shared_settings"],
        "properties": {
            "prompts": { "type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": prompt },
            "shared_settings": {
                "type": "object",
                "description": "The fields of a start without its prompts; `steps` is `num_inference_steps`.",
                "required": ["model_id"],
                "properties": settings,
                "additionalProperties": false,
            },
            "batch_name": { "type": ["string", "null"], "maxLength": MAX_NAME_CHARS },
        },
        "additionalProperties": false,
    })
}
