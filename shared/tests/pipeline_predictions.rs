//! The ledger: each prediction once, with its end; and those that nobody awaits are stopped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use shared::ports::Clock;
use shared::ports::Status;
use support::provider::{End, Fate};
use support::wire::Fault;
use support::{Bench, block_on};
use uuid::Uuid;

/// How it was learned of and how it ended, of the prediction at this place in the order of creation.
fn noted(bench: &Bench, place: usize) -> Option<(String, Option<String>)> {
    let row = bench.queue.prediction(&bench.provider.prediction(place).id)?;
    Some((row.source, row.status))
}

fn known(source: &str, status: Option<&str>) -> Option<(String, Option<String>)> {
    Some((source.to_owned(), status.map(str::to_owned)))
}

#[test]
fn every_end_of_a_prediction_is_in_the_ledger() {
    let table = [
        (Fate::succeeds_after(0), "succeeded"),
        (Fate::fails_with("NSFW content detected."), "failed"),
        (Fate::gives(serde_json::json!([])), "succeeded"),
        (Fate { starts_after_ms: 0, ends_after_ms: 10_000_000, end: End::Error("x") }, "canceled"),
        (Fate { starts_after_ms: 9_000_000, ends_after_ms: 10_000_000, end: End::Error("x") }, "aborted"),
    ];
    for (fate, status) in table {
        let bench = Bench::new();
        bench.provider.next(fate);
        let job = bench.start();
        bench.run_next();
        assert_eq!(noted(&bench, 0), known("created", None));
        bench.pass(900);
        for _ in 0..2 {
            bench.webhook(job, 0);
            assert_eq!(noted(&bench, 0), known("created", Some(status)), "and a repetition changes nothing");
        }
        let row = bench.queue.prediction(&bench.provider.prediction(0).id).unwrap();
        let ran = (status != "aborted").then_some(1.5);
        assert_eq!((row.job_id, row.attempt, row.predict_time), (job, 1, ran));
    }
}

#[test]
fn how_it_was_learned_of_is_in_the_ledger() {
    let bench = Bench::new();
    let job = bench.start();
    bench.wire.fail("create", Fault::LostAnswer);
    bench.run_next();
    bench.webhook(job, 0);
    assert_eq!(noted(&bench, 0), known("webhook", Some("succeeded")));

    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(500_000));
    bench.start();
    bench.wire.fail("create", Fault::LostAnswer);
    bench.run_next();
    bench.pass(90);
    bench.run_next();
    assert_eq!(noted(&bench, 0), known("adopted", None));
}

#[test]
fn a_prediction_that_runs_and_that_nobody_knows_is_recorded_by_its_webhook() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(500_000));
    let job = bench.start();
    bench.wire.fail("create", Fault::LostAnswer);
    bench.run_next();
    bench.pass(80); // so that its logs tell of progress
    assert!(bench.webhook(job, 0).is_none());
    let row = bench.queue.row(job);
    assert_eq!((row.prediction_id, row.outcome_unknown), (Some(bench.provider.prediction(0).id), false));
    assert_eq!(
        (bench.queue.generation(job).status, noted(&bench, 0)),
        ("processing", known("webhook", None))
    );
}

/// A job that awaits a prediction, and a second one that was created for it.
fn with_a_second() -> (Bench, Uuid) {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(500_000));
    let job = bench.start();
    bench.run_next();
    bench.provider.next(Fate::succeeds_after(500_000));
    let webhook = bench.provider.booked.borrow()[0].new.webhook.clone().unwrap();
    bench.provider.accept_for(&webhook);
    (bench, job)
}

#[test]
fn a_second_prediction_of_one_attempt_is_stopped_by_its_first_webhook_and_kept_in_the_ledger() {
    let (bench, job) = with_a_second();
    bench.pass(80); // so that its logs tell of progress
    let stop = bench.webhook(job, 1).expect("a job that stops it");
    assert!(bench.webhook(job, 1).is_none(), "a repetition changes nothing");
    assert_eq!(bench.run(&stop), "Forward");
    assert_eq!(bench.provider.prediction(1).status, Status::Canceled);
    assert_eq!(noted(&bench, 1), known("webhook", Some("canceled")));
    assert_eq!(bench.queue.row(job).prediction_id, Some(bench.provider.prediction(0).id));
    assert_eq!(bench.provider.prediction(0).status, Status::Processing, "the first one goes on");
}

#[test]
fn a_second_prediction_that_has_ended_is_kept_in_the_ledger() {
    let (bench, job) = with_a_second();
    bench.pass(500);
    assert!(bench.webhook(job, 1).is_none());
    assert_eq!(noted(&bench, 1), known("webhook", Some("succeeded")));
    assert!(bench.runtime.warned("prediction of no current job"));
    assert!(bench.webhook(job, 0).is_some(), "the image is the first one's");
}

#[test]
fn of_two_that_the_list_shows_the_better_one_is_adopted_and_the_other_one_stopped() {
    let (bench, job) = (Bench::new(), Uuid::from_u128(0x1_0000_0000));
    let webhook = format!("https://hooks.example.com/webhooks/replicate?job={job}&lease=1&attempts=0");
    for fate in [Fate::succeeds_after(0), Fate::succeeds_after(500_000), Fate::fails_with("(code: PA)")] {
        bench.provider.next(fate);
        bench.provider.accept_for(&webhook);
    }
    assert_eq!(bench.start(), job);
    bench.claim();
    bench.pass(60);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.queue.generation(job).status, bench.provider.created()), ("completed", 3));
    assert_eq!(bench.provider.prediction(1).status, Status::Canceled);
    let ends: Vec<_> = (0..3).map(|place| noted(&bench, place).unwrap().1.unwrap()).collect();
    assert_eq!(ends, ["succeeded", "canceled", "failed"]);
}

