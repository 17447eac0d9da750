//! A provider that refuses to create: everybody waits, nobody asks.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::time::Duration;

use shared::pipeline::Budget;
use shared::ports::Clock;
use support::provider::{Fate, refused, throttled};
use support::wire::Fault;
use support::{Bench, block_on, request_for};

const BAD: &str = "black-forest-labs/flux-dev";
const BUDGET: Budget = Budget { parallel: 3, time: Duration::from_secs(20), jobs: 100 };

/// One go: it ends before a pause does.
fn drain(bench: &Bench) -> u32 {
    block_on(bench.pipeline().drain(Budget { time: Duration::from_secs(1), ..BUDGET })).unwrap().claimed
}

#[test]
fn one_429_stops_everybody_but_those_already_under_way() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..50).map(|_| bench.start()).collect();
    *bench.provider.refusal.borrow_mut() = Some(throttled(7));
    assert_eq!(drain(&bench), 3, "the jobs claimed together are all there is");
    assert_eq!((bench.wire.count("create"), bench.provider.created()), (3, 0));
    for seconds in [0, 6] {
        bench.pass(seconds);
        assert_eq!(drain(&bench), 0, "after {seconds} s");
    }
    assert_eq!(bench.wire.count("create"), 3);

    bench.pass(1);
    *bench.provider.refusal.borrow_mut() = None;
    assert_eq!(drain(&bench), 50, "the pause ends by itself");
    for job in jobs {
        assert_eq!((bench.queue.row(job).attempts, bench.queue.row(job).status), (0, "processing"));
    }
}

#[test]
fn after_a_pause_one_job_tries_and_the_others_follow_when_it_has_created_one() {
    let bench = Bench::new();
    for _ in 0..9 {
        bench.start();
    }
    *bench.provider.refusal.borrow_mut() = Some(throttled(5));
    drain(&bench);
    for _ in 0..4 {
        bench.pass(5);
        let before = bench.wire.count("create");
        assert_eq!((drain(&bench), bench.wire.count("create") - before), (1, 1), "one at a time");
    }
    bench.pass(5);
    let probe = bench.claim();
    assert_eq!(drain(&bench), 0, "nobody else tries meanwhile");
    bench.pass(45);
    let second = bench.claim();
    assert_ne!(probe.id, second.id, "one that says nothing does not stop the queue");
    *bench.provider.refusal.borrow_mut() = None;
    assert_eq!(bench.run(&second), "Resumed");
    assert_eq!(drain(&bench), 7);
    assert_eq!(bench.run(&probe), "Forward");
    assert_eq!(bench.provider.created(), 9);
}

#[test]
fn an_outage_of_creates_stops_everybody_for_longer_each_time_and_costs_nobody_an_attempt() {
    let bench = Bench::new();
    let jobs: Vec<_> = (0..20).map(|_| bench.start()).collect();
    bench.wire.break_down(&["create"]);
    for seconds in 0..900 {
        drain(&bench);
        if seconds == 5 {
            assert!(bench.runtime.alerts.borrow().is_empty(), "what passes is nobody's business");
        }
        bench.pass(1);
    }
    let creates = bench.wire.count("create");
    assert!((10..=25).contains(&creates), "the first three, then 2, 4, … 60 s apart: {creates}");
    let alerts: Vec<String> = bench.runtime.alerts.borrow().iter().map(|(what, ..)| what.clone()).collect();
    assert_eq!(alerts, ["the provider creates nothing"]);
    for job in &jobs {
        assert_eq!((bench.queue.row(*job).attempts, bench.queue.generation(*job).status), (0, "queued"));
    }
    bench.wire.mend();
    for _ in 0..160 {
        drain(&bench);
        bench.pass(1);
    }
    assert_eq!(bench.provider.created(), 20, "all of them, once");
}

#[test]
fn one_passing_failure_does_not_hold_the_queue_up() {
    let bench = Bench::new();
    for _ in 0..20 {
        bench.start();
    }
    bench.wire.fail("create", Fault::LostRequest);
    drain(&bench);
    bench.pass(2);
    drain(&bench);
    assert_eq!(bench.provider.created(), 19, "two seconds later all but one are there");
    assert!(bench.runtime.alerts.borrow().is_empty());
}

#[test]
fn a_pause_is_told_once_and_not_for_each_job() {
    let table = [(throttled(5), "throttled"), (refused(402), "the provider refuses our account")];
    for (refusal, what) in table {
        let bench = Bench::new();
        for _ in 0..9 {
            bench.start();
        }
        *bench.provider.refusal.borrow_mut() = Some(refusal);
        // Six times it is tried again and refused: one pause that goes on.
        for _ in 0..6 {
            drain(&bench);
            bench.pass(60);
        }
        assert!(bench.wire.count("create") >= 6, "{what}: nothing was tried");
        let alerts: Vec<String> =
            bench.runtime.alerts.borrow().iter().map(|(what, ..)| what.clone()).collect();
        assert_eq!(alerts, [what]);
        // Ten minutes of peace later, another one begins.
        *bench.provider.refusal.borrow_mut() = None;
        bench.wire.calls.borrow_mut().clear();
        drain(&bench);
        bench.pass(600);
        *bench.provider.refusal.borrow_mut() = Some(throttled(5));
        bench.start();
        drain(&bench);
        assert_eq!(bench.runtime.alerts.borrow().len(), 2, "{what}");
    }
}

#[test]
fn pauses_do_not_add_up_and_are_never_longer_than_an_hour() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.start();
    }
    let jobs = bench.queue.claim_now(3, 60_000);
    for (job, seconds) in jobs.iter().zip([30, 7, 99_999]) {
        bench.wire.fail("create", Fault::Throttled(seconds));
        bench.run(job);
        let until_s = bench.queue.tables.borrow().pause.until_ms / 1000;
        let expected = if seconds > 3600 { 3600 } else { 30 };
        assert_eq!(until_s - bench.runtime.now_s(), expected, "after {seconds}");
    }
}

