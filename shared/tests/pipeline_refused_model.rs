//! A model that the provider refuses concerns that model alone.
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
use support::provider::throttled;
use support::{Bench, block_on, request_for};

const BUDGET: Budget = Budget { parallel: 3, time: Duration::from_secs(20), jobs: 100 };
const BAD: &str = "black-forest-labs/flux-dev";

fn drain(bench: &Bench) -> u32 {
    block_on(bench.pipeline().drain(BUDGET)).unwrap().claimed
}

fn alerts(bench: &Bench) -> Vec<(String, String)> {
    bench.runtime.alerts.borrow().iter().map(|(what, _, detail)| (what.clone(), detail.clone())).collect()
}

#[test]
fn the_others_are_made_as_without_it_and_operators_hear_of_it_once() {
    for status in [403, 404, 422] {
        let bench = Bench::new();
        bench.provider.refused_models.borrow_mut().insert(BAD, status);
        let mut bad = Vec::new();
        for n in 0..30 {
            bench.start();
            if n % 3 == 0 {
                bad.push(bench.queue.start_generation(request_for(BAD)));
            }
        }
        drain(&bench);
        assert_eq!(bench.provider.created(), 30, "{status}");
        // Those that ran together before it was known, and no other one.
        assert!(bench.provider.refused.get() <= 3, "{status}: {} were asked", bench.provider.refused.get());
        for job in bad {
            let generation = bench.queue.generation(job);
            assert_eq!(
                (generation.status, generation.error_code.as_deref()),
                ("failed", Some("model_unavailable"))
            );
        }
        let told = alerts(&bench);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!(told[0].0, "the provider refuses a model");
        assert!(told[0].1.starts_with(&format!("{BAD}: status {status}, ")), "{told:?}");
    }
}

#[test]
fn when_its_time_is_over_it_is_asked_again_and_all_is_well_where_it_creates() {
    let bench = Bench::new();
    bench.provider.refused_models.borrow_mut().insert(BAD, 404);
    bench.queue.start_generation(request_for(BAD));
    drain(&bench);
    bench.provider.refused_models.borrow_mut().clear();
    bench.pass(60);
    for _ in 0..3 {
        bench.queue.start_generation(request_for(BAD));
    }
    drain(&bench);
    assert_eq!(bench.provider.created(), 3);
    assert!(bench.queue.tables.borrow().refused_models.is_empty());
}

#[test]
fn several_models_that_are_refused_are_the_account() {
    let bench = Bench::new();
    let models = [BAD, "black-forest-labs/flux-1.1-pro", "bytedance/seedream-4"];
    for model in models {
        bench.provider.refused_models.borrow_mut().insert(model, 403);
    }
    let jobs: Vec<_> = models.map(|model| bench.queue.start_generation(request_for(model))).to_vec();
    for _ in 0..3 {
        bench.run_next();
    }
    assert_eq!(bench.queue.generation(jobs[2]).status, "queued", "it waits, as everybody does");
    assert_eq!(alerts(&bench).last().unwrap().0, "the provider refuses our account");
    bench.start();
    assert_eq!(drain(&bench), 0);
}

#[test]
fn a_job_that_may_have_left_a_prediction_looks_for_it_whatever_its_model() {
    let bench = Bench::new();
    let job = bench.queue.start_generation(request_for(BAD));
    bench.wire.fail("create", support::wire::Fault::LostAnswer);
    bench.run_next();
    bench.provider.refused_models.borrow_mut().insert(BAD, 403);
    bench.queue.start_generation(request_for(BAD));
    bench.pass(2);
    bench.run_next();
    bench.pass(90);
    drain(&bench);
    assert_eq!(bench.queue.generation(job).status, "completed", "it is paid for");
    *bench.provider.refusal.borrow_mut() = Some(throttled(1));
}
