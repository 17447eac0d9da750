//! Webhooks, the image's way into the store, and the jobs beside them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must stop"
)]

mod support;

use chrono::{DateTime, TimeDelta};
use serde_json::{Value, json};
use shared::adapters::replicate::read_prediction;
use shared::job::{ImageToStore, Job, Payload};
use shared::pipeline::Callback;
use shared::ports::Clock;
use shared::ports::Status;
use support::provider::Fate;
use support::wire::Fault;
use support::{API, Bench, OUTPUT, block_on};
use uuid::Uuid;

/// A bench whose one job awaits a prediction with this fate.
fn awaiting(fate: Fate) -> (Bench, Uuid) {
    let bench = Bench::new();
    bench.provider.next(fate);
    let job = bench.start();
    bench.run_next();
    bench.wire.calls.borrow_mut().clear();
    (bench, job)
}

fn to_store(job: &Job) -> &ImageToStore {
    match &job.payload {
        Payload::DownloadImage(image) => image,
        other => panic!("not a download: {other:?}"),
    }
}

#[test]
fn success_hands_out_the_download_under_a_lease() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    let download = bench.webhook(job, 0).expect("a download job");
    assert_eq!((download.lease, download.attempts), (1, 0));
    assert_eq!(to_store(&download).output_url.as_deref(), Some(OUTPUT));
    assert_eq!(bench.queue.generation(job).status, "downloading");
    assert_eq!(bench.run(&download), "Forward");

    assert_eq!(*bench.wire.calls.borrow(), ["finish_prediction", "store", "finish_download"]);
    let generation = bench.queue.generation(job);
    assert_eq!(generation.status, "completed");
    let name = format!("{}.webp", generation.id);
    let path = format!("{}/{name}", generation.user_id);
    let image = bench.queue.image(job);
    assert_eq!(
        (image["storage_path"].as_str(), image["filename"].as_str()),
        (Some(path.as_str()), Some(name.as_str()))
    );
    assert_eq!((image["file_size"].as_u64(), image["format"].as_str()), (Some(123_456), Some("webp")));
    assert_eq!((image["width"].as_u64(), image["height"].as_u64()), (Some(1024), Some(1024)));
    assert_eq!(bench.store.files.borrow()[&path], OUTPUT);
}

#[test]
fn failures_are_retried_or_final() {
    let table = [
        ("Prediction interrupted; please retry (code: PA)", "pending", "queued", "provider_interrupted"),
        ("NSFW content detected. Try running it again.", "failed", "failed", "content_flagged"),
    ];
    for (error, job_status, status, code) in table {
        let (bench, job) = awaiting(Fate::fails_with(error));
        assert!(bench.webhook(job, 0).is_none(), "{error}");
        let row = bench.queue.row(job);
        assert_eq!(
            (row.status, row.attempts, row.errors[0]["code"].as_str()),
            (job_status, 1, Some(code)),
            "{error}"
        );
        assert_eq!(
            row.errors[0]["cause"],
            json!(null),
            "owners read the row: the provider's words are for the log"
        );
        let generation = bench.queue.generation(job);
        assert_eq!(generation.status, status, "{error}");
        assert_ne!(generation.error_message.as_deref(), Some(error), "users do not");
    }
}

