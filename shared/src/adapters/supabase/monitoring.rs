//! How the queue stands, on its SQL functions.

use std::time::Duration;

use serde_json::{Value, json};

use super::queue::Queue;
use crate::ports::{
    BudgetPeriod, BudgetState, Clock, ErrorCode, FailedJobs, Http, JobStatus, JobTotal, JobTypeName,
    LastSweep, Latency, Monitoring, OpenAlert, Pause, Period, Quantile, QueueError, QueueMetrics,
    QueueStatus, Random, Refusal,
};

impl<H: Http, W: Clock + Random> Monitoring for Queue<'_, H, W> {
    async fn status(&self) -> Result<QueueStatus, QueueError> {
        status(&self.call_once("queue_status", &json!({})).await?)
    }

    async fn metrics(&self) -> Result<QueueMetrics, QueueError> {
        Ok(metrics(&self.call_once("queue_metrics", &json!({})).await?))
    }
}

fn status(answer: &Value) -> Result<QueueStatus, QueueError> {
    let unknown =
        |what: &str, word| QueueError::Defect(format!("queue_status: no {what} that is known: {word:?}"));
    let age =
        |name: &str| number(answer, name).and_then(|age| Duration::try_from_secs_f64(age.max(0.0)).ok());
    let code = || answer.get("provider_pause_code").and_then(Value::as_u64);
    let refusal = match word(answer, "provider_pause_reason") {
        None => None,
        Some("throttled") => Some(Refusal::Throttled),
        Some("account") => {
            let status = code().and_then(|code| u16::try_from(code).ok());
            Some(Refusal::Account(status.unwrap_or_default()))
        }
        Some("outage") => Some(Refusal::Outage),
        word => return Err(unknown("reason of a pause", word)),
    };
    let budget = match word(answer, "budget") {
        None | Some("none") => BudgetState::None,
        Some("ok") => BudgetState::Ok,
        Some("near") => BudgetState::Near,
        Some("exhausted") => BudgetState::Exhausted,
        word => return Err(unknown("state of the budget", word)),
    };
    let last_sweep = text(answer, "last_sweep_at").zip(age("last_sweep_seconds"));
    Ok(QueueStatus {
        last_sweep: last_sweep.map(|(at, age)| LastSweep { at, age }),
        pause: refusal.map(|refusal| Pause {
            refusal,
            until: text(answer, "provider_paused_until"),
            lasted: age("provider_paused_seconds").unwrap_or_default(),
        }),
        budget,
        output_left_s: number(answer, "output_seconds_left"),
        refused_models: rows(answer, "refused_models", |model| model.as_str().map(str::to_owned)),
    })
}

fn metrics(answer: &Value) -> QueueMetrics {
    let latency = |row: &Value| {
        Some(Latency {
            job_type: JobTypeName(text(row, "type")?),
            quantile: word(row, "quantile").and_then(Quantile::from_name)?,
            seconds: number(row, "seconds")?,
        })
    };
    QueueMetrics {
        jobs: rows(answer, "jobs", |row| {
            Some(JobTotal {
                job_type: JobTypeName(text(row, "type")?),
                status: word(row, "status").and_then(JobStatus::from_name)?,
                jobs: count(row, "jobs")?,
                oldest_s: number(row, "oldest_seconds"),
            })
        }),
        blocked: count(answer, "blocked"),
        scheduled: count(answer, "scheduled"),
        lost: count(answer, "lost"),
        budget: rows(answer, "budget", |row| {
            Some(BudgetPeriod {
                period: word(row, "period").and_then(Period::from_name)?,
                budget_usd: number(row, "budget_usd")?,
                used_usd: number(row, "used_usd")?,
            })
        }),
        outputs_at_risk: count(answer, "outputs_at_risk"),
        output_left_s: number(answer, "output_seconds_left"),
        refused_models: rows(answer, "refused_models", |row| text(row, "model")),
        failed: rows(answer, "failed", |row| {
            Some(FailedJobs {
                job_type: JobTypeName(text(row, "type")?),
                code: ErrorCode(text(row, "code")?),
                jobs: count(row, "jobs")?,
            })
        }),
        alerts: rows(answer, "alerts", |row| {
            Some(OpenAlert { rule: text(row, "rule")?, severity: text(row, "severity")? })
        }),
        enqueued: count(answer, "enqueued"),
        wait: rows(answer, "wait", latency),
        run: rows(answer, "run", latency),
        last_sweep_s: number(answer, "last_sweep_at"),
        removed_files: count(answer, "removed_files"),
    }
}

