//! The operators' own judge of prompts: docs/operations/runbook/moderation.md says what it is asked and answers.

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use crate::adapters::json_body::json_of;
use crate::ports::{Http, HttpRequest};
use crate::settings::Moderation;

/// Users read the reason: so many characters of it at most.
const MAX_REASON_CHARS: usize = 300;
const MAX_ANSWER_BYTES: usize = 16 * 1024;

/// What is judged.
#[derive(Debug, Serialize)]
pub struct ToJudge<'a> {
    /// Of each image.
    pub prompts: Vec<&'a str>,
    /// The model's id.
    pub model_id: &'a str,
    /// Who asks for it.
    pub user_id: Option<Uuid>,
}

/// What the judge says.
#[derive(Debug, PartialEq, Eq)]
pub enum Judgement {
    /// They may be made.
    Allowed,
    /// They may not, for this reason, in words for the user.
    Refused(String),
    /// Nothing was said; the cause is for the log.
    Failed(String),
}

/// Asks the judge, for as long as its time limit.
pub async fn judge(http: &impl Http, moderation: &Moderation, what: &ToJudge<'_>) -> Judgement {
    let mut request = HttpRequest::new("POST", moderation.url.as_str())
        .header("content-type", "application/json")
        .timeout(moderation.timeout)
        .at_most(MAX_ANSWER_BYTES);
    request.body = serde_json::to_string(what).unwrap_or_default();
    if let Some(secret) = &moderation.secret {
        request = request.header("authorization", format!("Bearer {secret}"));
    }
    let response = match http.send(request).await {
        Ok(response) if response.status == 200 => response,
        Ok(response) => return Judgement::Failed(format!("status {}", response.status)),
        Err(error) => return Judgement::Failed(error.to_string()),
    };
    let answer = json_of(&response);
    match answer.get("allow").and_then(Value::as_bool) {
        Some(true) => Judgement::Allowed,
        Some(false) => {
            let reason = answer.get("reason").and_then(Value::as_str).unwrap_or_default().trim();
            let reason = if reason.is_empty() { "This prompt is not made here." } else { reason };
            Judgement::Refused(reason.chars().take(MAX_REASON_CHARS).collect())
        }
        None => Judgement::Failed("its answer has no member allow".into()),
    }
}