#[test]
fn attempts_are_used_up_by_failures_at_the_provider() {
    const PASSES: &str = "(E1000)";
    let free = || Fate::fails_to_begin(PASSES);
    let paid = || Fate::fails_with(PASSES);
    let aborted = || Fate { starts_after_ms: 901_000, ends_after_ms: 902_000, ..Fate::gives(json!(OUTPUT)) };
    for (fates, runs) in [
        (vec![free(), free(), free(), free()], 3),
        (vec![aborted(), free(), paid(), paid()], 3),
        (vec![paid(), free(), paid(), paid()], 3),
        (vec![paid(), paid(), paid()], 2),
        (vec![paid(), Fate::fails_with("list index out of bounds"), paid()], 2),
        (vec![Fate::fails_with("list index out of bounds"), free(), paid(), paid()], 3),
    ] {
        let bench = Bench::new();
        let job = bench.start();
        let ends: Vec<_> = fates.iter().map(|fate| format!("{fate:?}")).collect();
        for (place, fate) in fates.into_iter().enumerate() {
            bench.provider.next(fate);
            bench.pass(300);
            if bench.queue.claim_now(0, 0).is_empty() && bench.queue.row(job).status != "pending" {
                break;
            }
            assert_eq!(bench.run_next(), "Forward");
            bench.pass(901);
            bench.webhook(job, place);
        }
        let row = bench.queue.row(job);
        assert_eq!(
            (row.status, row.attempts as usize, bench.provider.created()),
            ("failed", runs, runs),
            "{ends:?}"
        );
        let generation = bench.queue.generation(job);
        assert_eq!(generation.status, "failed");
        let began = |place| bench.provider.prediction(place).started_at.is_some();
        assert!((0..runs).filter(|place| began(*place)).count() <= 2, "paid three times: {ends:?}");
    }
}

#[test]
fn a_repeated_webhook_changes_nothing() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    let download = bench.webhook(job, 0).expect("a download job");
    assert!(bench.webhook(job, 0).is_none(), "one download for one prediction");
    bench.run(&download);
    assert!(bench.webhook(job, 0).is_none());
    assert_eq!((bench.queue.generation(job).status, bench.wire.count("store")), ("completed", 1));

    let (bench, job) = awaiting(Fate::fails_with("(E1000)"));
    bench.webhook(job, 0);
    bench.webhook(job, 0);
    assert_eq!(bench.queue.row(job).attempts, 1, "a failure counts once");
}

#[test]
fn a_webhook_of_the_awaited_prediction_that_still_runs_changes_nothing() {
    let (bench, job) = awaiting(Fate::succeeds_after(60_000));
    assert!(bench.webhook(job, 0).is_none());
    assert_eq!((bench.queue.generation(job).status, bench.queue.row(job).attempts), ("processing", 0));
    assert_eq!(bench.provider.prediction(0).status, Status::Processing);
}

#[test]
fn a_webhook_of_a_run_that_goes_on_records_how_far_it_is() {
    let (bench, job) = awaiting(Fate::succeeds_after(60_000));
    bench.pass(30);
    let halfway = Callback { job_id: job, attempts: 0, prediction: bench.provider.prediction(0) };
    assert!(bench.webhook(job, 0).is_none());
    assert_eq!(*bench.wire.calls.borrow(), ["record_progress"]);
    assert_eq!(bench.queue.generation(job).progress, 50);

    bench.pass(15);
    bench.webhook(job, 0);
    assert_eq!(bench.queue.generation(job).progress, 70);
    bench.pass(15);
    let download = bench.webhook(job, 0).expect("a download job");
    for time in ["late", "late again"] {
        assert!(block_on(bench.pipeline().receive(&halfway, 0)).unwrap().is_empty(), "{time}");
        let generation = bench.queue.generation(job);
        assert_eq!((generation.status, generation.progress), ("downloading", 90), "{time}");
    }
    bench.run(&download);
    assert!(block_on(bench.pipeline().receive(&halfway, 0)).unwrap().is_empty());
    assert_eq!(
        (bench.queue.generation(job).status, bench.queue.generation(job).progress),
        ("completed", 100)
    );
}

