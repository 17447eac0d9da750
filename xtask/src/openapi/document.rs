//! The document as a whole.

use serde_json::{Map, Value, json};
use shared::http::routes::ROUTES;

use super::operations::operation;
use super::parts::{ORIGINAL, SERVICE, USER, WEB_SOCKET, headers};
use super::problems::responses;
use super::schemas::schemas;

const DESCRIPTION: &str = "\
Start a generation with `POST /start-generation`, follow it on the live channel or with \
`GET /generations/{id}`, and fetch the image at its URL.\n\n\
New fields may be added to answers, and new codes to problems: ignore what you do not know. A request has no other \
fields than those that are named here: `invalid_request` says which one is unknown, and which may be meant. A field of \
a request that is `null` counts as left out; one of an answer that may be missing is never `null`. Every answer has an `x-request-id` header and CORS headers. A wrong method returns 405 \
with `Allow`, an unknown path 404.";

/// The OpenAPI document, <https://spec.openapis.org/oas/v3.1.1.html>.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "Picture Queue",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [
            { "url": "/", "description": "The server of this document." },
            { "url": "/functions/v1", "description": "The same server, with the prefix that supabase-js uses." },
        ],
        "tags": [
            { "name": "Generations", "description": "Start, follow and cancel generations." },
            { "name": "Images", "description": "Mark and delete finished images." },
            { "name": "Live channel", "description": "Receive changes as they happen." },
            { "name": "Sources", "description": "Upload images to start from." },
            { "name": "Plan", "description": "What the user may do, and has done." },
            { "name": "Service", "description": "Models and configuration. No token needed." },
            { "name": ORIGINAL, "description": "What apps of the original call. New apps need none of it." },
        ],
        "paths": paths(),
        "components": {
            "schemas": schemas(),
            "responses": responses(),
            "headers": headers(),
            "securitySchemes": {
                USER: {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "The access token of a user who is signed in to the Supabase project.",
                },
                SERVICE: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "apikey",
                    "description": "The secret key of the Supabase project, as `apikey` or as bearer token. Never in an app. With \
                        it a server acts for a user: for the owner of the generation or the image in the path, otherwise \
                        for the one that `user_id` names.",
                },
                WEB_SOCKET: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Sec-WebSocket-Protocol",
                    "description": "`picture-queue.v1, bearer.<access token>`. Browsers cannot set other headers \
                        of a WebSocket. The server selects `picture-queue.v1`.",
                },
            },
        },
    })
}

/// Path by path, the operations of the routing table.
fn paths() -> Value {
    let mut paths = Map::new();
    for (method, pattern, target) in ROUTES {
        let path = pattern.replace(':', "{id}");
        let methods = paths.entry(path).or_insert_with(|| json!({}));
        if let Some(methods) = methods.as_object_mut() {
            methods.insert(method.to_lowercase(), operation(*target));
        }
    }
    Value::Object(paths)
}
