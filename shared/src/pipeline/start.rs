//! `POST /start-generation`: decide, then one round trip.

use serde_json::Value;

use crate::api::{self, StartedGeneration, Urls};
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

/// What came of a start.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// The body of the 202.
    pub body: api::Started,
    /// The same request came before, with the same idempotency key: nothing was created.
    pub replayed: bool,
}

impl Started {
    /// Makes the answer from what `start_generation` returned. `base` is our own URL as the caller
    /// used it, without a trailing slash. `None`: the database's answer has no generation.
    pub fn from_row(row: &Value, base: &str) -> Option<Self> {
        let rows = row.get("generations").and_then(Value::as_array)?;
        let first = one(row, base)?;
        let batch_id = row.get("batch_id").and_then(Value::as_str).map(str::to_owned);
        let generations = match batch_id {
            Some(_) => Some(rows.iter().map(|row| one(row, base)).collect::<Option<Vec<_>>>()?),
            None => None,
        };
        let body = api::Started {
            success: true,
            generation_id: first.generation_id,
            job_id: first.job_id,
            status: first.status,
            message: match rows.len() {
                0 | 1 => "Generation queued.".to_owned(),
                count => format!("{count} generations queued."),
            },
            queue_position: first.queue_position,
            estimated_seconds: first.estimated_seconds,
            urls: first.urls,
            batch_id,
            generations,
        };
        Some(Self { body, replayed: row.get("replayed").and_then(Value::as_bool).unwrap_or(false) })
    }
}

fn one(row: &Value, base: &str) -> Option<StartedGeneration> {
    let text = |name: &str| row.get(name).and_then(Value::as_str).map(str::to_owned);
    let number = |name: &str| row.get(name).and_then(Value::as_i64);
    let id = text("generation_id")?;
    let path = format!("{base}/generations/{id}");
    Some(StartedGeneration {
        generation_id: id,
        job_id: text("job_id")?,
        status: "queued",
        queue_position: number("queue_position"),
        estimated_seconds: number("estimated_seconds"),
        urls: Urls { cancel: format!("{path}/cancel"), events: format!("{path}/events"), this: path },
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
            json!(started.body),
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
        let body = json!(Started::from_row(&row, "b").unwrap().body);
        assert_eq!(
            (body["batch_id"].as_str(), body["generations"][1]["generation_id"].as_str()),
            (Some("b1"), Some("g2"))
        );
    }
}
