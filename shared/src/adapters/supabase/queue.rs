//! The job queue on its SQL functions: one call a step, each one transaction.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::persist::persist;
use super::rpc::{Rpc, RpcError};
use super::wire;
use crate::job::{Job, JobType};
use crate::ports::{
    AfterPrediction, Bucket, Clock, CreatedPrediction, Failure, Finished, Http, JobQueue, Paused, Prediction,
    PredictionNews, ProgressNoted, QueueError, Random, Recorded, Refusal, Refused, Removable, Step,
    StoredImage,
};
use crate::progress::Progress;

/// The queue, seen with the service key.
pub struct Queue<'a, H, W> {
    rpc: Rpc<'a, H>,
    runtime: &'a W,
}

impl<'a, H: Http, W: Clock + Random> Queue<'a, H, W> {
    /// A queue that calls with the service key, and again where an answer may pass.
    pub fn new(rpc: Rpc<'a, H>, runtime: &'a W) -> Self {
        Self { rpc, runtime }
    }

    pub(super) async fn call(&self, function: &str, arguments: Value) -> Result<Value, QueueError> {
        persist(self.runtime, async || self.call_once(function, &arguments).await).await
    }

    pub(super) async fn call_once(&self, function: &str, arguments: &Value) -> Result<Value, QueueError> {
        self.rpc.call(function, arguments).await.map_err(|error| match error {
            RpcError::Transient(cause) | RpcError::Unavailable(cause) => QueueError::Unavailable(cause),
            // A right that is missing for good is seldom; after a change of the schema it comes back.
            RpcError::Denied(cause) | RpcError::Forbidden(cause) => QueueError::Denied(cause),
            RpcError::Defect(cause) => QueueError::Defect(cause),
            RpcError::Refused(problem) => QueueError::Defect(problem.detail),
        })
    }

    /// A step that is done by one of these words.
    pub(super) async fn step(
        &self,
        function: &str,
        arguments: Value,
        done: &[&str],
    ) -> Result<Step, QueueError> {
        match outcome(&self.call(function, arguments).await?) {
            "stale" => Ok(Step::Stale),
            word if done.contains(&word) => Ok(Step::Done),
            word => Err(unknown(function, word)),
        }
    }
}

/// The answer has no `outcome`, or a word that is none of the function's.
pub(super) fn unknown(function: &str, word: &str) -> QueueError {
    QueueError::Defect(format!("{function}: no outcome that is known: {word:?}"))
}

pub(super) fn outcome(answer: &Value) -> &str {
    answer.get("outcome").and_then(Value::as_str).unwrap_or_default()
}

fn read_recorded(answer: &mut Value) -> Result<Recorded, QueueError> {
    match outcome(answer) {
        "recorded" if answer.get("resumed").is_some() => Ok(Recorded::Resumed),
        "recorded" => Ok(Recorded::Noted),
        "stale" => Ok(Recorded::Unwanted(follow_up("record_prediction", answer)?)),
        word => Err(unknown("record_prediction", word)),
    }
}

/// The leased job that a step has handed back.
fn follow_up(function: &str, answer: &mut Value) -> Result<Option<Box<Job>>, QueueError> {
    let job = answer.get_mut("job").map(Value::take).filter(|job| !job.is_null());
    job.map(|job| serde_json::from_value(job).map(Box::new))
        .transpose()
        .map_err(|error| QueueError::Defect(format!("{function}: {error}")))
}

