//! A `generate-image` job whose last run may have created a prediction: look before paying again.

mod support;

use support::provider::Fate;
use support::wire::Fault;
use support::{Bench, block_on};

#[test]
fn an_unknown_outcome_creates_nothing_before_the_webhook_window_has_passed() {
    for fault in [Fault::LostRequest, Fault::LostAnswer] {
        let bench = Bench::new();
        let job = bench.start();
        bench.wire.fail("create", fault);
        assert_eq!(bench.run_next(), "Paused(2s)", "{fault:?}");
        let row = bench.queue.row(job);
        assert_eq!((row.status, row.outcome_unknown, row.attempts), ("processing", true, 0), "{fault:?}");
        bench.pass(89);
        assert!(bench.queue.claim_now(1, 60_000).is_empty(), "{fault:?}: looked at within the window");
    }
}

#[test]
fn an_unknown_outcome_that_left_nothing_is_no_attempt_and_creates_once_more() {
    let bench = Bench::new();
    let job = bench.start();
    bench.wire.fail("create", Fault::LostRequest);
    bench.run_next();
    bench.pass(90);
    bench.run_next();
    assert_eq!(bench.wire.count("list"), 1, "the list is searched first");
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.attempts, row.outcome_unknown), ("pending", 0, false));
    assert_eq!(bench.wire.count("create"), 1);
    assert_eq!(bench.run_next(), "Resumed");
    assert_eq!((bench.wire.count("create"), bench.provider.created()), (2, 1));
}

#[test]
fn without_a_webhook_nobody_can_search_so_each_create_may_have_been_paid_for() {
    let mut bench = Bench::new();
    bench.options.callback = None;
    let job = bench.start();
    bench.wire.break_down(&["create"]);
    for _ in 0..20 {
        for claimed in bench.queue.claim_now(1, 60_000) {
            bench.run(&claimed);
        }
        bench.pass(100);
    }
    assert_eq!((bench.queue.row(job).status, bench.queue.row(job).attempts), ("failed", 2));
    assert_eq!(bench.wire.count("create"), 2, "one create an attempt, and no third one");
}

#[test]
fn without_a_webhook_what_lost_runs_have_created_is_never_paid_a_third_time() {
    for first_fails in [false, true] {
        let mut bench = Bench::new();
        bench.options.callback = None;
        let job = bench.start();
        for run in 0..4 {
            bench.provider.next(Fate::fails_with("list index out of bounds"));
            let fails = first_fails && run == 0;
            // The prediction is created, and the run ends before it can be noted.
            if !fails {
                bench.wire.break_down(&["record"]);
            }
            for claimed in bench.queue.claim_now(1, 60_000) {
                let _ = block_on(bench.pipeline().run_job(&claimed));
            }
            bench.wire.mend();
            bench.pass(5);
            if fails {
                bench.run_next();
            }
            bench.pass(300);
        }
        assert_eq!((bench.queue.row(job).status, bench.provider.created()), ("failed", 2), "{first_fails}");
        assert_eq!(bench.queue.generation(job).error_code.as_deref(), Some("attempts_exhausted"));
    }
}

#[test]
fn a_provider_that_never_answers_is_waited_for_for_a_day() {
    for down in [["create", "get"], ["create", "list"]] {
        let bench = Bench::new();
        let job = bench.start();
        bench.wire.break_down(&down);
        for hour in 0..26 {
            assert_eq!(
                bench.queue.generation(job).status,
                if hour > 24 { "failed" } else { "queued" },
                "{hour}"
            );
            for _ in 0..36 {
                for claimed in bench.queue.claim_now(1, 60_000) {
                    bench.run(&claimed);
                }
                bench.pass(100);
            }
        }
        assert_eq!(bench.queue.generation(job).error_code.as_deref(), Some("provider_unreachable"));
        let creates = bench.wire.count("create");
        assert!(
            if down[1] == "list" { creates == 1 } else { creates > 100 },
            "{creates}: no look, no create"
        );
    }
}

