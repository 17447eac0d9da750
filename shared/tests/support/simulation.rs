//! A seeded simulation in which workers crash, stall and overlap, and calls and webhooks get lost.
//!
//! One scheduler polls the workers' futures in a random order; a crash drops a future at whatever
//! call it waits for. After a while everything heals, and all that was started must end.

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use serde_json::json;
use shared::pipeline::{Budget, Callback};
use shared::ports::Clock;
use uuid::Uuid;

use super::provider::{End, Fate, refused, throttled};
use super::rng::Rng;
use super::runtime::START_MS;
use super::{Bench, OUTPUT, request};

/// How a simulation is.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    pub seed: u64,
    pub generations: usize,
    /// The probability of a fault at each call.
    pub fault_rate: f64,
    /// The probability of a crash at each step.
    pub crash_rate: f64,
    /// Whether the clock may jump over a lease while its holder lives on.
    pub stalls: bool,
    /// Whether there are times in which the provider refuses every create.
    pub storms: bool,
    /// Whether there are times in which one of the parts is down: store, creates, the provider, the queue.
    pub outages: bool,
}

struct Delivery {
    due_ms: u64,
    tries_left: u32,
    callback: Callback,
}

type Worker<'a> = Pin<Box<dyn Future<Output = Option<Delivery>> + 'a>>;

pub struct Simulation<'a> {
    bench: &'a Bench,
    plan: Plan,
    rng: Rng,
    workers: Vec<Worker<'a>>,
    deliveries: Vec<Delivery>,
    started: usize,
    next_sweep_ms: u64,
    cancel_rate: f64,
    /// Until when the provider refuses every create.
    storm_until_ms: u64,
    pub storms: usize,
    /// Until when a part is down.
    outage_until_ms: u64,
    pub outages: usize,
    pub crashes: Cell<usize>,
    /// Jobs that came with the answer to their start.
    pub handed_over: usize,
}

const BUDGET: Budget = Budget { parallel: 3, time: Duration::from_secs(20), jobs: 9 };
/// How long faults go on: retries and late looks are to meet them too.
const TROUBLE_MS: u64 = 40 * 60_000;
const MAX_STEPS: usize = 200_000;

impl<'a> Simulation<'a> {
    pub fn new(bench: &'a Bench, plan: Plan) -> Self {
        bench.wire.fault_rate.set(plan.fault_rate);
        bench.wire.pauses.set(true);
        let tables = bench.queue.tables.clone();
        *bench.provider.is_current.borrow_mut() = Box::new(move |webhook| {
            let tables = tables.borrow();
            let held =
                job_of(webhook).zip(lease_of(webhook)).and_then(|(job, lease)| tables.held(job, lease));
            held.is_some_and(|at| tables.jobs[at].prediction_id.is_none())
        });
        let (tables, runtime) = (bench.queue.tables.clone(), bench.runtime.clone());
        *bench.provider.may_create.borrow_mut() = Box::new(move |webhook| {
            let tables = tables.borrow();
            let claimed = job_of(webhook).and_then(|id| tables.place(id)).map(|at| tables.jobs[at].claimed);
            !tables.is_paused(runtime.now_ms()) || claimed <= Some(tables.pause.began_at_claim)
        });
        Self {
            bench,
            plan,
            rng: Rng::new(plan.seed.wrapping_mul(0x5eed).wrapping_add(1)),
            workers: Vec::new(),
            deliveries: Vec::new(),
            started: 0,
            next_sweep_ms: START_MS,
            cancel_rate: 0.002,
            storm_until_ms: 0,
            storms: 0,
            outage_until_ms: 0,
            outages: 0,
            crashes: Cell::new(0),
            handed_over: 0,
        }
    }

    /// Runs until everything has ended.
    ///
    /// # Panics
    /// When something never ends.
    pub fn run(&mut self) {
        for _ in 0..MAX_STEPS {
            self.step();
            if self.started == self.plan.generations && self.bench.runtime.now_ms() >= START_MS + TROUBLE_MS {
                self.heal();
                if self.is_quiet() {
                    return;
                }
            }
        }
        let tables = self.bench.queue.tables.borrow();
        let open: Vec<_> =
            tables.jobs.iter().filter(|row| row.status == "processing" || row.status == "pending").collect();
        panic!("seed {}: these jobs never end: {open:#?}", self.plan.seed);
    }

