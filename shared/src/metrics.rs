//! The queue's numbers as OpenMetrics text, for `GET /metrics`.
//!
//! Format: OpenMetrics 1.0,
//! <https://github.com/prometheus/OpenMetrics/blob/v1.0.0/specification/OpenMetrics.md>.

use serde_json::Value;

/// The content type of [`render`]'s text.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How a family's samples come out of what `queue_metrics()` answers.
enum Samples {
    /// One number under this key.
    One(&'static str),
    /// A list of objects under this key: the value's member, and label names with their members.
    Each(&'static str, &'static str, &'static [(&'static str, &'static str)]),
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

const PERIOD: &[(&str, &str)] = &[("period", "period")];
const TYPE_AND_STATUS: &[(&str, &str)] = &[("type", "type"), ("status", "status")];
const TYPE_AND_QUANTILE: &[(&str, &str)] = &[("type", "type"), ("quantile", "quantile")];

const FAMILIES: &[Family] = &[
    gauge(
        "picture_queue_jobs",
        "Jobs by type and status; finished ones of the last 24 hours.",
        Samples::Each("jobs", "jobs", TYPE_AND_STATUS),
    ),
    seconds(
        "picture_queue_oldest_job_age_seconds",
        "gauge",
        "Age of the oldest job that is not finished.",
        Samples::Each("jobs", "oldest_seconds", TYPE_AND_STATUS),
    ),
    gauge(
        "picture_queue_held_jobs",
        "Pending jobs that wait for a place of their user, counted up to 10000.",
        Samples::One("held"),
    ),
    gauge(
        "picture_queue_scheduled_jobs",
        "Pending jobs whose time has not come, counted up to 10000.",
        Samples::One("scheduled"),
    ),
    gauge(
        "picture_queue_lost_leases",
        "Running jobs whose lease has run out and that nobody has taken over, counted up to 10000.",
        Samples::One("lost"),
    ),
    dollars(
        "picture_queue_budget_usd",
        "What everybody together may spend in the day or month (UTC); absent without a budget.",
        Samples::Each("budget", "budget_usd", PERIOD),
    ),
    dollars(
        "picture_queue_budget_used_usd",
        "What of it is spent, by the ledger, or reserved for what is under way.",
        Samples::Each("budget", "used_usd", PERIOD),
    ),
    gauge(
        "picture_queue_outputs_at_risk",
        "Pictures that were made over 30 minutes ago and are not stored, counted up to 10000; the provider deletes them after an hour.",
        Samples::One("outputs_at_risk"),
    ),
    seconds(
        "picture_queue_output_left_seconds",
        "gauge",
        "How long the provider keeps the oldest picture that is not stored yet; absent where all are stored.",
        Samples::One("output_seconds_left"),
    ),
    gauge(
        "picture_queue_refused_models",
        "1 for each model that the provider refuses.",
        Samples::Each("refused_models", "refused", &[("model", "model")]),
    ),
    gauge(
        "picture_queue_failed_jobs",
        "Jobs that failed in the last 24 hours by the code of their last error, of the newest 10000.",
        Samples::Each("failed", "jobs", &[("type", "type"), ("code", "code")]),
    ),
    Family {
        name: "picture_queue_enqueued_jobs",
        kind: "counter",
        unit: None,
        help: "Jobs ever enqueued, with those whose transaction was rolled back.",
        samples: Samples::One("enqueued"),
    },
    seconds(
        "picture_queue_wait_seconds",
        "summary",
        "From when a job was due until its last run began; jobs that ended in the last hour.",
        Samples::Each("wait", "seconds", TYPE_AND_QUANTILE),
    ),
    seconds(
        "picture_queue_run_seconds",
        "summary",
        "From when a job's last run began until it ended; jobs that ended in the last hour.",
        Samples::Each("run", "seconds", TYPE_AND_QUANTILE),
    ),
    seconds(
        "picture_queue_last_sweep_timestamp_seconds",
        "gauge",
        "When the cron trigger last ran, in seconds since 1970; absent before the first time.",
        Samples::One("last_sweep_at"),
    ),
    gauge(
        "picture_queue_removed_files",
        "Stored files without a row that wait for their cleanup job, counted up to 10000.",
        Samples::One("removed_files"),
    ),
];

/// Writes what `queue_metrics()` answers. What is missing or null there is left out.
pub fn render(numbers: &Value) -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let samples = samples(family, numbers);
        if samples.is_empty() {
            continue;
        }
        let Family { name, kind, unit, help, .. } = family;
        text.push_str(&format!("# TYPE {name} {kind}\n"));
        if let Some(unit) = unit {
            text.push_str(&format!("# UNIT {name} {unit}\n"));
        }
        text.push_str(&format!("# HELP {name} {}\n", escape(help)));
        text.push_str(&samples);
    }
    text.push_str("# EOF\n");
    text
}

fn samples(family: &Family, numbers: &Value) -> String {
    let suffix = if family.kind == "counter" { "_total" } else { "" };
    let line = |labels: &str, value: &Value| {
        value.as_f64().map(|number| format!("{}{suffix}{labels} {number}\n", family.name))
    };
    match family.samples {
        Samples::One(key) => numbers.get(key).and_then(|value| line("", value)).unwrap_or_default(),
        Samples::Each(key, member, names) => {
            let rows = numbers.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let row_line = |row: &Value| {
                let label = |(name, member): &(&str, &str)| {
                    let value = row.get(*member).and_then(Value::as_str).unwrap_or_default();
                    format!("{name}=\"{}\"", escape(value))
                };
                let labels = names.iter().map(label).collect::<Vec<_>>().join(",");
                line(&format!("{{{labels}}}"), row.get(member)?)
            };
            rows.iter().filter_map(row_line).collect()
        }
    }
}

/// As label values and help texts are written.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn samples_stand_behind_their_family_and_the_text_ends() {
        let text = render(&json!({
            "jobs": [
                { "type": "generate-image", "status": "pending", "jobs": 12, "oldest_seconds": 1.5 },
                { "type": "generate-image", "status": "failed", "jobs": 1, "oldest_seconds": null },
            ],
            "held": 0,
            "enqueued": 1_000_000,
            "wait": [{ "type": "generate-image", "quantile": "0.95", "seconds": 0.25 }],
            "last_sweep_at": 1_795_478_400.123,
        }));
        let expected = "\
# TYPE picture_queue_jobs gauge
# HELP picture_queue_jobs Jobs by type and status; finished ones of the last 24 hours.
picture_queue_jobs{type=\"generate-image\",status=\"pending\"} 12
picture_queue_jobs{type=\"generate-image\",status=\"failed\"} 1
# TYPE picture_queue_oldest_job_age_seconds gauge
# UNIT picture_queue_oldest_job_age_seconds seconds
# HELP picture_queue_oldest_job_age_seconds Age of the oldest job that is not finished.
picture_queue_oldest_job_age_seconds{type=\"generate-image\",status=\"pending\"} 1.5
# TYPE picture_queue_held_jobs gauge
# HELP picture_queue_held_jobs Pending jobs that wait for a place of their user, counted up to 10000.
picture_queue_held_jobs 0
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
        for nothing in [json!({}), json!(null), json!([1]), json!({ "jobs": "x", "held": "many" })] {
            assert_eq!(render(&nothing), "# EOF\n", "{nothing}");
        }
    }

    #[test]
    fn labels_cannot_break_out() {
        let row = json!({ "type": "a\"} 1\nb\\", "code": "x", "jobs": 1 });
        let text = render(&json!({ "failed": [row] }));
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
