//! A `generate-image` job: creating its prediction, adopting one, and looking at one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use serde_json::json;
use support::provider::Fate;
use support::wire::Fault;
use support::{Bench, request};

#[test]
fn a_claimed_job_creates_one_prediction_and_lets_go() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(8_000));
    let job = bench.start();
    assert_eq!(bench.run_next(), "Forward");

    assert_eq!(*bench.wire.calls.borrow(), ["create", "record"], "two round trips and nothing else");
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.prediction_id), ("processing", Some(bench.provider.prediction(0).id)));
    assert_eq!(row.attempts, 0, "waiting for a prediction is no attempt");
    let generation = bench.queue.generation(job);
    assert_eq!(
        (generation.status, generation.width, generation.height),
        ("processing", Some(1024), Some(1024))
    );

    let sent = bench.provider.booked.borrow()[0].new.clone();
    assert_eq!(sent.version, "black-forest-labs/flux-schnell");
    assert_eq!(
        (sent.input["prompt"].as_str(), sent.input["seed"].as_i64()),
        (Some("a fox in the snow"), Some(7))
    );
    let webhook = format!("https://hooks.example.com/webhooks/replicate?job={job}&lease=1&attempts=0");
    assert_eq!(sent.webhook, Some(webhook));
    assert_eq!(sent.deadline.as_secs(), 900);
}

#[test]
fn without_a_public_address_there_is_no_webhook_and_the_sweep_looks_soon() {
    let mut bench = Bench::new();
    bench.options.callback = None;
    let job = bench.start();
    bench.run_next();
    assert_eq!(bench.provider.booked.borrow()[0].new.webhook, None);
    bench.pass(5);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.queue.generation(job).status, "completed");
}

#[test]
fn a_prediction_that_nobody_wants_any_more_is_cancelled() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(60_000));
    let job = bench.start();
    let claimed = bench.claim();
    bench.queue.cancel_generation(claimed.generation_id.unwrap());
    assert_eq!(bench.run(&claimed), "Failed");
    assert_eq!(bench.provider.prediction(0).status, shared::ports::Status::Canceled);
    assert_eq!(bench.queue.generation(job).status, "cancelled");
    assert!(bench.runtime.warned("lease lost while creating"));
}

#[test]
fn a_cancel_that_fails_is_tried_again() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(600_000));
    bench.start();
    let claimed = bench.claim();
    bench.queue.cancel_generation(claimed.generation_id.unwrap());
    bench.wire.fail("cancel", Fault::LostRequest);
    bench.run(&claimed);
    assert_eq!(bench.provider.prediction(0).status, shared::ports::Status::Processing);
    bench.pass(4);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.provider.prediction(0).status, shared::ports::Status::Canceled);
}

#[test]
fn a_refused_create_costs_an_attempt_only_where_it_is_the_requests_fault() {
    // fault, end of the run, status of the job, attempts, seconds until it is ready again
    let table = [
        (Fault::Throttled(7), "Paused(7s)", "pending", 0, Some(7)),
        (Fault::Account(402), "Paused(60s)", "pending", 0, Some(60)),
        (Fault::Rejected, "Failed", "failed", 1, None),
    ];
    for (fault, end, status, attempts, ready_after) in table {
        let bench = Bench::new();
        let job = bench.start();
        bench.wire.fail("create", fault);
        assert_eq!(bench.run_next(), end, "{fault:?}");
        let row = bench.queue.row(job);
        assert_eq!((row.status, row.attempts, row.outcome_unknown), (status, attempts, false), "{fault:?}");
        if let Some(seconds) = ready_after {
            bench.pass(seconds - 1);
            assert!(bench.queue.claim_now(1, 60_000).is_empty(), "{fault:?}: ready too early");
            bench.pass(1);
            assert_eq!(bench.run_next(), "Resumed", "{fault:?}");
            assert_eq!(bench.wire.count("list"), 0, "{fault:?}: nothing can have been created");
        }
        assert_eq!(bench.provider.created(), usize::from(ready_after.is_some()), "{fault:?}");
    }
}

#[test]
fn what_the_model_refuses_fails_for_good_in_words_for_users() {
    let bench = Bench::new();
    let job = bench.start();
    bench.wire.fail("create", Fault::Rejected);
    bench.run_next();
    let generation = bench.queue.generation(job);
    assert_eq!((generation.status, generation.error_code.as_deref()), ("failed", Some("rejected")));
    assert_eq!(generation.error_message.as_deref(), Some("The model does not accept this request."));
}

