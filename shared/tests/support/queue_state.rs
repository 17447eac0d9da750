//! The steps of the in-memory queue, function by function as in
//! `supabase/migrations`. Times are milliseconds.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use shared::job::milliseconds;
use uuid::Uuid;

use super::queue_predictions::{Pause, PredictionRow, RefusedModel};
use super::queue_rows::{Generation, Row};

/// The provider deletes an output so long after the end.
const OUTPUT_LIFE_MS: u64 = 3_600_000;
/// A generation that nobody can serve is given up so long after it was due.
const DAY_MS: u64 = 86_400_000;
/// Clocks differ by less.
const CLOCK_MARGIN_MS: u64 = 300_000;
/// A prediction stops by itself until then, and one more look finds it.
pub const CANCEL_LIFE_MS: u64 = 30 * 60_000;

#[derive(Debug, Default)]
pub struct Tables {
    /// In the order in which they were added.
    pub jobs: Vec<Row>,
    pub generations: BTreeMap<Uuid, Generation>,
    /// The rows of `images`, by generation: one would be too few, two too many.
    pub images: BTreeMap<Uuid, Vec<Value>>,
    /// By the provider's id.
    pub predictions: BTreeMap<String, PredictionRow>,
    pub pause: Pause,
    /// By model.
    pub refused_models: BTreeMap<String, RefusedModel>,
    /// By user: how many of their images may run at once. Any number of others'.
    pub running_jobs: BTreeMap<Uuid, usize>,
    /// How many jobs have been handed out so far.
    pub claims: u64,
    /// The last prediction that was recorded ended a pause.
    pub resumed: bool,
}

impl Tables {
    pub fn add_job(
        &mut self,
        now_ms: u64,
        job_type: &str,
        payload: Value,
        generation_id: Option<Uuid>,
    ) -> usize {
        self.jobs.push(Row {
            id: Uuid::from_u128(0x1_0000_0000 + self.jobs.len() as u128),
            job_type: job_type.to_owned(),
            payload,
            status: "pending",
            attempts: 0,
            max_attempts: 3,
            priority: 0,
            scheduled_ms: now_ms,
            created_ms: now_ms,
            started_ms: None,
            claimed_ms: None,
            claimed: 0,
            lease: 0,
            lease_expires_ms: None,
            prediction_id: None,
            outcome_unknown: false,
            handed_over: false,
            hand_over_lost: false,
            rescued: false,
            generation_id,
            expires_ms: None,
            retry_until_ms: None,
            error_message: None,
            errors: Vec::new(),
        });
        self.jobs.len() - 1
    }

    pub fn place(&self, id: Uuid) -> Option<usize> {
        self.jobs.iter().position(|row| row.id == id)
    }

    /// The job where it is held under this lease.
    pub fn held(&self, id: Uuid, lease: i64) -> Option<usize> {
        self.place(id).filter(|at| self.jobs[*at].lease == lease && self.jobs[*at].status == "processing")
    }

    /// `end_generation`
    fn end_generation(&mut self, id: Option<Uuid>, status: &'static str, message: &str, code: &str) {
        if let Some(generation) = id.and_then(|id| self.generations.get_mut(&id)).filter(|one| !one.ended()) {
            generation.go(status);
            generation.error_message = Some(message.to_owned());
            generation.error_code = Some(code.to_owned());
        }
    }

    fn end_job(&mut self, at: usize, status: &'static str) {
        self.jobs[at].status = status;
        self.jobs[at].lease_expires_ms = None;
    }

