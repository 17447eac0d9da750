//! What a prediction means for its job.

use std::time::Duration;

use super::failure::classify;
use super::output::Chosen;
use super::prediction::Answer;
use crate::ports::{DEADLINE, Failure, FailureClass, FailureCode, Outcome, Status};

/// One that was stopped so shortly before that was stopped by its deadline.
const DEADLINE_MARGIN: Duration = Duration::from_secs(30);

/// What a prediction means for its job. `provider_origin` is the origin of the provider's API; outputs may lie there.
///
/// What has succeeded is paid for: without a usable image it fails for good, and is never made again. What has
/// failed after it began may be paid for too: it is made again once, and no further.
pub(super) fn outcome(answer: &Answer, provider_origin: &str) -> Outcome {
    match meaning(answer, provider_origin) {
        Outcome::Failed { class, failure } if class != FailureClass::Permanent && answer.may_be_billed() => {
            Outcome::Failed { class, failure: failure.once() }
        }
        other => other,
    }
}

fn meaning(answer: &Answer, provider_origin: &str) -> Outcome {
    let prediction = &answer.prediction;
    use FailureClass::{Permanent, Transient, Unknown};
    let failed = |class, code, message, cause: &str| {
        let failure = Failure::new(code, message).with_cause(cause);
        Outcome::Failed { class, failure: if class == Unknown { failure.once() } else { failure } }
    };
    match prediction.status {
        _ if prediction.is_running() => Outcome::Running,
        Status::Succeeded if prediction.data_removed => failed(
            Permanent,
            FailureCode::OutputExpired,
            "The image was deleted by the provider before it could be stored.",
            "data_removed is true",
        ),
        Status::Succeeded => match answer.output.choose(provider_origin) {
            Chosen::Image(image, more) => Outcome::Succeeded { image, more },
            Chosen::Nothing => failed(
                Permanent,
                FailureCode::NoOutput,
                "The model made no image. Please try again or change the prompt.",
                "succeeded without an output",
            ),
            Chosen::Unusable => failed(
                Permanent,
                FailureCode::OutputUnusable,
                "The model's answer holds no image that can be stored. Please try another model.",
                "the output holds no address that we fetch and no image, as far as it is read",
            ),
        },
        Status::Failed => {
            let (class, failure) = classify(&answer.error, &answer.input);
            Outcome::Failed { class, failure }
        }
        Status::Canceled if reached_deadline(answer) => failed(
            Unknown,
            FailureCode::TimedOut,
            "The model took too long and was stopped.",
            "the prediction was canceled at its deadline",
        ),
        // Cancelled by the user, the generation has ended already: it was somebody at the provider's page.
        Status::Canceled => failed(
            Permanent,
            FailureCode::CancelledAtProvider,
            "The image was stopped at the provider before it was made. Please start it again if you still want it.",
            "the prediction was canceled before its deadline",
        ),
        Status::Aborted => failed(
            Transient,
            FailureCode::ProviderBusy,
            "The model did not start in time. Please try again later.",
            "the prediction was aborted before it started",
        ),
        Status::Starting | Status::Processing | Status::Other => failed(
            Unknown,
            FailureCode::ProviderError,
            "The provider ended the image, and does not say why. Please try again later.",
            "the prediction has ended in a status that is not known",
        ),
    }
}

