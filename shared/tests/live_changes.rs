//! What the database says to have changed goes to the live channel, and nowhere else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::supabase::{Generations, Queue, Rpc};
use shared::http::json_text::JsonText;
use shared::job::Job;
use shared::live::{Change, Status};
use shared::ports::{JobQueue, LiveChannel, Step, UserGenerations};
use support::block_on;
use support::http::Recorder;
use uuid::Uuid;

const URL: &str = "https://project.supabase.co";

/// Keeps what it is told.
#[derive(Default)]
struct Told(RefCell<Vec<Change>>);

impl LiveChannel for Told {
    fn publish(&self, changes: Vec<Change>) {
        self.0.borrow_mut().extend(changes);
    }
}

fn row(status: &str, seq: i64) -> Value {
    json!({ "type": "generation", "user_id": Uuid::from_u128(1), "generation_id": Uuid::from_u128(2),
        "batch_id": null, "status": status, "progress": 10, "queue_position": null,
        "estimated_seconds": 3, "seq": seq })
}

fn job() -> Job {
    serde_json::from_value(json!({ "id": Uuid::from_u128(3), "job_type": "generate-image", "payload": {},
        "lease": 4, "attempts": 1, "status": "processing" }))
    .unwrap()
}

#[test]
fn a_step_tells_what_it_has_changed_and_its_outcome_is_as_before() {
    let told = Told::default();
    let answer = json!({ "outcome": "extended", "changes": [row("processing", 7), { "seq": "odd" }] });
    let http = Recorder::default().answers(200, &answer.to_string());
    let runtime = support::TestRuntime::new(1);
    let queue = Queue::new(Rpc::new(&http, URL, "key", Some("key")).with_live_channel(&told), &runtime);
    let step = block_on(queue.extend_lease(&job(), Duration::from_secs(60)));
    assert_eq!(step, Ok(Step::Done));
    let told = told.0.take();
    assert_eq!(told.len(), 1, "what cannot be read is left out");
    assert_eq!((told[0].status, told[0].seq, told[0].user_id), (Status::Processing, 7, Uuid::from_u128(1)));
}

#[test]
fn changes_never_reach_the_user_whether_anybody_is_told_or_not() {
    let answer = json!({ "status": "cancelled", "changes": [row("cancelled", 8)] });
    let shown = JsonText::new(json!({ "status": "cancelled" }).to_string());
    for tell in [true, false] {
        let told = Told::default();
        let http = Recorder::default().answers(200, &answer.to_string());
        let rpc = Rpc::new(&http, URL, "anon", Some("jwt"));
        let rpc = if tell { rpc.with_live_channel(&told) } else { rpc };
        assert_eq!(block_on(Generations::new(rpc).retry(Uuid::nil())), Ok(shown.clone()));
        assert_eq!(told.0.take().len(), usize::from(tell));
    }
}

#[test]
fn without_changes_nobody_is_told() {
    struct Nobody;
    impl LiveChannel for Nobody {
        fn publish(&self, changes: Vec<Change>) {
            panic!("told of {changes:?}");
        }
    }
    for answer in ["[]", "null", r#"{"outcome":"stale"}"#, r#"{"changes":[]}"#, r#"{"changes":3}"#] {
        let http = Recorder::default().answers(200, answer);
        let rpc = Rpc::new(&http, URL, "key", None).with_live_channel(&Nobody);
        block_on(Generations::new(rpc).delete(Uuid::nil())).unwrap();
    }
    let refused =
        json!({ "code": "PT409", "message": "No.", "details": "conflict", "changes": [row("failed", 1)] });
    let http = Recorder::default().answers(409, &refused.to_string());
    let rpc = Rpc::new(&http, URL, "key", None).with_live_channel(&Nobody);
    assert!(block_on(Generations::new(rpc).delete(Uuid::nil())).is_err());
}