#[test]
fn a_worker_that_dies_before_it_stops_what_it_created_in_vain_leaves_a_job_that_does() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(600_000));
    bench.start();
    let claimed = bench.claim();
    bench.queue.cancel_generation(claimed.generation_id.unwrap());
    bench.wire.fail("record", Fault::LostAnswer);
    assert_eq!(bench.run(&claimed), "Failed", "the second answer names no job: it is leased already");
    bench.pass(60);
    bench.run_next();
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
    assert_eq!(noted(&bench, 0), known("created", Some("canceled")));
}

/// A job in doubt about a prediction that runs, whose user has cancelled.
fn cancelled_in_doubt(fault: Fault) -> (Bench, Uuid) {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(600_000));
    let job = bench.start();
    bench.wire.fail("create", fault);
    bench.run_next();
    bench.queue.cancel_generation(bench.queue.generation(job).id);
    (bench, job)
}

#[test]
fn cancelled_in_doubt_what_the_list_shows_is_stopped_at_once() {
    let (bench, job) = cancelled_in_doubt(Fault::LostAnswer);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.queue.generation(job).status, bench.provider.created()), ("cancelled", 1));
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
    assert_eq!(noted(&bench, 0), known("adopted", Some("canceled")));
    assert_eq!(bench.queue.job_of_type("cancel-prediction").status, "completed");
}

#[test]
fn cancelled_in_doubt_the_webhook_stops_it_too() {
    let (bench, job) = cancelled_in_doubt(Fault::LostAnswer);
    bench.pass(80); // so that its logs tell of progress
    let stop = bench.webhook(job, 0).expect("a job that stops it");
    bench.run(&stop);
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
    assert_eq!(bench.run_next(), "Forward", "the search finds nothing that runs");
    assert_eq!(noted(&bench, 0), known("webhook", Some("canceled")));
}

#[test]
fn cancelled_in_doubt_what_shows_late_is_found_by_a_second_look_and_there_is_no_third() {
    for shows_late in [true, false] {
        let (bench, job) = cancelled_in_doubt(Fault::LostRequest);
        assert_eq!(bench.run_next(), "Forward");
        assert_eq!(bench.queue.job_of_type("cancel-prediction").status, "pending");
        if shows_late {
            let webhook =
                format!("https://hooks.example.com/webhooks/replicate?job={job}&lease=1&attempts=0");
            bench.provider.accept_for(&webhook);
        }
        bench.pass(90);
        assert_eq!(bench.run_next(), "Forward");
        assert_eq!(bench.queue.job_of_type("cancel-prediction").status, "completed");
        assert_eq!(bench.wire.count("list"), 2);
        if shows_late {
            assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
        }
    }
}

#[test]
fn cancelled_while_its_run_is_lost_the_search_waits_for_the_lease() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(600_000));
    let job = bench.start();
    let claimed = bench.claim();
    bench.wire.break_down(&["record"]);
    let began_s = bench.runtime.now_s();
    assert!(block_on(bench.pipeline().run_job(&claimed)).is_err());
    bench.wire.mend();
    bench.queue.cancel_generation(bench.queue.generation(job).id);
    bench.pass(58 - (bench.runtime.now_s() - began_s));
    assert!(bench.queue.claim_now(9, 60_000).is_empty(), "its worker may still be about to record it");
    bench.pass(2);
    bench.run_next();
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
}

#[test]
fn a_prediction_that_outlives_its_deadline_is_stopped_and_counts_as_an_attempt() {
    let bench = Bench::new();
    bench.provider.forgets_deadlines.set(true);
    bench.provider.next(Fate::succeeds_after(10_000_000));
    let job = bench.start();
    bench.run_next();
    bench.pass(900 + 60);
    assert_eq!(bench.run_next(), "Forward", "it may be a little late by itself");
    assert_eq!(bench.wire.count("cancel"), 0);
    bench.pass(120);
    assert_eq!(bench.run_next(), "Failed");
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.attempts, row.prediction_id.clone()), ("pending", 1, None));
    assert_eq!(row.errors[0]["code"], "timed_out");
    assert_eq!(noted(&bench, 0), known("created", Some("canceled")));
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
    assert!(bench.runtime.warned("prediction overdue"));
}

#[test]
fn an_image_that_came_just_before_it_was_stopped_is_taken() {
    let bench = Bench::new();
    bench.provider.forgets_deadlines.set(true);
    bench.provider.next(Fate::succeeds_after(1_000_000));
    let job = bench.start();
    bench.run_next();
    bench.pass(980);
    // It ends between the look and the cancel.
    bench.provider.ends_before_cancel.set(true);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.queue.generation(job).status, bench.wire.count("cancel")), ("completed", 1));
}

#[test]
fn one_that_cannot_be_stopped_now_is_looked_at_again() {
    let bench = Bench::new();
    bench.provider.forgets_deadlines.set(true);
    bench.provider.next(Fate::succeeds_after(10_000_000));
    let job = bench.start();
    bench.run_next();
    bench.pass(1_000);
    bench.wire.fail("cancel", Fault::LostRequest);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.queue.row(job).status, bench.queue.row(job).attempts), ("processing", 0));
    bench.pass(120);
    assert_eq!(bench.run_next(), "Failed");
    assert_eq!(bench.queue.row(job).attempts, 1);
}
