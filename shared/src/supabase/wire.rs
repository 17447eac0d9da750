//! What the SQL functions are told, as JSON, and the words with which they answer.

use serde_json::{Value, json};

use crate::ports::{
    CreatedPrediction, Failure, ImageAt, Outcome, Prediction, PredictionNews, PredictionSource, Received,
    Status, StoredImage,
};

/// What is kept with a job of its failure. Owners read it: the provider's own words stay in the log.
pub fn error_details(failure: &Failure) -> Value {
    match failure.once {
        true => json!({ "code": failure.code, "retry": "once" }),
        false => json!({ "code": failure.code }),
    }
}

/// What is kept with the generation of a prediction that is recorded.
pub fn details(created: &CreatedPrediction) -> Value {
    let (width, height) = created.size.unzip();
    json!({
        "source": source(created.source), "model_id": created.model_id, "width": width, "height": height,
        "adjustments": created.adjustments,
    })
}

/// What is told of a prediction that runs or has ended. A success becomes the payload of its download.
pub fn outcome(news: &PredictionNews<'_>) -> Value {
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
pub fn image(stored: &StoredImage) -> Value {
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
pub fn result(stopped: Option<&[Prediction]>) -> Value {
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

/// Reads the `outcome` of `finish_prediction` where no job comes with it.
pub fn received(word: &str) -> Option<Received> {
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
