//! What the SQL functions are told, as JSON, and the words with which they answer.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::catalogue::{GenerationParams, Mapped};
use crate::http::list_query::ListQuery;
use crate::http::request::StartRequest;
use crate::ports::{
    CreatedPrediction, Failure, ImageAt, Outcome, Prediction, PredictionNews, PredictionSource, Received,
    Status, StoredImage,
};

/// What is kept with a job of its failure. Owners read it: the provider's own words stay in the log.
pub(super) fn error_details(failure: &Failure) -> Value {
    match failure.once {
        true => json!({ "code": failure.code, "retry": "once" }),
        false => json!({ "code": failure.code }),
    }
}

/// What is kept with the generation of a prediction that is recorded.
pub(super) fn details(created: &CreatedPrediction) -> Value {
    let (width, height) = created.size.unzip();
    json!({
        "source": source(created.source), "model_id": created.model_id, "width": width, "height": height,
        "adjustments": created.adjustments,
    })
}

/// What is told of a prediction that runs or has ended. A success becomes the payload of its download.
pub(super) fn outcome(news: &PredictionNews<'_>) -> Value {
    let prediction = news.prediction;
    let mut told = match &prediction.outcome {
        Outcome::Running => json!({ "status": "running" }),
        Outcome::Succeeded { image, .. } => {
            let (place, image) = match image {
                ImageAt::Url(url) => ("output_url", json!(url)),
                ImageAt::Inside => ("inline", json!(true)),
            };
            json!({
                "status": "succeeded", place: image, "predict_time": prediction.predict_time,
                "completed_at": prediction.completed_at(),
            })
        }
        Outcome::Failed { failure, .. } => json!({
            "status": "failed", "error_message": failure.message, "error_code": failure.code,
            "error_details": error_details(failure),
            "retry_in_seconds": news.retry_in.map(|wait| wait.as_secs_f64()),
            "predict_time": prediction.predict_time,
        }),
    };
    if let Some(told) = told.as_object_mut() {
        told.insert("provider_status".into(), json!(provider_status(prediction)));
        told.insert("source".into(), json!(source(news.source)));
    }
    told
}

/// The row of a stored image.
pub(super) fn image(stored: &StoredImage) -> Value {
    let (width, height) = stored.head.size.unzip();
    json!({
        "storage_path": stored.path,
        "public_url": stored.public_url,
        "filename": stored.path.rsplit('/').next(),
        "file_size": stored.bytes,
        "width": width,
        "height": height,
        "format": stored.head.format.extension(),
    })
}

/// What is kept with a job that is done: the predictions that it has stopped, or found to have ended.
pub(super) fn result(stopped: Option<&[Prediction]>) -> Value {
    let seen = |one: &Prediction| json!({ "id": one.id, "status": provider_status(one), "predict_time": one.predict_time });
    stopped
        .map_or(Value::Null, |stopped| json!({ "predictions": stopped.iter().map(seen).collect::<Vec<_>>() }))
}

/// The ledger's word for how a prediction ended; `running` where it has not.
fn provider_status(prediction: &Prediction) -> &'static str {
    match prediction.status {
        _ if prediction.is_running() => "running",
        Status::Succeeded => "succeeded",
        Status::Failed => "failed",
        Status::Canceled => "canceled",
        Status::Aborted => "aborted",
        Status::Starting | Status::Processing | Status::Other => "unknown",
    }
}

/// The ledger's word for how the system came to know a prediction.
fn source(source: PredictionSource) -> &'static str {
    match source {
        PredictionSource::Created => "created",
        PredictionSource::Adopted => "adopted",
        PredictionSource::Webhook => "webhook",
    }
}

/// The argument `p_request` of `start_generation`: what was asked, and what will be made of it.
pub(super) fn start_request(request: &StartRequest, mapped: &Mapped, parent: Option<Uuid>) -> Value {
    let mut told = params(&request.params);
    told.insert("operation".into(), json!(mapped.operation));
    let items = request.items.iter().map(|item| {
        let mut told = Map::new();
        told.insert("prompt".into(), json!(item.prompt));
        told.insert("seed".into(), json!(item.seed));
        put(&mut told, "negative_prompt", &item.negative_prompt);
        Value::Object(told)
    });
    told.insert("items".into(), items.collect());
    told.insert("adjustments".into(), json!(mapped.adjustments));
    put(
        &mut told,
        "output",
        &mapped.output.map(|(width, height)| json!({ "width": width, "height": height })),
    );
    put(&mut told, "priority", &request.priority);
    put(&mut told, "scheduled_at", &request.scheduled_at);
    put(&mut told, "expires_in", &request.expires_in);
    put(&mut told, "webhook_url", &request.webhook_url);
    put(&mut told, "parent_id", &parent);
    put(&mut told, "country", &request.country);
    Value::Object(told)
}

/// What all generations of a request have in common. Prompts and seeds are with the items.
fn params(params: &GenerationParams) -> Map<String, Value> {
    let mut told = Map::new();
    told.insert("model_id".into(), json!(params.model_id));
    put(&mut told, "model_version", &params.model_version);
    put(&mut told, "negative_prompt", &params.negative_prompt);
    put(&mut told, "width", &params.width);
    put(&mut told, "height", &params.height);
    put(&mut told, "aspect_ratio", &params.aspect_ratio);
    put(&mut told, "output_format", &params.output_format);
    put(&mut told, "num_inference_steps", &params.num_inference_steps);
    put(&mut told, "guidance_scale", &params.guidance_scale);
    match params.sources.as_slice() {
        [] => {}
        [one] => {
            if let Value::Object(one) = json!(one) {
                told.extend(one);
            }
        }
        several => {
            told.insert("sources".into(), json!(several));
        }
    }
    put(&mut told, "mask", &params.mask);
    put(&mut told, "strength", &params.strength);
    put(&mut told, "scale", &params.scale);
    put(&mut told, "style", &params.style);
    told
}

fn put<T: Serialize>(told: &mut Map<String, Value>, name: &str, value: &Option<T>) {
    if let Some(value) = value {
        told.insert(name.into(), json!(value));
    }
}

/// The arguments of `list_generations`; a filter that is not there is left out.
pub(super) fn list_query(query: &ListQuery) -> Value {
    let mut told = Map::new();
    told.insert("p_limit".into(), json!(query.limit));
    put(&mut told, "p_cursor", &query.cursor);
    put(&mut told, "p_status", &query.status);
    put(&mut told, "p_batch_id", &query.batch_id);
    put(&mut told, "p_model_id", &query.model_id);
    put(&mut told, "p_operation", &query.operation);
    put(&mut told, "p_favorite", &query.favorite);
    put(&mut told, "p_archived", &query.archived);
    put(&mut told, "p_parent_id", &query.parent_id);
    put(&mut told, "p_q", &query.text);
    put(&mut told, "p_created_after", &query.created_after.map(time));
    put(&mut told, "p_created_before", &query.created_before.map(time));
    put(&mut told, "p_user_id", &query.user_id);
    Value::Object(told)
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Reads the `outcome` of `finish_prediction` where no job comes with it.
pub(super) fn received(word: &str) -> Option<Received> {
    Some(match word {
        "recorded" => Received::Recorded,
        "running" => Received::Running,
        "retrying" => Received::Retrying,
        "failed" => Received::Failed,
        "duplicate" => Received::Duplicate,
        "mismatch" => Received::Mismatch,
        "cancelled" => Received::Cancelled,
        "stale" => Received::Stale,
        _ => return None,
    })
}