#[test]
fn a_look_at_the_awaited_prediction_goes_on_from_there() {
    // fate, end of the run, status of the job and of the generation, attempts
    let error = "The input or output was flagged as sensitive. (E005)";
    let table = [
        ("running", Fate::succeeds_after(300_000), "Forward", "processing", "processing", 0),
        ("succeeded", Fate::succeeds_after(1_000), "Forward", "completed", "completed", 0),
        ("failed", Fate::fails_with("Director: unexpected error (E9828)"), "Failed", "pending", "queued", 1),
        ("flagged", Fate::fails_with(error), "Failed", "failed", "failed", 1),
        ("empty, and paid", Fate::gives(json!([])), "Failed", "failed", "failed", 1),
        (
            "an object",
            Fate::gives(json!({ "image": support::OUTPUT })),
            "Forward",
            "completed",
            "completed",
            0,
        ),
        ("text", Fate::gives(json!({ "text": "a caption" })), "Failed", "failed", "failed", 1),
        ("nobody knows", Fate::fails_with("list index out of bounds"), "Failed", "pending", "queued", 1),
        ("private", Fate::gives(json!("https://169.254.169.254/x")), "Failed", "failed", "failed", 1),
    ];
    for (name, fate, end, job_status, status, attempts) in table {
        let bench = Bench::new();
        bench.provider.next(fate);
        let job = bench.start();
        bench.run_next();
        bench.pass(120);
        assert_eq!(bench.run_next(), end, "{name}");
        let row = bench.queue.row(job);
        assert_eq!((row.status, row.attempts), (job_status, attempts), "{name}");
        assert_eq!(bench.queue.generation(job).status, status, "{name}");
        assert_eq!(bench.provider.created(), 1, "{name}");
    }
}

#[test]
fn a_look_notes_how_far_the_run_is_whether_that_succeeds_or_not() {
    for (fault, progress) in [(None, 50), (Some(Fault::LostRequest), 10)] {
        let bench = Bench::new();
        bench.provider.next(Fate::succeeds_after(240_000));
        let job = bench.start();
        bench.run_next();
        bench.pass(120);
        if let Some(fault) = fault {
            bench.wire.fail("record_progress", fault);
        }
        bench.wire.calls.borrow_mut().clear();
        assert_eq!(bench.run_next(), "Forward");
        assert_eq!(*bench.wire.calls.borrow(), ["get", "record_progress", "snooze"]);
        assert_eq!(bench.queue.generation(job).progress, progress, "{fault:?}");
        assert_eq!(bench.runtime.warned("progress not recorded"), fault.is_some());
    }
}

/// A job whose source is the image of one of the user's own generations.
fn from_own_image(bench: &Bench, path: impl Fn(&str) -> serde_json::Value) -> uuid::Uuid {
    let mut payload = request();
    payload["model_id"] = json!("black-forest-labs/flux-dev");
    payload["source_generation_id"] = json!("0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c");
    let job = bench.queue.start_generation(payload);
    let user = bench.queue.generation(job).user_id.to_string();
    bench.queue.edit(job, |row| row.payload["source_path"] = path(&user));
    job
}

fn own(user: &str) -> serde_json::Value {
    json!(format!("{user}/0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c.webp"))
}

#[test]
fn a_source_of_ones_own_is_signed_when_it_is_sent() {
    let bench = Bench::new();
    let job = from_own_image(&bench, own);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(*bench.wire.calls.borrow(), ["sign", "create", "record"]);
    let path = bench.queue.row(job).payload["source_path"].as_str().unwrap().to_owned();
    let sent = bench.provider.booked.borrow()[0].new.clone();
    // As long as the prediction may wait for its machine.
    let url = format!("https://project.supabase.co/signed/generated-images/{path}?life=960");
    assert_eq!(sent.input["image"], json!(url));
    assert!(sent.deadline.as_secs() < 960);
}

