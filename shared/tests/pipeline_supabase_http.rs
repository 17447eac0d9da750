//! The adapters to Supabase: exact requests, and what each answer means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::supabase::{Generations, Prices, Queue, Rpc, Storage};
use shared::http::idempotency::Key;
use shared::http::list_query::ListQuery;
use shared::http::marks::{ImageMarks, ImagesMarks};
use shared::http::models::{Charged, ChargedModel};
use shared::http::problem::Code;
use shared::http::types::Price;
use shared::job::{Job, JobType};
use shared::pipeline::StartPlan;
use shared::policy::image_file::{ImageFormat, ImageHead};
use shared::policy::url_policy::AllowedOrigins;
use shared::ports::{
    AfterPrediction, Attempt, Bucket, CreatedPrediction, DatabaseError, Delivery, DeliveryOutcome, Failure,
    FailureClass, FailureCode, Finished, HttpError, HttpResponse, ImageAt, ImageStore, JobQueue, Monitoring,
    Outbox, Outcome, Paused, Prediction, PredictionNews, PredictionSource, PriceList, ProgressNoted,
    QueueError, QueuedGeneration, Received, Recorded, Refusal, Started, Status, Step, StoreError,
    StoredImage, UserGenerations,
};
use shared::progress::Progress;
use shared::settings::SupabaseSettings;
use support::http::{Recorder, Source, header};
use support::runtime::Still;
use support::told::told;
use support::{OUTPUT, TestRuntime, block_on};
use uuid::Uuid;

const URL: &str = "https://project.supabase.co";
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

fn queue(http: &Recorder) -> Queue<'_, Recorder, Still> {
    Queue::new(Rpc::new(http, URL, "service-key", Some("service-key")), &Still)
}

fn row() -> Value {
    json!({ "id": Uuid::from_u128(1), "job_type": "generate-image", "payload": {}, "lease": 4, "attempts": 1,
        "status": "processing", "error_details": [{ "attempt": 1, "prediction_id": "old" }] })
}

fn job() -> Job {
    serde_json::from_value(row()).unwrap()
}

#[test]
fn a_call_is_exactly_this_request() {
    let http = Recorder::default().answers(200, "[]");
    block_on(queue(&http).claim(3, Duration::from_secs(60), &[JobType::GenerateImage])).unwrap();
    let request = http.only();
    assert_eq!(
        (request.method, request.url.as_str()),
        ("POST", "https://project.supabase.co/rest/v1/rpc/claim_jobs")
    );
    assert_eq!(header(&request, "authorization"), Some("Bearer service-key"));
    assert_eq!(header(&request, "apikey"), Some("service-key"));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(request.timeout, Duration::from_secs(10));
    assert_eq!(
        body(&http),
        json!({ "p_limit": 3, "p_lease_seconds": 60, "p_job_types": ["generate-image"] })
    );
}

fn body(http: &Recorder) -> Value {
    serde_json::from_str(&http.only().body).unwrap()
}

#[test]
fn each_step_names_its_function_job_and_lease() {
    let (id, job) = (Uuid::from_u128(1), job());
    let failure =
        Failure::new(FailureCode::Rejected, "The model does not accept this request.").with_cause("422");
    let wait = Duration::from_millis(1500);
    let check = |function: &str, words: &[&str], arguments: Value, call: &Call<'_>| {
        for word in words {
            let http = Recorder::default().answers(200, &json!({ "outcome": word }).to_string());
            assert_eq!(call(&http), Ok(Step::Done), "{function}");
            assert_eq!(http.only().url, format!("{URL}/rest/v1/rpc/{function}"));
            assert_eq!(body(&http), arguments, "{function}");
        }
        let http = Recorder::default().answers(200, r#"{"outcome":"stale"}"#);
        assert_eq!(call(&http), Ok(Step::Stale), "{function}");
        for nothing in ["", "null", "{}", "<html>", r#"{"outcome":"a_word_of_next_year"}"#] {
            let http = Recorder::default().answers(200, nothing);
            assert!(call(&http).is_err(), "{function}: {nothing:?} tells of no outcome");
        }
    };
    check(
        "finish_download",
        &["completed"],
        json!({ "p_job_id": id, "p_lease": 4, "p_image": { "storage_path": "u/g.png", "public_url": "https://x/g.png",
            "filename": "g.png", "file_size": 7, "width": 3, "height": 2, "format": "png" } }),
        &|http| block_on(queue(http).finish_download(&job, &image())),
    );
    let failed = |retry: Value| {
        json!({ "p_job_id": id, "p_lease": 4, "p_error_message": "The model does not accept this request.",
            "p_error_details": { "code": "rejected" }, "p_retry_in_seconds": retry })
    };
    let ends = ["retrying", "failed"];
    check("fail_job", &ends, failed(json!(1.5)), &|http| {
        block_on(queue(http).fail(&job, &failure, Some(wait)))
    });
    check("fail_job", &ends, failed(Value::Null), &|http| block_on(queue(http).fail(&job, &failure, None)));
    check(
        "snooze_job",
        &["snoozed"],
        json!({ "p_job_id": id, "p_lease": 4, "p_seconds": 1.5, "p_outcome_unknown": true }),
        &|http| block_on(queue(http).snooze(&job, wait, true)),
    );
    let extended = json!({ "p_job_id": id, "p_lease": 4, "p_lease_seconds": 1 });
    check("extend_lease", &["extended"], extended, &|http| block_on(queue(http).extend_lease(&job, wait)));
    let completed = |result: Value| json!({ "p_job_id": id, "p_lease": 4, "p_result": result });
    check("complete_job", &["completed"], completed(Value::Null), &|http| {
        block_on(queue(http).complete(&job, None))
    });
    let stopped = Prediction { id: "abc".into(), status: Status::Canceled, ..Prediction::default() };
    let seen = json!({ "predictions": [{ "id": "abc", "status": "canceled", "predict_time": null }] });
    check("complete_job", &["completed"], completed(seen), &|http| {
        block_on(queue(http).complete(&job, Some(std::slice::from_ref(&stopped))))
    });
}

