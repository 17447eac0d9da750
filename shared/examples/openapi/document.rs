//! The document as a whole.

use serde_json::{Map, Value, json};
use shared::api::routes::ROUTES;

use super::operations::operation;
use super::parts::{USER, WEB_SOCKET, headers};
use super::problems::responses;
use super::schemas::schemas;

const DESCRIPTION: &str = "\
Pictures from a queue: ask with `POST /start-generation`, follow on the live channel or with \
`GET /generations/{id}`, fetch the picture at its URL.\n\n\
Members may be added to answers, and codes to problems: ignore what you do not know. A member that may be \
missing is never null. Every answer carries `x-request-id` and CORS headers. Wrong methods are answered 405 \
with `Allow`, unknown paths 404.";

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
            { "url": "/", "description": "Where this document is." },
            { "url": "/functions/v1", "description": "The same, as supabase-js calls it." },
        ],
        "tags": [
            { "name": "Generations", "description": "Pictures: asking for them and following them." },
            { "name": "Live channel", "description": "Being told instead of asking." },
            { "name": "Sources", "description": "Pictures to start from." },
            { "name": "Service", "description": "What there is. No token needed." },
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
                WEB_SOCKET: {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Sec-WebSocket-Protocol",
                    "description": "`picture-queue.v1, bearer.<access token>`: browsers cannot set other headers \
                        of a WebSocket. The answer selects `picture-queue.v1`.",
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
