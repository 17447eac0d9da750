//! Draining the queue, and the run without one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::supabase::{Queue, Rpc};
use shared::http::problem::{Code, Problem};
use shared::job::Job;
use shared::pipeline::{Budget, Drained, Pipeline, run_without_queue};
use shared::ports::{Clock, Ports, Status};
use support::http::Recorder;
use support::provider::Fate;
use support::wire::Fault;
use support::{Bench, MemoryProvider, MemoryStore, OUTPUT, TestRuntime, block_on, request};
use uuid::Uuid;

const BUDGET: Budget = Budget { parallel: 3, time: Duration::from_secs(20), jobs: 100 };

fn drain(bench: &Bench, budget: Budget) -> Drained {
    block_on(bench.pipeline().drain(budget)).unwrap()
}

#[test]
fn an_empty_queue_is_one_claim_and_no_error() {
    let bench = Bench::new();
    assert_eq!(drain(&bench, BUDGET), Drained::default());
    assert_eq!(*bench.wire.calls.borrow(), ["claim"]);
}

#[test]
fn every_ready_job_is_run_and_counted() {
    let bench = Bench::new();
    for _ in 0..6 {
        bench.start();
    }
    let foreign = bench.queue.enqueue("resize", json!({}));
    let lost = bench.claim();
    bench.pass(60);
    assert_eq!(
        drain(&bench, BUDGET),
        Drained { claimed: 6, processed: 6, errors: 0, rescued: 1, unfinished: false }
    );
    assert_eq!(bench.provider.created(), 6);
    assert_eq!(bench.queue.row(lost.id).attempts, 1);
    assert_eq!(bench.queue.row(foreign).status, "pending", "other people's workers run other types");
    assert_eq!(bench.wire.count("claim"), 3, "the last claim came short: the queue is empty");
}

#[test]
fn predictions_that_are_created_beside_each_other_are_recorded_in_one_call() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..3).map(|_| bench.start()).collect();
    assert_eq!(drain(&bench, Budget { jobs: 3, ..BUDGET }).processed, 3);
    assert_eq!((bench.provider.created(), bench.wire.count("record")), (3, 1));
    for job in jobs {
        assert!(bench.queue.row(job).prediction_id.is_some());
    }
}

#[test]
fn one_that_fails_beside_them_is_its_own_business() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..3).map(|_| bench.start()).collect();
    bench.wire.pass_then_fail("create", Fault::LostRequest);
    let drained = drain(&bench, Budget { jobs: 3, time: Duration::from_secs(1), ..BUDGET });
    assert_eq!((drained.claimed, drained.processed), (3, 2));
    assert_eq!(bench.wire.count("record"), 1);
    assert!(bench.queue.row(jobs[1]).prediction_id.is_none());
}

#[test]
fn a_short_claim_ends_it_without_another_look() {
    let bench = Bench::new();
    bench.start();
    assert_eq!(drain(&bench, BUDGET).claimed, 1);
    assert_eq!(bench.wire.count("claim"), 1);
}

#[test]
fn the_budget_of_jobs_is_kept_exactly() {
    let bench = Bench::new();
    for _ in 0..9 {
        bench.start();
    }
    let drained = drain(&bench, Budget { jobs: 4, ..BUDGET });
    assert_eq!((drained.claimed, drained.unfinished), (4, true));
    assert_eq!((bench.wire.count("claim"), bench.provider.created()), (2, 4));
}

#[test]
fn no_claim_after_the_budget_of_time() {
    let bench = Bench::new();
    for _ in 0..9 {
        bench.start();
    }
    let drained = drain(&bench, Budget { time: Duration::ZERO, ..BUDGET });
    assert_eq!((drained.claimed, drained.unfinished), (3, true));
    assert_eq!(bench.wire.count("claim"), 1);
}

