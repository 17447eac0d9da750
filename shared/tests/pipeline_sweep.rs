//! A run of the cron trigger: what it does, in which order, and what stops it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::time::Duration;

use serde_json::json;
use shared::adapters::supabase::{Queue, Rpc};
use shared::pipeline::{Budget, Sweep, WebhookSender};
use shared::policy::url_policy::AllowedOrigins;
use shared::ports::{Alert, Maintenance, QueueError, RunReport};
use support::http::Recorder;
use support::outbox::{MemoryOutbox, Names, Sending};
use support::runtime::Still;
use support::{Bench, block_on};

const BUDGET: Budget = Budget { parallel: 3, time: Duration::from_secs(20), jobs: 100 };

/// Maintenance that notes its calls among the others; it fails where the wire is cut for it.
struct Keeper<'a>(&'a Bench);

impl Keeper<'_> {
    async fn call(&self, name: &'static str) -> Result<(), QueueError> {
        match self.0.wire.request(name, &[]).await {
            Some(_) => Err(QueueError::Unavailable(format!("{name}: no answer in time"))),
            None => Ok(()),
        }
    }
}

impl Maintenance for Keeper<'_> {
    async fn sweep_storage(&self) -> Result<(), QueueError> {
        self.call("sweep_storage").await
    }

    async fn record_sweep(&self, report: &RunReport) -> Result<Vec<Alert>, QueueError> {
        assert!(report.success);
        self.call("record_sweep").await.map(|()| vec![Alert(format!("{} claimed", report.claimed))])
    }

    async fn prune_jobs(&self) -> Result<(), QueueError> {
        self.call("prune_jobs").await
    }
}

fn sweep(bench: &Bench) -> Sweep {
    let ports = Sending {
        outbox: &MemoryOutbox::new(&bench.queue),
        http: &Recorder::default(),
        resolver: &Names::default(),
        runtime: &bench.runtime,
    };
    let sender = WebhookSender { ports, allowed: &AllowedOrigins::default() };
    block_on(bench.pipeline().sweep(&sender, &Keeper(bench), BUDGET))
}

#[test]
fn files_are_looked_through_first_and_jobs_are_pruned_last() {
    let bench = Bench::new();
    bench.queue.enqueue("cleanup-storage", json!({ "names": ["a/b.png"] }));
    let swept = sweep(&bench);
    let calls = bench.wire.calls.borrow();
    assert_eq!(
        *calls,
        [
            "sweep_storage",
            "claim",
            "claim",
            "claim",
            "removable",
            "remove",
            "complete",
            "record_sweep",
            "prune_jobs"
        ]
    );
    let report = swept.report.unwrap();
    assert_eq!((report.claimed, report.processed, report.errors), (1, 1, 0));
    assert_eq!((swept.alerts, swept.failures), (vec![Alert("1 claimed".to_owned())], Vec::new()));
}

#[test]
fn what_fails_besides_the_jobs_is_told_and_stops_nothing() {
    let bench = Bench::new();
    bench.wire.break_down(&["sweep_storage", "record_sweep", "prune_jobs"]);
    let swept = sweep(&bench);
    assert!(swept.report.is_ok() && swept.alerts.is_empty());
    let said: Vec<&str> = swept.failures.iter().filter_map(|failure| failure.split(':').next()).collect();
    assert_eq!(
        said,
        [
            "stored files could not be looked through",
            "the sweep could not be recorded",
            "old jobs could not be pruned"
        ]
    );
}

#[test]
fn a_queue_that_cannot_be_asked_leaves_the_last_run_as_it_was() {
    let bench = Bench::new();
    bench.wire.break_down(&["claim"]);
    assert!(sweep(&bench).report.is_err());
    assert_eq!((bench.wire.count("record_sweep"), bench.wire.count("prune_jobs")), (0, 0));
}

fn queue(http: &Recorder) -> Queue<'_, Recorder, Still> {
    Queue::new(Rpc::new(http, "https://project.supabase.co", "key", None), &Still)
}

#[test]
fn each_step_is_one_call_and_alerts_are_read() {
    let report = RunReport { success: true, claimed: 3, processed: 2, errors: 1, rescued: 0, duration_ms: 7 };
    let http = Recorder::default().answers(200, r#"{"alerts":["Read this.", 5]}"#);
    assert_eq!(block_on(queue(&http).record_sweep(&report)), Ok(vec![Alert("Read this.".to_owned())]));
    let request = http.only();
    assert!(request.url.ends_with("/rpc/record_sweep"));
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap();
    let stats =
        json!({ "success": true, "claimed": 3, "processed": 2, "errors": 1, "rescued": 0, "duration_ms": 7 });
    assert_eq!(body, json!({ "p_stats": stats }));
    for (function, call) in [("sweep_storage", true), ("prune_jobs", false)] {
        let http = Recorder::default().answers(503, "<html>");
        let queue = queue(&http);
        let ended = if call { block_on(queue.sweep_storage()) } else { block_on(queue.prune_jobs()) };
        assert!(ended.is_err() && http.only().url.ends_with(function), "the next run makes up for it");
    }
}
