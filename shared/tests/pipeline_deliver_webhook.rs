//! Webhooks on their way to a user's server: what is sent, to whom, and what an answer means.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use std::time::Duration;

use shared::auth::webhook_signature::{Secret, verify};
use shared::pipeline::{Budget, Drained, RunEnd, WebhookSender};
use shared::policy::url_policy::AllowedOrigins;
use shared::ports::{Attempt, DeliveryOutcome, HttpError, HttpResponse};
use support::http::{Recorder, header};
use support::outbox::{MemoryOutbox, Names, SECRET, Sending};
use support::{Bench, TestRuntime, block_on};
use uuid::Uuid;

const URL: &str = "https://hooks.example.com/images?x=1";
const OLD_SECRET: &str = "whsec_b2xkIHNlY3JldCBvZiAyNCBieXRlcy4=";

fn names() -> Names {
    Names { list: vec![("hooks.example.com", vec!["93.184.215.14", "2606:2800:21f::1"])], ..Names::default() }
}

fn answered(status: u16, body: &str) -> Result<HttpResponse, HttpError> {
    Ok(HttpResponse { status, retry_after: None, body: body.as_bytes().to_vec() })
}

fn sender<'a>(
    outbox: &'a MemoryOutbox<'a>,
    http: &'a Recorder,
    resolver: &'a Names,
    runtime: &'a TestRuntime,
    allowed: &'a AllowedOrigins,
) -> WebhookSender<'a, Sending<'a>> {
    WebhookSender { ports: Sending { outbox, http, resolver, runtime }, allowed }
}

/// One attempt at a fresh webhook: how the run ended, what was logged, and the requests that were made.
fn attempt(
    url: &str,
    names: &Names,
    allowed: &str,
    answer: Option<Result<HttpResponse, HttpError>>,
) -> (RunEnd, Attempt, DeliveryOutcome, Recorder) {
    let bench = Bench::new();
    let outbox = MemoryOutbox::new(&bench.queue);
    outbox.announce(url, &[SECRET]);
    let http = answer.into_iter().fold(Recorder::default(), Recorder::responds);
    let allowed = AllowedOrigins::parse(allowed).unwrap();
    let sender = sender(&outbox, &http, names, &bench.runtime, &allowed);
    let end = block_on(sender.deliver(&bench.claim())).unwrap();
    let (attempt, outcome) = outbox.only();
    (end, attempt, outcome, http)
}

fn answer_of(answer: Result<HttpResponse, HttpError>) -> (RunEnd, Attempt, DeliveryOutcome) {
    let (end, attempt, outcome, http) = attempt(URL, &names(), "", Some(answer));
    assert_eq!(http.only().url, URL);
    (end, attempt, outcome)
}

#[test]
fn a_delivery_is_exactly_this_request() {
    let bench = Bench::new();
    let outbox = MemoryOutbox::new(&bench.queue);
    let id = outbox.announce(URL, &[SECRET, OLD_SECRET]);
    let http = Recorder::default().answers(204, "");
    let (names, allowed) = (names(), AllowedOrigins::default());
    let sender = sender(&outbox, &http, &names, &bench.runtime, &allowed);
    assert_eq!(block_on(sender.deliver(&bench.claim())).unwrap(), RunEnd::Forward);

    let request = http.only();
    assert_eq!((request.method, request.url.as_str()), ("POST", URL));
    assert_eq!((request.timeout, request.peek), (Duration::from_secs(15), Some(256)));
    assert_eq!(header(&request, "content-type"), Some("application/json"));
    assert_eq!(header(&request, "webhook-id"), Some(format!("msg_{id}").as_str()));
    assert!(request.body.contains("0.0030"), "the bytes are the database's own: {}", request.body);
    let (timestamp, signatures) =
        (header(&request, "webhook-timestamp").unwrap(), header(&request, "webhook-signature").unwrap());
    assert_eq!(signatures.split(' ').count(), 2, "one for each valid secret: {signatures}");
    let now: u64 = timestamp.parse().unwrap();
    for secret in [SECRET, OLD_SECRET] {
        let secrets = [Secret::parse(secret).unwrap()];
        let id = format!("msg_{id}");
        assert_eq!(verify(&secrets, &id, timestamp, signatures, request.body.as_bytes(), now), Ok(()));
    }
    // The reference makes the same of it.
    let reference = standardwebhooks::Webhook::new(SECRET).unwrap();
    let expected = reference.sign(&format!("msg_{id}"), now as i64, request.body.as_bytes()).unwrap();
    assert_eq!(signatures.split(' ').next(), Some(expected.as_str()));
    assert_eq!(bench.queue.row(id).status, "completed");
}