#[test]
fn a_queue_that_cannot_be_asked_is_an_error_only_at_first() {
    let bench = Bench::new();
    for _ in 0..4 {
        bench.start();
    }
    bench.wire.fail("claim", Fault::LostRequest);
    assert_eq!(drain(&bench, Budget { jobs: 1, ..BUDGET }).claimed, 1, "it is asked again");
    bench.wire.break_down(&["claim"]);
    assert!(block_on(bench.pipeline().drain(BUDGET)).is_err());
    bench.wire.mend();
    assert_eq!(drain(&bench, Budget { jobs: 3, ..BUDGET }).claimed, 3);

    let bench = Bench::new();
    for _ in 0..4 {
        bench.start();
    }
    // The second claim is lost, and repeated in vain, after jobs have been run.
    bench.wire.pass_then_fail("claim", Fault::LostRequest);
    for _ in 0..4 {
        bench.wire.fail("claim", Fault::LostRequest);
    }
    assert_eq!(drain(&bench, BUDGET), Drained { claimed: 3, processed: 3, ..Drained::default() });
    assert!(bench.runtime.warned("the queue could not be told"), "it is no empty queue");
}

#[test]
fn a_job_whose_end_cannot_be_told_is_an_error_and_comes_back() {
    let bench = Bench::new();
    let job = bench.start();
    bench.wire.break_down(&["record"]);
    assert_eq!(drain(&bench, BUDGET), Drained { claimed: 1, errors: 1, ..Drained::default() });
    assert!(bench.runtime.warned("the queue could not be told"));
    bench.wire.mend();
    bench.pass(60);
    assert_eq!(drain(&bench, BUDGET), Drained { claimed: 1, processed: 1, rescued: 1, ..Drained::default() });
    assert_eq!((bench.queue.generation(job).status, bench.provider.created()), ("completed", 1));
}

/// A bench whose queue is the one behind PostgREST.
struct Over<'a> {
    queue: Queue<'a, Recorder, TestRuntime>,
    bench: &'a Bench,
}

impl<'a> Ports for Over<'a> {
    type Queue = Queue<'a, Recorder, TestRuntime>;
    type Provider = MemoryProvider;
    type Store = MemoryStore;
    type Runtime = TestRuntime;

    fn queue(&self) -> &Self::Queue {
        &self.queue
    }

    fn provider(&self) -> &MemoryProvider {
        &self.bench.provider
    }

    fn store(&self) -> &MemoryStore {
        &self.bench.store
    }

    fn runtime(&self) -> &TestRuntime {
        &self.bench.runtime
    }
}