#[test]
fn while_creating_is_paused_everything_else_goes_on() {
    let bench = Bench::new();
    for _ in 0..3 {
        bench.provider.next(Fate::succeeds_after(30_000));
    }
    let (awaited, unwanted, throttled_job) = (bench.start(), bench.start(), bench.start());
    bench.run_next();
    bench.run_next();
    bench.queue.cancel_generation(bench.queue.generation(unwanted).id);
    bench.wire.fail("create", Fault::Throttled(3_000));
    let claimed = bench.queue.claim_now(2, 60_000);
    for job in &claimed {
        bench.run(job);
    }
    assert_eq!(bench.provider.prediction(1).status, shared::ports::Status::Canceled);
    let download = bench.webhook(awaited, 0);
    assert!(download.is_none(), "it still runs");
    bench.pass(120);
    assert_eq!(drain(&bench), 1, "the awaited prediction is looked at, and stored");
    assert_eq!(bench.queue.generation(awaited).status, "completed");
    assert_eq!((bench.queue.row(throttled_job).status, bench.provider.created()), ("pending", 2));
}

#[test]
fn a_lost_run_looks_for_what_it_left_and_creates_nothing_during_a_pause() {
    for left_one in [true, false] {
        let bench = Bench::new();
        let lost = bench.start();
        bench.claim();
        if left_one {
            // It created one and died before it could say so.
            bench.provider.next(Fate::succeeds_after(600_000));
            let webhook =
                format!("https://hooks.example.com/webhooks/replicate?job={lost}&lease=1&attempts=0");
            bench.provider.accept_for(&webhook);
        }
        bench.start();
        bench.wire.fail("create", Fault::Throttled(600));
        bench.run_next();
        bench.pass(60);
        bench.wire.calls.borrow_mut().clear();
        assert_eq!(drain(&bench), 1, "a lost job is looked after");
        assert_eq!((bench.wire.count("list"), bench.wire.count("create")), (1, 0), "{left_one}");
        let row = bench.queue.row(lost);
        let expected = if left_one { ("processing", 0) } else { ("pending", 0) };
        assert_eq!((row.status, row.attempts), expected, "no attempt is used");
    }
}

#[test]
fn a_short_pause_is_slept_out_and_one_that_is_longer_than_the_budget_is_not() {
    // What it asks for, what is left of the time, and whether the others are made in the same run.
    for (asks, time, goes_on) in [(2, 20, true), (9, 20, true), (9, 5, false), (30, 50, false)] {
        let bench = Bench::new();
        for _ in 0..3 {
            bench.start();
        }
        let began = bench.runtime.now_s();
        bench.wire.fail("create", Fault::Throttled(asks));
        let budget = Budget { parallel: 1, time: Duration::from_secs(time), jobs: 100 };
        let drained = block_on(bench.pipeline().drain(budget)).unwrap();
        assert_eq!(bench.provider.created(), if goes_on { 3 } else { 0 }, "{asks} s within {time} s");
        assert_eq!((drained.errors, drained.unfinished), (0, false));
        assert!(
            bench.runtime.now_s() - began <= if goes_on { asks + 1 } else { 0 },
            "{asks} s within {time} s"
        );
        let claims = bench.wire.count("claim");
        assert!(claims <= 5, "nobody asks during a pause: {claims} claims");
    }
}

#[test]
fn an_outage_is_slept_out_as_long_as_the_time_lasts() {
    let bench = Bench::new();
    for _ in 0..9 {
        bench.start();
    }
    bench.wire.break_down(&["create"]);
    let began = bench.runtime.now_s();
    block_on(bench.pipeline().drain(BUDGET)).unwrap();
    assert_eq!(bench.wire.count("create"), 6, "three at first, and one after 2, 6 and 14 s");
    assert!(bench.runtime.now_s() - began <= 20);
    assert!(bench.wire.count("claim") <= 5, "{}", bench.wire.count("claim"));
}

#[test]
fn jobs_that_were_handed_on_sleep_out_a_pause_too() {
    let bench = Bench::new();
    bench.start();
    bench.start();
    let leased = vec![bench.claim()];
    bench.wire.fail("create", Fault::Throttled(3));
    block_on(bench.pipeline().run_leased(&leased, false, BUDGET)).unwrap();
    assert_eq!(bench.provider.created(), 2);
}

#[test]
fn a_probe_that_creates_nothing_makes_room_for_the_next() {
    for ending in ["refused model", "rejected", "cancelled"] {
        let bench = Bench::new();
        let waits = bench.start();
        bench.wire.fail("create", Fault::Throttled(5));
        bench.run_next();
        bench.queue.edit(waits, |row| row.scheduled_ms += 3_600_000);
        bench.pass(5);
        match ending {
            "refused model" => drop(bench.provider.refused_models.borrow_mut().insert(BAD, 403)),
            "rejected" => bench.wire.fail("create", Fault::Rejected),
            _ => {}
        }
        let job = bench.queue.start_generation(request_for(BAD));
        let probe = bench.claim();
        assert_eq!(probe.id, job);
        bench.start();
        assert_eq!(drain(&bench), 0, "one tries");
        if ending == "cancelled" {
            bench.queue.cancel_generation(bench.queue.generation(job).id);
        }
        assert_eq!(bench.run(&probe), "Failed");
        assert_eq!(drain(&bench), 1, "{ending}: the next one waits for a probe that nobody makes");
    }
}
