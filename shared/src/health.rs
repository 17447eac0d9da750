//! Whether images can be made and kept: the sweep, the safety net behind webhooks and wake-ups, is alive, the
//! provider takes our account, the budget allows it, and what was made is stored in time.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ports::{BudgetState, Pause, QueueStatus, Refusal};

/// If the last sweep is older than this, something is wrong: the cron trigger runs each minute, and three misses are no
/// accident.
const MAX_SWEEP_AGE: Duration = Duration::from_secs(3 * 60);
/// If the provider creates nothing for longer than this, an operator has to know.
const MAX_OUTAGE: Duration = Duration::from_secs(5 * 60);
/// An image that the provider keeps no longer than this, in seconds, and that is not stored yet: somebody has
/// to look. Where Storage works, it takes seconds of the hour that there is.
const MIN_OUTPUT_LEFT_S: f64 = 20.0 * 60.0;

/// Tells how the queue stands: healthy or not, and the body of `GET /health`. The database tells how long ago things
/// were, so that no two clocks are compared.
///
/// A provider that asks to wait (429) is no trouble: the queue goes on by itself. One that refuses our
/// account is, for somebody has to pay or to put another token: until then no image is made. So is a budget
/// that is used up: somebody may want to raise it. One that is nearly so is told and is no trouble. `provider_name` is
/// the provider's name in these sentences.
pub fn health(status: &QueueStatus, provider_name: &str) -> (bool, Value) {
    let swept = status.last_sweep.as_ref();
    let sweeps = swept.is_some_and(|sweep| sweep.age <= MAX_SWEEP_AGE);
    let (provider, trouble) =
        status.pause.as_ref().map_or(("ok", None), |pause| paused(pause, provider_name));
    let exhausted = (status.budget == BudgetState::Exhausted).then(|| {
        "The budget is used up: nothing is started until the next day or month, or until it is raised.".into()
    });
    let late = status.output_left_s.is_some_and(|seconds| seconds < MIN_OUTPUT_LEFT_S);
    let models = &status.refused_models;
    let trouble: Option<Cow<'_, str>> = trouble.or(exhausted);
    let healthy = sweeps && trouble.is_none() && !late;
    let detail = match (sweeps, swept, trouble) {
        (false, Some(_), _) => "The last sweep is older than 3 minutes: is the cron trigger deployed?".into(),
        (false, None, _) => "No sweep has run yet: the cron trigger runs each minute.".into(),
        (true, ..) if late => format!(
            "Images cannot be stored, and {provider_name} deletes the first of them within 20 minutes."
        )
        .into(),
        (true, _, Some(trouble)) => trouble,
        (true, _, None) if !models.is_empty() => {
            format!("The sweep runs. {provider_name} refuses some models: {}.", models.join(", ")).into()
        }
        (true, _, None) => "The sweep runs.".into(),
    };
    let body = json!({
        "status": if healthy { "ok" } else { "failing" },
        "last_sweep_at": swept.map(|sweep| &sweep.at),
        "provider": provider,
        "provider_paused_until": status.pause.as_ref().and_then(|pause| pause.until.as_deref()),
        "budget": budget_word(status.budget),
        "output_seconds_left": status.output_left_s,
        "refused_models": models,
        "detail": detail,
    });
    (healthy, body)
}

/// The word for a pause, and what somebody has to know of it.
fn paused(pause: &Pause, provider: &str) -> (&'static str, Option<Cow<'static, str>>) {
    let (word, detail) = match pause.refusal {
        Refusal::Throttled => return ("throttled", None),
        Refusal::Outage if pause.lasted <= MAX_OUTAGE => return ("outage", None),
        Refusal::Outage => {
            ("outage", "has not created an image for 5 minutes: it does not answer, or fails.")
        }
        Refusal::Account(402) => ("no_credit", "refuses new images: the account is out of credit."),
        Refusal::Account(401) => ("bad_token", "refuses new images: it does not accept the token."),
        Refusal::Account(_) => ("refused", "refuses new images for this account."),
    };
    (word, Some(format!("{provider} {detail}").into()))
}

