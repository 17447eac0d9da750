//! What operations are put together from.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use shared::http::problem::Code;

use super::problems::response_name;
use super::schemas::{names, schema_of};

/// The security scheme of a token in `Authorization`.
pub const USER: &str = "user";
/// The security scheme of a token in `Sec-WebSocket-Protocol`.
pub const WEB_SOCKET: &str = "webSocket";

/// The security scheme of the service key.
pub const SERVICE: &str = "service";
/// The tag of the original's functions.
pub const ORIGINAL: &str = "Functions of the original";

/// A reference to a component.
pub fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

/// Headers of answers.
pub fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of this request in the server's logs.",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        },
        "RetryAfter": {
            "description": "How long to wait before trying again, in seconds.",
            "required": true,
            "schema": { "type": "integer", "minimum": 0 },
        },
        // Beside codes that do not pass.
        "MayRetryAfter": {
            "description": "How long to wait before trying again, in seconds, if trying again can help.",
            "schema": { "type": "integer", "minimum": 0 },
        },
        "Replayed": {
            "description": "`true` if this is the answer of an earlier request with the same idempotency key; nothing was created.",
            "schema": { "type": "string", "const": "true" },
        },
        "Challenge": {
            "description": "The authentication scheme (RFC 9110).",
            "required": true,
            "schema": { "type": "string", "const": "Bearer" },
        },
        "CacheControl": {
            "description": "How long the answer may be cached.",
            "required": true,
            "schema": { "type": "string" },
        },
    })
}

/// An answer without a body that is JSON.
pub fn plain(description: &str) -> Value {
    json!({
        "description": description,
        "headers": { "x-request-id": reference("headers", "RequestId") },
    })
}

/// An answer of a type, with an example.
pub fn answer(description: &str, schema: &str, sample: Value) -> Value {
    let mut answer = plain(description);
    if let Some(answer) = answer.as_object_mut() {
        let content = json!({ "schema": reference("schemas", schema), "example": sample });
        answer.insert("content".into(), json!({ "application/json": content }));
    }
    answer
}

/// The same with one more header.
pub fn with_header(mut answer: Value, header: &str, name: &str) -> Value {
    if let Some(headers) = answer.get_mut("headers").and_then(Value::as_object_mut) {
        headers.insert(header.into(), reference("headers", name));
    }
    answer
}

/// Answers by status: the one that is hoped for, and one for each status of the problems.
pub fn answers(good: Vec<(&str, Value)>, codes: &[Code]) -> Value {
    let mut all: Map<String, Value> =
        good.into_iter().map(|(status, answer)| (status.to_owned(), answer)).collect();
    for code in codes {
        let same: Vec<Code> = codes.iter().copied().filter(|other| other.status() == code.status()).collect();
        all.insert(code.status().to_string(), reference("responses", &response_name(&same)));
    }
    all.insert("default".into(), reference("responses", "Problem"));
    Value::Object(all)
}

/// The members of a type as parameters of the query.
pub fn query<T: JsonSchema>() -> Vec<Value> {
    let schema = schema_of::<T>();
    let members = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    let parameters = names::<T>().into_iter().map(|name| {
        let mut schema = members.get(&name).cloned().unwrap_or_default();
        let description = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        json!({ "name": name, "in": "query", "description": description, "schema": schema })
    });
    parameters.collect()
}

/// A header that may be sent.
pub fn header(name: &str, description: &str, schema: Value) -> Value {
    json!({ "name": name, "in": "header", "description": description, "schema": schema })
}

/// The image that a path names.
pub fn image_id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The image's id.",
        "schema": { "type": "string", "format": "uuid" },
    })
}

/// The generation that a path names.
pub fn id() -> Value {
    json!({
        "name": "id", "in": "path", "required": true, "description": "The generation's id.",
        "schema": { "type": "string", "format": "uuid" },
    })
}
