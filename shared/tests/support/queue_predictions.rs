//! The books of the in-memory queue: predictions and what became of them, and the provider's pause.

use serde_json::{Value, json};
use uuid::Uuid;

use super::queue_state::Tables;

/// A row of `private.predictions`.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRow {
    pub job_id: Uuid,
    pub attempt: u32,
    pub learned: String,
    /// The provider's word for its end; `unknown` where it was given up.
    pub status: Option<String>,
    pub predict_time: Option<f64>,
}

/// The row of `private.provider_pause`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pause {
    pub until_ms: u64,
    pub reason: &'static str,
    pub code: u16,
    /// How many claims there had been when it began.
    pub began_at_claim: u64,
}

/// A pause that is taken up again so soon goes on.
const GRACE_MS: u64 = 120_000;

impl Tables {
    /// `note_end`
    pub fn note_end(&mut self, prediction_id: &str, status: &str, predict_time: Option<f64>) -> bool {
        let open = |row: &&mut PredictionRow| row.status.as_deref().is_none_or(|status| status == "unknown");
        let Some(row) = self.predictions.get_mut(prediction_id).filter(open) else { return false };
        row.status = Some(status.to_owned());
        row.predict_time = predict_time;
        true
    }

    /// `note_prediction`
    pub fn note_prediction(
        &mut self,
        job_id: Uuid,
        prediction_id: &str,
        learned: &str,
        outcome: &Value,
    ) -> bool {
        let status = outcome["provider_status"].as_str().or(outcome["status"].as_str());
        let status = status.filter(|word| *word != "running");
        let predict_time = outcome["predict_time"].as_f64();
        if status.is_some_and(|status| self.note_end(prediction_id, status, predict_time)) {
            return false;
        }
        if self.predictions.contains_key(prediction_id) {
            return false;
        }
        let attempt = self.place(job_id).map_or(0, |at| self.jobs[at].attempts) + 1;
        let row = PredictionRow {
            job_id,
            attempt,
            learned: learned.to_owned(),
            status: status.map(str::to_owned),
            predict_time,
        };
        self.predictions.insert(prediction_id.to_owned(), row);
        true
    }

    /// `stop_prediction`: the place of the leased job.
    pub fn stop_prediction(&mut self, now_ms: u64, job_id: Uuid, prediction_id: &str) -> usize {
        let generation_id = self.place(job_id).and_then(|at| self.jobs[at].generation_id);
        let payload = json!({ "prediction_id": prediction_id, "generation_id": generation_id });
        let at = self.add_job(now_ms, "cancel-prediction", payload, generation_id);
        let row = &mut self.jobs[at];
        (row.status, row.lease, row.priority, row.max_attempts) = ("processing", 1, 100, 8);
        (row.started_ms, row.lease_expires_ms) = (Some(now_ms), Some(now_ms + 60_000));
        at
    }

    /// `complete_job`, with `note_stopped`
    pub fn complete(&mut self, id: Uuid, lease: i64, result: &Value) -> &'static str {
        let Some(at) = self.held(id, lease) else { return "stale" };
        self.jobs[at].status = "completed";
        self.jobs[at].lease_expires_ms = None;
        let of = self.jobs[at].payload["job_id"].as_str().and_then(|id| Uuid::try_parse(id).ok());
        let is_cancel = self.jobs[at].job_type == "cancel-prediction";
        for one in result["predictions"].as_array().filter(|_| is_cancel).into_iter().flatten() {
            let (prediction_id, status) = (one["id"].as_str().unwrap(), one["status"].as_str().unwrap());
            match of {
                Some(job_id) => {
                    self.note_prediction(job_id, prediction_id, "adopted", one);
                }
                None if status != "running" => {
                    self.note_end(prediction_id, status, one["predict_time"].as_f64());
                }
                None => {}
            }
        }
        "completed"
    }

    pub fn is_paused(&self, now_ms: u64) -> bool {
        self.pause.until_ms > now_ms
    }

    /// `pause_provider`: whether this call began the pause.
    pub fn pause_provider(
        &mut self,
        now_ms: u64,
        (id, lease): (Uuid, i64),
        ms: u64,
        reason: &'static str,
        code: u16,
    ) -> bool {
        let pause = &mut self.pause;
        let goes_on = pause.until_ms > 0 && pause.until_ms + GRACE_MS > now_ms;
        let started =
            !goes_on || (reason != pause.reason && (reason == "account" || pause.until_ms <= now_ms));
        if pause.until_ms <= now_ms {
            pause.began_at_claim = self.claims;
        }
        pause.until_ms = pause.until_ms.max(now_ms + ms.clamp(1_000, 3_600_000));
        if started {
            pause.reason = reason;
        }
        if started || reason == pause.reason {
            pause.code = code;
        }
        let wait_ms = pause.until_ms - now_ms;
        self.snooze(now_ms, id, lease, wait_ms, false);
        started
    }
}