fn budget_word(budget: BudgetState) -> &'static str {
    match budget {
        BudgetState::None => "none",
        BudgetState::Ok => "ok",
        BudgetState::Near => "near",
        BudgetState::Exhausted => "exhausted",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(status: &QueueStatus) -> (bool, Value) {
        super::health(status, "Replicate")
    }
    use crate::ports::LastSweep;

    fn swept(age: Duration) -> QueueStatus {
        QueueStatus {
            last_sweep: Some(LastSweep { at: "2026-11-24T12:00:00Z".into(), age }),
            pause: None,
            budget: BudgetState::None,
            output_left_s: None,
            refused_models: Vec::new(),
        }
    }

    fn sweeping() -> QueueStatus {
        swept(Duration::from_secs(1))
    }

    fn paused(refusal: Refusal, lasted: u64) -> QueueStatus {
        let pause = Pause {
            refusal,
            until: Some("2026-11-24T12:01:00Z".into()),
            lasted: Duration::from_secs(lasted),
        };
        QueueStatus { pause: Some(pause), ..sweeping() }
    }

    #[test]
    fn three_minutes_is_the_limit() {
        for (ms, healthy) in [(250, true), (180_000, true), (180_500, false)] {
            assert_eq!(health(&swept(Duration::from_millis(ms))).0, healthy, "{ms}");
        }
        let (healthy, body) = health(&QueueStatus { last_sweep: None, ..sweeping() });
        assert_eq!((healthy, &body["last_sweep_at"]), (false, &Value::Null));
        assert_eq!(body["detail"], "No sweep has run yet: the cron trigger runs each minute.");
    }

    #[test]
    fn a_model_that_is_refused_is_named_and_does_not_stop_the_others() {
        let status = QueueStatus { refused_models: vec!["a/b".into(), "c/d".into()], ..sweeping() };
        let (healthy, body) = health(&status);
        assert_eq!((healthy, &body["refused_models"]), (true, &json!(["a/b", "c/d"])));
        assert_eq!(body["detail"], "The sweep runs. Replicate refuses some models: a/b, c/d.");
    }

    #[test]
    fn an_outage_is_unhealthy_when_it_lasts() {
        for (lasted, healthy) in [(300, true), (301, false)] {
            let (seen, body) = health(&paused(Refusal::Outage, lasted));
            assert_eq!((seen, &body["provider"]), (healthy, &json!("outage")), "{lasted}");
        }
    }

    #[test]
    fn an_image_that_is_not_stored_is_unhealthy_when_the_provider_is_about_to_delete_it() {
        for (left, healthy) in [
            (None, true),
            (Some(3590.5), true),
            (Some(1200.0), true),
            (Some(1199.0), false),
            (Some(-4.0), false),
        ] {
            let (seen, body) = health(&QueueStatus { output_left_s: left, ..sweeping() });
            let deletes = body["detail"].as_str().unwrap().contains("deletes");
            assert_eq!((seen, deletes), (healthy, !healthy), "{left:?}");
            assert_eq!(body["output_seconds_left"].as_f64(), left);
        }
    }

    #[test]
    fn a_refused_account_is_unhealthy_with_a_word_for_it_and_a_full_provider_is_none() {
        let table = [
            (Refusal::Throttled, true, "throttled", "The sweep runs."),
            (
                Refusal::Account(402),
                false,
                "no_credit",
                "Replicate refuses new images: the account is out of credit.",
            ),
            (
                Refusal::Account(401),
                false,
                "bad_token",
                "Replicate refuses new images: it does not accept the token.",
            ),
            (Refusal::Account(403), false, "refused", "Replicate refuses new images for this account."),
        ];
        for (refusal, healthy, word, detail) in table {
            let (seen, body) = health(&paused(refusal, 1));
            assert_eq!((seen, &body["provider"], &body["detail"]), (healthy, &json!(word), &json!(detail)));
            assert_eq!(body["provider_paused_until"], "2026-11-24T12:01:00Z");
        }
        for (budget, word, healthy, detail) in [
            (BudgetState::None, "none", true, "The sweep runs."),
            (BudgetState::Ok, "ok", true, "The sweep runs."),
            (BudgetState::Near, "near", true, "The sweep runs."),
            (BudgetState::Exhausted, "exhausted", false, "The budget is used up"),
        ] {
            let (seen, body) = health(&QueueStatus { budget, ..sweeping() });
            assert_eq!((seen, &body["budget"]), (healthy, &json!(word)));
            assert!(body["detail"].as_str().unwrap().starts_with(detail), "{body}");
        }
        let (healthy, body) = health(&sweeping());
        assert_eq!(
            (healthy, &body["provider"], &body["provider_paused_until"]),
            (true, &json!("ok"), &Value::Null)
        );
    }
}
