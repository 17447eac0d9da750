//! Generations as their owner sees them, on the SQL functions that are open to signed-in users, and the prices that
//! are open to everybody.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::rpc::{Rpc, RpcError};
use super::wire;
use crate::http::json_text::JsonText;
use crate::http::list_query::ListQuery;
use crate::http::marks::{ImageMarks, ImagesMarks};
use crate::http::models::{Charged, ChargedModel};
use crate::http::types::Price;
use crate::ports::{
    DatabaseError, Http, LeasedJobs, NewGenerations, PriceList, QueuedGeneration, StartKind, Started,
    UserGenerations,
};

/// Generations, seen with the user's own token: the database decides a second time.
pub struct Generations<'a, H>(Rpc<'a, H>);

impl<'a, H: Http> Generations<'a, H> {
    /// Generations that are asked for with the user's token.
    pub fn new(rpc: Rpc<'a, H>) -> Self {
        Self(rpc)
    }

    async fn call(
        &self,
        function: &str,
        arguments: &Value,
        idempotent: bool,
    ) -> Result<Value, DatabaseError> {
        twice(idempotent, async || self.0.call(function, arguments).await).await
    }

    /// What a function answers, for whoever asked. It must change nothing that listeners hear of, for its answer is not
    /// looked into, and the same twice.
    async fn pass(&self, function: &str, arguments: &Value) -> Result<JsonText, DatabaseError> {
        twice(true, async || self.0.pass(function, arguments).await).await
    }
}

/// Arguments that name the user whom a server acts for, where it does.
fn for_user(user_id: Option<Uuid>) -> Map<String, Value> {
    user_id.map(|id| ("p_user_id".to_owned(), json!(id))).into_iter().collect()
}

/// Calls, and once more where that may help and cannot happen twice: somebody is waiting.
async fn twice<T>(idempotent: bool, call: impl AsyncFn() -> Result<T, RpcError>) -> Result<T, DatabaseError> {
    let answer = match call().await {
        Err(error) if error.is_repeatable(idempotent) => call().await,
        answer => answer,
    };
    answer.map_err(database_error)
}

/// The tokens that we send are verified, so that one that is not accepted will be.
fn database_error(error: RpcError) -> DatabaseError {
    match error {
        RpcError::Refused(problem) => DatabaseError::Refused(problem),
        RpcError::Transient(_) | RpcError::Unavailable(_) | RpcError::Denied(_) => {
            DatabaseError::Unavailable(error.to_string())
        }
        RpcError::Forbidden(cause) | RpcError::Defect(cause) => DatabaseError::Defect(cause),
    }
}

impl<H: Http> UserGenerations for Generations<'_, H> {
    async fn start(&self, new: &NewGenerations<'_>) -> Result<Started, DatabaseError> {
        let request = new
            .asked
            .map_or_else(|| json!({}), |(request, mapped)| wire::start_request(request, mapped, new.parent));
        let mut arguments = for_user(new.user_id);
        arguments.insert("p_request".into(), request);
        arguments.insert("p_next".into(), json!(new.hand_over));
        let (function, idempotent) = match new.kind {
            StartKind::Plain(None) => ("start_generation", false),
            StartKind::Plain(Some(key)) => {
                arguments.insert("p_idempotency_key".into(), json!(key.key));
                arguments.insert("p_request_hash".into(), json!(key.request_hash));
                ("start_generation", true)
            }
            StartKind::Inserted(id) => {
                arguments.insert("p_generation_id".into(), json!(id));
                ("start_inserted_generation", true)
            }
            StartKind::Batch(name) => {
                arguments.insert("p_name".into(), json!(name));
                ("start_batch", false)
            }
        };
        let answer = self.call(function, &Value::Object(arguments), idempotent).await?;
        started(&answer).ok_or_else(|| DatabaseError::Defect(format!("{function}: no generation")))
    }

    async fn get(&self, id: Uuid) -> Result<JsonText, DatabaseError> {
        self.pass("get_generation", &json!({ "p_generation_id": id })).await
    }

    async fn list(&self, query: &ListQuery) -> Result<JsonText, DatabaseError> {
        self.pass("list_generations", &wire::list_query(query)).await
    }

    async fn kept_request(&self, id: Uuid) -> Result<JsonText, DatabaseError> {
        self.pass("kept_request", &json!({ "p_generation_id": id })).await
    }

    async fn cancel(&self, id: Uuid) -> Result<(), DatabaseError> {
        let answer = self.call("cancel_generation", &json!({ "p_generation_id": id }), true).await?;
        match answer.get("status").and_then(Value::as_str) {
            Some("cancelled") => Ok(()),
            word => Err(DatabaseError::Defect(format!("cancel_generation: not cancelled: {word:?}"))),
        }
    }

    async fn retry(&self, id: Uuid) -> Result<JsonText, DatabaseError> {
        let generation = self.call("retry_generation", &json!({ "p_generation_id": id }), true).await?;
        Ok(JsonText::new(generation.to_string()))
    }

    // Not twice: what is gone is not found the second time.
    async fn delete(&self, id: Uuid) -> Result<(), DatabaseError> {
        self.call("delete_generation", &json!({ "p_generation_id": id }), false).await.map(drop)
    }

    async fn delete_image(&self, id: Uuid) -> Result<(), DatabaseError> {
        self.call("delete_image", &json!({ "p_image_id": id }), false).await.map(drop)
    }

    async fn mark_image(&self, id: Uuid, marks: ImageMarks) -> Result<JsonText, DatabaseError> {
        self.pass("mark_image", &json!({ "p_image_id": id, "p_marks": marks })).await
    }

    async fn mark_images(&self, asked: &ImagesMarks) -> Result<JsonText, DatabaseError> {
        let mut arguments = for_user(asked.user_id);
        arguments.insert("p_image_ids".into(), json!(asked.ids));
        arguments.insert("p_marks".into(), json!(asked.marks));
        self.pass("mark_images", &Value::Object(arguments)).await
    }

    async fn usage(&self, user_id: Option<Uuid>) -> Result<JsonText, DatabaseError> {
        self.pass("user_usage", &Value::Object(for_user(user_id))).await
    }
}

