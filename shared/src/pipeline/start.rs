//! `POST /start-generation`: decide, then one round trip.

use serde_json::{Value, json};

use crate::problem::Problem;
use crate::request::{StartRequest, map_ask};
use crate::url_policy::AllowedOrigins;

/// A request that the catalogue accepts, ready for `start_generation`.
#[derive(Debug, Clone)]
pub struct StartPlan {
    /// The argument `p_request`.
    pub request: Value,
}

impl StartPlan {
    /// Parses, checks and maps a body; `allowed` as in [`StartRequest::parse`].
    pub fn from_body(body: &[u8], allowed: &AllowedOrigins) -> Result<Self, Problem> {
        let request = StartRequest::parse(body, allowed)?;
        let mapped = map_ask(&request.ask)?;
        Ok(Self { request: request.to_rpc(&mapped) })
    }
}

/// The answer to a start.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The body of the 202.
    pub body: Value,
    /// The same request came before, with the same idempotency key: nothing was created.
    pub replayed: bool,
}

impl Started {
    /// Makes the answer from what `start_generation` returned. `base` is our own URL as the caller
    /// used it, without a trailing slash. `None`: the database's answer has no generation.
    pub fn from_row(row: &Value, base: &str) -> Option<Self> {
        let generations = row.get("generations").and_then(Value::as_array)?;
        let mut body = one(row, base)?;
        let members = body.as_object_mut()?;
        let message = match generations.len() {
            0 | 1 => "Generation queued.".to_owned(),
            count => format!("{count} generations queued."),
        };
        members.insert("success".into(), json!(true));
        members.insert("message".into(), json!(message));
        if let Some(batch_id) = row.get("batch_id").filter(|id| !id.is_null()) {
            let all: Option<Vec<Value>> =
                generations.iter().map(|generation| one(generation, base)).collect();
            members.insert("batch_id".into(), batch_id.clone());
            members.insert("generations".into(), Value::Array(all?));
        }
        Some(Self { body, replayed: row.get("replayed").and_then(Value::as_bool).unwrap_or(false) })
    }
}

fn one(row: &Value, base: &str) -> Option<Value> {
    let id = row.get("generation_id").and_then(Value::as_str)?;
    Some(json!({
        "generation_id": id,
        "job_id": row.get("job_id"),
        "status": "queued",
        "queue_position": row.get("queue_position"),
        "estimated_seconds": row.get("estimated_seconds"),
        "urls": urls(base, id),
    }))
}

/// Where a generation is found.
fn urls(base: &str, id: &str) -> Value {
    json!({
        "self": format!("{base}/generations/{id}"),
        "cancel": format!("{base}/generations/{id}/cancel"),
        "events": format!("{base}/generations/{id}/events"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Code;

    #[test]
    fn an_unknown_model_is_named_so() {
        let problem =
            StartPlan::from_body(br#"{"prompt":"a","model_id":"no/such"}"#, &AllowedOrigins::default())
                .unwrap_err();
        assert_eq!((problem.code, problem.code.status()), (Code::UnknownModel, 404));
    }

    #[test]
    fn the_answer_has_the_contracts_shape() {
        let row = json!({
            "generation_id": "g1", "job_id": "j1", "status": "queued", "queue_position": 1, "estimated_seconds": 5,
            "batch_id": null, "replayed": true,
            "generations": [{"generation_id": "g1", "job_id": "j1", "queue_position": 1, "estimated_seconds": 5}]
        });
        let started = Started::from_row(&row, "https://x.example/functions/v1").unwrap();
        assert!(started.replayed);
        assert_eq!(
            started.body,
            json!({
                "success": true, "generation_id": "g1", "job_id": "j1", "status": "queued",
                "message": "Generation queued.", "queue_position": 1, "estimated_seconds": 5,
                "urls": {
                    "self": "https://x.example/functions/v1/generations/g1",
                    "cancel": "https://x.example/functions/v1/generations/g1/cancel",
                    "events": "https://x.example/functions/v1/generations/g1/events"
                }
            })
        );
        assert_eq!(Started::from_row(&json!({}), "b"), None);
    }

    #[test]
    fn a_batch_lists_its_generations() {
        let row = json!({
            "generation_id": "g1", "job_id": "j1", "batch_id": "b1",
            "generations": [{"generation_id": "g1", "job_id": "j1"}, {"generation_id": "g2", "job_id": "j2"}]
        });
        let body = Started::from_row(&row, "b").unwrap().body;
        assert_eq!(
            (body["batch_id"].as_str(), body["generations"][1]["generation_id"].as_str()),
            (Some("b1"), Some("g2"))
        );
    }
}