    /// `end_attempt`
    pub fn end_attempt(
        &mut self,
        now_ms: u64,
        at: usize,
        message: &str,
        details: &Value,
        retry_ms: Option<u64>,
    ) -> &'static str {
        if let Some(id) = self.jobs[at].prediction_id.clone() {
            self.note_end(&id, "unknown", None);
        }
        if self.jobs[at].job_type == "generate-image" && self.jobs[at].prediction_id.is_none() {
            self.return_probe();
        }
        let row = &mut self.jobs[at];
        let retry_ms = retry_ms.filter(|_| !row.is_second_unknown(details));
        row.add_error(now_ms, message, details);
        row.error_message = Some(message.to_owned());
        // Nothing was tried where the provider refuses the model.
        row.attempts += u32::from(details["code"] != "model_unavailable");
        let (carries, generation_id) = (row.carries_generation(), row.generation_id);
        if let Some(wait) = retry_ms.filter(|_| row.attempts < row.max_attempts) {
            row.scheduled_ms = now_ms + wait;
            row.prediction_id = None;
            (row.outcome_unknown, row.rescued) = (false, false);
            let makes = row.job_type == "generate-image";
            self.end_job(at, "pending");
            let generation = generation_id.and_then(|id| self.generations.get_mut(&id));
            if let Some(generation) = generation.filter(|one| makes && !one.ended()) {
                generation.retries += 1;
                generation.progress = 0;
                generation.prediction_id = None;
                generation.history.push("retry");
                generation.go("queued");
            }
            return "retrying";
        }
        self.end_job(at, "failed");
        if carries {
            let code = details["code"].as_str().unwrap_or("failed");
            let status = if code == "cancelled" { "cancelled" } else { "failed" };
            self.end_generation(generation_id, status, message, code);
        }
        "failed"
    }

    /// `cancel_expired` and `rescue_jobs`: gives the positions of the jobs that are taken over.
    pub fn rescue(&mut self, now_ms: u64, limit: usize, lease_ms: u64) -> Vec<usize> {
        const EXPIRED: &str = "The request expired before it could be started.";
        const EXHAUSTED: &str = "The image could not be made after several attempts.";
        const NO_ANSWER: &str = "The run ended without an answer.";
        const TOO_LATE: &str = "The image could not be stored before the provider deleted it.";
        for at in 0..self.jobs.len() {
            if self.jobs[at].status == "pending" && self.jobs[at].is_expired(now_ms) {
                self.end_job(at, "cancelled");
                self.end_generation(self.jobs[at].generation_id, "cancelled", EXPIRED, "expired");
            }
        }
        let mut lost: Vec<usize> = (0..self.jobs.len()).filter(|at| self.jobs[*at].is_lost(now_ms)).collect();
        lost.sort_by_key(|at| self.jobs[*at].lease_expires_ms);
        lost.truncate(limit);
        let (paused, probing) = (self.is_paused(now_ms), self.pause.probing);
        lost.retain(|at| {
            let row = &mut self.jobs[*at];
            let is_last = row.attempts + 1 >= row.max_attempts || row.is_expired(now_ms);
            if row.has_deadline() {
                if row.retry_until_ms <= Some(now_ms) {
                    row.add_error(now_ms, NO_ANSWER, &json!({ "code": "lease_expired" }));
                    let generation_id = row.generation_id.filter(|_| row.carries_generation());
                    self.end_job(*at, "failed");
                    self.end_generation(generation_id, "failed", TOO_LATE, "output_expired");
                    return false;
                }
            } else if paused && row.job_type == "generate-image" && row.left_nothing() && !is_last {
                row.outcome_unknown = true;
            } else if row.left_nothing() {
                let looks_only = probing && row.job_type == "generate-image";
                row.add_error(now_ms, NO_ANSWER, &json!({ "code": "lease_expired" }));
                row.attempts += 1;
                let (expired, used_up) = (row.is_expired(now_ms), row.attempts >= row.max_attempts);
                if expired || used_up {
                    let (status, message, code) = match expired {
                        true => ("cancelled", EXPIRED, "expired"),
                        false => ("failed", EXHAUSTED, "attempts_exhausted"),
                    };
                    let generation_id = row.generation_id.filter(|_| row.carries_generation());
                    self.end_job(*at, status);
                    self.end_generation(generation_id, status, message, code);
                    return false;
                }
                self.jobs[*at].outcome_unknown = looks_only;
            }
            self.claims += 1;
            let row = &mut self.jobs[*at];
            row.claimed = self.claims;
            row.hand_over_lost |= row.handed_over && row.prediction_id.is_none();
            row.outcome_unknown |= row.handed_over && row.prediction_id.is_none();
            row.handed_over = false;
            row.rescued = true;
            row.claimed_ms = Some(now_ms);
            row.lease += 1;
            row.lease_expires_ms = Some(now_ms + lease_ms);
            true
        });
        lost
    }

    /// By user with a limit: how many more of their images may run.
    fn free_slots(&self) -> BTreeMap<Uuid, usize> {
        let runs = |user: &Uuid| {
            let of = |row: &&Row| row.payload["user_id"] == json!(user) && row.status == "processing";
            self.jobs.iter().filter(of).filter(|row| row.job_type == "generate-image").count()
        };
        self.running_jobs.iter().map(|(user, most)| (*user, most.saturating_sub(runs(user)))).collect()
    }

    /// The ready jobs of these types in order, without virtual time: within a priority, first come first served.
    fn ready(&self, now_ms: u64, types: &[&str]) -> Vec<usize> {
        let mut ready: Vec<usize> = (0..self.jobs.len())
            .filter(|at| self.jobs[*at].status == "pending" && self.jobs[*at].scheduled_ms <= now_ms)
            .filter(|at| types.is_empty() || types.contains(&self.jobs[*at].job_type.as_str()))
            .filter(|at| self.jobs[*at].job_type != "generate-image" || !self.is_paused(now_ms))
            .collect();
        ready.sort_by_key(|at| -self.jobs[*at].priority);
        let mut slots = self.free_slots();
        ready.retain(|at| {
            let row = &self.jobs[*at];
            let user = row.payload["user_id"].as_str().and_then(|id| Uuid::try_parse(id).ok());
            match user.filter(|_| row.job_type == "generate-image").and_then(|id| slots.get_mut(&id)) {
                Some(0) => false,
                Some(free) => {
                    *free -= 1;
                    true
                }
                None => true,
            }
        });
        ready
    }

    /// `hand_over`: up to `limit` of these jobs, where a claim would hand out nothing else and find nothing else
    /// to do.
    pub fn hand_over(&mut self, now_ms: u64, ids: &[Uuid], limit: usize) -> Vec<usize> {
        let mut ready = self.ready(now_ms, &["generate-image", "download-image", "cancel-prediction"]);
        let others = ready.iter().any(|at| !ids.contains(&self.jobs[*at].id));
        let lost = self.jobs.iter().any(|row| row.is_lost(now_ms));
        if others || lost || self.is_paused(now_ms) || self.pause.probing {
            return Vec::new();
        }
        ready.truncate(limit);
        self.lease_all(now_ms, 60_000, &ready);
        for at in &ready {
            self.jobs[*at].handed_over = true;
        }
        ready
    }

    /// `pick_ready` and `claim_jobs`.
    pub fn claim_ready(&mut self, now_ms: u64, limit: usize, lease_ms: u64, types: &[&str]) -> Vec<usize> {
        let mut ready = self.ready(now_ms, types);
        if self.pause.probing {
            // One image at most, and that only where nobody else is trying.
            let mut probe = None;
            ready.retain(|at| {
                let image = self.jobs[*at].job_type == "generate-image";
                probe = probe.or(Some(*at).filter(|_| image));
                !image
            });
            ready.truncate(limit);
            ready.extend(probe.filter(|_| ready.len() < limit && self.take_probe(now_ms)));
        }
        ready.truncate(limit);
        self.lease_all(now_ms, lease_ms, &ready);
        ready
    }

    fn lease_all(&mut self, now_ms: u64, lease_ms: u64, ready: &[usize]) {
        for at in ready {
            self.claims += 1;
            let row = &mut self.jobs[*at];
            row.claimed = self.claims;
            row.status = "processing";
            row.lease += 1;
            row.lease_expires_ms = Some(now_ms + lease_ms);
            (row.rescued, row.handed_over) = (false, false);
            row.started_ms = Some(now_ms);
            row.claimed_ms = Some(now_ms);
        }
    }

    /// `record_prediction`; the second value is the place of the job that cancels it.
    pub fn record(
        &mut self,
        now_ms: u64,
        (id, lease): (Uuid, i64),
        prediction_id: &str,
        wait_ms: u64,
        details: &Value,
    ) -> (&'static str, Option<usize>) {
        let source = details["source"].as_str().unwrap_or("created");
        if let Some(at) = self.held(id, lease).filter(|at| self.jobs[*at].prediction_id.is_none()) {
            self.note_prediction(id, prediction_id, source, &Value::Null);
            let row = &mut self.jobs[at];
            row.prediction_id = Some(prediction_id.to_owned());
            row.lease_expires_ms = Some(now_ms + wait_ms);
            row.started_ms = Some(now_ms);
            row.outcome_unknown = false;
            row.expires_ms = None;
            row.retry_until_ms = None;
            let generation = row.generation_id.and_then(|id| self.generations.get_mut(&id));
            if let Some(one) = generation.filter(|one| matches!(one.status, "queued" | "processing")) {
                one.go("processing");
                one.progress = one.progress.max(10);
                one.prediction_id = Some(prediction_id.to_owned());
                one.width = details["width"].as_u64().or(one.width);
                one.height = details["height"].as_u64().or(one.height);
            }
            self.accept_model(id);
            self.resumed = self.resume(now_ms);
            return ("recorded", None);
        }
        let known = self.place(id).map(|at| &self.jobs[at]).is_some_and(|row| {
            let same = row.prediction_id.as_deref() == Some(prediction_id) || row.knew(prediction_id);
            row.status != "cancelled" && same
        });
        if known {
            self.resumed = self.resume(now_ms);
            return ("recorded", None);
        }
        if self
            .place(id)
            .is_some_and(|at| self.jobs[at].status == "cancelled" && self.jobs[at].lease == lease)
        {
            for row in &mut self.jobs {
                let searches = row.job_type == "cancel-prediction" && row.payload["job_id"] == json!(id);
                if searches && row.status == "pending" {
                    row.status = "completed";
                }
            }
        }
        self.resume(now_ms);
        let new = self.note_prediction(id, prediction_id, source, &Value::Null);
        ("stale", new.then(|| self.stop_prediction(now_ms, id, prediction_id)))
    }

    /// `record_progress`
    pub fn record_progress(&mut self, id: Uuid, prediction_id: &str, percent: u8) -> &'static str {
        let generation = self.place(id).and_then(|at| self.jobs[at].generation_id);
        let generation = generation.and_then(|id| self.generations.get_mut(&id));
        let current = |one: &&mut Generation| {
            one.status == "processing" && one.prediction_id.as_deref() == Some(prediction_id)
        };
        let Some(one) = generation.filter(current) else {
            return if self.predictions.contains_key(prediction_id) { "stale" } else { "unknown" };
        };
        one.progress = one.progress.max(percent);
        "recorded"
    }

    /// `finish_prediction`; the second value is the place of the job that comes next.
    pub fn finish_prediction(
        &mut self,
        now_ms: u64,
        id: Uuid,
        prediction_id: &str,
        outcome: &Value,
        lease_ms: u64,
    ) -> (&'static str, Option<usize>) {
        let running = outcome["status"] == "running";
        let place = self.place(id).filter(|at| self.jobs[*at].job_type == "generate-image");
        let awaits =
            |row: &Row| row.status == "processing" && row.prediction_id.is_none() && !row.knew(prediction_id);
        if let Some(at) = place.filter(|at| running && awaits(&self.jobs[*at])) {
            let held = (id, self.jobs[at].lease);
            return self.record(now_ms, held, prediction_id, lease_ms, &json!({ "source": "webhook" }));
        }
        let source = outcome["source"].as_str().unwrap_or("webhook");
        let new = self.note_prediction(id, prediction_id, source, outcome);
        let end = match place.map(|at| &self.jobs[at]) {
            Some(row) if row.knew(prediction_id) => Some("duplicate"),
            None => Some("mismatch"),
            Some(row) if row.prediction_id.as_deref().is_some_and(|recorded| recorded != prediction_id) => {
                Some("mismatch")
            }
            Some(row) if row.status == "cancelled" => Some("cancelled"),
            Some(_) => None,
        };
        if running {
            let unwanted = new && place.is_none_or(|at| self.jobs[at].status != "pending");
            let stop = unwanted.then(|| self.stop_prediction(now_ms, id, prediction_id));
            return (end.unwrap_or("running"), stop);
        }
        let Some(at) = place.filter(|_| end.is_none()) else { return (end.unwrap_or("mismatch"), None) };
        let row = &mut self.jobs[at];
        if matches!(row.status, "completed" | "failed") {
            let generation_id = row.generation_id;
            let same_call = |row: &Row| {
                (row.job_type.as_str(), row.status, row.lease) == ("download-image", "processing", 1)
                    && row.generation_id == generation_id
                    // As in SQL: no name is no call's.
                    && !outcome["call"].is_null()
                    && row.payload["call"] == outcome["call"]
            };
            let told = self.jobs.iter().position(same_call);
            return (if told.is_some() { "download" } else { "duplicate" }, told);
        }
        row.prediction_id = Some(prediction_id.to_owned());
        if outcome["status"] != "succeeded" {
            let mut details: Map<String, Value> =
                outcome["error_details"].as_object().cloned().unwrap_or_default();
            details.insert("code".into(), outcome["error_code"].clone());
            let retry_ms = outcome["retry_in_seconds"].as_f64().map(|seconds| (seconds * 1000.0) as u64);
            let stopped = outcome["error_code"] == "cancelled_at_provider" && self.is_stopped(prediction_id);
            let retry_ms = if stopped { Some(0) } else { retry_ms };
            let message = outcome["error_message"].as_str().unwrap_or_default();
            return (self.end_attempt(now_ms, at, message, &details.into(), retry_ms), None);
        }
        row.outcome_unknown = false;
        row.expires_ms = None;
        row.error_message = None;
        let mut payload = outcome.clone();
        for name in ["status", "provider_status", "source", "completed_at"] {
            payload.as_object_mut().unwrap().remove(name);
        }
        let completed_ms = outcome["completed_at"].as_str().and_then(milliseconds).unwrap_or(now_ms);
        let retry_until_ms = Some(completed_ms.min(now_ms) + OUTPUT_LIFE_MS + CLOCK_MARGIN_MS);
        payload["prediction_id"] = json!(prediction_id);
        payload["generation_id"] = json!(row.generation_id);
        payload["user_id"] = row.payload["user_id"].clone();
        let (generation_id, priority) = (row.generation_id, row.priority);
        self.end_job(at, "completed");
        if let Some(one) =
            generation_id.and_then(|id| self.generations.get_mut(&id)).filter(|one| !one.ended())
        {
            one.go("downloading");
            one.progress = one.progress.max(90);
            one.prediction_id = Some(prediction_id.to_owned());
            payload["width"] = json!(one.width);
            payload["height"] = json!(one.height);
            payload["user_id"] = json!(one.user_id);
        }
        let download = self.add_job(now_ms, "download-image", payload, generation_id);
        let row = &mut self.jobs[download];
        (row.status, row.lease, row.priority, row.retry_until_ms) =
            ("processing", 1, priority, retry_until_ms);
        (row.started_ms, row.lease_expires_ms) = (Some(now_ms), Some(now_ms + lease_ms));
        ("download", Some(download))
    }

    /// We have stopped this prediction ourselves.
    fn is_stopped(&self, prediction_id: &str) -> bool {
        let stops =
            |row: &&Row| row.job_type == "cancel-prediction" && row.payload["prediction_id"] == prediction_id;
        self.jobs.iter().any(|row| stops(&row))
    }

    /// `finish_download`
    pub fn finish_download(&mut self, id: Uuid, lease: i64, image: &Value) -> &'static str {
        let Some(at) = self.held(id, lease).filter(|at| self.jobs[*at].job_type == "download-image") else {
            let told = |at: usize| self.jobs[at].lease == lease && self.jobs[at].status == "completed";
            return if self.place(id).is_some_and(told) { "completed" } else { "stale" };
        };
        self.end_job(at, "completed");
        let generation = self.jobs[at].generation_id.and_then(|id| self.generations.get_mut(&id));
        if let Some(one) = generation.filter(|one| !one.ended()) {
            one.go("completed");
            one.progress = 100;
            (one.error_code, one.error_message) = (None, None);
            self.images.entry(one.id).or_default().push(image.clone());
        }
        "completed"
    }

    /// `snooze_job`
    pub fn snooze(
        &mut self,
        now_ms: u64,
        id: Uuid,
        lease: i64,
        ms: u64,
        outcome_unknown: bool,
    ) -> &'static str {
        let Some(at) = self.held(id, lease) else { return "stale" };
        let row = &mut self.jobs[at];
        row.outcome_unknown = outcome_unknown;
        if row.job_type == "generate-image" && row.prediction_id.is_none() {
            row.retry_until_ms = row.retry_until_ms.or(Some(row.created_ms.max(row.scheduled_ms) + DAY_MS));
            self.return_probe();
        }
        let row = &mut self.jobs[at];
        if row.prediction_id.is_some() || outcome_unknown {
            row.lease_expires_ms = Some(now_ms + ms);
        } else {
            row.scheduled_ms = now_ms + ms;
            self.end_job(at, "pending");
        }
        "snoozed"
    }

    /// `extend_lease`
    pub fn extend_lease(&mut self, now_ms: u64, id: Uuid, lease: i64, ms: u64) -> &'static str {
        let Some(at) = self.held(id, lease) else { return "stale" };
        self.jobs[at].lease_expires_ms = Some(now_ms + ms);
        "extended"
    }

    /// `cancel_generation`, for its owner: gives the status that it ended in.
    pub fn cancel_generation(&mut self, now_ms: u64, id: Uuid) -> &'static str {
        // Once its image is made it is too late.
        if self.generations[&id].ended() || self.generations[&id].status == "downloading" {
            return self.generations[&id].status;
        }
        let mut running = None;
        for at in 0..self.jobs.len() {
            let row = &self.jobs[at];
            let open = matches!(row.status, "pending" | "processing") && row.job_type == "generate-image";
            if !open || row.generation_id != Some(id) {
                continue;
            }
            if row.status == "processing" {
                running = running.or(Some(row.clone()));
            }
            self.end_job(at, "cancelled");
        }
        let generation = self.generations.get_mut(&id).unwrap();
        generation.go("cancelled");
        if let Some(row) = running {
            let time = |ms: u64| {
                chrono::DateTime::from_timestamp_millis(i64::try_from(ms).unwrap()).unwrap().to_rfc3339()
            };
            let mut payload = json!({ "generation_id": id });
            match &row.prediction_id {
                Some(prediction_id) => payload["prediction_id"] = json!(prediction_id),
                None => {
                    payload["job_id"] = json!(row.id);
                    payload["since"] = json!(row.started_ms.map(time));
                    payload["search_until"] = json!(row.lease_expires_ms.map(time));
                }
            }
            let at = self.add_job(now_ms, "cancel-prediction", payload, Some(id));
            (self.jobs[at].priority, self.jobs[at].retry_until_ms) = (100, Some(now_ms + CANCEL_LIFE_MS));
            if let Some(later) =
                row.lease_expires_ms.filter(|_| row.prediction_id.is_none() && !row.outcome_unknown)
            {
                self.jobs[at].scheduled_ms = later;
            }
        }
        "cancelled"
    }

    pub fn start_generation(&mut self, now_ms: u64, request: Value) -> Uuid {
        let id = Uuid::from_u128(0x2_0000_0000 + self.generations.len() as u128);
        let user_id = Uuid::from_u128(0x3_0000_0000 + self.generations.len() as u128 % 3);
        let mut payload = request;
        payload["generation_id"] = json!(id);
        payload["user_id"] = json!(user_id);
        let at = self.add_job(now_ms, "generate-image", payload, Some(id));
        let job_id = self.jobs[at].id;
        let generation = Generation {
            id,
            job_id,
            user_id,
            status: "queued",
            prediction_id: None,
            width: None,
            height: None,
            error_code: None,
            error_message: None,
            retries: 0,
            progress: 0,
            history: vec!["queued"],
        };
        self.generations.insert(id, generation);
        job_id
    }
}