#[test]
fn every_2xx_is_a_delivery() {
    for status in [200, 201, 202, 204, 299] {
        let (end, attempt, outcome) = answer_of(answered(status, ""));
        assert_eq!((end, outcome), (RunEnd::Forward, DeliveryOutcome::Delivered), "{status}");
        assert_eq!((attempt.status, attempt.error, attempt.response), (Some(status), None, None));
    }
}

#[test]
fn all_else_is_tried_again_redirects_too() {
    for status in [300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 409, 429, 500, 502, 503] {
        let (end, attempt, outcome) = answer_of(answered(status, "no"));
        assert!(matches!(outcome, DeliveryOutcome::Retry(_)), "{status}: {outcome:?}");
        assert_eq!(end, RunEnd::Failed);
        assert_eq!(
            attempt.error.unwrap(),
            format!("The receiver answered with status {status}."),
            "a sentence for the log"
        );
        assert_eq!((attempt.status, attempt.response.as_deref()), (Some(status), Some("no")));
    }
    for (error, sentence) in [
        (HttpError::Timeout, "The receiver did not answer within 15 s."),
        (HttpError::Connection, "The connection to the receiver failed."),
    ] {
        let (_, attempt, outcome) = answer_of(Err(error));
        assert!(matches!(outcome, DeliveryOutcome::Retry(_)));
        assert_eq!((attempt.status, attempt.error.as_deref()), (None, Some(sentence)));
    }
}

#[test]
fn gone_ends_the_delivery_for_good() {
    let (_, attempt, outcome) = answer_of(answered(410, ""));
    assert_eq!((attempt.status, outcome), (Some(410), DeliveryOutcome::Gone));
}

