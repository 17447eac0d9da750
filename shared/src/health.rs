//! Whether pictures can be made and kept: the sweep, the safety net behind webhooks and wake-ups, is alive, the
//! provider takes our account, the budget allows it, and what was made is stored in time.

use serde_json::{Value, json};

/// In seconds. The cron trigger runs each minute; three misses are no accident.
const MAX_SWEEP_AGE_S: f64 = 3.0 * 60.0;
/// An outage of the provider's that lasts longer, in seconds, needs somebody who knows of it.
const MAX_OUTAGE_S: f64 = 5.0 * 60.0;
/// A picture that the provider keeps no longer than this, in seconds, and that is not stored yet: somebody has
/// to look. Where Storage works, it takes seconds of the hour that there is.
const MIN_OUTPUT_LEFT_S: f64 = 20.0 * 60.0;

/// Reads `queue_status()`: healthy or not, and the body of `GET /health`. The database tells how long ago things
/// were, so that no two clocks are compared.
///
/// A provider that asks to wait (429) is no fault: the queue goes on by itself. One that refuses our
/// account is, for somebody has to pay or to put another token: until then no picture is made. So is a budget
/// that is used up: somebody may want to raise it. One that is nearly so is told and is no fault.
pub fn health(status: &Value) -> (bool, Value) {
    let text = |name: &str| status.get(name).and_then(Value::as_str);
    let seconds = |name: &str| status.get(name).and_then(Value::as_f64);
    let last = text("last_sweep_at");
    let sweeps = seconds("last_sweep_seconds").is_some_and(|age| age <= MAX_SWEEP_AGE_S);
    let (provider, trouble) = match (text("provider_pause_reason"), code(status)) {
        (None, _) => ("ok", None),
        (Some("throttled"), _) => ("throttled", None),
        (Some("outage"), _) => {
            let lasts = seconds("provider_paused_seconds").is_some_and(|lasted| lasted > MAX_OUTAGE_S);
            (
                "outage",
                lasts.then_some(
                    "Replicate has not created an image for 5 minutes: it does not answer, or fails.",
                ),
            )
        }
        (_, Some(402)) => ("no_credit", Some("Replicate refuses new images: the account is out of credit.")),
        (_, Some(401)) => ("bad_token", Some("Replicate refuses new images: it does not accept the token.")),
        _ => ("refused", Some("Replicate refuses new images for this account.")),
    };
    let budget = text("budget").unwrap_or("none");
    let trouble = trouble.or((budget == "exhausted").then_some(
        "The budget is used up: nothing is started until the next day or month, or until it is raised.",
    ));
    let left = seconds("output_seconds_left");
    let late = left.is_some_and(|seconds| seconds < MIN_OUTPUT_LEFT_S);
    let models: Vec<&str> = status
        .get("refused_models")
        .and_then(Value::as_array)
        .map(|models| models.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let refused = format!("The sweep runs. Replicate refuses some models: {}.", models.join(", "));
    let detail = match (sweeps, last, trouble) {
        (false, Some(_), _) => "The last sweep is older than 3 minutes: is the cron trigger deployed?",
        (false, None, _) => "No sweep has run yet: the cron trigger runs each minute.",
        (true, ..) if late => {
            "Pictures cannot be stored, and Replicate deletes the first of them within 20 minutes."
        }
        (true, _, Some(trouble)) => trouble,
        (true, _, None) if !models.is_empty() => &refused,
        (true, _, None) => "The sweep runs.",
    };
    let healthy = sweeps && trouble.is_none() && !late;
    let body = json!({
        "status": if healthy { "ok" } else { "failing" },
        "last_sweep_at": last,
        "provider": provider,
        "provider_paused_until": text("provider_paused_until"),
        "budget": budget,
        "output_seconds_left": left,
        "refused_models": models,
        "detail": detail,
    });
    (healthy, body)
}

fn code(status: &Value) -> Option<u64> {
    status.get("provider_pause_code").and_then(Value::as_u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: &str = "2026-11-24T12:00:00Z";

    #[test]
    fn three_minutes_is_the_limit() {
        let swept = |seconds| health(&json!({ "last_sweep_at": NOON, "last_sweep_seconds": seconds })).0;
        assert!(swept(json!(0.25)) && swept(json!(180)));
        assert!(!swept(json!(180.5)) && !swept(json!(null)));
        assert!(!health(&Value::Null).0);
    }

    #[test]
    fn a_model_that_is_refused_is_named_and_no_fault_of_the_others() {
        let status =
            json!({ "last_sweep_at": NOON, "last_sweep_seconds": 1, "refused_models": ["a/b", "c/d"] });
        let (healthy, body) = health(&status);
        assert_eq!((healthy, &body["refused_models"]), (true, &json!(["a/b", "c/d"])));
        assert_eq!(body["detail"], "The sweep runs. Replicate refuses some models: a/b, c/d.");
    }

    #[test]
    fn an_outage_is_a_fault_when_it_lasts() {
        for (lasted, healthy) in [(300, true), (301, false)] {
            let status = json!({ "last_sweep_at": NOON, "last_sweep_seconds": 1, "provider_pause_reason": "outage", "provider_pause_code": 503,
                "provider_paused_seconds": lasted, "provider_paused_until": "2026-11-24T12:01:00Z" });
            let (seen, body) = health(&status);
            assert_eq!((seen, &body["provider"]), (healthy, &json!("outage")), "{lasted}");
        }
    }

    #[test]
    fn a_picture_that_is_not_stored_is_a_fault_when_the_provider_is_about_to_delete_it() {
        for (left, healthy) in [
            (json!(null), true),
            (json!(3590.5), true),
            (json!(1200), true),
            (json!(1199), false),
            (json!(-4), false),
        ] {
            let status =
                json!({ "last_sweep_at": NOON, "last_sweep_seconds": 1, "output_seconds_left": left });
            let (seen, body) = health(&status);
            assert_eq!(
                (seen, body["detail"].as_str().unwrap().contains("deletes")),
                (healthy, !healthy),
                "{left}"
            );
            assert_eq!(body["output_seconds_left"].as_f64(), left.as_f64());
        }
    }

    #[test]
    fn a_refused_account_is_a_fault_with_a_word_for_it_and_a_full_provider_is_none() {
        let table = [
            ("throttled", 429, true, "throttled", "The sweep runs."),
            (
                "account",
                402,
                false,
                "no_credit",
                "Replicate refuses new images: the account is out of credit.",
            ),
            (
                "account",
                401,
                false,
                "bad_token",
                "Replicate refuses new images: it does not accept the token.",
            ),
            ("account", 403, false, "refused", "Replicate refuses new images for this account."),
        ];
        for (reason, code, healthy, word, detail) in table {
            let status = json!({ "last_sweep_at": NOON, "last_sweep_seconds": 1, "provider_pause_reason": reason,
                "provider_pause_code": code, "provider_paused_until": "2026-11-24T12:01:00Z" });
            let (seen, body) = health(&status);
            assert_eq!((seen, &body["provider"], &body["detail"]), (healthy, &json!(word), &json!(detail)));
            assert_eq!(body["provider_paused_until"], "2026-11-24T12:01:00Z");
        }
        for (budget, healthy, detail) in [
            ("none", true, "The sweep runs."),
            ("near", true, "The sweep runs."),
            ("exhausted", false, "The budget is used up"),
        ] {
            let (seen, body) =
                health(&json!({ "last_sweep_at": NOON, "last_sweep_seconds": 1, "budget": budget }));
            assert_eq!((seen, &body["budget"]), (healthy, &json!(budget)));
            assert!(body["detail"].as_str().unwrap().starts_with(detail), "{body}");
        }
        let quiet = json!({ "last_sweep_at": NOON, "last_sweep_seconds": 1, "provider_pause_reason": null, "provider_paused_until": null });
        let (healthy, body) = health(&quiet);
        assert_eq!(
            (healthy, &body["provider"], &body["provider_paused_until"]),
            (true, &json!("ok"), &Value::Null)
        );
    }
}
