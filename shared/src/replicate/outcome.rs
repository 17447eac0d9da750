//! What a prediction means for its job.

use serde_json::Value;

use super::failure::{FailureClass, classify};
use super::prediction::{Prediction, Status};
use crate::ports::Failure;
use crate::url_policy::check_output;

/// What a prediction means for its job.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Not ended yet.
    Running,
    /// The image lies at this URL, for an hour.
    Succeeded {
        /// Where.
        output_url: String,
    },
    /// No image.
    Failed {
        /// Whether trying again makes sense.
        class: FailureClass,
        /// Why.
        failure: Failure,
    },
}

/// Reads a prediction. `provider_origin` is the origin of the provider's API; outputs may lie there.
pub fn outcome(prediction: &Prediction, provider_origin: &str) -> Outcome {
    match prediction.status {
        Status::Starting | Status::Processing | Status::Other => Outcome::Running,
        Status::Succeeded => succeeded(prediction, provider_origin),
        Status::Failed => {
            let (class, failure) = classify(prediction.error.as_str().unwrap_or_default());
            Outcome::Failed { class, failure }
        }
        // Cancelled by the user, the generation has ended already; else it was the deadline.
        Status::Canceled => failed(
            FailureClass::Transient,
            "timed_out",
            "The model took too long and was stopped.",
            "the prediction was canceled",
        ),
        Status::Aborted => failed(
            FailureClass::Transient,
            "provider_busy",
            "The model did not start in time.",
            "the prediction was aborted before it started",
        ),
    }
}

fn succeeded(prediction: &Prediction, provider_origin: &str) -> Outcome {
    if prediction.data_removed {
        return failed(
            FailureClass::Transient,
            "output_expired",
            "The image was deleted by the provider before it could be stored.",
            "data_removed is true",
        );
    }
    let first = match &prediction.output {
        Value::Array(list) => list.first().and_then(Value::as_str),
        other => other.as_str(),
    };
    match first {
        Some(url) if check_output(url, provider_origin).is_some() => {
            Outcome::Succeeded { output_url: url.to_owned() }
        }
        Some(_) => failed(
            FailureClass::Permanent,
            "output_unusable",
            "The model's answer could not be used.",
            "the output is not a URL that we fetch",
        ),
        None => failed(
            FailureClass::Transient,
            "no_output",
            "The model made no image. Please try again or change the prompt.",
            "succeeded without an output",
        ),
    }
}

fn failed(class: FailureClass, code: &str, message: &str, cause: &str) -> Outcome {
    Outcome::Failed { class, failure: Failure::new(code, message).because(cause) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const API: &str = "https://api.replicate.com";

    fn read(body: Value) -> Outcome {
        let mut body = body;
        body["id"] = json!("gm3qorzdhgbfurvjtvhg6dckhu");
        outcome(&Prediction::parse(body.to_string().as_bytes()).unwrap(), API)
    }

    #[test]
    fn a_string_and_a_list_are_outputs() {
        let url = "https://replicate.delivery/pbxt/x/out-0.webp";
        for output in [json!(url), json!([url]), json!([url, "https://replicate.delivery/pbxt/x/out-1.webp"])]
        {
            assert_eq!(
                read(json!({"status": "succeeded", "output": output})),
                Outcome::Succeeded { output_url: url.into() }
            );
        }
    }

    #[test]
    fn success_without_a_usable_output_is_a_failure() {
        for (output, class) in [
            (json!(null), FailureClass::Transient),
            (json!([]), FailureClass::Transient),
            (json!({"a": 1}), FailureClass::Transient),
            (json!("http://169.254.169.254/latest"), FailureClass::Permanent),
            (json!(["file:///etc/passwd"]), FailureClass::Permanent),
        ] {
            match read(json!({"status": "succeeded", "output": output})) {
                Outcome::Failed { class: seen, .. } => assert_eq!(seen, class, "{output}"),
                other => panic!("{output}: {other:?}"),
            }
        }
        let removed = read(json!({"status": "succeeded", "output": null, "data_removed": true}));
        assert!(matches!(removed, Outcome::Failed { failure, .. } if failure.code == "output_expired"));
    }

    #[test]
    fn every_status_has_a_meaning() {
        for status in ["starting", "processing", "a_status_of_next_year"] {
            assert_eq!(read(json!({ "status": status })), Outcome::Running);
        }
        for status in ["failed", "canceled", "aborted"] {
            assert!(matches!(read(json!({ "status": status })), Outcome::Failed { .. }), "{status}");
        }
    }
}