type Call<'a> = dyn Fn(&Recorder) -> Result<Step, QueueError> + 'a;

fn image() -> StoredImage {
    let head = ImageHead { format: ImageFormat::Png, size: Some((3, 2)) };
    StoredImage { path: "u/g.png".into(), public_url: "https://x/g.png".into(), bytes: 7, head }
}

#[test]
fn progress_is_told_once_and_answered_with_what_became_of_it() {
    let id = Uuid::from_u128(1);
    let progress = Progress { percent: 35, started_at: Some("2026-11-24T12:00:30Z".into()) };
    let record = |http: &Recorder| block_on(queue(http).record_progress(id, "abc", &progress));
    for (word, noted) in [
        ("recorded", ProgressNoted::Recorded),
        ("stale", ProgressNoted::Stale),
        ("unknown", ProgressNoted::Unknown),
    ] {
        let http = Recorder::default().answers(200, &json!({ "outcome": word }).to_string());
        assert_eq!(record(&http), Ok(noted));
        let expected = json!({ "p_job_id": id, "p_prediction_id": "abc", "p_progress": 35,
            "p_started_at": "2026-11-24T12:00:30Z" });
        assert_eq!(body(&http), expected);
    }
    for nothing in ["", "null", "{}", "<html>", r#"{"outcome":"a_word_of_next_year"}"#] {
        assert!(record(&Recorder::default().answers(200, nothing)).is_err(), "{nothing:?}");
    }
    let down = Recorder::default();
    assert!(record(&down).is_err() && down.requests.borrow().len() == 1, "the next sign makes up for it");
}

/// A prediction of 8 × 6 pixels that is to be recorded, and what is told of it.
fn created(id: &str) -> (CreatedPrediction, Value) {
    let source = PredictionSource::Created;
    let model_id = Some("a/b".to_owned());
    let created = CreatedPrediction {
        id: id.into(),
        source,
        model_id,
        size: Some((8, 6)),
        adjustments: Some(Vec::new()),
    };
    (created, json!({ "source": "created", "model_id": "a/b", "width": 8, "height": 6, "adjustments": [] }))
}

