//! SVG outputs on their way into the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use shared::adapters::supabase::Storage;
use shared::ports::{FailureCode, ImageStore, StoreError};
use shared::settings::SupabaseSettings;
use support::http::{Recorder, Source, header};
use support::{OUTPUT, block_on};
use uuid::Uuid;

fn store_svg(content: &str) -> (Result<String, StoreError>, usize) {
    let body = format!("<svg xmlns='http://www.w3.org/2000/svg'>{content}</svg>").into_bytes();
    let http = Recorder::default()
        .serves(Ok(Source { status: 200, content_type: "image/svg+xml", body }))
        .answers(200, r#"{"Key":"generated-images/x.svg"}"#);
    let supabase = SupabaseSettings { url: "https://project.supabase.co".into(), key: "service-key".into() };
    let stored = block_on(Storage::new(&http, &supabase).store(OUTPUT, Uuid::nil(), Uuid::nil()));
    let requests = http.requests.borrow();
    let content_type = requests.get(1).and_then(|upload| header(upload, "content-type"));
    (stored.map(|_| content_type.unwrap().to_owned()), requests.len())
}

#[test]
fn an_svg_is_stored_unless_it_is_more_than_an_image() {
    let (stored, _) = store_svg("<path d='M0 0'/>");
    assert_eq!(stored, Ok("image/svg+xml".to_owned()));
    // Far behind the beginning on which the upload is decided.
    let padding = "<g/>".repeat(50_000);
    for content in ["<script/>".to_owned(), format!("{padding}<path onclick='alert(1)'/>")] {
        let (refused, requests) = store_svg(&content);
        let Err(StoreError::Permanent(failure)) = refused else { panic!("stored: {content:.20}") };
        assert_eq!(failure.code, FailureCode::OutputUnsafe);
        assert!(failure.cause.contains("script") || failure.cause.contains("onclick"), "{}", failure.cause);
        assert_eq!(requests, 1, "no upload is finished");
    }
}
