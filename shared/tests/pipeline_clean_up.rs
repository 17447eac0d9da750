//! `cleanup-storage` jobs on in-memory ports.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::supabase::{Queue, Rpc, Storage};
use shared::pipeline::{Budget, Drained};
use shared::ports::{Bucket, Clock, HttpError, ImageStore, JobQueue, Removable, StoreError};
use shared::settings::SupabaseSettings;
use support::http::{Recorder, header};
use support::wire::Fault;
use support::{Bench, OUTPUT, block_on};
use uuid::Uuid;

/// A bench with these files in its store, and a job to delete them.
fn bench(names: &[&str]) -> (Bench, Uuid) {
    let bench = Bench::new();
    for name in names {
        bench.store.files.borrow_mut().insert((*name).to_owned(), OUTPUT.to_owned());
    }
    let job = bench.queue.enqueue("cleanup-storage", json!({ "names": names }));
    (bench, job)
}

#[test]
fn what_no_image_has_is_deleted_in_one_request() {
    let (bench, job) = bench(&["u/a.png", "u/b.webp"]);
    assert_eq!(bench.run_next(), "Forward");
    assert!(bench.store.files.borrow().is_empty());
    assert_eq!(bench.queue.row(job).status, "completed");
    assert_eq!(*bench.wire.calls.borrow(), ["removable", "remove", "complete"]);
}

#[test]
fn what_has_become_an_image_stays_and_storage_is_not_asked() {
    let (bench, job) = bench(&["u/a.png"]);
    let image = json!({ "storage_path": "u/a.png" });
    bench.queue.tables.borrow_mut().images.insert(Uuid::from_u128(1), vec![image]);
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.store.files.borrow().len(), 1);
    assert_eq!(bench.queue.row(job).status, "completed");
    assert_eq!(bench.wire.count("remove"), 0);
}

#[test]
fn spent_uploads_are_deleted_from_their_own_bucket() {
    let (bench, _) = bench(&["u/a.png", "source-images/u/a.png"]);
    bench.run_next();
    bench.store.files.borrow_mut().insert("u/a.png".into(), OUTPUT.into());
    bench.queue.enqueue("cleanup-storage", json!({ "names": ["u/a.png"], "bucket": "source-images" }));
    assert_eq!(bench.run_next(), "Forward");
    assert_eq!(bench.store.files.borrow().keys().collect::<Vec<_>>(), ["u/a.png"]);
}

#[test]
fn a_deletion_whose_answer_is_lost_is_tried_again() {
    for fault in [Fault::LostRequest, Fault::LostAnswer] {
        let (bench, job) = bench(&["u/a.png"]);
        bench.wire.fail("remove", fault);
        assert_eq!(bench.run_next(), "Failed");
        assert_eq!((bench.queue.row(job).status, bench.queue.row(job).attempts), ("pending", 1));
        bench.pass(300);
        assert_eq!(bench.run_next(), "Forward");
        assert!(bench.store.files.borrow().is_empty());
        assert_eq!(bench.queue.row(job).status, "completed");
    }
}

#[test]
fn a_storage_in_trouble_costs_a_cleanup_time_and_no_attempt() {
    let (bench, job) = bench(&["u/a.png"]);
    let until = bench.runtime.now_ms() + 24 * 3_600_000;
    bench.queue.edit(job, |row| row.retry_until_ms = Some(until));
    bench.wire.break_down(&["remove"]);
    for _ in 0..20 {
        assert_eq!(bench.run_next(), "Failed");
        bench.pass(30);
    }
    assert_eq!((bench.queue.row(job).status, bench.queue.row(job).attempts), ("pending", 0));
    bench.wire.mend();
    assert_eq!(bench.run_next(), "Forward");
    assert!(bench.store.files.borrow().is_empty());
}

