//! Thousands of generations under random faults. A failing seed is printed; `SIMULATION_SEED=n`
//! replays it alone, `SIMULATION_SEEDS=n` runs more of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::collections::BTreeMap;
use std::env;

use shared::ports::Clock;
use support::Bench;
use support::queue_rows::{Generation, Row};
use support::simulation::{Plan, Simulation, job_of};

const GENERATIONS: usize = 50;

/// What happened, to be compared and counted.
#[derive(Debug, Default, PartialEq)]
struct Report {
    statuses: BTreeMap<&'static str, usize>,
    predictions: usize,
    /// Completed generations for which more than one prediction was created.
    repeated: usize,
    crashes: usize,
    /// Jobs that came with the answer to their start.
    handed_over: usize,
    /// Periods in which the provider refused every create, and how many it refused then.
    storms: usize,
    refused: usize,
    /// Periods in which a part was down.
    outages: usize,
    /// The codes of failed generations.
    failures: BTreeMap<String, usize>,
    /// Alerts, by what they tell.
    alerts: BTreeMap<String, usize>,
    calls: usize,
    warnings: BTreeMap<String, usize>,
    ended_ms: u64,
}

impl Report {
    fn add(&mut self, other: Self) {
        for (status, count) in other.statuses {
            *self.statuses.entry(status).or_default() += count;
        }
        for (what, count) in other.warnings {
            *self.warnings.entry(what).or_default() += count;
        }
        self.predictions += other.predictions;
        self.repeated += other.repeated;
        for (code, count) in other.failures {
            *self.failures.entry(code).or_default() += count;
        }
        self.outages += other.outages;
        for (what, count) in other.alerts {
            *self.alerts.entry(what).or_default() += count;
        }
        self.crashes += other.crashes;
        self.handed_over += other.handed_over;
        self.storms += other.storms;
        self.refused += other.refused;
        self.calls += other.calls;
        self.ended_ms = self.ended_ms.max(other.ended_ms);
    }
}

fn simulate(plan: Plan) -> Report {
    let bench = Bench::with_seed(plan.seed);
    let mut simulation = Simulation::new(&bench, plan);
    simulation.run();
    let mut report = Report {
        crashes: simulation.crashes.get(),
        handed_over: simulation.handed_over,
        storms: simulation.storms,
        outages: simulation.outages,
        refused: bench.provider.refused.get(),
        ..Report::default()
    };
    check(&bench, plan, &mut report);
    let seed = plan.seed;
    assert_eq!(bench.provider.created_in_pause.get(), 0, "seed {seed}: a create was sent during a pause");
    ledger_is_right(&bench, seed);
    for (what, ..) in bench.runtime.alerts.borrow().iter() {
        *report.alerts.entry(what.clone()).or_default() += 1;
    }
    report.calls = bench.wire.calls.borrow().len();
    report.ended_ms = bench.runtime.now_ms();
    for (what, ..) in bench.runtime.warnings.borrow().iter() {
        *report.warnings.entry(what.clone()).or_default() += 1;
    }
    report
}

fn check(bench: &Bench, plan: Plan, report: &mut Report) {
    let tables = bench.queue.tables.borrow();
    assert_eq!(tables.generations.len(), plan.generations, "every start is there");
    for generation in tables.generations.values() {
        let job = tables.jobs.iter().find(|row| row.id == generation.job_id).expect("its job");
        let again =
            format!("seed {}; SIMULATION_SEED={} replays it: {generation:#?} {job:#?}", plan.seed, plan.seed);
        assert!(generation.ended(), "never ended: {again}");
        assert!(never_backwards(generation), "a status moved backwards: {again}");

        let images = tables.images.get(&generation.id).map_or(0, Vec::len);
        let stored = bench
            .store
            .files
            .borrow()
            .keys()
            .filter(|path| path.contains(&generation.id.to_string()))
            .count();
        assert_eq!(
            images,
            usize::from(generation.status == "completed"),
            "completed is stored, once: {again}"
        );
        assert!(stored <= 1 && images <= stored, "one file for one generation: {again}");

        let created = paid(bench, job, plan.stalls);
        assert!(
            created.total <= most_creates(job),
            "{} predictions in {} attempts: {again}",
            created.total,
            job.attempts
        );
        assert!(created.in_order <= 1 + created.failed, "paid twice ({created:?}): {again}");
        *report.statuses.entry(generation.status).or_default() += 1;
        if generation.status == "failed" {
            *report.failures.entry(generation.error_code.clone().unwrap_or_default()).or_default() += 1;
        }
        report.predictions += created.total;
        report.repeated +=
            usize::from(generation.status == "completed" && created.total > 1 + created.failed);
    }
}