#[test]
fn an_upload_is_signed_from_its_own_bucket() {
    let bench = Bench::new();
    let job = from_own_image(&bench, own);
    bench.queue.edit(job, |row| {
        let id = row.payload.as_object_mut().unwrap().remove("source_generation_id").unwrap();
        row.payload["source_id"] = id;
        row.payload["source_bucket"] = json!("source-images");
    });
    assert_eq!(bench.run_next(), "Forward");
    let path = bench.queue.row(job).payload["source_path"].as_str().unwrap().to_owned();
    let sent = bench.provider.booked.borrow()[0].new.clone();
    let url = format!("https://project.supabase.co/signed/source-images/{path}?life=960");
    assert_eq!(sent.input["image"], json!(url));
}

#[test]
fn an_upload_that_is_no_image_is_never_paid_for() {
    let png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    let gif: &[u8] = b"GIF89a\x03\0\x02\0\0\0\0";
    let no_width = [png.as_slice(), b"\0\0\0\0\0\0\0\x02\x08\x02\0\0\0"].concat();
    let cut_jpeg: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xd9";
    for bytes in [b"no image".as_slice(), b"", b"<svg xmlns='x'/>", gif, &no_width, &png[..8], png, cut_jpeg]
    {
        let bench = Bench::new();
        bench.store.upload.replace(bytes.to_vec());
        let job = from_own_image(&bench, own);
        bench.queue.edit(job, |row| row.payload["source_bucket"] = json!("source-images"));
        assert_eq!(bench.run_next(), "Failed", "{bytes:?}");
        let row = bench.queue.row(job);
        assert_eq!((row.status, &row.errors[0]["code"]), ("failed", &json!("source_unusable")), "{bytes:?}");
        assert_eq!(*bench.wire.calls.borrow(), ["peek", "fail"], "{bytes:?}");
    }
}

#[test]
fn an_upload_that_cannot_be_read_is_tried_again() {
    for (fault, status) in [(Fault::LostRequest, "pending"), (Fault::Rejected, "failed")] {
        let bench = Bench::new();
        bench.wire.fail("peek", fault);
        let job = from_own_image(&bench, own);
        bench.queue.edit(job, |row| row.payload["source_bucket"] = json!("source-images"));
        assert_eq!(bench.run_next(), "Failed", "{fault:?}");
        assert_eq!((bench.queue.row(job).status, bench.provider.created()), (status, 0), "{fault:?}");
    }
}

#[test]
fn no_other_bucket_is_ever_signed_from() {
    for bucket in [json!("backups"), json!("source-images/.."), json!(7), json!(null)] {
        let bench = Bench::new();
        let job = from_own_image(&bench, own);
        bench.queue.edit(job, |row| row.payload["source_bucket"] = bucket.clone());
        assert_eq!(bench.run_next(), "Failed", "{bucket}");
        assert_eq!(bench.queue.row(job).errors[0]["code"], json!("invalid_payload"), "{bucket}");
        assert_eq!((bench.wire.count("sign"), bench.provider.created()), (0, 0), "{bucket}");
    }
}

#[test]
fn each_attempt_signs_anew() {
    let bench = Bench::new();
    bench.provider.next(Fate::fails_with("(E1000)"));
    let job = from_own_image(&bench, own);
    bench.run_next();
    bench.webhook(job, 0);
    bench.pass(300);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.wire.count("sign"), bench.provider.created()), (2, 2));
}

#[test]
fn a_source_that_is_gone_is_not_paid_for() {
    let bench = Bench::new();
    bench.wire.fail("sign", Fault::Rejected);
    let job = from_own_image(&bench, own);
    assert_eq!(bench.run_next(), "Failed");
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.errors[0]["code"].as_str()), ("failed", Some("source_missing")));
    assert_eq!(bench.provider.created(), 0);
}

#[test]
fn a_source_that_cannot_be_signed_now_is_waited_for_without_an_attempt_for_a_day() {
    for (hours, status) in [(23, "queued"), (25, "failed")] {
        let bench = Bench::new();
        bench.wire.break_down(&["sign"]);
        let job = from_own_image(&bench, own);
        for _ in 0..hours * 6 {
            for claimed in bench.queue.claim_now(1, 60_000) {
                assert_eq!(bench.run(&claimed), "Failed");
            }
            bench.pass(600);
        }
        let generation = bench.queue.generation(job);
        let code = (status == "failed").then_some("storage_failed");
        assert_eq!((generation.status, generation.error_code.as_deref()), (status, code), "{hours} hours");
        assert_eq!(bench.provider.created(), 0);
        if code.is_none() {
            assert_eq!(bench.queue.row(job).attempts, 0);
            bench.wire.mend();
            assert_eq!(bench.run_next(), "Forward");
        }
    }
}

