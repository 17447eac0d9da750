//! Whether pictures can be made: the sweep, the safety net behind webhooks and wake-ups, is alive, and the
//! provider takes our account, and the budget allows it.

use serde_json::{Value, json};

use crate::job::milliseconds;

/// The cron trigger runs each minute; three misses are no accident.
const MAX_SWEEP_AGE_MS: u64 = 3 * 60 * 1000;

/// Reads `queue_status()`: healthy or not, and the body of `GET /health`.
///
/// A provider that asks to wait (429) is no fault: the queue goes on by itself. One that refuses our
/// account is, for somebody has to pay or to put another token: until then no picture is made. So is a budget
/// that is used up: somebody may want to raise it. One that is nearly so is told and is no fault.
pub fn health(status: &Value, now_ms: u64) -> (bool, Value) {
    let text = |name: &str| status.get(name).and_then(Value::as_str);
    let last = text("last_sweep_at");
    let age_ms = last.and_then(milliseconds).map(|time| now_ms.saturating_sub(time));
    let sweeps = age_ms.is_some_and(|age| age <= MAX_SWEEP_AGE_MS);
    let (provider, trouble) = match (text("provider_pause_reason"), code(status)) {
        (None, _) => ("ok", None),
        (Some("throttled"), _) => ("throttled", None),
        (_, Some(402)) => ("no_credit", Some("Replicate refuses new images: the account is out of credit.")),
        (_, Some(401)) => ("bad_token", Some("Replicate refuses new images: it does not accept the token.")),
        _ => ("refused", Some("Replicate refuses new images for this account.")),
    };
    let budget = text("budget").unwrap_or("none");
    let trouble = trouble.or((budget == "exhausted").then_some(
        "The budget is used up: nothing is started until the next day or month, or until it is raised.",
    ));
    let detail = match (sweeps, last, trouble) {
        (false, Some(_), _) => "The last sweep is older than 3 minutes: is the cron trigger deployed?",
        (false, None, _) => "No sweep has run yet: the cron trigger runs each minute.",
        (true, _, Some(trouble)) => trouble,
        (true, _, None) => "The sweep runs.",
    };
    let healthy = sweeps && trouble.is_none();
    let body = json!({
        "status": if healthy { "ok" } else { "failing" },
        "last_sweep_at": last,
        "provider": provider,
        "provider_paused_until": text("provider_paused_until"),
        "budget": budget,
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

    fn at(text: &str) -> u64 {
        milliseconds(text).unwrap()
    }

    #[test]
    fn three_minutes_is_the_limit() {
        let status = json!({ "last_sweep_at": "2026-11-24T10:00:00.5+00:00" });
        assert!(health(&status, at("2026-11-24T10:03:00Z")).0);
        assert!(!health(&status, at("2026-11-24T10:03:01Z")).0);
        assert!(!health(&json!({ "last_sweep_at": null }), at("2026-11-24T10:03:00Z")).0);
        assert!(!health(&Value::Null, 0).0);
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
            let status = json!({ "last_sweep_at": NOON, "provider_pause_reason": reason,
                "provider_pause_code": code, "provider_paused_until": "2026-11-24T12:01:00Z" });
            let (seen, body) = health(&status, at(NOON));
            assert_eq!((seen, &body["provider"], &body["detail"]), (healthy, &json!(word), &json!(detail)));
            assert_eq!(body["provider_paused_until"], "2026-11-24T12:01:00Z");
        }
        for (budget, healthy, detail) in [
            ("none", true, "The sweep runs."),
            ("near", true, "The sweep runs."),
            ("exhausted", false, "The budget is used up"),
        ] {
            let (seen, body) = health(&json!({ "last_sweep_at": NOON, "budget": budget }), at(NOON));
            assert_eq!((seen, &body["budget"]), (healthy, &json!(budget)));
            assert!(body["detail"].as_str().unwrap().starts_with(detail), "{body}");
        }
        let quiet =
            json!({ "last_sweep_at": NOON, "provider_pause_reason": null, "provider_paused_until": null });
        let (healthy, body) = health(&quiet, at(NOON));
        assert_eq!(
            (healthy, &body["provider"], &body["provider_paused_until"]),
            (true, &json!("ok"), &Value::Null)
        );
    }
}