impl<H: Http, W: Clock + Random> JobQueue for Queue<'_, H, W> {
    async fn claim(&self, limit: u32, lease: Duration, types: &[JobType]) -> Result<Vec<Job>, QueueError> {
        let types: Vec<&str> = types.iter().map(|one| one.as_str()).collect();
        let arguments = json!({ "p_limit": limit, "p_lease_seconds": lease.as_secs(), "p_job_types": types });
        let rows = self.call("claim_jobs", arguments).await?;
        serde_json::from_value(rows).map_err(|error| QueueError::Defect(format!("claim_jobs: {error}")))
    }

    async fn record_prediction(
        &self,
        job: &Job,
        created: &CreatedPrediction,
        wait: Duration,
    ) -> Result<Recorded, QueueError> {
        let arguments = json!({
            "p_job_id": job.id, "p_lease": job.lease, "p_prediction_id": created.id,
            "p_wait_seconds": wait.as_secs(), "p_details": wire::details(created),
        });
        read_recorded(&mut self.call("record_prediction", arguments).await?)
    }

    async fn record_predictions(
        &self,
        created: &[(&Job, CreatedPrediction)],
        wait: Duration,
    ) -> Result<Vec<Recorded>, QueueError> {
        let predictions: Vec<Value> = created
            .iter()
            .map(|(job, one)| {
                json!({
                    "job_id": job.id, "lease": job.lease, "prediction_id": one.id, "details": wire::details(one),
                })
            })
            .collect();
        let arguments = json!({ "p_predictions": predictions, "p_wait_seconds": wait.as_secs() });
        let mut answer = self.call("record_predictions", arguments).await?;
        let answers = answer.get_mut("answers").and_then(Value::as_array_mut);
        match answers.filter(|answers| answers.len() == created.len()) {
            Some(answers) => answers.iter_mut().map(read_recorded).collect(),
            None => Err(QueueError::Defect("record_predictions: not an answer for each".into())),
        }
    }

    async fn record_progress(
        &self,
        job_id: Uuid,
        prediction_id: &str,
        progress: &Progress,
    ) -> Result<ProgressNoted, QueueError> {
        let arguments = json!({
            "p_job_id": job_id, "p_prediction_id": prediction_id, "p_progress": progress.percent,
            "p_started_at": progress.started_at,
        });
        // What is lost is made up for by the next sign of progress.
        match outcome(&self.call_once("record_progress", &arguments).await?) {
            "recorded" => Ok(ProgressNoted::Recorded),
            "stale" => Ok(ProgressNoted::Stale),
            "unknown" => Ok(ProgressNoted::Unknown),
            word => Err(unknown("record_progress", word)),
        }
    }

    async fn finish_prediction(
        &self,
        job_id: Uuid,
        news: PredictionNews<'_>,
        lease: Duration,
        more: u32,
    ) -> Result<Finished, QueueError> {
        let mut told = wire::outcome(&news);
        if let Some(told) = told.as_object_mut() {
            // By chance, so that a repetition of this call, and nobody else, gets what it has ended by.
            told.insert("call".into(), json!(self.runtime.unit()));
        }
        let arguments = json!({
            "p_job_id": job_id, "p_prediction_id": news.prediction.id, "p_outcome": told,
            "p_lease_seconds": lease.as_secs(), "p_next": more,
        });
        let mut answer = self.call("finish_prediction", arguments).await?;
        let more = match answer.get_mut("next").map(Value::take) {
            Some(jobs) => serde_json::from_value(jobs)
                .map_err(|error| QueueError::Defect(format!("finish_prediction: {error}")))?,
            None => Vec::new(),
        };
        let job = follow_up("finish_prediction", &mut answer)?;
        let word = outcome(&answer);
        let next = match (wire::received(word), job) {
            (None, Some(job)) if word == "download" => AfterPrediction::Run(job),
            (Some(_), Some(job)) => AfterPrediction::Run(job),
            (Some(received), None) => AfterPrediction::Nothing(received),
            (None, _) => return Err(unknown("finish_prediction", word)),
        };
        Ok(Finished { next, more })
    }

    async fn finish_download(&self, job: &Job, image: &StoredImage) -> Result<Step, QueueError> {
        let arguments = json!({ "p_job_id": job.id, "p_lease": job.lease, "p_image": wire::image(image) });
        self.step("finish_download", arguments, &["completed"]).await
    }

    async fn fail(
        &self,
        job: &Job,
        failure: &Failure,
        retry_in: Option<Duration>,
    ) -> Result<Step, QueueError> {
        self.step(
            "fail_job",
            json!({
                "p_job_id": job.id, "p_lease": job.lease, "p_error_message": failure.message,
                "p_error_details": wire::error_details(failure),
                "p_retry_in_seconds": retry_in.map(|time| time.as_secs_f64()),
            }),
            &["retrying", "failed"],
        )
        .await
    }

    async fn snooze(&self, job: &Job, time: Duration, outcome_unknown: bool) -> Result<Step, QueueError> {
        self.step(
            "snooze_job",
            json!({
                "p_job_id": job.id, "p_lease": job.lease, "p_seconds": time.as_secs_f64(),
                "p_outcome_unknown": outcome_unknown,
            }),
            &["snoozed"],
        )
        .await
    }

    async fn pause(&self, job: &Job, time: Duration, refusal: Refusal) -> Result<Paused, QueueError> {
        let (reason, status) = match refusal {
            Refusal::Throttled => ("throttled", 429),
            Refusal::Account(status) => ("account", status),
            Refusal::Outage => ("outage", 503),
        };
        let arguments = json!({
            "p_job_id": job.id, "p_lease": job.lease, "p_seconds": time.as_secs_f64(),
            "p_reason": reason, "p_code": status,
        });
        let answer = self.call("pause_provider", arguments).await?;
        let is_news = answer.get("started").and_then(Value::as_bool);
        let seconds = answer.get("seconds").and_then(Value::as_f64);
        match (is_news, seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())) {
            (Some(is_news), Some(lasts)) => Ok(Paused { is_news, lasts }),
            _ => Err(QueueError::Defect("pause_provider: no outcome".into())),
        }
    }

    async fn refuse_model(&self, job: &Job, status: u16, failure: &Failure) -> Result<Refused, QueueError> {
        let arguments = json!({
            "p_job_id": job.id, "p_lease": job.lease, "p_status": status, "p_error_message": failure.message,
            "p_error_code": failure.code,
        });
        let answer = self.call("refuse_model", arguments).await?;
        match (answer.get("started").and_then(Value::as_bool), answer.get("refused").and_then(Value::as_str))
        {
            (Some(true), Some("model")) => Ok(Refused::Model),
            (Some(true), Some("account")) => Ok(Refused::Account),
            (Some(false), _) => Ok(Refused::Known),
            _ => Err(QueueError::Defect("refuse_model: no outcome".into())),
        }
    }

    async fn extend_lease(&self, job: &Job, lease: Duration) -> Result<Step, QueueError> {
        let arguments =
            json!({ "p_job_id": job.id, "p_lease": job.lease, "p_lease_seconds": lease.as_secs() });
        self.step("extend_lease", arguments, &["extended"]).await
    }

    async fn removable(&self, job: &Job) -> Result<Removable, QueueError> {
        let arguments = json!({ "p_job_id": job.id, "p_lease": job.lease });
        let mut answer = self.call("removable_objects", arguments).await?;
        match outcome(&answer) {
            "stale" => Ok(Removable::Stale),
            "invalid" => Ok(Removable::Invalid),
            "removable" => {
                let bucket = answer.get("bucket").and_then(Value::as_str).and_then(Bucket::from_name);
                let bucket =
                    bucket.ok_or_else(|| QueueError::Defect("removable_objects: no bucket".into()))?;
                let names = answer.get_mut("names").map(Value::take).unwrap_or_default();
                serde_json::from_value(names)
                    .map(|names| Removable::Files(bucket, names))
                    .map_err(|error| QueueError::Defect(format!("removable_objects: {error}")))
            }
            word => Err(unknown("removable_objects", word)),
        }
    }

    async fn complete(&self, job: &Job, stopped: Option<&[Prediction]>) -> Result<Step, QueueError> {
        let arguments =
            json!({ "p_job_id": job.id, "p_lease": job.lease, "p_result": wire::result(stopped) });
        self.step("complete_job", arguments, &["completed"]).await
    }
}
