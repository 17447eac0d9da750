//! The operators' judge of prompts: what it is asked, and what its answers mean.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must stop")]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::moderation::{Judgement, ToJudge, judge};
use shared::ports::HttpError;
use shared::settings::{Moderation, Variables};
use support::block_on;
use support::http::{Recorder, header};

fn settings(all: &[(&str, &str)]) -> Result<Option<Moderation>, String> {
    let variables = Variables::new(|name| {
        all.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    });
    variables.moderation().map_err(|error| error.0)
}

const JUDGE: (&str, &str) = ("MODERATION_URL", "https://judge.example/prompts");

fn answered(http: &Recorder, more: &[(&str, &str)]) -> Judgement {
    let moderation = settings(&[&[JUDGE], more].concat()).unwrap().unwrap();
    let what = ToJudge { prompts: vec!["a fox", "a hare"], model_id: "a/b", user_id: None };
    block_on(judge(http, &moderation, &what))
}

#[test]
fn it_is_asked_with_the_prompts_and_its_secret() {
    let http = Recorder::default().answers(200, r#"{"allow":true}"#);
    assert_eq!(
        answered(&http, &[("MODERATION_SECRET", "s3"), ("MODERATION_TIMEOUT_MS", "500")]),
        Judgement::Allowed
    );
    let request = http.only();
    assert_eq!((request.method, request.url.as_str()), ("POST", JUDGE.1));
    assert_eq!(header(&request, "authorization"), Some("Bearer s3"));
    assert_eq!(request.timeout, Duration::from_millis(500));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(body, json!({ "prompts": ["a fox", "a hare"], "model_id": "a/b", "user_id": null }));
}

#[test]
fn it_refuses_with_a_reason_or_without() {
    let refused = |body: &str| answered(&Recorder::default().answers(200, body), &[]);
    assert_eq!(refused(r#"{"allow":false,"reason":" Not that. "}"#), Judgement::Refused("Not that.".into()));
    assert_eq!(refused(r#"{"allow":false}"#), Judgement::Refused("This prompt is not made here.".into()));
    let long = json!({ "allow": false, "reason": "ä".repeat(9_000) }).to_string();
    assert_eq!(refused(&long), Judgement::Refused("ä".repeat(300)));
}

#[test]
fn whatever_else_it_says_is_no_judgement() {
    for (status, body) in
        [(200, "{}"), (200, "yes"), (200, r#"{"allow":"true"}"#), (204, ""), (403, r#"{"allow":true}"#)]
    {
        let judgement = answered(&Recorder::default().answers(status, body), &[]);
        assert!(matches!(judgement, Judgement::Failed(_)), "{status} {body}: {judgement:?}");
    }
    let late = Recorder::default().responds(Err(HttpError::Timeout));
    assert!(matches!(answered(&late, &[]), Judgement::Failed(_)));
}

#[test]
fn settings_are_checked() {
    assert!(settings(&[]).unwrap().is_none());
    let default = settings(&[JUDGE]).unwrap().unwrap();
    assert_eq!((default.timeout, default.allows_on_failure), (Duration::from_secs(2), false));
    assert!(settings(&[JUDGE, ("MODERATION_ON_FAILURE", "allow")]).unwrap().unwrap().allows_on_failure);
    for wrong in [("MODERATION_ON_FAILURE", "open"), ("MODERATION_SECRET", "a b")] {
        assert!(settings(&[JUDGE, wrong]).unwrap_err().contains(wrong.0));
    }
    assert!(settings(&[("MODERATION_URL", "judge")]).unwrap_err().contains("MODERATION_URL"));
}
