//! Whether the sweep, the safety net behind webhooks and wake-ups, is alive.

use serde_json::{Value, json};

/// The cron trigger runs each minute; three misses are no accident.
const MAX_SWEEP_AGE_MS: u64 = 3 * 60 * 1000;

/// Reads `queue_status()`: healthy or not, and the body of `GET /health`.
pub fn sweep_health(status: &Value, now_ms: u64) -> (bool, Value) {
    let last = status.get("last_sweep_at").and_then(Value::as_str);
    let age_ms = last
        .and_then(|text| chrono::DateTime::parse_from_rfc3339(text).ok())
        .and_then(|time| u64::try_from(time.timestamp_millis()).ok())
        .map(|time| now_ms.saturating_sub(time));
    let healthy = age_ms.is_some_and(|age| age <= MAX_SWEEP_AGE_MS);
    let detail = match (healthy, last) {
        (true, _) => "The sweep runs.",
        (false, Some(_)) => "The last sweep is older than 3 minutes: is the cron trigger deployed?",
        (false, None) => "No sweep has run yet: the cron trigger runs each minute.",
    };
    let body = json!({
        "status": if healthy { "ok" } else { "failing" },
        "last_sweep_at": last,
        "detail": detail,
    });
    (healthy, body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_minutes_is_the_limit() {
        let status = json!({ "last_sweep_at": "2026-11-24T10:00:00.5+00:00" });
        let at = |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis() as u64;
        assert!(sweep_health(&status, at("2026-11-24T10:03:00Z")).0);
        assert!(!sweep_health(&status, at("2026-11-24T10:03:01Z")).0);
        assert!(!sweep_health(&json!({ "last_sweep_at": null }), at("2026-11-24T10:00:00Z")).0);
        assert!(!sweep_health(&Value::Null, 0).0);
    }
}