fn started(answer: &Value) -> Option<Started> {
    let mut queued = answer.get("generations")?.as_array()?.iter().map(queued);
    Some(Started {
        batch_id: uuid(answer, "batch_id"),
        first: queued.next()??,
        others: queued.collect::<Option<_>>()?,
        replayed: answer.get("replayed").and_then(Value::as_bool).unwrap_or(false),
        leased: answer.get("next").and_then(leased),
        has_webhook: answer.get("webhooks").is_some(),
    })
}

fn queued(row: &Value) -> Option<QueuedGeneration> {
    let number = |name: &str| row.get(name).and_then(Value::as_i64);
    Some(QueuedGeneration {
        id: uuid(row, "generation_id")?,
        job_id: uuid(row, "job_id")?,
        queue_position: number("queue_position"),
        estimated_seconds: number("estimated_seconds"),
    })
}

fn leased(jobs: &Value) -> Option<LeasedJobs> {
    Some(LeasedJobs { count: jobs.as_array()?.len(), jobs: JsonText::new(jobs.to_string()) })
}

fn uuid(row: &Value, name: &str) -> Option<Uuid> {
    Uuid::try_parse(row.get(name)?.as_str()?).ok()
}

/// The price list, which needs no token.
pub struct Prices<'a, H>(Rpc<'a, H>);

impl<'a, H: Http> Prices<'a, H> {
    /// Prices that are asked for with the project's public key.
    pub fn new(rpc: Rpc<'a, H>) -> Self {
        Self(rpc)
    }
}

impl<H: Http> PriceList for Prices<'_, H> {
    async fn charged(&self) -> Result<Charged, DatabaseError> {
        let rows = self.0.call("model_prices", &json!({})).await.map_err(database_error)?;
        charged(&rows).ok_or_else(|| DatabaseError::Defect("model_prices: no list of models".into()))
    }
}

fn charged(rows: &Value) -> Option<Charged> {
    let model = |row: &Value| {
        let number = |name: &str| row.get(name).and_then(Value::as_f64);
        Some(ChargedModel {
            id: row.get("id")?.as_str()?.to_owned(),
            price: number("usd_per_image").map(|usd_per_image| Price {
                usd_per_image,
                usd_per_megapixel: number("usd_per_megapixel"),
                usd_per_second: number("usd_per_second"),
                usd_per_source_megapixel: number("usd_per_source_megapixel"),
                max_source_megapixels: number("max_source_megapixels").map(|most| most as u32),
            }),
            is_available: row.get("is_available") != Some(&Value::Bool(false)),
        })
    };
    rows.as_array()?.iter().map(model).collect::<Option<_>>().map(Charged)
}