#[test]
fn progress_of_another_attempt_counts_for_nothing() {
    let (bench, job) = awaiting(Fate { ends_after_ms: 60_000, ..Fate::fails_with("(E1000)") });
    bench.pass(30);
    let first = Callback { job_id: job, attempts: 0, prediction: bench.provider.prediction(0) };
    bench.pass(30);
    bench.webhook(job, 0);
    assert_eq!((bench.queue.generation(job).status, bench.queue.generation(job).progress), ("queued", 0));
    block_on(bench.pipeline().receive(&first, 0)).unwrap();
    bench.pass(300);
    bench.provider.next(Fate::succeeds_after(60_000));
    bench.run_next();
    block_on(bench.pipeline().receive(&first, 0)).unwrap();
    assert_eq!(bench.queue.generation(job).progress, 10);
}

#[test]
fn a_webhook_of_no_current_job_is_written_down_and_nothing_else() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    let mut prediction = bench.provider.prediction(0);
    let stranger = Callback { job_id: Uuid::from_u128(9), attempts: 0, prediction: prediction.clone() };
    prediction.id = "anotherprediction".into();
    let other = Callback { job_id: job, attempts: 0, prediction };
    for callback in [stranger, other] {
        assert!(block_on(bench.pipeline().receive(&callback, 0)).unwrap().is_empty());
    }
    let warnings = bench.runtime.warnings.borrow();
    assert_eq!(warnings.iter().filter(|(what, ..)| what == "prediction of no current job").count(), 2);
    assert_eq!(bench.queue.generation(job).status, "processing");
}

#[test]
fn a_webhook_after_the_users_cancel_is_ignored() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    bench.queue.cancel_generation(bench.queue.generation(job).id);
    assert!(bench.webhook(job, 0).is_none());
    assert_eq!((bench.queue.generation(job).status, bench.wire.count("store")), ("cancelled", 0));
}

#[test]
fn a_webhook_that_cannot_be_recorded_is_an_error_so_that_it_is_repeated() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    bench.wire.break_down(&["finish_prediction"]);
    let callback = Callback { job_id: job, attempts: 0, prediction: bench.provider.prediction(0) };
    assert!(block_on(bench.pipeline().receive(&callback, 0)).is_err());
    bench.wire.mend();
    assert!(bench.webhook(job, 0).is_some(), "the repetition is taken");
}

#[test]
fn a_callback_names_a_job_and_holds_a_prediction() {
    let id = Uuid::from_u128(5).to_string();
    let body = json!({ "id": "abc", "status": "succeeded" }).to_string();
    let parse = |query: &[(&str, &str)], body: &str| {
        let value =
            |name: &str| query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string());
        Callback::new(value, read_prediction(body.as_bytes(), API)?)
    };
    let callback = parse(&[("job", &id), ("lease", "3"), ("attempts", "2")], &body).expect("a callback");
    assert_eq!(callback.attempts, 2, "they stretch the backoff");
    assert_eq!(parse(&[("job", &id), ("attempts", "x")], &body).expect("a callback").attempts, 0);
    assert_eq!((callback.job_id, callback.prediction.status), (Uuid::from_u128(5), Status::Succeeded));
    let of = |job: &str| json!({ "id": "abc", "status": "succeeded", "webhook": format!("https://h/w?job={job}&lease=1") });
    assert!(parse(&[("job", &id)], &of(&id).to_string()).is_some());
    let other = of(&Uuid::from_u128(6).to_string()).to_string();
    assert!(parse(&[("job", &id)], &other).is_none(), "a captured delivery must not work for another job");
    let path = json!({ "id": "../x", "status": "succeeded" }).to_string();
    for (job, body) in [
        (None, body.as_str()),
        (Some("1"), &body),
        (Some(id.as_str()), "{}"),
        (Some(&id), "<"),
        (Some(&id), &path),
    ] {
        let query: Vec<_> = job.iter().map(|id| ("job", *id)).collect();
        assert!(parse(&query, body).is_none(), "{job:?} {body}");
    }
}

/// A bench with a download job that is ready, and the ids of its generation's job and itself.
fn downloading() -> (Bench, Uuid, Uuid) {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    let download = bench.webhook(job, 0).expect("a download job").id;
    bench.pass(120);
    (bench, job, download)
}

