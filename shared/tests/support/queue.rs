//! The in-memory queue as the pipeline's port.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::supabase::persist::persist;
use shared::job::{Job, JobType};
use shared::ports::{
    AfterPrediction, Bucket, Clock, CreatedPrediction, Failure, Finished, JobQueue, Paused, Prediction,
    PredictionNews, ProgressNoted, QueueError, Random, Received, Recorded, Refusal, Refused, Removable, Step,
    StoredImage,
};
use shared::progress::Progress;
use uuid::Uuid;

use super::TestRuntime;
use super::queue_predictions::PredictionRow;
use super::queue_rows::{Generation, Row};
use super::queue_state::Tables;
use super::told::told;
use super::wire::{Fault, Wire};

const FAULTS: [Fault; 2] = [Fault::LostRequest, Fault::LostAnswer];

pub struct MemoryQueue {
    wire: Rc<Wire>,
    runtime: Rc<TestRuntime>,
    pub tables: Rc<RefCell<Tables>>,
}

impl MemoryQueue {
    pub fn new(wire: Rc<Wire>, runtime: Rc<TestRuntime>) -> Self {
        Self { wire, runtime, tables: Rc::default() }
    }

    pub fn start_generation(&self, request: Value) -> Uuid {
        self.tables.borrow_mut().start_generation(self.runtime.now_ms(), request)
    }

    /// What a start that has just made this job hands over.
    pub fn hand_over(&self, id: Uuid) -> Vec<Job> {
        let mut tables = self.tables.borrow_mut();
        let handed = tables.hand_over(self.runtime.now_ms(), &[id], 1);
        handed.into_iter().map(|at| job(&tables.jobs[at])).collect()
    }

    /// Adds a job of any type.
    pub fn enqueue(&self, job_type: &str, payload: Value) -> Uuid {
        let mut tables = self.tables.borrow_mut();
        let at = tables.add_job(self.runtime.now_ms(), job_type, payload, None);
        tables.jobs[at].id
    }

    pub fn cancel_generation(&self, id: Uuid) -> &'static str {
        self.tables.borrow_mut().cancel_generation(self.runtime.now_ms(), id)
    }

    /// The job's row as it stands.
    pub fn row(&self, id: Uuid) -> Row {
        let tables = self.tables.borrow();
        tables.jobs[tables.place(id).unwrap()].clone()
    }

    /// Changes the job's row.
    pub fn edit(&self, id: Uuid, change: impl FnOnce(&mut Row)) {
        let mut tables = self.tables.borrow_mut();
        let at = tables.place(id).unwrap();
        change(&mut tables.jobs[at]);
    }

    /// The generation that the job works for.
    pub fn generation(&self, job_id: Uuid) -> Generation {
        self.tables.borrow().generations[&self.row(job_id).generation_id.unwrap()].clone()
    }

    /// The image row of the job's generation.
    pub fn image(&self, job_id: Uuid) -> Value {
        let images = &self.tables.borrow().images[&self.row(job_id).generation_id.unwrap()];
        assert_eq!(images.len(), 1, "stored more than once");
        images[0].clone()
    }

    /// What the ledger says of a prediction.
    pub fn prediction(&self, id: &str) -> Option<PredictionRow> {
        self.tables.borrow().predictions.get(id).cloned()
    }

    /// The one job of this type.
    pub fn job_of_type(&self, job_type: &str) -> Row {
        let tables = self.tables.borrow();
        let mut found = tables.jobs.iter().filter(|row| row.job_type == job_type);
        let first = found.next().unwrap_or_else(|| panic!("there is no {job_type} job")).clone();
        assert!(found.next().is_none(), "there is more than one {job_type} job");
        first
    }

    /// `claim_jobs`: lost jobs first, then ready ones.
    pub fn claim_now(&self, limit: usize, lease_ms: u64) -> Vec<Job> {
        self.claim_types(limit, lease_ms, &[])
    }

    /// `claim_jobs` of these types; of all where none is named.
    pub fn claim_types(&self, limit: usize, lease_ms: u64, types: &[&str]) -> Vec<Job> {
        claim_of(&mut self.tables.borrow_mut(), self.runtime.now_ms(), limit, lease_ms, types)
    }

    /// One call: lost before or after its effect, or answered.
    async fn call<T>(
        &self,
        name: &'static str,
        effect: impl Fn(&mut Tables, u64) -> T,
    ) -> Result<T, QueueError> {
        persist(&*self.runtime, async || self.call_once(name, &effect).await).await
    }

    async fn call_once<T>(
        &self,
        name: &'static str,
        effect: impl Fn(&mut Tables, u64) -> T,
    ) -> Result<T, QueueError> {
        let fault = self.wire.request(name, &FAULTS).await;
        if fault == Some(Fault::LostRequest) {
            return Err(QueueError::Unavailable(format!("{name}: the connection failed")));
        }
        let answer = effect(&mut self.tables.borrow_mut(), self.runtime.now_ms());
        self.wire.answer().await;
        if fault.is_some() {
            Err(QueueError::Unavailable(format!("{name}: no answer in time")))
        } else {
            Ok(answer)
        }
    }
}