#[test]
fn operators_hear_of_a_wrong_key_and_of_a_defect_and_not_of_an_outage() {
    let job = |id: u128| -> Job {
        let row = json!({ "id": Uuid::from_u128(id), "job_type": "resize", "payload": {}, "lease": 1, "attempts": 0 });
        serde_json::from_value(row).unwrap()
    };
    for (status, body, tries, alert) in [
        (503, "<html>", 5, None),
        (401, r#"{"message":"Invalid API key"}"#, 5, Some("the database refuses our key")),
        (403, r#"{"code":"42501","message":"permission denied"}"#, 5, Some("the database refuses our key")),
        (400, r#"{"code":"22P02","message":"invalid input"}"#, 1, Some("the queue does not take a step")),
    ] {
        let bench = Bench::new();
        let http = (0..2 * tries).fold(Recorder::default(), |http, _| http.answers(status, body));
        let http = http.answers(200, "[]");
        let queue = Queue::new(Rpc::new(&http, "https://project.supabase.co", "key", None), &*bench.runtime);
        let pipeline = Pipeline { ports: Over { queue, bench: &bench }, options: &bench.options };
        let ran = block_on(pipeline.run_leased(&[job(1), job(2)], false, BUDGET)).unwrap();
        assert_eq!(ran, Drained { claimed: 2, errors: 2, ..Drained::default() }, "{status}");
        assert_eq!(
            http.requests.borrow().len(),
            2 * tries + 1,
            "{status}: what passes is told again, and no more"
        );
        let alerts = bench.runtime.alerts.borrow();
        let alerts: Vec<&str> = alerts.iter().map(|(what, _, _)| what.as_str()).collect();
        assert_eq!(alerts, Vec::from_iter(alert), "{status}: once, and not for each job");
        assert!(bench.runtime.warned("the queue could not be told"), "{status}");
    }
}

fn alone(bench: &Bench, body: &Value) -> Result<Value, Problem> {
    let answer = block_on(run_without_queue(body.to_string().as_bytes(), &bench.provider, &*bench.runtime))?;
    Ok(serde_json::from_str(answer.as_str()).unwrap())
}

#[test]
fn alone_a_success_tells_where_the_image_lies() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(3_500));
    let answer = alone(&bench, &request()).unwrap();
    let expected = json!({
        "success": true, "output_url": OUTPUT, "format": "webp", "width": 1024, "height": 1024,
        "generation_time_seconds": 4.0,
    });
    assert_eq!(answer, expected);
    assert_eq!(bench.provider.booked.borrow()[0].new.webhook, None, "nobody would take the webhook");
}

#[test]
fn alone_a_failure_is_an_answer_in_words_for_users() {
    let bench = Bench::new();
    bench.provider.next(Fate::fails_with("CUDA out of memory (E1001)"));
    let answer = alone(&bench, &request()).unwrap();
    assert_eq!(answer["success"], false);
    assert_eq!(answer["error"], "The image is too large for this model. Please ask for a smaller one.");

    let bench = Bench::new();
    bench.wire.fail("create", Fault::Rejected);
    let answer = alone(&bench, &request()).unwrap();
    assert_eq!(answer, json!({ "success": false, "error": "The model does not accept this request." }));
}

#[test]
fn alone_a_run_that_takes_too_long_is_stopped_at_the_provider() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(600_000));
    let started = bench.runtime.now_s();
    let answer = alone(&bench, &request()).unwrap();
    assert_eq!(answer["success"], false);
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
    assert!(bench.wire.calls.borrow().len() < 50, "the free plan allows 50 subrequests");
    assert!(bench.runtime.now_s() - started < 60, "the caller waits");
}

#[test]
fn alone_reads_that_fail_are_repeated_and_a_lost_prediction_ends_it() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(1_500));
    bench.wire.fail("get", Fault::LostRequest);
    assert_eq!(alone(&bench, &request()).unwrap()["success"], true);
    bench.provider.forgets.set(true);
    assert_eq!(alone(&bench, &request()).unwrap()["error"], "The provider lost the image.");
}

#[test]
fn alone_a_busy_provider_is_a_problem_that_says_when() {
    for (fault, retry_after) in
        [(Fault::Throttled(7), Some(7)), (Fault::Account(402), Some(5)), (Fault::LostRequest, Some(5))]
    {
        let bench = Bench::new();
        bench.wire.fail("create", fault);
        let problem = alone(&bench, &request()).unwrap_err();
        assert_eq!((problem.code, problem.retry_after), (Code::Unavailable, retry_after), "{fault:?}");
        assert!(!problem.detail.contains("credit"), "the account's state is not the caller's business");
    }
}

#[test]
fn alone_a_bad_request_never_reaches_the_provider() {
    let table = [
        (json!({}), Code::InvalidRequest),
        (json!({ "prompt": "x", "model_id": "nobody/nothing" }), Code::UnknownModel),
        (
            json!({ "prompt": "x", "model_id": "black-forest-labs/flux-schnell", "operation": "upscale" }),
            Code::Unsupported,
        ),
    ];
    for (body, code) in table {
        let bench = Bench::new();
        assert_eq!(alone(&bench, &body).unwrap_err().code, code, "{body}");
        assert_eq!(bench.provider.created(), 0);
    }
}

#[test]
fn alone_nobody_has_images_of_their_own() {
    let bench = Bench::new();
    for field in ["source_generation_id", "source_id"] {
        let mut body = request();
        body[field] = json!("0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c");
        let problem = alone(&bench, &body).unwrap_err();
        assert_eq!((problem.code.as_str(), problem.field.as_deref()), ("unsupported", Some(field)));
    }
    assert_eq!(bench.provider.created(), 0);
}
