//! The queue's numbers as OpenMetrics text, for `GET /metrics`.
//!
//! Format: OpenMetrics 1.0,
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.

use crate::ports::{BudgetPeriod, JobTotal, Latency, QueueMetrics};

/// The content type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a family's samples come out of the queue's numbers.
enum Samples {
    /// One number; none where it is not known.
    One(fn(&QueueMetrics) -> Option<f64>),
    /// As many as there are rows.
    Each(fn(&QueueMetrics) -> Vec<Sample<'_>>),
}

/// A number with its labels.
struct Sample<'a> {
    labels: Vec<(&'static str, &'a str)>,
    value: f64,
}

struct Family {
    name: &'static str,
    kind: &'static str,
    /// Also the end of the name.
    unit: Option<&'static str>,
    help: &'static str,
    samples: Samples,
}

const fn gauge(name: &'static str, help: &'static str, samples: Samples) -> Family {
    Family { name, kind: "gauge", unit: None, help, samples }
}

const fn seconds(name: &'static str, kind: &'static str, help: &'static str, samples: Samples) -> Family {
    Family { name, kind, unit: Some("seconds"), help, samples }
}

const fn dollars(name: &'static str, help: &'static str, samples: Samples) -> Family {
    Family { name, kind: "gauge", unit: Some("usd"), help, samples }
}

fn jobs(all: &QueueMetrics) -> Vec<Sample<'_>> {
    all.jobs.iter().map(|row| Sample { labels: type_and_status(row), value: row.jobs as f64 }).collect()
}

fn oldest(all: &QueueMetrics) -> Vec<Sample<'_>> {
    let known = all.jobs.iter().filter_map(|row| Some((row, row.oldest_s?)));
    known.map(|(row, value)| Sample { labels: type_and_status(row), value }).collect()
}

fn type_and_status(row: &JobTotal) -> Vec<(&'static str, &str)> {
    vec![("type", row.job_type.0.as_str()), ("status", row.status.as_str())]
}

fn budget(all: &QueueMetrics) -> Vec<Sample<'_>> {
    by_period(all, |row| row.budget_usd)
}

fn budget_used(all: &QueueMetrics) -> Vec<Sample<'_>> {
    by_period(all, |row| row.used_usd)
}

fn by_period(all: &QueueMetrics, value: fn(&BudgetPeriod) -> f64) -> Vec<Sample<'_>> {
    let rows = all.budget.iter();
    rows.map(|row| Sample { labels: vec![("period", row.period.as_str())], value: value(row) }).collect()
}

fn refused_models(all: &QueueMetrics) -> Vec<Sample<'_>> {
    let models = all.refused_models.iter();
    models.map(|model| Sample { labels: vec![("model", model.as_str())], value: 1.0 }).collect()
}

fn failed(all: &QueueMetrics) -> Vec<Sample<'_>> {
    let rows = all.failed.iter();
    rows.map(|row| Sample {
        labels: vec![("type", row.job_type.0.as_str()), ("code", row.code.0.as_str())],
        value: row.jobs as f64,
    })
    .collect()
}

fn alerts(all: &QueueMetrics) -> Vec<Sample<'_>> {
    let rows = all.alerts.iter();
    rows.map(|row| Sample {
        labels: vec![("rule", row.rule.as_str()), ("severity", row.severity.as_str())],
        value: 1.0,
    })
    .collect()
}

fn wait(all: &QueueMetrics) -> Vec<Sample<'_>> {
    latencies(&all.wait)
}

fn run(all: &QueueMetrics) -> Vec<Sample<'_>> {
    latencies(&all.run)
}

fn latencies(rows: &[Latency]) -> Vec<Sample<'_>> {
    let rows = rows.iter();
    rows.map(|row| Sample {
        labels: vec![("type", row.job_type.0.as_str()), ("quantile", row.quantile.as_str())],
        value: row.seconds,
    })
    .collect()
}