fn word<'a>(row: &'a Value, name: &str) -> Option<&'a str> {
    row.get(name).and_then(Value::as_str)
}

fn text(row: &Value, name: &str) -> Option<String> {
    word(row, name).map(str::to_owned)
}

fn number(row: &Value, name: &str) -> Option<f64> {
    row.get(name).and_then(Value::as_f64)
}

fn count(row: &Value, name: &str) -> Option<u64> {
    row.get(name).and_then(Value::as_u64)
}

/// The items of a list; one that cannot be read is left out, as is a list that is not there.
fn rows<T>(answer: &Value, name: &str, read: impl Fn(&Value) -> Option<T>) -> Vec<T> {
    answer.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_queue_is_read() {
        let quiet = json!({
            "last_sweep_at": "2026-11-24T12:00:00Z", "last_sweep_seconds": 0.25, "last_sweep": { "success": true },
            "provider_pause_reason": null, "provider_paused_until": null, "budget": "ok",
            "output_seconds_left": null, "refused_models": [],
        });
        let expected = QueueStatus {
            last_sweep: Some(LastSweep {
                at: "2026-11-24T12:00:00Z".into(),
                age: Duration::from_millis(250),
            }),
            pause: None,
            budget: BudgetState::Ok,
            output_left_s: None,
            refused_models: Vec::new(),
        };
        assert_eq!(status(&quiet), Ok(expected));
        let unswept = status(&json!({ "last_sweep_at": null, "last_sweep_seconds": null })).unwrap();
        assert_eq!((unswept.last_sweep, unswept.budget), (None, BudgetState::None));
    }

    #[test]
    fn a_pause_is_read_with_its_reason() {
        let pause = |reason: &str, code: Value| {
            let answer = json!({
                "provider_pause_reason": reason, "provider_pause_code": code, "provider_paused_seconds": 301,
                "provider_paused_until": "2026-11-24T12:01:00Z",
            });
            status(&answer).map(|status| status.pause.unwrap())
        };
        for (reason, code, refusal) in [
            ("throttled", json!(429), Refusal::Throttled),
            ("account", json!(402), Refusal::Account(402)),
            ("account", json!(null), Refusal::Account(0)),
            ("outage", json!(503), Refusal::Outage),
        ] {
            let read = pause(reason, code).unwrap();
            assert_eq!((read.refusal, read.lasted.as_secs()), (refusal, 301));
            assert_eq!(read.until.as_deref(), Some("2026-11-24T12:01:00Z"));
        }
        assert!(matches!(pause("a_word_of_next_year", json!(1)), Err(QueueError::Defect(_))));
        assert!(matches!(status(&json!({ "budget": "a_word_of_next_year" })), Err(QueueError::Defect(_))));
    }

    #[test]
    fn numbers_are_read_and_what_is_none_is_left_out() {
        let read = metrics(&json!({
            "jobs": [
                { "type": "generate-image", "status": "pending", "jobs": 12, "oldest_seconds": 1.5 },
                { "type": "generate-image", "status": "failed", "jobs": 1, "oldest_seconds": null },
                { "type": "generate-image" },
                { "type": "generate-image", "status": "a_word_of_next_year", "jobs": 1 },
            ],
            "blocked": 3, "scheduled": "many", "budget": [{ "period": "day", "budget_usd": 5, "used_usd": 0.5 }],
            "wait": [{ "type": "generate-image", "quantile": "0.95", "seconds": 0.25 }],
            "failed": [{ "type": "generate-image", "code": "rejected", "jobs": 2 }],
            "refused_models": [{ "model": "a/b", "refused": 1 }], "last_sweep_at": 1_795_478_400.123,
        }));
        assert_eq!((read.jobs.len(), read.jobs[0].jobs, read.jobs[0].oldest_s), (2, 12, Some(1.5)));
        assert_eq!((read.blocked, read.scheduled, read.enqueued), (Some(3), None, None));
        assert_eq!((read.budget[0].budget_usd, read.budget[0].used_usd), (5.0, 0.5));
        assert_eq!((read.wait[0].seconds, read.failed[0].jobs), (0.25, 2));
        assert_eq!(
            (read.refused_models, read.last_sweep_s),
            (vec!["a/b".to_owned()], Some(1_795_478_400.123))
        );
        for nothing in [json!({}), json!(null), json!([1]), json!({ "jobs": "x", "blocked": "many" })] {
            assert_eq!(metrics(&nothing), QueueMetrics::default(), "{nothing}");
        }
    }
}