/// By the provider's own times. Where there are none, somebody may have stopped it, and it is not made again.
fn reached_deadline(answer: &Answer) -> bool {
    let shortest = (DEADLINE - DEADLINE_MARGIN).as_millis();
    answer.lifetime_ms().is_some_and(|lifetime| u128::from(lifetime) >= shortest)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::adapters::replicate::read_prediction;
    use crate::ports::ImageAt;

    const API: &str = "https://api.replicate.com";

    fn read(mut body: Value) -> Outcome {
        body["id"] = json!("gm3qorzdhgbfurvjtvhg6dckhu");
        read_prediction(body.to_string().as_bytes(), API).unwrap().outcome
    }

    fn failed(body: Value) -> (FailureClass, &'static str) {
        match read(body.clone()) {
            Outcome::Failed { class, failure } => (class, failure.code.as_str()),
            other => panic!("{body}: {other:?}"),
        }
    }

    #[test]
    fn a_success_is_an_image() {
        let url = "https://replicate.delivery/pbxt/x/out-0.webp";
        let image = ImageAt::Url(url.into());
        let read = read(json!({"status": "succeeded", "output": { "image": url, "other": [url] }}));
        assert_eq!(read, Outcome::Succeeded { image, more: 1 });
    }

    #[test]
    fn success_without_a_usable_output_is_never_paid_again() {
        for (output, code) in [
            (json!(null), "no_output"),
            (json!([]), "no_output"),
            (json!({ "a": 1 }), "no_output"),
            (json!("a caption"), "output_unusable"),
            (json!(["file:///etc/passwd"]), "output_unusable"),
            ((0..9).fold(json!("https://a.example/x.png"), |inner, _| json!([inner])), "output_unusable"),
        ] {
            let body = json!({ "status": "succeeded", "output": output });
            assert_eq!(failed(body), (FailureClass::Permanent, code), "{output}");
        }
        let removed = json!({"status": "succeeded", "output": null, "data_removed": true});
        assert_eq!(failed(removed), (FailureClass::Permanent, "output_expired"));
    }

    #[test]
    fn who_cancelled_is_told_by_the_providers_own_times() {
        let created = "2026-11-24T10:00:00Z";
        for (ended, code) in [
            (json!("2026-11-24T10:00:09.123456Z"), "cancelled_at_provider"),
            (json!("2026-11-24T10:14:00Z"), "cancelled_at_provider"),
            (json!("2026-11-24T10:15:00Z"), "timed_out"),
            (json!("2026-11-24T10:16:40Z"), "timed_out"),
            (json!(null), "cancelled_at_provider"),
        ] {
            let body = json!({ "status": "canceled", "created_at": created, "completed_at": ended });
            assert_eq!(failed(body).1, code, "{ended}");
        }
        let measured = json!({ "status": "canceled", "metrics": { "total_time": 900.2 } });
        assert_eq!(failed(measured), (FailureClass::Unknown, "timed_out"));
    }

    #[test]
    fn every_status_has_a_meaning() {
        for status in [json!("starting"), json!("processing"), json!("a_status_of_next_year")] {
            assert_eq!(read(json!({ "status": status })), Outcome::Running);
        }
        assert_eq!(failed(json!({ "status": "aborted" })).0, FailureClass::Transient);
        let ended = json!({ "status": "a_status_of_next_year", "completed_at": "2026-11-24T10:00:00Z" });
        assert_eq!(failed(ended), (FailureClass::Unknown, "provider_error"));
    }

    #[test]
    fn what_may_be_billed_is_made_once_more_and_no_further() {
        let time = "2026-11-24T10:00:00Z";
        let billed = |body: Value| match read(body.clone()) {
            Outcome::Failed { failure, .. } => failure.once,
            other => panic!("{body}: {other:?}"),
        };
        let interrupted = "Prediction interrupted; please retry (code: PA)";
        for (mut body, expected) in [
            (json!({ "started_at": time, "completed_at": time }), true),
            (json!({ "completed_at": time, "metrics": { "predict_time": 0.4 } }), true),
            (json!({}), true),
            (json!({ "completed_at": time }), false),
            (json!({ "completed_at": time, "metrics": { "predict_time": 0.0 } }), false),
        ] {
            body["status"] = json!("failed");
            body["error"] = json!(interrupted);
            assert_eq!(billed(body.clone()), expected, "{body}");
        }
        assert!(!billed(json!({ "status": "aborted" })));
        // We stop what a run has created that had lost its job, within seconds, and another one is made.
        assert!(!billed(json!({ "status": "canceled", "started_at": time, "completed_at": time })));
    }

    #[test]
    fn an_error_of_any_shape_is_read() {
        for error in [json!("Request Moderated"), json!({ "detail": ["Request", "Moderated"] })] {
            let body = json!({ "status": "failed", "error": error });
            assert_eq!(failed(body), (FailureClass::Permanent, "content_flagged"));
        }
        let said =
            json!({ "status": "failed", "error": "lost \"a policy\"", "input": { "prompt": "a policy" } });
        assert_eq!(failed(said).0, FailureClass::Unknown, "the prompt is not the error's own word");
    }
}