/// What the queue knows of predictions is what the provider has.
fn ledger_is_right(bench: &Bench, seed: u64) {
    let tables = bench.queue.tables.borrow();
    let booked = bench.provider.booked.borrow();
    for (id, row) in &tables.predictions {
        let theirs = booked.iter().find(|one| one.id == *id);
        let theirs = theirs.unwrap_or_else(|| panic!("seed {seed}: prediction {id} does not exist"));
        let status = theirs.status(bench.runtime.now_ms());
        let told = row.status.as_deref();
        assert!(
            told.is_none_or(|told| told == status || told == "unknown"),
            "seed {seed}: {row:?} is {status}"
        );
        assert_eq!(theirs.new.webhook.as_deref().and_then(job_of), Some(row.job_id), "seed {seed}: {id}");
    }
    for one in booked.iter() {
        let job_id = one.new.webhook.as_deref().and_then(job_of).expect("a webhook");
        let job = tables.jobs.iter().find(|row| row.id == job_id).expect("its job");
        // Nobody looks for what a create has left once its generation has ended in another way.
        let is_known = tables.predictions.contains_key(&one.id) || job.status != "cancelled";
        assert!(is_known, "seed {seed}: nobody learned of {one:?}, whose user has cancelled: {job:?}");
    }
}

/// Back only by a retry, and never on after an end.
fn never_backwards(generation: &Generation) -> bool {
    const ORDER: [&str; 6] = ["queued", "processing", "downloading", "completed", "failed", "cancelled"];
    let mut at = 0;
    generation.history.iter().all(|word| {
        let place = ORDER.iter().position(|one| one == word).unwrap_or(0);
        let forward = *word == "retry" || (place >= at && at < 3);
        at = place;
        forward
    })
}

/// One create an attempt, and one for the attempt that did not fail. A run that its start had handed over and that
/// slept over its lease was no attempt.
fn most_creates(job: &Row) -> usize {
    job.attempts as usize + usize::from(job.status != "failed") + usize::from(job.hand_over_lost)
}

#[derive(Debug, Default)]
struct Created {
    total: usize,
    /// Of these: by the holder of the job, not by one who had lost it already.
    in_order: usize,
    /// Of these: failed at the provider.
    failed: usize,
}

/// The predictions that were created for a job, from the provider's own records.
///
/// What we stopped ourselves did not fail at the provider. Only where workers sleep over their lease
/// may one stop what the next holder is about to adopt.
fn paid(bench: &Bench, job: &Row, stalls: bool) -> Created {
    let mut created = Created::default();
    let now = bench.runtime.now_ms();
    for one in bench.provider.booked.borrow().iter() {
        if one.new.webhook.as_deref().and_then(job_of) != Some(job.id) {
            continue;
        }
        created.total += 1;
        created.in_order += usize::from(!one.overtaken);
        // A success without an output is a failure too.
        let empty = matches!(&one.fate.end, support::provider::End::Output(output) if *output == serde_json::json!([]));
        let unusable = one.status(now) != "succeeded" || empty;
        let not_ours = stalls || one.cancelled_ms.is_none();
        // The first one recorded is the job's, whoever created it.
        let counts = !one.overtaken || job.knew(&one.id);
        created.failed += usize::from(counts && unusable && not_ours);
    }
    created
}

fn seeds(count: u64) -> Vec<u64> {
    match env::var("SIMULATION_SEED") {
        Ok(seed) => vec![seed.parse().expect("SIMULATION_SEED is a number")],
        Err(_) => {
            (1..=env::var("SIMULATION_SEEDS").map_or(count, |more| more.parse().expect("a number"))).collect()
        }
    }
}

fn simulate_all(count: u64, plan: impl Fn(u64) -> Plan) -> Report {
    let mut sum = Report::default();
    for seed in seeds(count) {
        sum.add(simulate(plan(seed)));
    }
    println!("{sum:#?}");
    sum
}