#[test]
fn a_store_in_trouble_is_tried_until_the_provider_deletes_the_image() {
    for (minutes, status, code) in [(50, "completed", None), (70, "failed", Some("output_expired"))] {
        let (bench, job, download) = downloading();
        bench.wire.break_down(&["store"]);
        for _ in 0..minutes * 2 {
            for claimed in bench.queue.claim_now(9, 120_000) {
                assert_eq!(bench.run(&claimed), "Failed");
            }
            bench.pass(30);
        }
        if code.is_none() {
            let row = bench.queue.row(download);
            assert_eq!((row.status, row.attempts), ("pending", 0), "no attempt is used");
            assert_eq!(bench.queue.generation(job).status, "downloading");
        }
        bench.wire.mend();
        for claimed in bench.queue.claim_now(9, 120_000) {
            bench.run(&claimed);
        }
        let generation = bench.queue.generation(job);
        assert_eq!((generation.status, generation.error_code.as_deref()), (status, code));
        assert_eq!(bench.provider.created(), 1, "it is never paid again");
    }
}

#[test]
fn a_worker_whose_clock_is_five_minutes_off_gives_up_no_sooner_and_no_later() {
    // How long before its end the database hands the job out, and how far the Worker's clock is ahead of it.
    for (left_s, ahead_s, status) in
        [(240, 300, "pending"), (1, 0, "pending"), (0, 0, "failed"), (-240, -300, "failed")]
    {
        let (bench, _, download) = downloading();
        bench.wire.break_down(&["store"]);
        let mut claimed = bench.claim();
        let handed_out =
            DateTime::from_timestamp_millis(bench.runtime.now_ms() as i64 - ahead_s * 1000).unwrap();
        claimed.claimed_at = Some(handed_out.to_rfc3339());
        claimed.retry_until = Some((handed_out + TimeDelta::seconds(left_s)).to_rfc3339());
        assert_eq!(bench.run(&claimed), "Failed");
        assert_eq!(bench.queue.row(download).status, status, "{left_s} s left, {ahead_s} s ahead");
    }
}

#[test]
fn an_image_that_was_learned_of_late_has_only_the_rest_of_its_hour() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    bench.pass(50 * 60);
    let download = bench.webhook(job, 0).expect("a download job").id;
    let left_s = bench.queue.row(download).retry_until_ms.unwrap() / 1000 - bench.runtime.now_s();
    assert_eq!(left_s, 15 * 60, "ten minutes, and five for clocks that differ");
}

#[test]
fn what_passes_within_a_second_is_not_left_to_the_next_claim() {
    let (bench, job) = awaiting(Fate::succeeds_after(0));
    let download = bench.webhook(job, 0).expect("a download job");
    bench.wire.fail("store", Fault::LostRequest);
    assert_eq!(bench.run(&download), "Forward");
    assert_eq!(bench.queue.generation(job).status, "completed");
}

#[test]
fn a_download_whose_workers_die_is_taken_over_without_an_attempt_until_its_time_is_over() {
    let (bench, job, download) = downloading();
    for _ in 0..30 {
        assert_eq!(bench.claim().id, download, "taken over");
        bench.pass(121);
    }
    assert_eq!(bench.queue.row(download).attempts, 0);
    bench.pass(600);
    assert!(bench.queue.claim_now(9, 60_000).is_empty());
    let generation = bench.queue.generation(job);
    assert_eq!((generation.status, generation.error_code.as_deref()), ("failed", Some("output_expired")));
}