#[test]
fn a_receivers_retry_after_makes_the_wait_longer_and_never_shorter() {
    let wait = |status, retry_after| {
        let answer = Ok(HttpResponse { status, retry_after: Some(retry_after), body: Vec::new() });
        match answer_of(answer).2 {
            DeliveryOutcome::Retry(wait) => wait.as_secs(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(wait(429, 600), 600);
    assert_eq!(wait(503, u32::MAX), 24 * 3600);
    assert!(wait(503, 0) >= 4);
}

#[test]
fn the_log_keeps_the_beginning_of_an_answer_as_text() {
    let long = "ä".repeat(1000);
    for (body, kept) in [
        (b"  oops\0\r\n\x1b[31m ".to_vec(), Some("oops    [31m".to_owned())),
        (vec![0xff, 0xfe, b'x'], Some("\u{fffd}\u{fffd}x".to_owned())),
        (long.into_bytes(), Some("ä".repeat(128))),
        (b" \n\t ".to_vec(), None),
    ] {
        let answer = Ok(HttpResponse { status: 500, retry_after: None, body });
        assert_eq!(answer_of(answer).1.response, kept);
    }
}

#[test]
fn a_name_that_leads_to_a_private_address_is_refused_for_good() {
    for address in [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.20.0.1",
        "100.64.0.1",
        "169.254.169.254",
        "0.0.0.0",
        "::1",
        "::ffff:10.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::",
        "2001:0:a00:1::",
        "fd00::1",
        "fe80::1",
    ] {
        // One bad address among good ones is enough.
        let names =
            Names { list: vec![("hooks.example.com", vec!["93.184.215.14", address])], ..Names::default() };
        let (end, attempt, outcome, http) = attempt(URL, &names, "", None);
        assert_eq!((end, outcome), (RunEnd::Failed, DeliveryOutcome::Failed), "{address}");
        assert_eq!(
            attempt.error.as_deref(),
            Some("The receiver is refused: its name leads to a private address.")
        );
        assert!(http.requests.borrow().is_empty(), "{address}: nothing may be sent");
    }
}

#[test]
fn an_address_that_the_database_let_through_is_refused_all_the_same() {
    for url in ["http://hooks.example.com/", "https://93.184.215.14/", "https://hooks.example.com:81/", "x"] {
        let (_, attempt, outcome, http) = attempt(url, &names(), "http://127.0.0.1:9000", None);
        assert_eq!(outcome, DeliveryOutcome::Failed, "{url}");
        assert!(attempt.error.unwrap().starts_with("The receiver is refused: "), "{url}");
        assert!(http.requests.borrow().is_empty(), "{url}: nothing may be sent");
    }
}

#[test]
fn a_receiver_that_cannot_be_looked_up_is_tried_again() {
    for names in [Names::default(), Names { down: true, ..names() }] {
        let (_, attempt, outcome, http) = attempt(URL, &names, "", None);
        assert!(matches!(outcome, DeliveryOutcome::Retry(_)), "{outcome:?}");
        assert!(attempt.error.unwrap().starts_with("The receiver could not be looked up: "));
        assert!(http.requests.borrow().is_empty());
    }
}

#[test]
fn an_allowed_origin_is_not_looked_up() {
    let names = Names::default();
    let url = "http://127.0.0.1:9000/hook";
    let (_, _, outcome, http) = attempt(url, &names, "http://127.0.0.1:9000", Some(answered(200, "ok")));
    assert_eq!((outcome, http.only().url.as_str()), (DeliveryOutcome::Delivered, url));
    assert!(names.asked.borrow().is_empty());
}

#[test]
fn eight_attempts_over_more_than_a_day_then_it_has_failed() {
    let bench = Bench::new();
    let outbox = MemoryOutbox::new(&bench.queue);
    let id = outbox.announce(URL, &[SECRET]);
    let http = (0..8).fold(Recorder::default(), |http, _| http.answers(500, ""));
    let (names, allowed) = (names(), AllowedOrigins::default());
    let sender = sender(&outbox, &http, &names, &bench.runtime, &allowed);
    let budget = Budget::after_generation(None);
    let failed = Drained { claimed: 1, errors: 1, ..Drained::default() };
    let mut waits = Vec::new();
    for _ in 0..8 {
        assert_eq!(block_on(sender.drain(&bench.queue, budget)).unwrap(), failed);
        assert_eq!(block_on(sender.drain(&bench.queue, budget)).unwrap(), Drained::default());
        if let DeliveryOutcome::Retry(wait) = outbox.log.borrow().last().unwrap().1 {
            waits.push(wait.as_secs_f64());
            bench.runtime.advance(u64::try_from(wait.as_millis()).unwrap());
        }
    }
    let schedule = [5.0, 300.0, 1800.0, 7200.0, 18000.0, 36000.0, 50400.0];
    assert_eq!(waits.len(), schedule.len());
    for (wait, planned) in waits.iter().zip(schedule) {
        assert!((0.9 * planned..=1.1 * planned).contains(wait), "{wait} s instead of about {planned} s");
    }
    assert!(waits.iter().sum::<f64>() > 24.0 * 3600.0);
    assert_eq!(outbox.log.borrow().last().unwrap().1, DeliveryOutcome::Failed);
    let row = bench.queue.row(id);
    assert_eq!((row.status, row.attempts), ("failed", 8));
    assert_eq!(http.requests.borrow().len(), 8);
    let ids: Vec<_> =
        http.requests.borrow().iter().map(|one| header(one, "webhook-id").unwrap().to_owned()).collect();
    assert!(ids.iter().all(|one| *one == ids[0]), "every attempt names the same event: {ids:?}");
}

#[test]
fn a_lost_lease_sends_nothing() {
    let bench = Bench::new();
    let outbox = MemoryOutbox::new(&bench.queue);
    outbox.announce(URL, &[SECRET]);
    let lost = bench.claim();
    bench.pass(61);
    let current = bench.claim();
    let http = Recorder::default().answers(200, "");
    let (names, allowed) = (names(), AllowedOrigins::default());
    let sender = sender(&outbox, &http, &names, &bench.runtime, &allowed);
    assert_eq!(block_on(sender.deliver(&lost)).unwrap(), RunEnd::Failed);
    assert!(http.requests.borrow().is_empty());
    assert_eq!(block_on(sender.deliver(&current)).unwrap(), RunEnd::Forward);
    assert_eq!(http.requests.borrow().len(), 1);
}

#[test]
fn a_job_that_names_no_webhook_of_ours_fails() {
    let bench = Bench::new();
    let outbox = MemoryOutbox::new(&bench.queue);
    let id: Uuid = bench.queue.enqueue("process-webhook", serde_json::json!({ "url": URL }));
    let (http, names, allowed) = (Recorder::default(), names(), AllowedOrigins::default());
    let sender = sender(&outbox, &http, &names, &bench.runtime, &allowed);
    block_on(sender.deliver(&bench.claim())).unwrap();
    assert!(http.requests.borrow().is_empty());
    assert_eq!(bench.queue.row(id).status, "failed");
}

#[test]
fn webhooks_get_their_part_of_an_invocation_and_no_more() {
    let budget = |jobs| Budget { parallel: 3, time: Duration::from_secs(20), jobs };
    let after = |jobs, claimed| {
        budget(jobs).for_webhooks(&Drained { claimed, ..Drained::default() }).map_or(0, |left| left.jobs)
    };
    assert_eq!(budget(20).for_images().jobs, 17);
    // On the free plan 50 subrequests: 17 jobs of two and 6 claims, one claim and a webhook of five.
    assert_eq!(after(20, 17), 1);
    assert_eq!(after(20, 0), 6);
    assert_eq!((budget(1).for_images().jobs, after(1, 1), after(1, 0)), (1, 0, 1));
    assert_eq!((budget(2000).for_images().jobs, after(2000, 1667)), (1667, 111));
    let beside = |jobs: Option<u32>| Budget::after_generation(jobs.map(budget)).jobs;
    assert_eq!((beside(None), beside(Some(20)), beside(Some(2000))), (6, 1, 111));
}

#[test]
fn an_alert_carries_its_receivers_token_and_is_signed_only_with_a_secret() {
    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let bench = Bench::new();
    let outbox = MemoryOutbox::new(&bench.queue);
    let id = outbox.announce(URL, &[]);
    outbox.edit(id, |message| {
        message.header = Some(("authorization".into(), "Bearer token".into()));
        message.traceparent = Some(TRACE.into());
    });
    let http = Recorder::default().responds(answered(200, ""));
    let (names, allowed) = (names(), AllowedOrigins::default());
    let end = block_on(sender(&outbox, &http, &names, &bench.runtime, &allowed).deliver(&bench.claim()));
    assert_eq!(end, Ok(RunEnd::Forward));
    let sent = http.only();
    assert_eq!(header(&sent, "authorization"), Some("Bearer token"));
    assert_eq!(header(&sent, "traceparent"), Some(TRACE));
    assert!(
        sent.headers.iter().all(|(name, _)| name != "webhook-signature"),
        "nothing is there to sign with"
    );
}