fn claim_of(tables: &mut Tables, now_ms: u64, limit: usize, lease_ms: u64, types: &[&str]) -> Vec<Job> {
    let mut claimed = tables.rescue(now_ms, limit, lease_ms);
    let ready = tables.claim_ready(now_ms, limit - claimed.len(), lease_ms, types);
    for at in &ready {
        if tables.is_refused(now_ms, &tables.jobs[*at]) {
            tables.jobs[*at].payload["model_refused"] = json!(true);
        }
    }
    claimed.extend(ready);
    claimed.into_iter().map(|at| job(&tables.jobs[at])).collect()
}

fn record_one(
    tables: &mut Tables,
    now_ms: u64,
    leased: &Job,
    created: &CreatedPrediction,
    wait: Duration,
) -> Recorded {
    let under = (leased.id, leased.lease);
    let details = told("p_details", async |queue| queue.record_prediction(leased, created, wait).await);
    match tables.record(now_ms, under, &created.id, ms(wait), &details) {
        ("recorded", _) if tables.resumed => Recorded::Resumed,
        ("recorded", _) => Recorded::Noted,
        (_, cancel) => Recorded::Unwanted(cancel.map(|at| Box::new(job(&tables.jobs[at])))),
    }
}

/// The row as PostgREST writes it.
fn job(row: &Row) -> Job {
    let time =
        |ms: u64| chrono::DateTime::from_timestamp_millis(i64::try_from(ms).unwrap()).unwrap().to_rfc3339();
    let errors = (!row.errors.is_empty()).then_some(&row.errors);
    serde_json::from_value(json!({
        "id": row.id, "job_type": row.job_type, "payload": row.payload, "status": row.status,
        "attempts": row.attempts, "max_attempts": row.max_attempts, "priority": row.priority,
        "scheduled_at": time(row.scheduled_ms), "created_at": time(row.created_ms),
        "started_at": row.started_ms.map(time), "updated_at": row.claimed_ms.map(time), "lease": row.lease,
        "lease_expires_at": row.lease_expires_ms.map(time), "prediction_id": row.prediction_id,
        "outcome_unknown": row.outcome_unknown, "rescued": row.rescued, "generation_id": row.generation_id,
        "error_message": row.error_message, "error_details": errors,
        "retry_until": row.retry_until_ms.map(time),
    }))
    .unwrap()
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap()
}

fn step(word: &'static str) -> Step {
    if word == "stale" { Step::Stale } else { Step::Done }
}

fn received(word: &str) -> Received {
    match word {
        "recorded" => Received::Recorded,
        "running" => Received::Running,
        "retrying" => Received::Retrying,
        "failed" => Received::Failed,
        "duplicate" => Received::Duplicate,
        "mismatch" => Received::Mismatch,
        "cancelled" => Received::Cancelled,
        "stale" => Received::Stale,
        word => panic!("no outcome of finish_prediction: {word}"),
    }
}

impl JobQueue for MemoryQueue {
    async fn claim(&self, limit: u32, lease: Duration, types: &[JobType]) -> Result<Vec<Job>, QueueError> {
        let types: Vec<&str> = types.iter().map(|one| one.as_str()).collect();
        self.call("claim", |tables, now| claim_of(tables, now, limit as usize, ms(lease), &types)).await
    }

    async fn record_prediction(
        &self,
        job: &Job,
        created: &CreatedPrediction,
        wait: Duration,
    ) -> Result<Recorded, QueueError> {
        self.call("record", |tables, now| record_one(tables, now, job, created, wait)).await
    }

    async fn record_predictions(
        &self,
        created: &[(&Job, CreatedPrediction)],
        wait: Duration,
    ) -> Result<Vec<Recorded>, QueueError> {
        self.call("record", |tables, now| {
            created.iter().map(|(job, one)| record_one(tables, now, job, one, wait)).collect()
        })
        .await
    }