#[test]
fn a_file_that_its_host_does_not_find_is_gone_when_the_provider_says_so_too() {
    for (forgets, reads, status) in
        [(false, true, "downloading"), (true, true, "failed"), (true, false, "downloading")]
    {
        let (bench, job, _) = downloading();
        bench.wire.fail("store", Fault::Gone);
        bench.provider.forgets.set(forgets);
        if !reads {
            bench.wire.fail("get", Fault::LostRequest);
        }
        assert_eq!(bench.run_next(), "Failed");
        let generation = bench.queue.generation(job);
        let code = (status == "failed").then_some("output_expired");
        assert_eq!((generation.status, generation.error_code.as_deref()), (status, code));
        if status == "downloading" {
            bench.pass(30);
            assert_eq!(bench.run_next(), "Forward", "it was there all the time");
        }
    }
}

#[test]
fn an_image_that_is_stored_and_cannot_be_told_is_told_again_within_seconds() {
    for fault in [Fault::LostRequest, Fault::LostAnswer] {
        let (bench, job) = awaiting(Fate::succeeds_after(0));
        bench.wire.fail("finish_prediction", fault);
        let before = bench.runtime.now_s();
        let download = bench.webhook(job, 0).expect("the download, leased to the caller");
        assert!(bench.webhook(job, 0).is_none(), "another webhook is no repetition");
        bench.wire.fail("finish_download", fault);
        assert_eq!(bench.run(&download), "Forward");
        assert_eq!(bench.queue.generation(job).status, "completed");
        assert!(bench.runtime.now_s() - before < 5);
        assert!(!bench.runtime.warned("lease lost while storing"));
    }
}

#[test]
fn an_image_inside_of_the_answer_is_read_again_when_it_is_stored() {
    let data = "data:image/png;base64,iVBORw0KGgo=";
    let (bench, job) = awaiting(Fate::gives(json!(data)));
    let download = bench.webhook(job, 0).expect("a download job");
    assert!(to_store(&download).output_url.is_none() && to_store(&download).is_inside);
    assert!(
        !bench.queue.row(download.id).payload.to_string().contains("base64"),
        "it does not lie in the queue"
    );
    bench.wire.fail("inline_image", Fault::LostRequest);
    assert_eq!(bench.run(&download), "Failed");
    bench.pass(300);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.queue.generation(job).status, "completed");
    assert_eq!(bench.store.files.borrow().values().next().map(String::as_str), Some(data));
}

#[test]
fn an_image_inside_of_the_answer_may_be_gone() {
    let (bench, job) = awaiting(Fate::gives(json!("data:image/png;base64,iVBORw0KGgo=")));
    let download = bench.webhook(job, 0).expect("a download job");
    bench.provider.forgets.set(true);
    bench.run(&download);
    let generation = bench.queue.generation(job);
    assert_eq!((generation.status, generation.error_code.as_deref()), ("failed", Some("output_expired")));
}

#[test]
fn a_file_that_will_never_do_fails_for_good() {
    let (bench, job, download) = downloading();
    bench.wire.fail("store", Fault::Rejected);
    assert_eq!(bench.run_next(), "Failed");
    assert_eq!(bench.queue.row(download).status, "failed");
    let generation = bench.queue.generation(job);
    assert_eq!((generation.status, generation.error_code.as_deref()), ("failed", Some("output_unusable")));
    assert_eq!(generation.error_message.as_deref(), Some("The model's answer was not an image."));
}

#[test]
fn two_workers_that_store_the_same_image_make_one() {
    let (bench, job, _) = downloading();
    let slow = bench.claim();
    bench.pass(60);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.run(&slow), "Forward", "the image is there, whoever brought it");
    assert!(bench.runtime.warned("lease lost while storing"));
    assert_eq!(bench.store.files.borrow().len(), 1, "both wrote to one path");
    assert_eq!(bench.queue.image(job)["file_size"], 123_456);
}