#[test]
fn cleanups_are_claimed_apart_with_what_is_left_of_the_budget() {
    let (bench, job) = bench(&["u/a.png"]);
    let budget = Budget { parallel: 3, time: Duration::from_secs(20), jobs: 20 };
    let none = Drained::default();
    assert_eq!(block_on(bench.pipeline().drain(budget)).unwrap(), none, "images do not wait for them");
    assert_eq!(block_on(bench.pipeline().drain_cleanup(budget)).unwrap().processed, 1);
    assert_eq!(bench.queue.row(job).status, "completed");

    let left = |jobs, images, webhooks| {
        let claimed = |claimed| Drained { claimed, ..none };
        let left = Budget { jobs, ..budget }.for_cleanup(&claimed(images), &claimed(webhooks));
        left.map(|budget| budget.jobs)
    };
    let table =
        [(20, 0, 0, Some(10)), (20, 10, 1, Some(3)), (20, 17, 1, None), (1, 0, 0, Some(1)), (1, 1, 0, None)];
    for (jobs, images, webhooks, expected) in table {
        assert_eq!(left(jobs, images, webhooks), expected, "{jobs} {images} {webhooks}");
    }
}

#[test]
fn a_lost_lease_deletes_nothing() {
    let (bench, _) = bench(&["u/a.png"]);
    let lost = bench.claim();
    bench.queue.edit(lost.id, |row| row.lease += 1);
    assert_eq!(bench.run(&lost), "Failed");
    assert_eq!(bench.store.files.borrow().len(), 1);
    assert!(bench.runtime.warned("lease lost"));
}

const URL: &str = "https://project.supabase.co";

fn supabase() -> SupabaseSettings {
    SupabaseSettings { url: URL.into(), key: "service-key".into() }
}

#[test]
fn a_deletion_is_exactly_this_request() {
    let (http, supabase) = (Recorder::default().answers(200, "[]"), supabase());
    let names = ["u/a.png".into(), "u/b.webp".into()];
    block_on(Storage::new(&http, &supabase).remove(Bucket::Images, &names)).unwrap();
    let request = http.only();
    assert_eq!(
        (request.method, request.url.as_str()),
        ("DELETE", "https://project.supabase.co/storage/v1/object/generated-images")
    );
    assert_eq!(
        serde_json::from_str::<Value>(&request.body).unwrap(),
        json!({ "prefixes": ["u/a.png", "u/b.webp"] })
    );
    assert_eq!(header(&request, "authorization"), Some("Bearer service-key"));
    assert_eq!(header(&request, "content-type"), Some("application/json"));

    for http in [
        Recorder::default().answers(503, ""),
        Recorder::default().answers(200, "<html>"),
        Recorder::default().answers(200, ""),
        Recorder::default().answers(200, "{}"),
        Recorder::default().responds(Err(HttpError::Timeout)),
    ] {
        let (store, names) = (Storage::new(&http, &supabase), ["u/a.png".into()]);
        let error = block_on(store.remove(Bucket::Sources, &names)).unwrap_err();
        assert!(http.only().url.ends_with("/object/source-images"), "{}", http.only().url);
        assert!(matches!(error, StoreError::Transient(_)), "{error:?}");
    }
}

#[test]
fn the_database_says_which_files_may_go() {
    let bench = Bench::new();
    bench.queue.enqueue("cleanup-storage", json!({ "names": [] }));
    let job = bench.claim();
    let params = |answer: &str| {
        let http = Recorder::default().answers(200, answer);
        let removable =
            block_on(Queue::new(Rpc::new(&http, URL, "service-key", None), &*bench.runtime).removable(&job));
        let request = http.only();
        assert!(request.url.ends_with("/rpc/removable_objects"), "{}", request.url);
        removable
    };
    for bucket in [Bucket::Images, Bucket::Sources] {
        let answer = json!({ "outcome": "removable", "bucket": bucket.name(), "names": ["u/a.png"] });
        assert_eq!(params(&answer.to_string()), Ok(Removable::Files(bucket, vec!["u/a.png".into()])));
    }
    assert_eq!(params(r#"{"outcome": "invalid"}"#), Ok(Removable::Invalid));
    assert_eq!(params(r#"{"outcome": "stale"}"#), Ok(Removable::Stale));
    for nonsense in [
        "{}",
        "[]",
        r#"{"outcome": "removable"}"#,
        r#"{"outcome": "removable", "names": []}"#,
        r#"{"outcome": "removable", "bucket": "backups", "names": []}"#,
        r#"{"outcome": "removable", "bucket": "source-images", "names": [1]}"#,
    ] {
        assert!(params(nonsense).is_err(), "{nonsense}");
    }
}