#[test]
fn an_unknown_outcome_adopts_what_the_list_shows() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(200_000));
    let job = bench.start();
    bench.wire.fail("create", Fault::LostAnswer);
    bench.run_next();
    bench.pass(90);
    assert_eq!(bench.run_next(), "Resumed");
    let row = bench.queue.row(job);
    assert_eq!((row.prediction_id, row.outcome_unknown), (Some(bench.provider.prediction(0).id), false));
    assert_eq!(bench.queue.generation(job).width, Some(1024), "the row is corrected as by a create");
    bench.pass(120);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.queue.generation(job).status, bench.provider.created()), ("completed", 1));
}

#[test]
fn an_unknown_outcome_is_settled_by_the_webhook() {
    let bench = Bench::new();
    let job = bench.start();
    bench.wire.fail("create", Fault::LostAnswer);
    bench.run_next();
    let download = bench.webhook(job, 0).expect("the prediction is adopted");
    assert_eq!(bench.run(&download), "Forward");
    assert_eq!((bench.queue.generation(job).status, bench.provider.created()), ("completed", 1));
    bench.pass(600);
    assert!(bench.queue.claim_now(9, 60_000).is_empty(), "nothing is left to do");
}

#[test]
fn a_rescued_job_adopts_instead_of_creating() {
    let bench = Bench::new();
    let job = bench.start();
    bench.wire.break_down(&["record"]);
    let claimed = bench.claim();
    let ended = block_on(bench.pipeline().run_job(&claimed));
    assert!(ended.is_err(), "the queue could not be told");
    bench.wire.mend();
    bench.pass(60);
    let rescued = bench.claim();
    assert!(rescued.rescued);
    assert_eq!(bench.run(&rescued), "Forward");
    assert_eq!((bench.queue.generation(job).status, bench.provider.created()), ("completed", 1));
    assert!(bench.runtime.warned("prediction adopted"));
}

#[test]
fn a_rescued_job_that_left_nothing_creates() {
    let bench = Bench::new();
    let job = bench.start();
    bench.claim();
    bench.pass(60);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(*bench.wire.calls.borrow(), ["list", "extend_lease", "create", "record"]);
    assert_eq!(bench.queue.row(job).attempts, 1, "the lost run counts");
}

#[test]
fn a_search_that_fails_creates_nothing() {
    let bench = Bench::new();
    let job = bench.start();
    bench.claim();
    bench.pass(60);
    bench.wire.fail("list", Fault::LostRequest);
    assert_eq!(bench.run_next(), "Failed");
    assert_eq!(bench.wire.count("create"), 0);
    assert!(bench.queue.row(job).outcome_unknown, "looked at again after the window");
}

#[test]
fn a_search_does_not_take_an_earlier_attempts_prediction_for_this_ones() {
    let bench = Bench::new();
    let job = bench.start();
    bench.provider.next(Fate::fails_with("Prediction interrupted; please retry (code: PA)"));
    bench.run_next();
    bench.webhook(job, 0);
    bench.pass(10);
    bench.wire.fail("create", Fault::LostRequest);
    bench.run_next();
    bench.pass(90);
    bench.run_next();
    bench.pass(30);
    assert_eq!(bench.run_next(), "Resumed", "a prediction that failed before keeps the job waiting");
    assert_eq!(bench.queue.row(job).prediction_id, Some(bench.provider.prediction(1).id));
}

#[test]
fn another_jobs_prediction_is_never_adopted() {
    let bench = Bench::new();
    bench.start();
    bench.run_next();
    let job = bench.start();
    bench.claim();
    bench.pass(60);
    let rescued = bench.queue.claim_now(2, 60_000).into_iter().find(|one| one.id == job).unwrap();
    bench.run(&rescued);
    assert_eq!(bench.queue.row(job).prediction_id, Some(bench.provider.prediction(1).id));
}

#[test]
fn a_rescuer_that_lost_its_lease_while_searching_creates_nothing() {
    let bench = Bench::new();
    bench.start();
    bench.claim(); // a run that dies
    bench.pass(61);
    let rescuer = bench.claim();
    assert!(rescuer.rescued);
    bench.pass(61); // its search takes longer than its lease …
    let next = bench.claim();
    assert_eq!(bench.run(&rescuer), "Failed");
    assert_eq!(bench.wire.count("create"), 0, "… and the job is somebody else's by now");
    assert!(bench.runtime.warned("lease lost while searching"));
    assert_eq!(bench.run(&next), "Forward");
    assert_eq!(bench.provider.created(), 1);
}