#[test]
fn without_faults_everything_completes_or_fails_at_the_provider_and_nothing_is_paid_twice() {
    let sum = simulate_all(5, |seed| Plan {
        seed,
        generations: GENERATIONS,
        fault_rate: 0.0,
        crash_rate: 0.0,
        stalls: false,
        storms: false,
        outages: false,
    });
    assert_eq!(sum.repeated, 0);
    assert_eq!((sum.crashes, sum.warnings.get("outcome of a create is unknown")), (0, None));
}

#[test]
fn under_lost_calls_crashes_and_webhooks_nothing_is_lost_stored_or_paid_twice() {
    let sum = simulate_all(80, |seed| Plan {
        seed,
        generations: GENERATIONS,
        fault_rate: 0.02 + 0.04 * (seed % 5) as f64,
        crash_rate: 0.001 * (seed % 7) as f64,
        stalls: false,
        storms: false,
        outages: false,
    });
    assert_eq!(sum.repeated, 0, "paid twice");
    if env::var("SIMULATION_SEED").is_err() {
        assert!(sum.crashes > 100, "the faults are too rare to prove anything: {sum:?}");
        // That all tries of a call are lost takes an outage: below.
        for what in ["outcome of a create is unknown", "prediction adopted"] {
            assert!(sum.warnings.contains_key(what), "the path {what:?} was never taken");
        }
    }
}

#[test]
fn workers_that_sleep_over_their_lease_change_nothing_that_is_no_longer_theirs() {
    let sum = simulate_all(20, |seed| Plan {
        seed,
        generations: GENERATIONS,
        fault_rate: 0.01 * (seed % 4) as f64,
        crash_rate: 0.001 * (seed % 3) as f64,
        stalls: true,
        storms: false,
        outages: false,
    });
    assert!(
        sum.warnings.contains_key("lease lost while creating") || env::var("SIMULATION_SEED").is_ok(),
        "no lease ran out: {sum:?}"
    );
}

#[test]
fn while_the_provider_refuses_everybody_nobody_asks_and_afterwards_all_goes_on() {
    let sum = simulate_all(40, |seed| Plan {
        seed,
        generations: GENERATIONS,
        fault_rate: 0.02 * (seed % 3) as f64,
        crash_rate: 0.001 * (seed % 4) as f64,
        stalls: false,
        storms: true,
        outages: false,
    });
    assert_eq!(sum.repeated, 0, "paid twice");
    if env::var("SIMULATION_SEED").is_err() {
        assert!(
            sum.storms > 40 && sum.refused > sum.storms,
            "the storms are too few to prove anything: {sum:?}"
        );
        for what in ["throttled", "the provider refuses our account"] {
            let alerts = sum.alerts.get(what).copied().unwrap_or_default();
            assert!(alerts > 20, "{what:?} was seldom told: {sum:?}");
        }
    }
}

#[test]
fn outages_cost_time_and_neither_images_nor_cents() {
    let sum = simulate_all(60, |seed| Plan {
        seed,
        generations: GENERATIONS,
        fault_rate: 0.0,
        crash_rate: 0.0,
        stalls: false,
        storms: false,
        outages: true,
    });
    assert_eq!(sum.repeated, 0, "paid twice");
    for code in
        ["storage_failed", "output_expired", "provider_unreachable", "attempts_exhausted", "prediction_lost"]
    {
        assert_eq!(sum.failures.get(code), None, "a passing fault has lost an image: {sum:?}");
    }
    if env::var("SIMULATION_SEED").is_err() {
        assert!(sum.outages > 60, "the outages are too few to prove anything: {sum:?}");
        for what in ["put off", "outcome of a create is unknown", "the queue could not be told"] {
            assert!(sum.warnings.contains_key(what), "the path {what:?} was never taken");
        }
        assert!(sum.alerts.contains_key("the provider creates nothing"), "{sum:?}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    let plan = Plan {
        seed: 11,
        generations: GENERATIONS,
        fault_rate: 0.1,
        crash_rate: 0.003,
        stalls: true,
        storms: true,
        outages: true,
    };
    assert_eq!(simulate(plan), simulate(plan));
}