const FAMILIES: &[Family] = &[
    gauge(
        "picture_queue_jobs",
        "Jobs by type and status; finished ones of the last 24 hours.",
        Samples::Each(jobs),
    ),
    seconds(
        "picture_queue_oldest_job_age_seconds",
        "gauge",
        "Age of the oldest job that is not finished.",
        Samples::Each(oldest),
    ),
    gauge(
        "picture_queue_blocked_jobs",
        "Pending jobs whose user has no free slot, counted up to 10000.",
        Samples::One(|all| all.blocked.map(|jobs| jobs as f64)),
    ),
    gauge(
        "picture_queue_scheduled_jobs",
        "Pending jobs whose time has not come, counted up to 10000.",
        Samples::One(|all| all.scheduled.map(|jobs| jobs as f64)),
    ),
    gauge(
        "picture_queue_lost_leases",
        "Running jobs whose lease has run out and that nobody has taken over, counted up to 10000.",
        Samples::One(|all| all.lost.map(|jobs| jobs as f64)),
    ),
    dollars(
        "picture_queue_budget_usd",
        "What everybody together may spend in the day or month (UTC); absent without a budget.",
        Samples::Each(budget),
    ),
    dollars(
        "picture_queue_budget_used_usd",
        "What of it is spent, by the ledger, or reserved for what is under way.",
        Samples::Each(budget_used),
    ),
    gauge(
        "picture_queue_outputs_at_risk",
        "Images that were made over 30 minutes ago and are not stored, counted up to 10000; the provider deletes them after an hour.",
        Samples::One(|all| all.outputs_at_risk.map(|outputs| outputs as f64)),
    ),
    seconds(
        "picture_queue_output_left_seconds",
        "gauge",
        "How long the provider keeps the oldest image that is not stored yet; absent where all are stored.",
        Samples::One(|all| all.output_left_s),
    ),
    gauge(
        "picture_queue_refused_models",
        "1 for each model that the provider refuses.",
        Samples::Each(refused_models),
    ),
    gauge(
        "picture_queue_failed_jobs",
        "Jobs that failed in the last 24 hours by the code of their last error, of the newest 10000.",
        Samples::Each(failed),
    ),
    gauge("picture_queue_alerts", "1 for each alert that is open.", Samples::Each(alerts)),
    Family {
        name: "picture_queue_enqueued_jobs",
        kind: "counter",
        unit: None,
        help: "Jobs ever enqueued, with those whose transaction was rolled back.",
        samples: Samples::One(|all| all.enqueued.map(|jobs| jobs as f64)),
    },
    seconds(
        "picture_queue_wait_seconds",
        "summary",
        "From when a job was due until its last run began; jobs that ended in the last hour.",
        Samples::Each(wait),
    ),
    seconds(
        "picture_queue_run_seconds",
        "summary",
        "From when a job's last run began until it ended; jobs that ended in the last hour.",
        Samples::Each(run),
    ),
    seconds(
        "picture_queue_last_sweep_timestamp_seconds",
        "gauge",
        "When the cron trigger last ran, in seconds since 1970; absent before the first time.",
        Samples::One(|all| all.last_sweep_s),
    ),
    gauge(
        "picture_queue_removed_files",
        "Stored files without a row that wait for their cleanup job, counted up to 10000.",
        Samples::One(|all| all.removed_files.map(|files| files as f64)),
    ),
];

/// Writes the queue's numbers. A family without a sample is left out.
pub fn render(numbers: &QueueMetrics) -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let samples = match family.samples {
            Samples::One(read) => {
                read(numbers).map(|value| Sample { labels: Vec::new(), value }).into_iter().collect()
            }
            Samples::Each(read) => read(numbers),
        };
        if samples.is_empty() {
            continue;
        }
        let Family { name, kind, unit, help, .. } = family;
        text.push_str(&format!("# TYPE {name} {kind}\n"));
        if let Some(unit) = unit {
            text.push_str(&format!("# UNIT {name} {unit}\n"));
        }
        text.push_str(&format!("# HELP {name} {}\n", escape(help)));
        let suffix = if *kind == "counter" { "_total" } else { "" };
        for Sample { labels, value } in samples {
            text.push_str(&format!("{name}{suffix}{} {value}\n", label_set(&labels)));
        }
    }
    text.push_str("# EOF\n");
    text
}

