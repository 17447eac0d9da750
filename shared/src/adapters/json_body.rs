//! JSON over the HTTP port, for the adapters whose services speak it.

use serde_json::Value;

use crate::ports::{HttpRequest, HttpResponse};

/// Sets a JSON body.
pub(crate) fn with_json(mut request: HttpRequest, body: &Value) -> HttpRequest {
    request.body = body.to_string();
    request.header("content-type", "application/json")
}

/// An answer's body as JSON, `Null` where it is none.
pub(crate) fn json_of(response: &HttpResponse) -> Value {
    serde_json::from_slice(&response.body).unwrap_or(Value::Null)
}
