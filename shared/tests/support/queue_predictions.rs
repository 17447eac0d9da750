//! The ledger of the in-memory queue: predictions and what became of them, and the provider's pause.

use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use shared::ports::{Failure, Paused, Refused};

use super::queue_rows::Row;
use super::queue_state::{CANCEL_LIFE_MS, Tables};

/// A row of `private.predictions`.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRow {
    pub job_id: Uuid,
    pub attempt: u32,
    pub source: String,
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
    /// Nothing has been created since it began: one job at a time is let out to try.
    pub probing: bool,
    pub probe_until_ms: u64,
    /// How often it was taken up again in one outage.
    pub failures: u32,
}

/// No second job is let out to try within this time.
const PROBE_MS: u64 = 45_000;

/// A row of `private.refused_models`.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedModel {
    pub since_ms: u64,
    pub until_ms: u64,
    pub status: u16,
    pub refusals: u32,
}

/// So many models that are refused with 403 are the account's fault.
const MODELS_OF_AN_ACCOUNT: usize = 3;

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
        source: &str,
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
            source: source.to_owned(),
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
        (row.status, row.lease, row.priority) = ("processing", 1, 100);
        row.retry_until_ms = Some(now_ms + CANCEL_LIFE_MS);
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

    /// `pause_provider`
    pub fn pause_provider(
        &mut self,
        now_ms: u64,
        (id, lease): (Uuid, i64),
        ms: u64,
        reason: &'static str,
        code: u16,
    ) -> Paused {
        let pause = &mut self.pause;
        let (is_on, is_outage) = (pause.until_ms > now_ms, reason == "outage");
        let goes_on = pause.until_ms > 0 && pause.until_ms + GRACE_MS > now_ms;
        let begins = !goes_on || (reason != pause.reason && (reason == "account" || !is_on));
        if !is_on {
            pause.began_at_claim = self.claims;
            pause.failures = if begins || !is_outage { u32::from(is_outage) } else { pause.failures + 1 };
        }
        let wait_ms = if is_outage { 1000 << pause.failures.min(6) } else { ms.max(1_000) };
        pause.until_ms =
            pause.until_ms.max(now_ms + if is_outage { wait_ms.min(60_000) } else { wait_ms.min(3_600_000) });
        pause.probing = true;
        pause.probe_until_ms = 0;
        if begins {
            pause.reason = reason;
        }
        if begins || reason == pause.reason {
            pause.code = code;
        }
        let told = if is_outage { !is_on && pause.failures == 3 } else { begins };
        let left_ms = pause.until_ms - now_ms;
        let wait_ms = if is_outage { ms } else { left_ms };
        self.snooze(now_ms, id, lease, wait_ms, is_outage);
        Paused { is_news: told, lasts: Duration::from_millis(left_ms) }
    }

    /// Whether a claim marks the job: its model is refused.
    pub fn is_refused(&self, now_ms: u64, row: &Row) -> bool {
        let model = row.payload["model_id"].as_str().unwrap_or_default();
        row.job_type == "generate-image"
            && self.refused_models.get(model).is_some_and(|refused| refused.until_ms > now_ms)
    }

    /// A prediction of the job's model was created.
    pub fn accept_model(&mut self, id: Uuid) {
        if let Some(model) = self.place(id).and_then(|at| self.jobs[at].payload["model_id"].as_str()) {
            let model = model.to_owned();
            self.refused_models.remove(&model);
        }
    }

    /// `refuse_model`
    pub fn refuse_model(
        &mut self,
        now_ms: u64,
        (id, lease): (Uuid, i64),
        status: u16,
        failure: &Failure,
    ) -> Refused {
        let Some(at) = self.held(id, lease) else { return Refused::Known };
        let model = self.jobs[at].payload["model_id"].as_str().unwrap_or_default().to_owned();
        let recent = |one: &RefusedModel| one.status == 403 && one.since_ms + 600_000 > now_ms;
        let others = self.refused_models.iter().filter(|(name, one)| **name != model && recent(one)).count();
        if status == 403 && others + 1 >= MODELS_OF_AN_ACCOUNT {
            self.refused_models.retain(|_, one| one.status != 403);
            let pause = self.pause_provider(now_ms, (id, lease), 60_000, "account", 403);
            return if pause.is_news { Refused::Account } else { Refused::Known };
        }
        let known = self.refused_models.contains_key(&model);
        let row = self.refused_models.entry(model).or_insert(RefusedModel {
            since_ms: now_ms,
            until_ms: now_ms + 60_000,
            status,
            refusals: 1,
        });
        if row.until_ms <= now_ms {
            row.until_ms = now_ms + (60_000 << row.refusals.min(5)).min(1_800_000);
            row.refusals += 1;
        }
        row.status = status;
        self.end_attempt(now_ms, at, &failure.message, &json!({ "code": failure.code }), None);
        if known { Refused::Known } else { Refused::Model }
    }

    /// `take_probe`: whether the one job that may try can be claimed now.
    pub fn take_probe(&mut self, now_ms: u64) -> bool {
        let free = self.pause.probe_until_ms <= now_ms;
        if free {
            self.pause.probe_until_ms = now_ms + PROBE_MS;
        }
        free
    }

    /// `return_probe`: a run ended without a prediction, so another one may try.
    pub fn return_probe(&mut self) {
        self.pause.probe_until_ms = 0;
    }

    /// `resume_provider`: a prediction was created, so the pause is over.
    pub fn resume(&mut self, now_ms: u64) -> bool {
        let over = self.pause.probing && (!self.is_paused(now_ms) || self.pause.reason == "outage");
        if over {
            self.pause = Pause { began_at_claim: self.pause.began_at_claim, ..Pause::default() };
        }
        over
    }
}
