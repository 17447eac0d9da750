//! The situations of tests/conformance/cases.json on the queue in memory, that the tests of the pipeline stand
//! on. `tests/database/conformance.test.ts` plays the same ones in SQL: so both do the same.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::ports::Clock;
use support::Bench;
use uuid::Uuid;

#[derive(Deserialize)]
struct Case {
    name: String,
    /// How many of their jobs may run at once; null: any number.
    #[serde(default)]
    users: BTreeMap<String, Option<usize>>,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    r#do: String,
    #[serde(rename = "as", default)]
    name: String,
    #[serde(default)]
    job: String,
    gives: Option<Vec<String>>,
    #[serde(default)]
    any_order: bool,
    outcome: Option<String>,
    hands: Option<String>,
    shows: Option<Map<String, Value>>,
    /// What each kind of step takes.
    #[serde(flatten)]
    more: Map<String, Value>,
}

impl Step {
    fn text(&self, key: &str) -> &str {
        self.more.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<u64> {
        self.more.get(key).and_then(Value::as_u64)
    }

    fn ms(&self, key: &str) -> u64 {
        self.number(key).unwrap() * 1000
    }

    fn is(&self, key: &str) -> bool {
        self.more.get(key) == Some(&Value::Bool(true))
    }
}

/// The outcome, and the place of the job that is handed on.
type Answer = (&'static str, Option<usize>);

/// One case as it is played: what its names stand for.
struct Play {
    bench: Bench,
    users: BTreeMap<String, Uuid>,
    ids: BTreeMap<String, Uuid>,
    leases: BTreeMap<String, i64>,
}

impl Play {
    fn new(case: &Case) -> Self {
        let bench = Bench::new();
        let mut users = BTreeMap::new();
        for (name, limit) in &case.users {
            let id = Uuid::from_u128(0x4_0000_0000 + users.len() as u128);
            users.insert(name.clone(), id);
            if let Some(limit) = limit {
                bench.queue.tables.borrow_mut().running_jobs.insert(id, *limit);
            }
        }
        Self { bench, users, ids: BTreeMap::new(), leases: BTreeMap::new() }
    }

    fn lease(&self, step: &Step) -> (Uuid, i64) {
        let own = *self.leases.get(&step.job).unwrap_or(&1);
        (self.ids[&step.job], step.more.get("lease").and_then(Value::as_i64).unwrap_or(own))
    }

    fn make(&mut self, step: &Step) -> Option<Answer> {
        let now = self.bench.runtime.now_ms();
        match step.r#do.as_str() {
            "start" => self.start(step),
            "startNext" => self.start_next(step),
            "enqueue" => self.enqueue(step),
            "claim" => self.claim(step),
            "pass" => self.bench.runtime.advance(step.ms("seconds")),
            "look" => self.look(step),
            _ => return self.call(step, now),
        }
        None
    }

    fn call(&self, step: &Step, now: u64) -> Option<Answer> {
        let prediction = step.text("prediction");
        if step.r#do == "finish" {
            let outcome = outcome(step);
            let mut tables = self.bench.queue.tables.borrow_mut();
            return Some(tables.finish_prediction(now, self.ids[&step.job], prediction, &outcome, 60_000));
        }
        if step.r#do == "cancel" {
            let generation = self.bench.queue.row(self.ids[&step.job]).generation_id.unwrap();
            let status = self.bench.queue.cancel_generation(generation);
            return Some((if status == "cancelled" { status } else { "conflict" }, None));
        }
        let (id, lease) = self.lease(step);
        let mut tables = self.bench.queue.tables.borrow_mut();
        let word = match step.r#do.as_str() {
            "record" => {
                let wait = step.number("wait").unwrap_or(60) * 1000;
                return Some(tables.record(now, (id, lease), prediction, wait, &json!({})));
            }
            "store" => tables.finish_download(id, lease, &json!({ "width": 8, "height": 8 })),
            "fail" => match tables.held(id, lease) {
                None => "stale",
                Some(at) => {
                    let mut details = Map::new();
                    if !step.text("code").is_empty() {
                        details.insert("code".into(), json!(step.text("code")));
                    }
                    if step.is("once") {
                        details.insert("retry".into(), json!("once"));
                    }
                    let retry = step.number("retry").map(|seconds| seconds * 1000);
                    tables.end_attempt(now, at, "x", &details.into(), retry)
                }
            },
            "snooze" => tables.snooze(now, id, lease, step.ms("seconds"), step.is("unknown")),
            "extend" => tables.extend_lease(now, id, lease, step.ms("seconds")),
            "complete" => tables.complete(id, lease, &json!({})),
            "pause" => {
                assert_eq!(step.text("reason"), "throttled");
                tables.pause_provider(now, (id, lease), step.ms("seconds"), "throttled", 429);
                return None;
            }
            other => panic!("no step is called {other}"),
        };
        Some((word, None))
    }

    fn enqueue(&mut self, step: &Step) {
        let id = self.bench.queue.enqueue(step.text("type"), json!({}));
        let priority = step.more.get("priority").and_then(Value::as_i64).unwrap_or(0);
        self.bench.queue.edit(id, |row| {
            row.priority = i32::try_from(priority).unwrap();
            row.max_attempts = u32::try_from(step.number("attempts").unwrap_or(3)).unwrap();
            row.scheduled_ms += step.number("in").unwrap_or(0) * 1000;
        });
        self.ids.insert(step.name.clone(), id);
    }

    fn start(&mut self, step: &Step) {
        let user = self.users[step.text("user")];
        let id = self
            .bench
            .queue
            .start_generation(json!({ "prompt": "a lighthouse", "model_id": "test/painter" }));
        let now = self.bench.runtime.now_ms();
        self.bench.queue.edit(id, |row| {
            row.payload["user_id"] = json!(user);
            row.priority = match step.text("priority") {
                "low" => -10,
                "high" => 10,
                _ => 0,
            };
            row.expires_ms = step.number("expires").map(|seconds| now + seconds * 1000);
        });
        let generation = self.bench.queue.row(id).generation_id.unwrap();
        self.bench.queue.tables.borrow_mut().generations.get_mut(&generation).unwrap().user_id = user;
        self.ids.insert(step.name.clone(), id);
    }

    /// A start that asks for its job: it is handed over, or not.
    fn start_next(&mut self, step: &Step) {
        self.start(step);
        let id = self.ids[&step.name];
        let given: Vec<Uuid> = self.bench.queue.hand_over(id).iter().map(|job| job.id).collect();
        let expected: Vec<Uuid> = step.gives.iter().flatten().map(|name| self.ids[name]).collect();
        assert_eq!(given, expected);
    }

    fn claim(&mut self, step: &Step) {
        let types: Vec<&str> = step
            .more
            .get("types")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let limit = usize::try_from(step.number("limit").unwrap_or(1)).unwrap();
        let jobs = self.bench.queue.claim_types(limit, step.number("lease").unwrap_or(60) * 1000, &types);
        let mut given = Vec::new();
        for job in jobs {
            let row = self.bench.queue.row(job.id);
            let named = self.ids.iter().find(|(_, id)| **id == job.id).map(|(name, _)| name.clone());
            // One that nobody has named is called by its type.
            let name = named.unwrap_or(row.job_type);
            self.leases.insert(name.clone(), row.lease);
            given.push(name);
        }
        let mut gives = step.gives.clone().unwrap();
        if step.any_order {
            given.sort();
            gives.sort();
        }
        assert_eq!(given, gives);
    }

    fn look(&self, step: &Step) {
        let row = self.bench.queue.row(self.ids[&step.job]);
        let generation =
            row.generation_id.map(|id| self.bench.queue.tables.borrow().generations[&id].clone());
        let shown = json!({
            "status": row.status, "attempts": row.attempts, "lease": row.lease,
            "prediction": row.prediction_id, "unknown": row.outcome_unknown, "rescued": row.rescued,
            "generation": generation.as_ref().map(|one| one.status),
            "code": generation.as_ref().and_then(|one| one.error_code.clone()),
        });
        for (name, value) in step.shows.as_ref().unwrap() {
            assert_eq!(&shown[name], value, "{name}");
        }
    }
}