#[test]
fn a_recorded_prediction_is_noted_or_comes_back_with_the_job_that_cancels_it() {
    let record = |http: &Recorder| {
        block_on(queue(http).record_prediction(&job(), &created("abc").0, Duration::from_secs(120)))
    };
    let http = Recorder::default().answers(200, r#"{"outcome":"recorded"}"#);
    assert!(matches!(record(&http), Ok(Recorded::Noted)));
    assert!(http.only().url.ends_with("/rpc/record_prediction"));
    let expected = json!({ "p_job_id": Uuid::from_u128(1), "p_lease": 4, "p_prediction_id": "abc",
        "p_wait_seconds": 120, "p_details": created("abc").1 });
    assert_eq!(body(&http), expected);

    let http = Recorder::default().answers(200, r#"{"outcome":"recorded","resumed":true}"#);
    assert!(matches!(record(&http), Ok(Recorded::Resumed)));
    let http = Recorder::default().answers(200, &json!({ "outcome": "stale", "job": row() }).to_string());
    assert!(matches!(record(&http), Ok(Recorded::Unwanted(Some(cancel))) if cancel.lease == 4));
    let http = Recorder::default().answers(200, r#"{"outcome":"stale"}"#);
    assert!(matches!(record(&http), Ok(Recorded::Unwanted(None))));
    for nothing in ["", "null", "{}", "<html>", r#"{"outcome":"stale","job":{}}"#] {
        assert!(record(&Recorder::default().answers(200, nothing)).is_err(), "{nothing:?}");
    }
}

#[test]
fn a_pause_tells_why_and_how_long_and_whether_it_begins() {
    let pause =
        |http: &Recorder, refusal| block_on(queue(http).pause(&job(), Duration::from_secs(7), refusal));
    for (refusal, reason, code) in [
        (Refusal::Throttled, "throttled", 429),
        (Refusal::Account(402), "account", 402),
        (Refusal::Outage, "outage", 503),
    ] {
        for is_news in [true, false] {
            let answer = json!({ "outcome": "snoozed", "started": is_news, "seconds": 1.5 }).to_string();
            let http = Recorder::default().answers(200, &answer);
            let lasts = Duration::from_millis(1500);
            assert_eq!(pause(&http, refusal), Ok(Paused { is_news, lasts }));
            assert!(http.only().url.ends_with("/rpc/pause_provider"));
            let expected = json!({ "p_job_id": Uuid::from_u128(1), "p_lease": 4, "p_seconds": 7.0,
                "p_reason": reason, "p_code": code });
            assert_eq!(body(&http), expected);
        }
    }
    for nothing in ["{}", r#"{"started":true}"#, r#"{"started":true,"seconds":-1}"#] {
        assert!(pause(&Recorder::default().answers(200, nothing), Refusal::Throttled).is_err(), "{nothing}");
    }
}

#[test]
fn a_claim_gives_jobs_as_the_database_writes_them() {
    let http = Recorder::default().answers(200, &json!([row()]).to_string());
    let types = [JobType::CancelPrediction, JobType::GenerateImage];
    let jobs = block_on(queue(&http).claim(1, Duration::from_secs(60), &types)).unwrap();
    assert_eq!(body(&http)["p_job_types"], json!(["cancel-prediction", "generate-image"]));
    assert_eq!((jobs[0].lease, jobs[0].attempts, jobs[0].job_type()), (4, 1, JobType::GenerateImage));
    assert!(jobs[0].knew("old") && !jobs[0].knew("new"));
    let http = Recorder::default().answers(200, r#"[{"id":1}]"#);
    assert!(block_on(queue(&http).claim(1, Duration::from_secs(60), &types)).is_err());
}

fn finished(http: &Recorder) -> Result<Finished, QueueError> {
    let prediction = succeeded();
    block_on(queue(http).finish_prediction(
        Uuid::from_u128(1),
        news(&prediction),
        Duration::from_secs(120),
        1,
    ))
}

fn succeeded() -> Prediction {
    let outcome = Outcome::Succeeded { image: ImageAt::Url(OUTPUT.into()), more: 0 };
    let completed_at = Some("2026-11-24T13:00:00.123456+01:00".into());
    Prediction { id: "abc".into(), status: Status::Succeeded, outcome, completed_at, ..Prediction::default() }
}

fn news(prediction: &Prediction) -> PredictionNews<'_> {
    PredictionNews { prediction, source: PredictionSource::Webhook, retry_in: Some(Duration::from_secs(3)) }
}

/// By chance, so that a repetition is known.
fn call() -> (String, Value) {
    ("call".into(), json!(0.5))
}

#[test]
fn what_is_told_of_a_prediction_is_what_the_database_reads() {
    let base = succeeded();
    let failure = Failure::new(FailureCode::ContentFlagged, "No.").with_cause("the provider's words").once();
    let failed = Outcome::Failed { class: FailureClass::Unknown, failure };
    let inside = Outcome::Succeeded { image: ImageAt::Inside, more: 1 };
    for (status, outcome, expected) in [
        (
            Status::Processing,
            Outcome::Running,
            json!({ "status": "running", "provider_status": "running", "source": "webhook" }),
        ),
        (
            Status::Succeeded,
            inside,
            json!({ "status": "succeeded", "inline": true, "predict_time": 1.5,
                "completed_at": "2026-11-24T12:00:00.123Z", "provider_status": "succeeded", "source": "webhook" }),
        ),
        (
            Status::Aborted,
            failed,
            json!({ "status": "failed", "error_message": "No.", "error_code": "content_flagged",
                "error_details": { "code": "content_flagged", "retry": "once" }, "retry_in_seconds": 3.0,
                "predict_time": 1.5, "provider_status": "aborted", "source": "webhook" }),
        ),
    ] {
        let prediction = Prediction { status, outcome, predict_time: Some(1.5), ..base.clone() };
        let seen = told("p_outcome", async |queue| {
            queue.finish_prediction(Uuid::nil(), news(&prediction), Duration::ZERO, 0).await
        });
        let expected =
            Value::Object(expected.as_object().unwrap().clone().into_iter().chain([call()]).collect());
        assert_eq!(seen, expected);
    }
}

#[test]
fn the_end_of_a_prediction_names_no_lease() {
    let answer = json!({ "outcome": "download", "job": row(), "next": [row()] }).to_string();
    let http = Recorder::default().answers(200, &answer);
    let seen = finished(&http).unwrap();
    assert!(seen.more.len() == 1 && matches!(seen.next, AfterPrediction::Run(job) if job.lease == 4));
    let expected = json!({ "p_job_id": Uuid::from_u128(1), "p_prediction_id": "abc",
        "p_outcome": { "status": "succeeded", "output_url": OUTPUT, "predict_time": null,
            "completed_at": "2026-11-24T12:00:00.123Z", "provider_status": "succeeded", "source": "webhook",
            "call": 0.5 },
        "p_lease_seconds": 120, "p_next": 1 });
    assert_eq!(body(&http), expected);
    let stop = json!({ "outcome": "mismatch", "job": row() }).to_string();
    let seen = finished(&Recorder::default().answers(200, &stop)).unwrap();
    assert!(matches!(seen.next, AfterPrediction::Run(_)), "what nobody awaits is stopped");
    for (word, expected) in [
        ("recorded", Received::Recorded),
        ("running", Received::Running),
        ("retrying", Received::Retrying),
        ("failed", Received::Failed),
        ("duplicate", Received::Duplicate),
        ("mismatch", Received::Mismatch),
        ("cancelled", Received::Cancelled),
        ("stale", Received::Stale),
    ] {
        let http = Recorder::default().answers(200, &json!({ "outcome": word }).to_string());
        let seen = finished(&http).unwrap();
        assert!(
            seen.more.is_empty() && matches!(seen.next, AfterPrediction::Nothing(seen) if seen == expected)
        );
    }
}

#[test]
fn the_repetition_of_an_end_names_the_same_call_and_another_one_does_not() {
    let answer = json!({ "outcome": "download", "job": row() }).to_string();
    let (http, runtime) =
        (Recorder::default().responds(Err(HttpError::Timeout)).answers(200, &answer), TestRuntime::new(1));
    let (mut calls, prediction) = (Vec::new(), succeeded());
    for http in [&http, &Recorder::default().answers(200, &answer)] {
        let queue = Queue::new(Rpc::new(http, URL, "service-key", None), &runtime);
        let ended =
            queue.finish_prediction(Uuid::from_u128(1), news(&prediction), Duration::from_secs(120), 1);
        assert!(matches!(block_on(ended).unwrap().next, AfterPrediction::Run(_)));
        calls.extend(
            http.requests
                .borrow()
                .iter()
                .map(|sent| serde_json::from_str::<Value>(&sent.body).unwrap()["p_outcome"]["call"].clone()),
        );
    }
    assert!(calls[0].is_number() && calls[0] == calls[1] && calls[1] != calls[2], "{calls:?}");
}

#[test]
fn an_end_that_was_not_recorded_is_an_error_so_that_the_webhook_is_repeated() {
    let word = r#"{"outcome":"a_word_of_next_year"}"#;
    for body in ["", "null", "{}", "<html>", r#"{"outcome":"download"}"#, word] {
        let http = Recorder::default().answers(200, body);
        assert!(finished(&http).is_err(), "{body:?} tells of no outcome");
    }
}

#[test]
fn answers_of_postgrest_have_their_meaning() {
    let refusal =
        r#"{"code":"PT404","message":"There is no such generation.","details":"not_found","hint":null}"#;
    let throttled =
        r#"{"code":"PT429","message":"Too many.","details":"quota_exceeded","hint":"retry_after=17"}"#;
    let other = r#"{"code":"PT418","message":"x","details":"a_code_of_next_year","hint":null}"#;
    let refused = |status, body| match block_on(
        generations(&Recorder::default().answers(status, body)).cancel(Uuid::nil()),
    ) {
        Err(DatabaseError::Refused(problem)) => (problem.code, problem.detail, problem.retry_after),
        answer => panic!("not a refusal: {answer:?}"),
    };
    assert_eq!(refused(404, refusal), (Code::NotFound, "There is no such generation.".into(), None));
    assert_eq!(refused(429, throttled), (Code::QuotaExceeded, "Too many.".into(), Some(17)));

    // What changed nothing is asked for once more, also where a repetition could do harm.
    let kind = |answer: &dyn Fn(Recorder) -> Recorder| {
        let twice = answer(answer(Recorder::default()));
        let deleted = block_on(generations(&twice).delete(Uuid::nil())).unwrap_err();
        let error = block_on(queue(&answer(Recorder::default())).status()).unwrap_err();
        match (error, twice.requests.borrow().len()) {
            (QueueError::Unavailable(_), 2) => "transient",
            (QueueError::Unavailable(_), 1) => "unavailable",
            (QueueError::Denied(_), 2) => "denied",
            (QueueError::Denied(_), 1) => "forbidden",
            (QueueError::Defect(_), 1) if matches!(deleted, DatabaseError::Defect(_)) => "defect",
            other => panic!("{other:?}, {deleted:?}"),
        }
    };
    let table = [
        (401, r#"{"code":"PGRST301","message":"JWT expired"}"#, "denied"),
        (401, r#"{"code":"PGRST303","message":"JWT issued at future"}"#, "denied"),
        (401, r#"{"message":"Invalid API key"}"#, "denied"),
        (404, r#"{"code":"PGRST202","message":"Could not find the function"}"#, "transient"),
        (503, r#"{"code":"PGRST002","message":"Could not query the schema cache"}"#, "transient"),
        (503, r#"{"code":"PGRST001","message":"Database client error"}"#, "unavailable"),
        (
            405,
            r#"{"code":"25006","message":"cannot execute INSERT in a read-only transaction"}"#,
            "transient",
        ),
        (
            400,
            r#"{"code":"0A000","message":"cannot set transaction read-write mode during recovery"}"#,
            "transient",
        ),
        (500, r#"{"code":"57P01","message":"terminating connection"}"#, "transient"),
        (503, r#"{"code":"57P03","message":"the database system is starting up"}"#, "transient"),
        (500, r#"{"code":"57014","message":"canceling statement due to statement timeout"}"#, "transient"),
        (503, r#"{"code":"53100","message":"could not extend file: No space left on device"}"#, "transient"),
        (500, r#"{"code":"40001","message":"could not serialize access"}"#, "transient"),
        (500, r#"{"code":"55P03","message":"canceling statement due to lock timeout"}"#, "transient"),
        (400, r#"{"code":"55000","message":"not in a state for that"}"#, "defect"),
        (400, r#"{"code":"53","message":"no code of five"}"#, "defect"),
        (400, r#"{"message":"no Route matched with those values"}"#, "unavailable"),
        (403, "<html>Attention required</html>", "unavailable"),
        (200, "<html>Sign in to the network</html>", "unavailable"),
        (400, r#"{"code":"22P02","message":"invalid input syntax"}"#, "defect"),
        (403, r#"{"code":"42501","message":"permission denied"}"#, "forbidden"),
        (418, other, "defect"),
        (408, "", "unavailable"),
        (429, "", "unavailable"),
        (500, r#"{"code":"40P01","message":"deadlock detected"}"#, "transient"),
        (500, r#"{"code":"XX000","message":"internal error"}"#, "unavailable"),
        (503, "<html>", "unavailable"),
        (504, r#"{"code":"PGRST003","message":"Timed out acquiring connection"}"#, "transient"),
    ];
    for (status, body, expected) in table {
        assert_eq!(kind(&|http| http.answers(status, body)), expected, "{status} {body}");
        // What may pass is asked for once more.
        let http = Recorder::default().answers(status, body).answers(status, body);
        let shown = block_on(generations(&http).get(Uuid::nil())).unwrap_err().into_problem();
        assert!(!shown.body().to_string().contains("could not"), "nothing internal: {}", shown.detail);
    }
    for (error, expected) in [
        (HttpError::Timeout, "unavailable"),
        (HttpError::Connection, "unavailable"),
        (HttpError::TooLarge, "defect"),
    ] {
        assert_eq!(kind(&|http| http.responds(Err(error))), expected, "{error}");
    }
}

#[test]
fn what_passes_is_asked_again_and_told_to_nobody() {
    let skew = (401, r#"{"code":"PGRST303","message":"JWT issued at future"}"#);
    let cache = (404, r#"{"code":"PGRST202","message":"Could not find the function"}"#);
    let nobody = (502, "<html>");
    let id = Uuid::from_u128(1);
    for ((status, body), key, starts) in [
        (skew, None, 2),
        (cache, None, 2),
        // A start whose answer is lost may have begun: it goes out again only under a key.
        (nobody, None, 1),
        (nobody, Some(&key()), 2),
        ((400, r#"{"code":"22P02"}"#), Some(&key()), 1),
    ] {
        let answers = |then: &str| Recorder::default().answers(status, body).answers(200, then);
        let http = answers(&started_row().to_string());
        let started = block_on(start(&http, key, 0));
        assert_eq!(
            (http.requests.borrow().len(), started.is_ok()),
            (starts, starts == 2),
            "{status} {body} {key:?}"
        );
        if let Err(error) = started {
            assert!(matches!(error.into_problem().code, Code::Unavailable | Code::InternalError));
        }
        if status != 400 {
            assert!(block_on(generations(&answers("{}")).get(id)).is_ok(), "{status}");
            assert!(block_on(generations(&answers("{}")).list(&ListQuery::default())).is_ok(), "{status}");
            let cancelled = answers(r#"{"status":"cancelled"}"#);
            assert!(block_on(generations(&cancelled).cancel(id)).is_ok(), "{status}");
        }
    }
    // A token that we have verified is never told to be none.
    let http = Recorder::default().answers(skew.0, skew.1).answers(skew.0, skew.1);
    let error = block_on(generations(&http).get(id)).unwrap_err();
    let problem = error.into_problem();
    assert_eq!((problem.code, problem.retry_after), (Code::Unavailable, Some(5)));
}

#[test]
fn a_step_is_told_again_within_seconds_unless_it_is_refused_for_good() {
    let done = r#"{"outcome":"completed"}"#;
    for (status, body, requests, expected) in [
        (503, "<html>", 2, Ok(Step::Done)),
        (401, r#"{"code":"PGRST303"}"#, 2, Ok(Step::Done)),
        (404, r#"{"code":"PGRST202"}"#, 2, Ok(Step::Done)),
        (403, r#"{"code":"42501"}"#, 2, Ok(Step::Done)),
        (400, r#"{"code":"23502"}"#, 1, Err(QueueError::Defect("finish_download: status 400 23502 ".into()))),
    ] {
        let http = Recorder::default().answers(status, body).answers(200, done);
        assert_eq!(block_on(queue(&http).finish_download(&job(), &image())), expected, "{status}");
        assert_eq!(http.requests.borrow().len(), requests);
    }
    let down = Recorder::default();
    let end = block_on(queue(&down).finish_download(&job(), &image())).unwrap_err();
    assert!(matches!(end, QueueError::Unavailable(_)) && down.requests.borrow().len() == 5, "{end:?}");
    let key = r#"{"message":"Invalid API key"}"#;
    let http = (0..5).fold(Recorder::default(), |http, _| http.answers(401, key));
    let end = block_on(queue(&http).claim(1, Duration::from_secs(60), &JobType::IMAGES)).unwrap_err();
    assert!(matches!(end, QueueError::Denied(_)), "a wrong key is told from an outage: {end:?}");
}

fn generations(http: &Recorder) -> Generations<'_, Recorder> {
    Generations::new(Rpc::new(http, URL, "anon-key", Some("users.jwt.token")))
}

fn key() -> Key {
    Key { key: "key".into(), request_hash: "hash".into() }
}

async fn start(http: &Recorder, key: Option<&Key>, hand_over: u32) -> Result<Started, DatabaseError> {
    let body = br#"{"prompt":"a fox","model_id":"black-forest-labs/flux-schnell","priority":"high"}"#;
    let plan = StartPlan::from_body(body, &AllowedOrigins::default()).unwrap();
    plan.start(key, hand_over, &generations(http)).await
}

#[test]
fn each_door_has_its_own_function() {
    let called = |plan: StartPlan| {
        let http = Recorder::default().answers(200, &started_row().to_string());
        block_on(plan.start(Some(&key()), 3, &generations(&http))).unwrap();
        (http.only().url.rsplit('/').next().unwrap_or_default().to_owned(), body(&http))
    };
    let allowed = AllowedOrigins::default();
    let id = Uuid::from_u128(1);
    let row = json!({ "generation_id": id }).to_string();
    let expected = json!({ "p_generation_id": id, "p_request": {}, "p_next": 3 });
    let inserted = StartPlan::of_inserted(row.as_bytes(), &allowed).unwrap();
    assert_eq!(called(inserted), ("start_inserted_generation".to_owned(), expected));
    let batch = br#"{"prompts":[{"text":"a fox","seed":1},{"text":"a hare","negative_prompt":"blur"}],
        "shared_settings":{"model_id":"sdxl","steps":4},"batch_name":"Animals"}"#;
    let (function, told) = called(StartPlan::of_batch(batch, &allowed).unwrap());
    assert_eq!((function.as_str(), &told["p_name"]), ("start_batch", &json!("Animals")));
    let request = &told["p_request"];
    assert_eq!(
        (&request["model_id"], &request["num_inference_steps"]),
        (&json!("stability-ai/sdxl"), &json!(4))
    );
    let items = json!([{ "prompt": "a fox", "seed": 1 }, { "prompt": "a hare", "seed": null, "negative_prompt": "blur" }]);
    assert_eq!((&request["items"], request.get("negative_prompt")), (&items, None));
}

fn queued_row(id: u128) -> Value {
    json!({ "generation_id": Uuid::from_u128(id), "job_id": Uuid::from_u128(id + 10), "queue_position": id,
        "estimated_seconds": null })
}

fn started_row() -> Value {
    json!({ "generation_id": Uuid::from_u128(1), "replayed": false, "generations": [queued_row(1)] })
}

#[test]
fn a_user_calls_with_the_users_own_token() {
    let http = Recorder::default().answers(200, &started_row().to_string());
    block_on(start(&http, Some(&key()), 3)).unwrap();
    let request = http.only();
    assert_eq!(request.url, "https://project.supabase.co/rest/v1/rpc/start_generation");
    assert_eq!(header(&request, "authorization"), Some("Bearer users.jwt.token"));
    assert_eq!(header(&request, "apikey"), Some("anon-key"));
    let expected = json!({
        "p_request": {
            "model_id": "black-forest-labs/flux-schnell", "operation": "generate", "priority": "high",
            "items": [{ "prompt": "a fox", "seed": null }], "adjustments": [],
            "output": { "width": 1024, "height": 1024 },
        },
        "p_idempotency_key": "key", "p_request_hash": "hash", "p_next": 3,
    });
    assert_eq!(body(&http), expected);
}

#[test]
fn what_a_start_answers_is_read_and_its_jobs_are_handed_on_as_they_are() {
    let mut row = started_row();
    let started = |row: &Value| block_on(start(&Recorder::default().answers(200, &row.to_string()), None, 2));
    let one = started(&row).unwrap();
    let first = QueuedGeneration {
        id: Uuid::from_u128(1),
        job_id: Uuid::from_u128(11),
        queue_position: Some(1),
        estimated_seconds: None,
    };
    let expected = Started {
        batch_id: None,
        first,
        others: Vec::new(),
        replayed: false,
        leased: None,
        has_webhook: false,
    };
    assert_eq!(one, expected);

    row["generations"] = json!([queued_row(1), queued_row(2), queued_row(3)]);
    row["batch_id"] = json!(Uuid::from_u128(9));
    row["replayed"] = json!(true);
    row["next"] = json!([self::row(), { "whatever": 1 }]);
    let batch = started(&row).unwrap();
    assert_eq!((batch.first, batch.others.len(), batch.others[1].id), (first, 2, Uuid::from_u128(3)));
    assert_eq!((batch.batch_id, batch.replayed), (Some(Uuid::from_u128(9)), true));
    let leased = batch.leased.unwrap();
    assert_eq!((leased.count, leased.jobs.as_str()), (2, row["next"].to_string().as_str()));

    for wrong in [json!(null), json!({}), json!({ "generations": [] }), json!({ "generations": [{}] })] {
        assert!(matches!(started(&wrong), Err(DatabaseError::Defect(_))), "{wrong}");
    }
}

#[test]
fn what_a_user_reads_comes_as_the_database_wrote_it() {
    let id = Uuid::from_u128(1);
    for text in [r#"{"status": "queued",  "seed": 1.50}"#, "[]", "null"] {
        let http = Recorder::default().answers(200, text);
        assert_eq!(block_on(generations(&http).get(id)).unwrap().as_str(), text);
        assert_eq!(body(&http), json!({ "p_generation_id": id }));
        let http = Recorder::default().answers(200, text);
        let query =
            ListQuery { limit: 3, status: Some(shared::live::Status::Failed), ..ListQuery::default() };
        assert_eq!(block_on(generations(&http).list(&query)).unwrap().as_str(), text);
        assert_eq!(body(&http), json!({ "p_limit": 3, "p_status": "failed" }));
        let http = Recorder::default().answers(200, text);
        assert_eq!(block_on(generations(&http).kept_request(id)).unwrap().as_str(), text);
        assert_eq!(body(&http), json!({ "p_generation_id": id }));
        let http = Recorder::default().answers(200, text);
        assert_eq!(block_on(generations(&http).usage(None)).unwrap().as_str(), text);
        assert_eq!(body(&http), json!({}));
        let http = Recorder::default().answers(200, text);
        let marks = ImageMarks { is_favorite: Some(true), is_public: None, archived: Some(false) };
        let asked = ImagesMarks { ids: vec![id], marks, user_id: None };
        assert_eq!(block_on(generations(&http).mark_images(&asked)).unwrap().as_str(), text);
        let marked = json!({ "is_favorite": true, "archived": false });
        assert_eq!(body(&http), json!({ "p_image_ids": [id], "p_marks": marked }));
    }
    let user = Some(Uuid::from_u128(2));
    let http = Recorder::default().answers(200, "{}");
    block_on(generations(&http).usage(user)).unwrap();
    assert_eq!(body(&http), json!({ "p_user_id": user }));
    for page in ["", "<html>Sign in to the network</html>", "{}{}", r#"{"a":"#] {
        let http = Recorder::default().answers(200, page).answers(200, page);
        let error = block_on(generations(&http).get(id)).unwrap_err();
        assert!(matches!(error, DatabaseError::Unavailable(_)), "{page:?} is no JSON");
    }
    let http = Recorder::default().responds(Ok(HttpResponse {
        status: 200,
        retry_after: None,
        body: vec![34, 255, 34],
    }));
    assert!(block_on(generations(&http).get(id)).is_err(), "no UTF-8");
}

#[test]
fn every_filter_of_a_list_is_told() {
    let query = ListQuery::parse(|name| {
        let value = match name {
            "limit" => "5",
            "cursor" => "17_00000000-0000-0000-0000-000000000001",
            "status" => "completed",
            "batch_id" | "parent_id" => "00000000-0000-0000-0000-000000000002",
            "model_id" => "flux-schnell",
            "operation" => "edit",
            "favorite" => "true",
            "archived" => "false",
            "q" => "a fox",
            "created_after" => "2026-11-24T13:00:00+01:00",
            "created_before" => "2026-11-25T00:00:00.25Z",
            _ => return None,
        };
        Some(value.to_owned())
    });
    let http = Recorder::default().answers(200, "{}");
    assert!(block_on(generations(&http).list(&query.unwrap())).is_ok());
    let other = Uuid::from_u128(2);
    let expected = json!({
        "p_limit": 5, "p_cursor": "17_00000000-0000-0000-0000-000000000001", "p_status": "completed",
        "p_batch_id": other, "p_parent_id": other, "p_model_id": "black-forest-labs/flux-schnell",
        "p_operation": "edit", "p_favorite": true, "p_archived": false, "p_q": "a fox",
        "p_created_after": "2026-11-24T12:00:00.000000Z", "p_created_before": "2026-11-25T00:00:00.250000Z",
    });
    assert_eq!(body(&http), expected);
}

#[test]
fn a_cancelling_is_done_or_refused() {
    let cancel =
        |body: &str| block_on(generations(&Recorder::default().answers(200, body)).cancel(Uuid::nil()));
    assert_eq!(cancel(r#"{"status":"cancelled"}"#), Ok(()));
    for other in ["null", "{}", r#"{"status":"a_word_of_next_year"}"#] {
        assert!(matches!(cancel(other), Err(DatabaseError::Defect(_))), "{other}");
    }
}

#[test]
fn prices_are_read_or_there_are_none() {
    let rows = json!([
        { "id": "a/b", "usd_per_image": 0.01, "usd_per_second": 0.002, "is_available": true,
            "usd_per_source_megapixel": 0.015, "max_source_megapixels": 4 },
        { "id": "c/d", "usd_per_image": null, "is_available": false },
    ]);
    let charged = |body: &str| {
        let http = Recorder::default().answers(200, body);
        block_on(Prices::new(Rpc::new(&http, URL, "anon-key", None)).charged())
    };
    let price = Price {
        usd_per_image: 0.01,
        usd_per_megapixel: None,
        usd_per_second: Some(0.002),
        usd_per_source_megapixel: Some(0.015),
        max_source_megapixels: Some(4),
    };
    let expected = vec![
        ChargedModel { id: "a/b".into(), price: Some(price), is_available: true },
        ChargedModel { id: "c/d".into(), price: None, is_available: false },
    ];
    assert_eq!(charged(&rows.to_string()), Ok(Charged(expected)));
    for wrong in ["null", "{}", r#"[{"usd_per_image":1}]"#] {
        assert!(matches!(charged(wrong), Err(DatabaseError::Defect(_))), "{wrong}");
    }
}

#[test]
fn several_predictions_are_recorded_in_one_call() {
    let one = |id: &str| created(id).0;
    let job = job();
    let record = |answer: &str| {
        let http = Recorder::default().answers(200, answer);
        let both = [(&job, one("p1")), (&job, one("p2"))];
        let recorded = block_on(queue(&http).record_predictions(&both, Duration::from_secs(120)));
        (body(&http), recorded)
    };
    let (sent, recorded) = record(r#"{"answers":[{"outcome":"recorded"},{"outcome":"stale"}]}"#);
    let sent_one = |id: &str| json!({ "job_id": job.id, "lease": job.lease, "prediction_id": id, "details": created(id).1 });
    assert_eq!(sent, json!({ "p_predictions": [sent_one("p1"), sent_one("p2")], "p_wait_seconds": 120 }));
    assert!(matches!(recorded.unwrap().as_slice(), [Recorded::Noted, Recorded::Unwanted(None)]));
    let (_, short) = record(r#"{"answers":[{"outcome":"recorded"}]}"#);
    assert!(matches!(short, Err(QueueError::Defect(_))));
}

fn png() -> Source {
    Source { status: 200, content_type: "image/png", body: PNG.to_vec() }
}

fn store(http: &Recorder) -> Result<StoredImage, StoreError> {
    let supabase = SupabaseSettings { url: URL.into(), key: "service-key".into() };
    let storage = Storage::new(http, &supabase);
    block_on(storage.store(OUTPUT, Uuid::from_u128(1), Uuid::from_u128(2)))
}

#[test]
fn a_success_that_names_no_file_is_not_storages() {
    for answer in ["<html>", "", "{}", "[]", "null"] {
        let http = Recorder::default().serves(Ok(png())).answers(200, answer);
        assert!(matches!(store(&http), Err(StoreError::Transient(_))), "{answer:?}");
    }
}

#[test]
fn an_upload_is_exactly_this_request() {
    let http = Recorder::default().serves(Ok(png())).answers(200, r#"{"Key":"x"}"#);
    let stored = store(&http).unwrap();
    let path = "00000000-0000-0000-0000-000000000001/00000000-0000-0000-0000-000000000002.png";
    assert_eq!(stored.path, path);
    assert_eq!(stored.public_url, format!("{URL}/storage/v1/object/public/generated-images/{path}"));
    assert_eq!((stored.bytes, stored.head.size), (PNG.len() as u64, Some((3, 2))));

    let requests = http.requests.borrow();
    let (source, upload) = (&requests[0], &requests[1]);
    assert_eq!((source.method, source.url.as_str()), ("GET", OUTPUT));
    assert!(source.headers.is_empty(), "no key of ours goes to the source");
    assert_eq!(
        (upload.method, &upload.url),
        ("POST", &format!("{URL}/storage/v1/object/generated-images/{path}"))
    );
    assert_eq!(header(upload, "authorization"), Some("Bearer service-key"));
    assert_eq!(header(upload, "apikey"), Some("service-key"));
    assert_eq!(header(upload, "content-type"), Some("image/png"));
    assert_eq!(header(upload, "x-upsert"), Some("true"), "a repeated download replaces its own file");
    assert_eq!(header(upload, "cache-control"), Some("max-age=31536000"));
    assert_eq!(upload.timeout, Duration::from_secs(60));
}

fn sign(http: &Recorder, path: &str) -> Result<String, StoreError> {
    let supabase = SupabaseSettings { url: URL.into(), key: "service-key".into() };
    block_on(Storage::new(http, &supabase).sign(Bucket::Images, path, Duration::from_secs(960)))
}

#[test]
fn a_url_for_a_stored_file_is_asked_for_with_exactly_this_request() {
    let answer = json!({ "signedURL": "/object/sign/generated-images/u/g.webp?token=a.b.c" }).to_string();
    let http = Recorder::default().answers(200, &answer);
    let url = format!("{URL}/storage/v1/object/sign/generated-images/u/g.webp");
    assert_eq!(sign(&http, "u/g.webp"), Ok(format!("{url}?token=a.b.c")));
    let request = http.only();
    assert_eq!((request.method, request.url.as_str()), ("POST", url.as_str()));
    assert_eq!(header(&request, "authorization"), Some("Bearer service-key"));
    assert_eq!(header(&request, "apikey"), Some("service-key"));
    assert_eq!(body(&http), json!({ "expiresIn": 960 }));
}

fn peek(http: &Recorder) -> Result<Vec<u8>, StoreError> {
    let supabase = SupabaseSettings { url: URL.into(), key: "service-key".into() };
    block_on(Storage::new(http, &supabase).peek(Bucket::Sources, "u/s.png", 65_536))
}

#[test]
fn the_beginning_of_an_upload_is_asked_for_with_exactly_this_request() {
    let http = Recorder::default().answers(206, "bytes");
    assert_eq!(peek(&http), Ok(b"bytes".to_vec()));
    let request = http.only();
    let url = format!("{URL}/storage/v1/object/authenticated/source-images/u/s.png");
    assert_eq!((request.method, request.url.as_str()), ("GET", url.as_str()));
    assert_eq!(header(&request, "range"), Some("bytes=0-65535"));
    assert_eq!((request.peek, request.max_answer), (None, 10 << 20), "one that is cut is an error");
    assert_eq!(header(&request, "authorization"), Some("Bearer service-key"));

    assert_eq!(peek(&Recorder::default().answers(416, "{}")), Ok(Vec::new()), "an empty file");
    let all = peek(&Recorder::default().answers(200, &"b".repeat(70_000)));
    assert_eq!(all.map(|bytes| bytes.len()), Ok(65_536), "of a Storage that knows no ranges");
    for (status, answer) in [(200, ""), (200, "<!doctype html>"), (404, "<html>"), (404, "")] {
        let passing = peek(&Recorder::default().answers(status, answer));
        assert!(matches!(passing, Err(StoreError::Transient(_))), "{status} {answer}");
    }
    let missing = r#"{"statusCode":"404","error":"not_found","message":"Object not found"}"#;
    assert!(matches!(peek(&Recorder::default().answers(400, missing)), Err(StoreError::Permanent(_))));
    for status in [400, 403, 429, 500, 503] {
        let refused = peek(&Recorder::default().answers(status, "{}"));
        assert!(matches!(refused, Err(StoreError::Transient(_))), "{status}");
    }
}

#[test]
fn a_file_that_is_gone_is_told_from_a_storage_that_is_in_trouble() {
    let missing = r#"{"statusCode":"404","error":"not_found","message":"Object not found"}"#;
    for (status, answer) in [(400, missing), (404, missing), (400, r#"{"code":"NoSuchKey"}"#)] {
        let http = Recorder::default().answers(status, answer);
        let refusal = sign(&http, "u/g.webp");
        assert!(
            matches!(refusal, Err(StoreError::Permanent(failure)) if failure.code == FailureCode::SourceMissing),
            "{answer}"
        );
    }
    let foreign = r#"{"signedURL":"https://evil.example/object/sign/x"}"#;
    for (status, answer) in
        [(400, "{}"), (401, ""), (403, ""), (429, ""), (500, ""), (200, ""), (200, "{}"), (200, foreign)]
    {
        let http = Recorder::default().answers(status, answer);
        assert!(matches!(sign(&http, "u/g.webp"), Err(StoreError::Transient(_))), "{status} {answer}");
    }
    let http = Recorder::default().responds(Err(HttpError::Timeout));
    assert!(matches!(sign(&http, "u/g.webp"), Err(StoreError::Transient(_))));
}

#[test]
fn what_must_not_be_stored_is_never_uploaded() {
    let page = Source { content_type: "text/html", ..png() };
    let not_an_image = Source { body: b"<html>".to_vec(), ..png() };
    for (source, code) in [(page, "output_unusable"), (not_an_image, "output_unusable")] {
        let http = Recorder::default().serves(Ok(source));
        let refused = store(&http).unwrap_err();
        assert!(
            matches!(&refused, StoreError::Permanent(failure) if failure.code.as_str() == code),
            "{refused:?}"
        );
        assert_eq!(http.requests.borrow().len(), 1, "{code}: nothing is uploaded");
    }
    let gone = store(&Recorder::default().serves(Ok(Source { status: 404, ..png() }))).unwrap_err();
    assert!(matches!(gone, StoreError::Gone(_)), "{gone:?}");
    let mut large = png();
    large.body.resize(50_000_001, 0);
    let refused = store(&Recorder::default().serves(Ok(large))).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Permanent(failure) if failure.code == FailureCode::OutputTooLarge),
        "{refused:?}"
    );
}

#[test]
fn trouble_on_the_way_is_worth_trying_again() {
    let busy = Source { status: 503, ..png() };
    for http in [
        Recorder::default().serves(Err(HttpError::Timeout)),
        Recorder::default().serves(Ok(busy)),
        Recorder::default().serves(Ok(png())).responds(Err(HttpError::Connection)),
        Recorder::default().serves(Ok(png())).answers(500, ""),
        Recorder::default().serves(Ok(png())).answers(413, ""),
    ] {
        let error = store(&http).unwrap_err();
        assert!(matches!(error, StoreError::Transient(_)), "{error:?}");
    }
}

#[test]
fn a_key_that_is_no_token_goes_into_apikey_alone() {
    let supabase = SupabaseSettings { url: URL.into(), key: "sb_secret_x".into() };
    let http = Recorder::default().serves(Ok(png())).answers(200, r#"{"Key":"x"}"#);
    block_on(Storage::new(&http, &supabase).store(OUTPUT, Uuid::nil(), Uuid::nil())).unwrap();
    let upload = http.requests.borrow()[1].clone();
    assert_eq!((header(&upload, "apikey"), header(&upload, "authorization")), (Some("sb_secret_x"), None));

    let http = Recorder::default().answers(200, "[]");
    let rpc = Rpc::new(&http, URL, &supabase.key, supabase.bearer());
    block_on(Queue::new(rpc, &Still).status()).unwrap();
    let request = http.only();
    assert_eq!((header(&request, "apikey"), header(&request, "authorization")), (Some("sb_secret_x"), None));
}

#[test]
fn a_webhook_is_read_and_its_attempt_recorded_in_one_call_each() {
    let message = json!({ "outcome": "message", "webhook_id": "msg_1", "url": "https://x.example/", "body": "{}",
        "secrets": ["whsec_a", "whsec_b"] });
    let http = Recorder::default().answers(200, &message.to_string());
    let Delivery::Message(found) = block_on(queue(&http).message(&job())).unwrap() else {
        panic!("no message")
    };
    assert_eq!(body(&http), json!({ "p_job_id": Uuid::from_u128(1), "p_lease": 4 }));
    assert!(http.only().url.ends_with("/rpc/webhook_message"));
    assert_eq!((found.webhook_id.as_str(), found.secrets.len()), ("msg_1", 2));
    for (answer, expected) in [
        (json!({ "outcome": "unknown" }), Some(Delivery::Unknown)),
        (json!({ "outcome": "stale" }), Some(Delivery::Stale)),
        (json!({ "outcome": "message", "url": "https://x.example/" }), None),
        (json!(null), None),
    ] {
        let http = Recorder::default().answers(200, &answer.to_string());
        assert_eq!(block_on(queue(&http).message(&job())).ok(), expected, "{answer}");
    }

    let attempt = Attempt { status: Some(500), duration_ms: 7, error: Some("No.".into()), response: None };
    for (outcome, status, wait) in [
        (DeliveryOutcome::Delivered, "delivered", None),
        (DeliveryOutcome::Retry(Duration::from_millis(5500)), "failed", Some(5.5)),
        (DeliveryOutcome::Failed, "failed", None),
        (DeliveryOutcome::Gone, "gone", None),
    ] {
        let http = Recorder::default().answers(200, r#"{"outcome":"retrying"}"#);
        block_on(queue(&http).record(&job(), &attempt, outcome)).unwrap();
        assert_eq!(
            body(&http),
            json!({ "p_job_id": Uuid::from_u128(1), "p_lease": 4, "p_status": status, "p_retry_in_seconds": wait,
                "p_attempt": { "status": 500, "duration_ms": 7, "error": "No.", "response": null } })
        );
    }
}
