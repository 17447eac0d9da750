//! Whether Storage has done what it was asked to: the one rule for every write.

use serde_json::Value;

use crate::adapters::json_body::json_of;
use crate::ports::HttpResponse;

/// Storage has not said that it did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotWritten {
    /// The status that is meant.
    pub(super) status: u16,
    /// For operators.
    pub(super) cause: String,
}

/// Whether a file lies in Storage now: it names it.
pub(super) fn stored(response: &HttpResponse) -> Result<(), NotWritten> {
    proven_by(response, |body| body.get("Key").is_some_and(Value::is_string))
}

/// Whether files are gone from Storage: it lists those that it found.
pub(super) fn removed(response: &HttpResponse) -> Result<(), NotWritten> {
    proven_by(response, Value::is_array)
}

/// A success alone proves nothing, for something in between may answer 200 as well: `proof` looks for what
/// Storage alone says. An own status of Storage mostly is 400, and the one that is meant stands in the body,
/// <https://supabase.com/docs/guides/storage/debugging/error-codes>.
fn proven_by(response: &HttpResponse, proof: fn(&Value) -> bool) -> Result<(), NotWritten> {
    let body = json_of(response);
    let answered = response.status;
    if response.is_success() {
        let cause = || format!("storage answered {answered} without saying what it did");
        return if proof(&body) { Ok(()) } else { Err(NotWritten { status: 503, cause: cause() }) };
    }
    let meant = match body.get("statusCode") {
        Some(Value::String(text)) => text.parse().ok(),
        Some(number) => number.as_u64().and_then(|number| u16::try_from(number).ok()),
        None => None,
    };
    let status = meant.unwrap_or(answered);
    Err(NotWritten { status, cause: format!("storage answered {answered} and means {status}") })
}