fn outcome(step: &Step) -> Value {
    match step.text("result") {
        "running" => json!({ "status": "running" }),
        "succeeded" => {
            json!({ "status": "succeeded", "output_url": "https://x.example/a", "format": "webp" })
        }
        _ => {
            let mut failed =
                json!({ "status": "failed", "error_code": "provider_failed", "error_message": "x" });
            if let Some(retry) = step.number("retry") {
                failed["retry_in_seconds"] = json!(retry);
            }
            failed
        }
    }
}

#[test]
fn the_queue_in_memory_does_what_the_sql_does() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../tests/conformance/cases.json")).unwrap();
    assert!(cases.len() > 20);
    for case in cases {
        let mut play = Play::new(&case);
        for (at, step) in case.steps.iter().enumerate() {
            println!("{}, step {}: {step:?}", case.name, at + 1);
            let answer = play.make(step);
            if let Some(expected) = &step.outcome {
                assert_eq!(answer.map(|(word, _)| word), Some(expected.as_str()));
            }
            let handed = answer.and_then(|(_, place)| place);
            assert_eq!(handed.is_some(), step.hands.is_some(), "hands on a job");
            if let Some(place) = handed {
                let id = play.bench.queue.tables.borrow().jobs[place].id;
                play.ids.insert(step.hands.clone().unwrap(), id);
            }
        }
    }
}