    fn step(&mut self) {
        if self.started < self.plan.generations && self.rng.chance(0.02) {
            self.start();
        }
        if self.rng.chance(self.cancel_rate) {
            self.cancel_one();
        }
        self.make_weather();
        self.make_outage();
        self.hear_from_provider();
        self.take_due();
        self.pass_time();
        if self.workers.is_empty() {
            return;
        }
        let at = self.rng.within(0, self.workers.len() as u64) as usize;
        if self.rng.chance(self.plan.crash_rate) {
            self.crashes.set(self.crashes.get() + 1);
            drop(self.workers.swap_remove(at));
            return;
        }
        let polled = self.workers[at].as_mut().poll(&mut Context::from_waker(Waker::noop()));
        if let std::task::Poll::Ready(again) = polled {
            drop(self.workers.swap_remove(at));
            self.deliveries.extend(again);
        }
    }

    /// Lets a storm begin or end: the provider refuses every create, as too many or for our account.
    fn make_weather(&mut self) {
        let now = self.bench.runtime.now_ms();
        if now < self.storm_until_ms {
            return;
        }
        let begins = self.plan.storms && self.rng.chance(0.005);
        *self.bench.provider.refusal.borrow_mut() = begins.then(|| {
            self.storms += 1;
            self.storm_until_ms = now + self.rng.within(5_000, 400_000);
            if self.rng.chance(0.5) { refused(402) } else { throttled(self.rng.within(1, 90)) }
        });
    }

    /// Lets an outage of one part begin or end.
    fn make_outage(&mut self) {
        const STORE: &[&str] = &["store", "sign", "remove"];
        const CREATES: &[&str] = &["create"];
        const PROVIDER: &[&str] = &["create", "get", "list", "cancel"];
        const QUEUE: &[&str] = &[
            "claim",
            "record",
            "record_progress",
            "finish_prediction",
            "finish_download",
            "fail",
            "snooze",
            "pause",
            "extend_lease",
            "complete",
        ];
        let now = self.bench.runtime.now_ms();
        if now < self.outage_until_ms {
            return;
        }
        self.bench.wire.mend();
        if self.plan.outages && self.rng.chance(0.005) {
            self.outages += 1;
            let (part, longest) = match self.rng.within(0, 4) {
                0 => (STORE, 900_000),
                1 => (CREATES, 900_000),
                2 => (PROVIDER, 900_000),
                // Webhooks are sent again for a minute; what they told is found by the sweep.
                _ => (QUEUE, 300_000),
            };
            self.bench.wire.break_down(part);
            self.outage_until_ms = now + self.rng.within(1_000, longest);
        }
    }

    fn start(&mut self) {
        self.started += 1;
        let id = self.bench.queue.start_generation(request());
        // Started by somebody who asks for the job, or who does not.
        let jobs = if self.rng.chance(0.7) { self.bench.queue.hand_over(id) } else { Vec::new() };
        self.handed_over += jobs.len();
        let bench = self.bench;
        if self.rng.chance(0.2) {
            // The answer or the wake-up is lost.
        } else if jobs.is_empty() {
            self.wake();
        } else {
            self.workers.push(Box::pin(async move {
                let _ = bench.pipeline().run_leased(&jobs, false, BUDGET).await;
                None
            }));
        }
    }

    fn wake(&mut self) {
        let bench = self.bench;
        self.workers.push(Box::pin(async move {
            // An error is the next sweep's business.
            let _ = bench.pipeline().drain(BUDGET).await;
            None
        }));
    }

    fn cancel_one(&mut self) {
        let tables = self.bench.queue.tables.borrow();
        let ids: Vec<Uuid> = tables.generations.keys().copied().collect();
        drop(tables);
        if !ids.is_empty() {
            self.bench.queue.cancel_generation(ids[self.rng.within(0, ids.len() as u64) as usize]);
        }
    }

    /// A webhook for each prediction that ended, and now and then one for one that runs: lost, sent once, or
    /// repeated, in any order.
    fn hear_from_provider(&mut self) {
        if self.rng.chance(0.01) {
            for (webhook, prediction) in self.bench.provider.running() {
                let Some(job_id) = webhook.as_deref().and_then(job_of) else { continue };
                for _ in 0..self.rng.within(0, 3) {
                    let due_ms = self.bench.runtime.now_ms() + self.rng.within(0, 60_000);
                    let callback = Callback { job_id, attempts: 0, prediction: prediction.clone() };
                    // Only the end is sent again.
                    self.deliveries.push(Delivery { due_ms, tries_left: 0, callback });
                }
            }
        }
        if self.bench.provider.fates.borrow().is_empty() {
            self.bench.provider.next(fate(&self.rng));
        }
        for (webhook, prediction) in self.bench.provider.take_ended() {
            let Some(job_id) = webhook.as_deref().and_then(job_of) else { continue };
            let lost = self.bench.wire.fault_rate.get() > 0.0 && self.rng.chance(0.2);
            let copies = if lost { 0 } else { self.rng.within(1, 4) };
            for _ in 0..copies {
                let due_ms = self.bench.runtime.now_ms() + self.rng.within(0, 60_000);
                let callback = Callback { job_id, attempts: 0, prediction: prediction.clone() };
                self.deliveries.push(Delivery { due_ms, tries_left: 3, callback });
            }
        }
    }