#[test]
fn a_path_outside_the_users_own_folder_is_never_signed() {
    let other = "00000000-0000-0000-0000-000000000009/a.webp";
    for path in [
        json!(null),
        json!(7),
        json!(""),
        json!(other),
        json!("USER"),
        json!("USER/"),
        json!("USER/../b/a.webp"),
        json!("USER/.."),
        json!("USER/a/b.webp"),
        json!("USER/a%2f..%2fb.webp"),
        json!("USER/a?b"),
        json!("USERx/a.webp"),
        json!(format!("USER/../{other}")),
    ] {
        let bench = Bench::new();
        let fill = |user: &str| path.as_str().map_or(path.clone(), |text| json!(text.replace("USER", user)));
        let job = from_own_image(&bench, fill);
        assert_eq!(bench.run_next(), "Failed", "{path}");
        assert_eq!(bench.queue.row(job).errors[0]["code"], "invalid_payload", "{path}");
        assert_eq!((bench.wire.count("sign"), bench.provider.created()), (0, 0), "{path}");
    }
}

#[test]
fn a_prediction_stopped_by_its_deadline_is_tried_again() {
    for starts_after_ms in [0, 10_000_000] {
        let bench = Bench::new();
        bench.provider.next(Fate { starts_after_ms, ..Fate::succeeds_after(10_000_000) });
        let job = bench.start();
        bench.run_next();
        bench.pass(900);
        assert_eq!(bench.run_next(), "Failed");
        let code = if starts_after_ms == 0 { "timed_out" } else { "provider_busy" };
        let row = bench.queue.row(job);
        assert_eq!((row.status, row.errors[0]["code"].as_str()), ("pending", Some(code)));
    }
}

#[test]
fn a_provider_that_cannot_be_read_is_asked_again_later() {
    let bench = Bench::new();
    let job = bench.start();
    bench.run_next();
    bench.pass(120);
    bench.wire.fail("get", Fault::LostRequest);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!((bench.queue.row(job).status, bench.queue.row(job).attempts), ("processing", 0));
    bench.pass(120);
    bench.run_next();
    assert_eq!(bench.queue.generation(job).status, "completed");
}

#[test]
fn a_prediction_that_is_not_found_ends_the_attempt_at_its_deadline() {
    let bench = Bench::new();
    let job = bench.start();
    bench.run_next();
    bench.provider.forgets.set(true);
    bench.pass(120);
    assert_eq!(bench.run_next(), "Forward", "it may only be hidden");
    bench.pass(841);
    bench.provider.booked.borrow_mut().clear();
    assert_eq!(bench.run_next(), "Failed");
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.attempts, row.prediction_id), ("pending", 1, None));
    assert_eq!(row.errors[0]["code"], "prediction_lost");
}

#[test]
fn an_answer_that_is_never_readable_ends_the_attempt_too() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(10_000_000));
    let job = bench.start();
    bench.run_next();
    bench.wire.break_down(&["get", "cancel"]);
    let mut looks = 0;
    while bench.queue.row(job).attempts == 0 {
        bench.pass(120);
        bench.run_next();
        looks += 1;
        assert!(looks < 20, "it is looked at for ever");
    }
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.errors[0]["code"].as_str()), ("pending", Some("provider_unreachable")));
    assert_eq!(looks, 14, "16 minutes, and ten for the cancel to get through");
}

#[test]
fn what_nobody_can_tell_is_made_twice_and_never_a_third_time() {
    let bench = Bench::new();
    let job = bench.start();
    for _ in 0..2 {
        bench.provider.next(Fate::fails_with("list index out of bounds"));
        bench.pass(300);
        bench.run_next();
        bench.pass(120);
        bench.run_next();
    }
    let row = bench.queue.row(job);
    assert_eq!((row.status, row.attempts, bench.provider.created()), ("failed", 2, 2));
    let generation = bench.queue.generation(job);
    assert_eq!((generation.status, generation.error_code.as_deref()), ("failed", Some("provider_error")));
}