#[test]
fn a_download_goes_nowhere_but_to_the_provider() {
    let table = [
        json!("http://replicate.delivery/x"),
        json!("https://127.0.0.1/x"),
        json!("https://[::1]/x"),
        json!("https://169.254.169.254/latest/meta-data"),
        json!("https://localhost/x"),
        json!("file:///etc/passwd"),
        json!("https://metadata.google.internal/x"),
        json!("data:image/png;base64,AA=="),
        json!("https://2130706433/"),
        json!(7),
        Value::Null,
    ];
    for address in table {
        let (bench, job, download) = downloading();
        bench.queue.edit(download, |row| row.payload["output_url"] = address.clone());
        assert_eq!(bench.run_next(), "Failed", "{address}");
        assert_eq!(bench.wire.count("store"), 0, "{address} was fetched");
        let generation = bench.queue.generation(job);
        assert_eq!(
            (generation.status, generation.error_code.as_deref()),
            ("failed", Some("invalid_payload")),
            "{address}"
        );
    }
}

#[test]
fn a_download_needs_to_know_whose_image_it_is() {
    for field in ["user_id", "generation_id"] {
        for value in [Value::Null, json!("../../etc"), json!(1)] {
            let (bench, _, download) = downloading();
            bench.queue.edit(download, |row| row.payload[field] = value.clone());
            assert_eq!(bench.run_next(), "Failed", "{field} {value}");
            assert_eq!(
                (bench.queue.row(download).status, bench.wire.count("store")),
                ("failed", 0),
                "{field} {value}"
            );
        }
    }
}

#[test]
fn cancelling_stops_the_running_prediction() {
    let (bench, job) = awaiting(Fate::succeeds_after(60_000));
    bench.queue.cancel_generation(bench.queue.generation(job).id);
    bench.wire.fail("cancel", Fault::LostRequest);
    assert_eq!(bench.run_next(), "Failed");
    assert_eq!(
        bench.queue.job_of_type("cancel-prediction").status,
        "pending",
        "an unreachable provider is tried again"
    );
    bench.pass(10);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.provider.prediction(0).status, Status::Canceled);
    assert_eq!(bench.queue.job_of_type("cancel-prediction").status, "completed");
}

#[test]
fn a_prediction_is_tried_to_be_stopped_until_it_has_stopped_by_itself() {
    let (bench, job) = awaiting(Fate::succeeds_after(600_000));
    bench.queue.cancel_generation(bench.queue.generation(job).id);
    bench.wire.break_down(&["cancel"]);
    for _ in 0..40 {
        assert_eq!(bench.run_next(), "Failed");
        bench.pass(30);
    }
    let row = bench.queue.job_of_type("cancel-prediction");
    assert_eq!((row.status, row.attempts), ("pending", 0));
    bench.pass(900);
    assert_eq!(bench.run_next(), "Failed");
    assert_eq!(bench.queue.job_of_type("cancel-prediction").status, "failed", "its deadline is over");
}

#[test]
fn cancelling_what_is_not_there_is_done() {
    for id in ["nosuchprediction", "p0000000000000000000000000"] {
        let bench = Bench::new();
        let job = bench.queue.enqueue("cancel-prediction", json!({ "prediction_id": id }));
        assert_eq!(bench.run_next(), "Forward");
        assert_eq!(bench.queue.row(job).status, "completed");
    }
}

#[test]
fn jobs_that_nobody_can_run_fail_for_good() {
    let table = [
        ("cancel-prediction", json!({}), "invalid_payload"),
        ("cancel-prediction", json!({ "prediction_id": 5 }), "invalid_payload"),
        ("download-image", json!({}), "invalid_payload"),
        ("generate-image", json!([]), "invalid_request"),
        ("cleanup-storage", json!({}), "invalid_payload"),
        ("resize", json!({}), "unknown_job_type"),
    ];
    for (job_type, payload, code) in table {
        let bench = Bench::new();
        let job = bench.queue.enqueue(job_type, payload.clone());
        assert_eq!(bench.run_next(), "Failed", "{job_type} {payload}");
        let row = bench.queue.row(job);
        assert_eq!(
            (row.status, row.errors[0]["code"].as_str()),
            ("failed", Some(code)),
            "{job_type} {payload}"
        );
    }
}