    async fn record_progress(
        &self,
        job_id: Uuid,
        prediction_id: &str,
        progress: &Progress,
    ) -> Result<ProgressNoted, QueueError> {
        let percent = progress.percent;
        let effect = |tables: &mut Tables, _| match tables.record_progress(job_id, prediction_id, percent) {
            "unknown" => ProgressNoted::Unknown,
            "stale" => ProgressNoted::Stale,
            _ => ProgressNoted::Recorded,
        };
        self.call_once("record_progress", effect).await
    }

    async fn finish_prediction(
        &self,
        job_id: Uuid,
        news: PredictionNews<'_>,
        lease: Duration,
        _more: u32,
    ) -> Result<Finished, QueueError> {
        let mut outcome =
            told("p_outcome", async |queue| queue.finish_prediction(job_id, news, lease, 0).await);
        outcome["call"] = json!(self.runtime.unit());
        let prediction_id = &news.prediction.id;
        self.call("finish_prediction", |tables, now| {
            let next = match tables.finish_prediction(now, job_id, prediction_id, &outcome, ms(lease)) {
                (_, Some(at)) => AfterPrediction::Run(Box::new(job(&tables.jobs[at]))),
                (word, None) => AfterPrediction::Nothing(received(word)),
            };
            Finished { next, more: Vec::new() }
        })
        .await
    }

    async fn finish_download(&self, job: &Job, image: &StoredImage) -> Result<Step, QueueError> {
        let image = told("p_image", async |queue| queue.finish_download(job, image).await);
        self.call("finish_download", |tables, _| step(tables.finish_download(job.id, job.lease, &image)))
            .await
    }

    async fn fail(
        &self,
        job: &Job,
        failure: &Failure,
        retry_in: Option<Duration>,
    ) -> Result<Step, QueueError> {
        let details = told("p_error_details", async |queue| queue.fail(job, failure, retry_in).await);
        self.call("fail", |tables, now| {
            let Some(at) = tables.held(job.id, job.lease) else { return Step::Stale };
            step(tables.end_attempt(now, at, &failure.message, &details, retry_in.map(ms)))
        })
        .await
    }

    async fn snooze(&self, job: &Job, time: Duration, outcome_unknown: bool) -> Result<Step, QueueError> {
        self.call("snooze", |tables, now| {
            step(tables.snooze(now, job.id, job.lease, ms(time), outcome_unknown))
        })
        .await
    }

    async fn pause(&self, job: &Job, time: Duration, refusal: Refusal) -> Result<Paused, QueueError> {
        let held = (job.id, job.lease);
        let (reason, code) = match refusal {
            Refusal::Throttled => ("throttled", 429),
            Refusal::Account(code) => ("account", code),
            Refusal::Outage => ("outage", 503),
        };
        self.call("pause", |tables, now| tables.pause_provider(now, held, ms(time), reason, code)).await
    }

    async fn refuse_model(&self, job: &Job, status: u16, failure: &Failure) -> Result<Refused, QueueError> {
        let held = (job.id, job.lease);
        self.call("refuse_model", |tables, now| tables.refuse_model(now, held, status, failure)).await
    }

    async fn extend_lease(&self, job: &Job, lease: Duration) -> Result<Step, QueueError> {
        self.call("extend_lease", |tables, now| step(tables.extend_lease(now, job.id, job.lease, ms(lease))))
            .await
    }

    async fn removable(&self, job: &Job) -> Result<Removable, QueueError> {
        self.call("removable", |tables, _| {
            let Some(at) = tables.held(job.id, job.lease) else { return Removable::Stale };
            let payload = &tables.jobs[at].payload;
            let Some(names) = payload["names"].as_array() else { return Removable::Invalid };
            let bucket = payload["bucket"].as_str().map_or(Some(Bucket::Images), Bucket::from_name);
            let Some(bucket) = bucket else { return Removable::Invalid };
            let images: Vec<&Value> = tables.images.values().flatten().collect();
            let free = |name: &&Value| images.iter().all(|image| &image["storage_path"] != *name);
            let files = names.iter().filter(free).filter_map(Value::as_str).map(str::to_owned);
            Removable::Files(bucket, files.collect())
        })
        .await
    }

    async fn complete(&self, job: &Job, stopped: Option<&[Prediction]>) -> Result<Step, QueueError> {
        let result = told("p_result", async |queue| queue.complete(job, stopped).await);
        self.call("complete", |tables, _| step(tables.complete(job.id, job.lease, &result))).await
    }
}
