//! The client of the provider's API: exact requests, and what each recorded answer means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::replicate::Client;
use shared::ports::{
    CreateError, HttpError, HttpResponse, ImageProvider, NewPrediction, Prediction, ProviderError, Status,
};
use support::http::{Recorder, header};
use support::{API, block_on};

const ID: &str = "gm3qorzdhgbfurvjtvhg6dckhu";

fn new_prediction(webhook: Option<&str>, deadline: u64) -> NewPrediction {
    NewPrediction {
        version: "black-forest-labs/flux-schnell".into(),
        input: json!({ "prompt": "a \"fox\"\n" }).as_object().cloned().unwrap_or_default().into(),
        webhook: webhook.map(str::to_owned),
        deadline: Duration::from_secs(deadline),
    }
}

fn created(http: &Recorder) -> Result<Prediction, CreateError> {
    block_on(Client::new(http, API, "r8_token").create(&new_prediction(None, 900)))
}

#[test]
fn a_create_is_exactly_this_request() {
    let http = Recorder::default().answers(201, &json!({ "id": ID, "status": "starting" }).to_string());
    let webhook = "https://hooks.example.com/webhooks/replicate?job=1&lease=2";
    let client = Client::new(&http, API, "r8_token");
    let prediction = block_on(client.create(&new_prediction(Some(webhook), 900))).unwrap();
    assert_eq!((prediction.id.as_str(), prediction.status), (ID, Status::Starting));

    let request = http.only();
    assert_eq!((request.method, request.url.as_str()), ("POST", "https://api.replicate.com/v1/predictions"));
    assert_eq!(header(&request, "authorization"), Some("Bearer r8_token"));
    assert_eq!(header(&request, "cancel-after"), Some("900s"));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "prefer"), None, "nobody waits for the image");
    assert_eq!(request.headers.len(), 3, "{:?}", request.headers);
    assert_eq!(request.timeout, Duration::from_secs(30));
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let expected = json!({
        "version": "black-forest-labs/flux-schnell", "input": { "prompt": "a \"fox\"\n" },
        "webhook": webhook, "webhook_events_filter": ["start", "logs", "completed"],
    });
    assert_eq!(body, expected, "an unknown top-level key is refused with 422");
}

#[test]
fn without_a_webhook_none_is_named_and_the_deadline_is_never_under_its_minimum() {
    let http = Recorder::default().answers(201, &json!({ "id": ID, "status": "starting" }).to_string());
    block_on(Client::new(&http, API, "t").create(&new_prediction(None, 1))).unwrap();
    let request = http.only();
    let body: Value = serde_json::from_str(&request.body).unwrap();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["input", "version"]);
    assert_eq!(header(&request, "cancel-after"), Some("5s"));
}

#[test]
fn reading_cancelling_and_listing_are_exactly_these_requests() {
    let body = json!({ "id": ID, "status": "processing" }).to_string();
    let list = json!({ "next": null, "previous": null, "results": [] }).to_string();
    let http = Recorder::default().answers(200, &body).answers(200, &body).answers(200, &list);
    let client = Client::new(&http, API, "r8_token");
    block_on(client.get(ID)).unwrap();
    block_on(client.cancel(ID)).unwrap();
    block_on(client.list_since(1_795_478_400_999, "w")).unwrap();
    let expected = [
        ("GET", format!("https://api.replicate.com/v1/predictions/{ID}")),
        ("POST", format!("https://api.replicate.com/v1/predictions/{ID}/cancel")),
        ("GET", "https://api.replicate.com/v1/predictions?created_after=2026-11-24T00:00:00Z".to_owned()),
    ];
    for (request, (method, url)) in http.requests.borrow().iter().zip(expected) {
        assert_eq!((request.method, &request.url), (method, &url));
        assert_eq!(header(request, "authorization"), Some("Bearer r8_token"));
        assert_eq!((request.headers.len(), request.body.as_str()), (1, ""));
    }
}

#[test]
fn an_id_that_is_no_path_segment_is_never_sent() {
    let http = Recorder::default();
    let client = Client::new(&http, API, "t");
    for id in ["", "..", "a/b", "a?b", "a#b", "a b", "é", &"a".repeat(101)] {
        assert_eq!(block_on(client.get(id)).unwrap_err(), ProviderError::NotFound, "{id}");
        assert_eq!(block_on(client.cancel(id)).unwrap_err(), ProviderError::NotFound, "{id}");
    }
    assert!(http.requests.borrow().is_empty());
}