fn label_set(labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", labels.join(","))
}

/// As label values and help texts are written.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::{ErrorCode, FailedJobs, JobStatus, JobTypeName, Quantile};

    fn of_type(name: &str) -> JobTypeName {
        JobTypeName(name.into())
    }

    fn total(status: JobStatus, jobs: u64, oldest_s: Option<f64>) -> JobTotal {
        JobTotal { job_type: of_type("generate-image"), status, jobs, oldest_s }
    }

    #[test]
    fn samples_stand_behind_their_family_and_the_text_ends() {
        let wait = Latency { job_type: of_type("generate-image"), quantile: Quantile::P95, seconds: 0.25 };
        let text = render(&QueueMetrics {
            jobs: vec![total(JobStatus::Pending, 12, Some(1.5)), total(JobStatus::Failed, 1, None)],
            blocked: Some(0),
            enqueued: Some(1_000_000),
            wait: vec![wait],
            last_sweep_s: Some(1_795_478_400.123),
            ..QueueMetrics::default()
        });
        let expected = "\
# TYPE picture_queue_jobs gauge
# HELP picture_queue_jobs Jobs by type and status; finished ones of the last 24 hours.
picture_queue_jobs{type=\"generate-image\",status=\"pending\"} 12
picture_queue_jobs{type=\"generate-image\",status=\"failed\"} 1
# TYPE picture_queue_oldest_job_age_seconds gauge
# UNIT picture_queue_oldest_job_age_seconds seconds
# HELP picture_queue_oldest_job_age_seconds Age of the oldest job that is not finished.
picture_queue_oldest_job_age_seconds{type=\"generate-image\",status=\"pending\"} 1.5
# TYPE picture_queue_blocked_jobs gauge
# HELP picture_queue_blocked_jobs Pending jobs whose user has no free slot, counted up to 10000.
picture_queue_blocked_jobs 0
# TYPE picture_queue_enqueued_jobs counter
# HELP picture_queue_enqueued_jobs Jobs ever enqueued, with those whose transaction was rolled back.
picture_queue_enqueued_jobs_total 1000000
# TYPE picture_queue_wait_seconds summary
# UNIT picture_queue_wait_seconds seconds
# HELP picture_queue_wait_seconds From when a job was due until its last run began; jobs that ended in the last hour.
picture_queue_wait_seconds{type=\"generate-image\",quantile=\"0.95\"} 0.25
# TYPE picture_queue_last_sweep_timestamp_seconds gauge
# UNIT picture_queue_last_sweep_timestamp_seconds seconds
# HELP picture_queue_last_sweep_timestamp_seconds When the cron trigger last ran, in seconds since 1970; absent before the first time.
picture_queue_last_sweep_timestamp_seconds 1795478400.123
# EOF
";
        assert_eq!(text, expected);
    }

    #[test]
    fn nothing_known_is_an_empty_and_valid_text() {
        assert_eq!(render(&QueueMetrics::default()), "# EOF\n");
    }

    #[test]
    fn labels_cannot_break_out() {
        let row = FailedJobs { job_type: of_type("a\"} 1\nb\\"), code: ErrorCode("x".into()), jobs: 1 };
        let text = render(&QueueMetrics { failed: vec![row], ..QueueMetrics::default() });
        assert!(text.contains("{type=\"a\\\"} 1\\nb\\\\\",code=\"x\"} 1\n"), "{text}");
    }

    #[test]
    fn every_name_ends_with_its_unit() {
        for family in FAMILIES {
            assert!(
                family.unit.is_none_or(|unit| family.name.ends_with(&format!("_{unit}"))),
                "{}",
                family.name
            );
            assert!(!family.name.ends_with("_total"), "{}: the sample alone has that", family.name);
        }
    }
}