#[test]
fn passing_faults_between_do_not_make_it_a_third_one() {
    let bench = Bench::new();
    let job = bench.start();
    let interrupted = Fate::fails_to_begin("Prediction interrupted; please retry (code: PA)");
    for fate in [Fate::fails_with("list index out of bounds"), interrupted] {
        bench.provider.next(fate);
        bench.pass(300);
        bench.run_next();
        bench.pass(120);
        bench.run_next();
    }
    assert_eq!(bench.queue.row(job).status, "pending", "one of them passes");
    bench.pass(300);
    bench.run_next();
    bench.pass(120);
    bench.run_next();
    assert_eq!(bench.queue.generation(job).status, "completed");
}

#[test]
fn stopped_at_the_providers_page_it_is_not_made_again() {
    let bench = Bench::new();
    bench.provider.next(Fate::succeeds_after(500_000));
    let job = bench.start();
    bench.run_next();
    bench.pass(30);
    let id = bench.provider.prediction(0).id;
    support::block_on(shared::ports::ImageProvider::cancel(&bench.provider, &id)).unwrap();
    bench.pass(90);
    assert_eq!(bench.run_next(), "Failed");
    let generation = bench.queue.generation(job);
    let code = generation.error_code.as_deref();
    assert_eq!((generation.status, code), ("failed", Some("cancelled_at_provider")));
    bench.pass(300);
    assert!(bench.queue.claim_now(1, 60_000).is_empty());
}

#[test]
fn a_provider_clock_that_is_five_minutes_off_changes_nothing() {
    for clock_ms in [-300_000, 300_000] {
        // Awaited as long as with a right clock.
        let bench = Bench::new();
        bench.provider.clock_ms.set(clock_ms);
        bench.provider.forgets_deadlines.set(true);
        bench.provider.next(Fate::succeeds_after(940_000));
        let job = bench.start();
        bench.run_next();
        bench.pass(800);
        assert_eq!(bench.run_next(), "Forward");
        assert_eq!(bench.wire.count("cancel"), 0, "{clock_ms}");
        bench.pass(140);
        assert_eq!(bench.run_next(), "Forward");
        assert_eq!(bench.queue.generation(job).status, "completed", "{clock_ms}");

        // Found in the list.
        let bench = Bench::new();
        bench.provider.clock_ms.set(clock_ms);
        let job = bench.start();
        bench.wire.fail("create", Fault::LostAnswer);
        bench.run_next();
        bench.pass(90);
        bench.run_next();
        assert_eq!(
            (bench.queue.generation(job).status, bench.provider.created()),
            ("completed", 1),
            "{clock_ms}"
        );

        // Stopped by its deadline, and not by somebody.
        let bench = Bench::new();
        bench.provider.clock_ms.set(clock_ms);
        bench.provider.next(Fate::succeeds_after(10_000_000));
        let job = bench.start();
        bench.run_next();
        bench.pass(900);
        bench.run_next();
        assert_eq!(bench.queue.row(job).errors[0]["code"], "timed_out", "{clock_ms}");
    }
}

#[test]
fn a_payload_that_cannot_be_run_fails_for_good_with_its_code() {
    let mut long = request();
    long["prompt"] = json!("x".repeat(4001));
    let mut private_source = request();
    private_source["source_image_url"] = json!("https://169.254.169.254/latest");
    let table = [
        ("no prompt", json!({ "model_id": "black-forest-labs/flux-schnell" }), "invalid_request"),
        ("long prompt", long, "invalid_request"),
        ("private source", private_source, "invalid_request"),
        ("no model", json!({ "prompt": "a fox" }), "invalid_request"),
        ("unknown model", json!({ "prompt": "a fox", "model_id": "nobody/nothing" }), "unknown_model"),
        (
            "not what the model does",
            json!({ "prompt": "a fox", "model_id": "black-forest-labs/flux-schnell", "operation": "upscale" }),
            "unsupported",
        ),
    ];
    for (name, payload, code) in table {
        let bench = Bench::new();
        let job = bench.queue.start_generation(payload);
        assert_eq!(bench.run_next(), "Failed", "{name}");
        let generation = bench.queue.generation(job);
        assert_eq!((generation.status, generation.error_code.as_deref()), ("failed", Some(code)), "{name}");
        assert_eq!((bench.queue.row(job).status, bench.provider.created()), ("failed", 0), "{name}");
    }
}