/// The bodies that were recorded from the real API.
#[test]
fn every_recorded_refusal_has_its_meaning() {
    let invalid = concat!(
        r#"{"detail":"- input: prompt is required\n- input.num_inference_steps: Must be less than or equal to 4\n","#,
        r#""status":422,"title":"Input validation failed","invalid_fields":[{"type":"required","field":"input","#,
        r#""description":"prompt is required"}]}"#
    );
    let low_credit = concat!(
        r#"{"detail":"Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per "#,
        r#"minute with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit resets in ~5s.","#,
        r#""status":429,"retry_after":5}"#
    );
    let account = |status, detail: &str| CreateError::Account { status, detail: detail.to_owned() };
    let model = |status, detail: &str| CreateError::Model { status, detail: detail.to_owned() };
    let rejected = |detail: &str| CreateError::Rejected(detail.to_owned());
    let throttled = |seconds| CreateError::Throttled { retry_after: Duration::from_secs(seconds) };
    let unknown = |status| CreateError::Unknown(format!("status {status}"));
    let table = [
        (
            401,
            r#"{"title":"Unauthenticated","detail":"You did not pass an authentication token","status":401}"#,
            account(401, "You did not pass an authentication token"),
        ),
        (
            401,
            r#"{"title":"Unauthenticated","detail":"You did not pass a valid authentication token","status":401}"#,
            account(401, "You did not pass a valid authentication token"),
        ),
        (
            402,
            "{\"title\":\"Insufficient credit\",\"detail\":\"You have insufficient credit to run this model.\",\"status\":402}\n",
            account(402, "You have insufficient credit to run this model."),
        ),
        (403, "", model(403, "no detail")),
        (
            403,
            r#"{"title":"Forbidden","detail":"You may not run it","status":403}"#,
            model(403, "You may not run it"),
        ),
        // What something in between says is no word of the provider's.
        (403, "<html>Attention required</html>", CreateError::Unknown("status 403, no JSON".into())),
        (404, "not found", CreateError::Unknown("status 404, no JSON".into())),
        (
            404,
            r#"{"detail":"The requested resource could not be found.","status":404}"#,
            model(404, "The requested resource could not be found."),
        ),
        (
            413,
            r#"{"detail":"Files must be less than 100MB in size"}"#,
            rejected("Files must be less than 100MB in size"),
        ),
        (
            422,
            r#"{"title":"Invalid version or not permitted","detail":"The specified version does not exist","status":422}"#,
            model(422, "Invalid version or not permitted: The specified version does not exist"),
        ),
        // The model is gone in other words: nothing of it is about this request's input.
        (
            422,
            r#"{"title":"Input validation failed","detail":"- version: Does not match","invalid_fields":[{"field":"version"}]}"#,
            model(422, "Input validation failed: - version: Does not match"),
        ),
        (
            422,
            r#"{"title":"Version deprecated","detail":"It takes no inputs any more."}"#,
            model(422, "Version deprecated: It takes no inputs any more."),
        ),
        (
            410,
            r#"{"title":"Gone","detail":"This model has been removed."}"#,
            model(410, "This model has been removed."),
        ),
        (451, r#"{"detail":"Not available."}"#, model(451, "Not available.")),
        (
            400,
            r#"{"title":"Model disabled","detail":"It never got ready."}"#,
            model(400, "Model disabled: It never got ready."),
        ),
        (400, r#"{"title":"Bad request","detail":"a fashion model"}"#, rejected("a fashion model")),
        (
            422,
            r#"{"detail":"input.style_images: Invalid type. Expected: array, given: string"}"#,
            rejected("input.style_images: Invalid type. Expected: array, given: string"),
        ),
        (
            422,
            invalid,
            rejected(
                "- input: prompt is required\n- input.num_inference_steps: Must be less than or equal to 4",
            ),
        ),
        (429, low_credit, throttled(5)),
        (429, r#"{"detail":"Request was throttled. Your rate limit resets in ~30s."}"#, throttled(10)),
        (429, r#"{"retry_after":0}"#, throttled(1)),
        (429, r#"{"retry_after":99999999}"#, throttled(3600)),
        (500, r#"{"detail":"Internal server error"}"#, unknown(500)),
        (502, "<html>Bad gateway</html>", unknown(502)),
        (503, "", unknown(503)),
        (302, "", unknown(302)),
        (201, "<html>", CreateError::Unknown("not a prediction".into())),
        (201, r#"{"id":"../etc","status":"starting"}"#, CreateError::Unknown("not a prediction".into())),
    ];
    for (status, body, expected) in table {
        let http = Recorder::default().answers(status, body);
        assert_eq!(created(&http).unwrap_err(), expected, "{status} {body}");
    }
}

#[test]
fn the_header_tells_how_long_to_wait_where_the_body_does_not() {
    let answer = HttpResponse { status: 429, retry_after: Some(17), body: b"{}".to_vec() };
    let http = Recorder::default().responds(Ok(answer));
    assert_eq!(created(&http).unwrap_err(), CreateError::Throttled { retry_after: Duration::from_secs(17) });
}

#[test]
fn no_usable_answer_leaves_the_outcome_unknown() {
    for error in [HttpError::Timeout, HttpError::Connection, HttpError::TooLarge] {
        let http = Recorder::default().responds(Err(error));
        assert_eq!(created(&http).unwrap_err(), CreateError::Unknown(error.to_string()));
    }
}

#[test]
fn created_or_accepted_is_a_prediction() {
    for status in [200, 201, 202] {
        let http =
            Recorder::default().answers(status, &json!({ "id": ID, "status": "starting" }).to_string());
        assert_eq!(created(&http).unwrap().id, ID);
    }
}

#[test]
fn reads_are_not_found_or_worth_repeating() {
    let unavailable = |text: &str| ProviderError::Unavailable(text.to_owned());
    let table = [
        (404, "", ProviderError::NotFound),
        (401, "", unavailable("status 401")),
        (429, "", unavailable("status 429")),
        (500, "", unavailable("status 500")),
        (200, "<html>", unavailable("not a prediction")),
    ];
    for (status, body, expected) in table {
        let http = Recorder::default().answers(status, body);
        assert_eq!(block_on(Client::new(&http, API, "t").get(ID)).unwrap_err(), expected, "{status}");
    }
    let http = Recorder::default().responds(Err(HttpError::Timeout));
    let error = block_on(Client::new(&http, API, "t").cancel(ID)).unwrap_err();
    assert_eq!(error, unavailable("no answer in time"));
}

fn page(next: Option<&str>, ids: &[&str]) -> String {
    let results: Vec<Value> =
        ids.iter().map(|id| json!({ "id": id, "status": "starting", "webhook": "w" })).collect();
    json!({ "previous": null, "next": next, "results": results }).to_string()
}

#[test]
fn the_list_is_read_to_its_end() {
    let second = "https://api.replicate.com/v1/predictions?created_after=x&cursor=abc";
    let http =
        Recorder::default().answers(200, &page(Some(second), &["a", "b"])).answers(200, &page(None, &["c"]));
    let found = block_on(Client::new(&http, API, "r8_token").list_since(0, "w")).unwrap();
    let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "c"], "under load the prediction is not among the newest hundred");
    assert_eq!(http.requests.borrow()[1].url, second);
}

#[test]
fn of_the_list_only_our_own_predictions_are_read() {
    let of = |id: &str, webhook: Value| json!({ "id": id, "status": "starting", "webhook": webhook });
    let results = [
        of("a", json!("https://h/w?job=1&lease=1")),
        of("b", json!("https://h/w?job=12&lease=1")),
        of("c", json!(null)),
        of("../d", json!("https://h/w?job=1&lease=2")),
    ];
    let http = Recorder::default().answers(200, &json!({ "next": null, "results": results }).to_string());
    let found = block_on(Client::new(&http, API, "t").list_since(0, "https://h/w?job=1&")).unwrap();
    let ids: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
    assert_eq!(ids, ["a"]);
}

#[test]
fn the_token_never_follows_a_page_to_another_origin() {
    for next in
        ["https://evil.example/v1/predictions?cursor=a", "https://api.replicate.com@evil.example/x?cursor=a"]
    {
        let http = Recorder::default().answers(200, &page(Some(next), &[])).answers(200, &page(None, &[]));
        block_on(Client::new(&http, API, "t").list_since(0, "w")).unwrap();
        assert_eq!(
            http.requests.borrow()[1].url,
            "https://api.replicate.com/v1/predictions?cursor=a",
            "{next}"
        );
    }
    let http = Recorder::default().answers(200, &page(Some("nowhere"), &[]));
    assert!(block_on(Client::new(&http, API, "t").list_since(0, "w")).is_err());
}

#[test]
fn a_list_that_was_not_searched_to_its_end_is_no_proof_that_nothing_was_created() {
    let next = page(Some("https://api.replicate.com/v1/predictions?cursor=a"), &["a"]);
    let endless = (0..100).fold(Recorder::default(), |http, _| http.answers(200, &next));
    assert!(block_on(Client::new(&endless, API, "t").list_since(0, "w")).is_err());
    assert!(endless.requests.borrow().len() <= 100);
    for body in ["<html>", "{}", r#"{"detail":"x"}"#, "null"] {
        let http = Recorder::default().answers(200, body);
        assert!(block_on(Client::new(&http, API, "t").list_since(0, "w")).is_err(), "{body}");
    }
}