    fn take_due(&mut self) {
        let now = self.bench.runtime.now_ms();
        if now >= self.next_sweep_ms {
            self.next_sweep_ms = now + 60_000;
            self.wake();
        }
        while let Some(at) = self.deliveries.iter().position(|delivery| delivery.due_ms <= now) {
            let delivery = self.deliveries.swap_remove(at);
            let bench = self.bench;
            self.workers.push(Box::pin(async move { deliver(bench, delivery).await }));
        }
    }

    fn pass_time(&mut self) {
        let runtime = &self.bench.runtime;
        if self.workers.is_empty() {
            let next = self
                .deliveries
                .iter()
                .map(|one| one.due_ms)
                .min()
                .unwrap_or(u64::MAX)
                .min(self.next_sweep_ms);
            // Starts are not to wait for the next minute each.
            let idle = next.saturating_sub(runtime.now_ms());
            runtime.advance(if self.started < self.plan.generations { idle.min(1_000) } else { idle });
        } else if self.plan.stalls && self.rng.chance(0.002) {
            runtime.advance(self.rng.within(30_000, 200_000));
        } else {
            runtime.advance(self.rng.within(0, 60));
        }
    }

    fn heal(&mut self) {
        self.bench.wire.fault_rate.set(0.0);
        self.plan.crash_rate = 0.0;
        self.plan.stalls = false;
        self.plan.storms = false;
        self.plan.outages = false;
        self.outage_until_ms = 0;
        // A user's cancel would hide a job that never ends.
        self.cancel_rate = 0.0;
    }

    fn is_quiet(&self) -> bool {
        let tables = self.bench.queue.tables.borrow();
        self.workers.is_empty()
            && self.deliveries.is_empty()
            && tables.jobs.iter().all(|row| matches!(row.status, "completed" | "failed" | "cancelled"))
    }
}

/// As the Worker does it: recorded before the answer, stored after it; repeated where it failed.
async fn deliver(bench: &Bench, delivery: Delivery) -> Option<Delivery> {
    match bench.pipeline().receive(&delivery.callback, 0).await {
        Ok(jobs) => {
            for job in jobs {
                let _ = bench.pipeline().run_job(&job).await;
            }
            None
        }
        Err(_) if delivery.tries_left == 0 => None,
        Err(_) => {
            let due_ms = bench.runtime.now_ms() + 10_000;
            Some(Delivery { due_ms, tries_left: delivery.tries_left - 1, ..delivery })
        }
    }
}

/// The job that a webhook's URL names.
pub fn job_of(webhook: &str) -> Option<Uuid> {
    let (_, rest) = webhook.split_once("?job=")?;
    Uuid::try_parse(rest.split('&').next()?).ok()
}

/// The lease under which a webhook's prediction was created.
pub fn lease_of(webhook: &str) -> Option<i64> {
    webhook.split_once("&lease=")?.1.split('&').next()?.parse().ok()
}

fn fate(rng: &Rng) -> Fate {
    let after = rng.within(500, 30_000);
    match rng.within(0, 100) {
        0..80 => Fate::succeeds_after(after),
        80..88 => Fate {
            ends_after_ms: after,
            ..Fate::fails_with("Prediction interrupted; please retry (code: PA)")
        },
        88..92 => Fate { ends_after_ms: after, ..Fate::fails_with("NSFW content detected.") },
        92..94 => Fate { starts_after_ms: after, ends_after_ms: 3_000_000, end: End::Output(json!(OUTPUT)) },
        94..96 => {
            Fate { starts_after_ms: 2_000_000, ends_after_ms: 3_000_000, end: End::Output(json!(OUTPUT)) }
        }
        96..98 => Fate { ends_after_ms: after, ..Fate::gives(json!([])) },
        _ => Fate::succeeds_after(after * 20),
    }
}
