//! Uploads on their way into the store.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use shared::adapters::supabase::Sources;
use shared::http::problem::Code;
use shared::http::types::Source;
use shared::pipeline::{MAX_SOURCE_BYTES, upload_problem, upload_source};
use shared::policy::image_file::ImageFormat;
use shared::ports::{HttpError, UploadError};
use shared::settings::SupabaseSettings;
use support::http::{Recorder, Sent, header};
use support::{TestRuntime, block_on};
use uuid::Uuid;

const USER: Uuid = Uuid::from_u128(5);
const ID: Uuid = Uuid::from_u128(6);
/// As Storage answers an upload.
const KEY: &str = r#"{"Id":"2c1f","Key":"source-images/u/s.png"}"#;

/// 3 × 2 pixels each, as libvips writes them.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0\x12\x16\xf1M\
    \0\0\0\x09pHYs\0\0\x03\xe8\0\0\x03\xe8\x01\xb5{Rk\
    \0\0\0\x12IDAT\x08\x99c\xf8\xcf\xc0\0AP\xea?\x03\x03\0A\xd2\x05\xfb\x18\x17\x04\xe2\0\0\0\0IEND\xaeB`\x82";
const WEBP: &[u8] = b"RIFF\x1c\0\0\0WEBPVP8L\x0f\0\0\0/\x02@\0\0\x07\x10\xfd\x8f\xfe\x07\"\xa2\xff\x01\0";
/// A frame of 3 × 2 pixels and a scan, behind metadata that fill more than the head.
fn jpeg() -> Vec<u8> {
    let mut file = b"\xff\xd8".to_vec();
    for _ in 0..2 {
        file.extend(b"\xff\xe1\x88\xb8");
        file.extend([0; 34_998]);
    }
    file.extend(b"\xff\xc0\0\x0b\x08\0\x02\0\x03\x01\x01\x11\0");
    file.extend(b"\xff\xda\0\x08\x01\x01\0\0\x3f\0\x12\x34\xff\xd9");
    file
}

fn sent<'a>(http: &'a Recorder, content_type: &'static str, body: &[u8]) -> Sent<'a> {
    Sent { http, content_type, content_length: Some(body.len() as u64), body: body.to_vec() }
}

fn upload(sent: Sent<'_>) -> Result<Source, UploadError> {
    let supabase = SupabaseSettings { url: "https://project.supabase.co".into(), key: "anon-key".into() };
    block_on(upload_source(sent, &Sources::new(&supabase, "a.b.c", USER), ID, &TestRuntime::new(1)))
}

#[test]
fn a_server_stores_with_the_key_that_it_has_sent() {
    let supabase = SupabaseSettings { url: "https://project.supabase.co".into(), key: "anon-key".into() };
    for (key, token) in [("sb_secret_x", None), ("a.b.c", Some("Bearer a.b.c".to_owned()))] {
        let store = |status, body| {
            let http = Recorder::default().answers(status, body);
            let sources = Sources::of_server(&supabase, key, USER);
            let stored =
                block_on(upload_source(sent(&http, "image/png", PNG), &sources, ID, &TestRuntime::new(1)));
            let headers = http.only().headers;
            let header =
                |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
            assert_eq!((header("apikey").as_deref(), header("authorization")), (Some(key), token.clone()));
            stored.map_err(|error| upload_problem(error).code)
        };
        assert!(store(200, KEY).is_ok());
        assert_eq!(store(400, r#"{"statusCode":"403"}"#).unwrap_err(), Code::Unauthorized);
        assert_eq!(store(401, "").unwrap_err(), Code::Unauthorized);
        assert_eq!(store(400, r#"{"statusCode":"400"}"#).unwrap_err(), Code::Unauthorized);
        assert_eq!(store(503, "").unwrap_err(), Code::Unavailable);
    }
}

fn refused(sent: Sent<'_>) -> Code {
    let http = sent.http;
    let code = upload_problem(upload(sent).unwrap_err()).code;
    assert_eq!(http.requests.borrow().len(), 0, "nothing is stored");
    code
}

#[test]
fn an_image_is_stored_with_exactly_this_request() {
    let http = Recorder::default().answers(200, KEY);
    let uploaded = upload(sent(&http, "image/png", PNG)).unwrap();
    let request = http.only();
    let path = format!("{USER}/{ID}.png");
    assert_eq!(
        (request.method, request.url),
        ("POST", format!("https://project.supabase.co/storage/v1/object/source-images/{path}"))
    );
    let request = http.only();
    for (name, value) in [
        ("apikey", Some("anon-key")),
        ("authorization", Some("Bearer a.b.c")),
        ("content-type", Some("image/png")),
        ("cache-control", Some("no-store")),
        ("x-upsert", None),
    ] {
        assert_eq!(header(&request, name), value, "{name}");
    }
    assert_eq!(
        serde_json::to_value(uploaded).unwrap(),
        serde_json::json!({
            "source_id": ID, "format": "png", "bytes": PNG.len(), "width": 3, "height": 2,
            "expires_at": "2026-11-25T00:00:00+00:00",
        })
    );
}

#[test]
fn every_format_tells_its_size() {
    for (content_type, format, file) in [
        ("image/png", ImageFormat::Png, PNG),
        ("image/webp", ImageFormat::Webp, WEBP),
        ("image/jpeg", ImageFormat::Jpeg, &jpeg()),
    ] {
        let http = Recorder::default().answers(200, KEY);
        let uploaded = upload(sent(&http, content_type, file)).unwrap();
        assert_eq!((uploaded.format, uploaded.width, uploaded.height), (format.extension(), 3, 2));
    }
}

#[test]
fn the_bytes_decide_whatever_the_type_is_called() {
    let jpeg = jpeg();
    for (declared, stored, file) in [
        ("image/jpg", "image/jpeg", jpeg.as_slice()),
        ("image/pjpeg", "image/jpeg", &jpeg),
        ("image/x-png", "image/png", PNG),
        ("application/octet-stream", "image/png", PNG),
        ("", "image/webp", WEBP),
        ("image/jpeg", "image/webp", WEBP),
        ("image/heic", "image/jpeg", &jpeg),
        ("text/plain", "image/png", PNG),
    ] {
        let http = Recorder::default().answers(200, KEY);
        upload(sent(&http, declared, file)).unwrap();
        assert_eq!(header(&http.only(), "content-type"), Some(stored), "{declared}");
    }
}

#[test]
fn what_is_no_image_of_these_formats_is_refused() {
    let gif = b"GIF89a\x03\0\x02\0\x80\0\0;".as_slice();
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>".as_slice();
    for (content_type, file) in [
        ("image/gif", gif),
        ("image/svg+xml", svg),
        ("text/html", b"<html>"),
        ("", b"%PDF-1.7"),
        ("image/png", gif),
        ("image/png", svg),
        ("image/png", b"<html>"),
        ("application/octet-stream", &[0; 64]),
    ] {
        let code = refused(sent(&Recorder::default(), content_type, file));
        assert_eq!(code, Code::UnsupportedMediaType, "{content_type} {file:.8?}");
    }
    assert_eq!(refused(sent(&Recorder::default(), "image/png", b"")), Code::InvalidRequest);
}

#[test]
fn a_part_of_an_image_never_becomes_a_file() {
    let mut flat = PNG.to_vec();
    flat[20..24].fill(0); // a height of 0
    for (content_type, file) in [
        ("image/png", &PNG[..PNG.len() - 1]),
        ("image/png", &PNG[..20]),
        ("image/png", &flat),
        ("image/webp", &WEBP[..WEBP.len() - 1]),
        ("image/jpeg", &jpeg()[..jpeg().len() - 2]),
    ] {
        for content_length in [Some(file.len() as u64), None] {
            let http = Recorder::default();
            let cut = Sent { content_length, ..sent(&http, content_type, file) };
            assert_eq!(refused(cut), Code::InvalidImage, "{content_type}, {} bytes", file.len());
        }
    }
}

#[test]
fn the_size_has_a_limit_whether_or_not_it_is_declared() {
    let limit = usize::try_from(MAX_SOURCE_BYTES).unwrap();
    let mut large = PNG.to_vec();
    large.resize(limit, 0); // what stands behind an image's end counts too
    let http = Recorder::default().answers(200, KEY);
    assert_eq!(upload(sent(&http, "image/png", &large)).unwrap().bytes, MAX_SOURCE_BYTES);
    large.push(0);
    for content_length in [Some(MAX_SOURCE_BYTES + 1), None] {
        let http = Recorder::default();
        let over = Sent { content_length, ..sent(&http, "image/png", &large) };
        assert_eq!(refused(over), Code::BodyTooLarge, "{content_length:?}");
    }
}

#[test]
fn a_success_that_names_no_file_is_not_storages() {
    for (status, answer) in
        [(200, "<html>"), (200, ""), (204, ""), (200, "{}"), (200, "[]"), (200, r#"{"Key":null}"#)]
    {
        let http = Recorder::default().answers(status, answer);
        let problem = upload_problem(upload(sent(&http, "image/png", PNG)).unwrap_err());
        assert_eq!(problem.code, Code::Unavailable, "{status} {answer}");
        assert!(problem.retry_after.is_some(), "{status} {answer}");
    }
}

#[test]
fn what_storage_answers_is_told_without_its_words() {
    let denied =
        r#"{"statusCode":"403","error":"Unauthorized","message":"new row violates row-level security"}"#;
    for (status, body, code) in
        [(400, denied, Code::Forbidden), (503, "", Code::Unavailable), (400, "", Code::InternalError)]
    {
        let http = Recorder::default().answers(status, body);
        let problem = upload_problem(upload(sent(&http, "image/png", PNG)).unwrap_err());
        assert_eq!(problem.code, code, "{status} {body}");
        assert!(!problem.detail.contains("row"), "{}", problem.detail);
    }
    let http = Recorder::default().responds(Err(HttpError::Timeout));
    assert_eq!(upload_problem(upload(sent(&http, "image/png", PNG)).unwrap_err()).code, Code::Unavailable);
}
