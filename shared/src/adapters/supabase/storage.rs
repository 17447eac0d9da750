//! Finished images and sources in Supabase Storage, with the service key.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::write_answer::{NotWritten, removed, stored};
use crate::adapters::json_body::{json_of, with_json};
use crate::policy::image_file::{self, ImageFormat, ImageHead};
use crate::policy::svg::SvgCheck;
use crate::ports::{
    Accepted, Bucket, ChunkCheck, Failure, FailureCode, Http, HttpRequest, ImageStore, PipeError, PipeHead,
    StoreError, StoredImage,
};
use crate::settings::SupabaseSettings;

/// The bucket for finished images.
const IMAGES: &str = Bucket::Images.name();

/// The largest image that is stored, in bytes: Supabase's free plan takes files up to 50 MB,
/// <https://supabase.com/docs/guides/storage/uploads/file-limits>.
const MAX_IMAGE_BYTES: u64 = 50 * 1000 * 1000;

/// How much of an answer is read where only the beginning is wanted, in bytes: the largest upload.
const MAX_PEEK_BYTES: usize = 10 * 1024 * 1024;

/// The store, written with the service key.
#[derive(Debug)]
pub struct Storage<'a, H> {
    http: &'a H,
    supabase: &'a SupabaseSettings,
}

impl<'a, H: Http> Storage<'a, H> {
    /// A store that writes with the service key.
    pub fn new(http: &'a H, supabase: &'a SupabaseSettings) -> Self {
        Self { http, supabase }
    }

    fn request(&self, method: &'static str, url: String) -> HttpRequest {
        let request = HttpRequest::new(method, url).header("apikey", &self.supabase.key);
        match self.supabase.bearer() {
            Some(token) => request.header("authorization", format!("Bearer {token}")),
            None => request,
        }
    }

    /// The URL of a file for what `action` names.
    fn url_of(&self, action: &str, bucket: Bucket, path: &str) -> Result<String, StoreError> {
        let mut url =
            Url::parse(&format!("{}/storage/v1/object/{action}/{}", self.supabase.url, bucket.name()))
                .map_err(|_| StoreError::Transient("SUPABASE_URL is not a valid URL".into()))?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.extend(path.split('/'));
        }
        Ok(url.into())
    }

    fn upload(&self, path: &str, head: ImageHead) -> HttpRequest {
        self.request("POST", format!("{}/storage/v1/object/{IMAGES}/{path}", self.supabase.url))
            .header("content-type", head.format.content_type())
            // The path is the generation's own: its image never changes.
            .header("cache-control", "max-age=31536000")
            .header("x-upsert", "true")
            .timeout(Duration::from_secs(60))
    }
}

impl<H: Http> ImageStore for Storage<'_, H> {
    async fn store(&self, source_url: &str, folder: Uuid, name: Uuid) -> Result<StoredImage, StoreError> {
        let source = HttpRequest::new("GET", source_url).timeout(Duration::from_secs(60));
        let mut target = None;
        let accept = |head: &PipeHead<'_>| {
            let image = check(head)?;
            let path = format!("{folder}/{name}.{}", image.format.extension());
            let request = self.upload(&path, image);
            target = Some((path, image));
            Ok(Accepted { target: request, check: content_check(image.format) })
        };
        let piped = self.http.pipe(source, MAX_IMAGE_BYTES, accept).await;
        let (response, bytes) = piped.map_err(|error| match error {
            PipeError::Refused(refusal) => refusal,
            PipeError::TooLarge => too_large(),
            error @ (PipeError::Source(_) | PipeError::Target(_)) => StoreError::Transient(error.to_string()),
        })?;
        stored(&response).map_err(not_written)?;
        let (path, head) = target.ok_or_else(|| StoreError::Transient("nothing was uploaded".into()))?;
        let public_url = format!("{}/storage/v1/object/public/{IMAGES}/{path}", self.supabase.url);
        Ok(StoredImage { path, public_url, bytes, head })
    }

    async fn sign(&self, bucket: Bucket, path: &str, life: Duration) -> Result<String, StoreError> {
        let unavailable = |cause: String| StoreError::Transient(cause);
        let url = self.url_of("sign", bucket, path)?;
        let request = with_json(self.request("POST", url), &json!({ "expiresIn": life.as_secs() }));
        let response = self.http.send(request).await.map_err(|error| unavailable(error.to_string()))?;
        let body = json_of(&response);
        if response.is_success() {
            let signed = body.get("signedURL").and_then(Value::as_str);
            return match signed.filter(|signed| signed.starts_with("/object/sign/")) {
                Some(signed) => Ok(format!("{}/storage/v1{signed}", self.supabase.url)),
                None => Err(unavailable("storage signed nothing".into())),
            };
        }
        if is_missing(response.status, &body) {
            return Err(missing(response.status));
        }
        Err(unavailable(format!("storage answered {}", response.status)))
    }

    async fn peek(&self, bucket: Bucket, path: &str, bytes: usize) -> Result<Vec<u8>, StoreError> {
        let url = self.url_of("authenticated", bucket, path)?;
        let range = format!("bytes=0-{}", bytes.saturating_sub(1));
        // A Storage that knows no ranges sends all of the file.
        let request = self.request("GET", url).header("range", range).at_most(MAX_PEEK_BYTES);
        let mut response = match self.http.send(request).await {
            Ok(response) => response,
            Err(error) => return Err(StoreError::Transient(error.to_string())),
        };
        match response.status {
            // Storage answers 416 for an empty file, and knows ranges where something in between does not.
            200 if response.body.is_empty() || is_page(&response.body) => {
                Err(StoreError::Transient("storage's answer is no file".into()))
            }
            200 | 206 => {
                response.body.truncate(bytes);
                Ok(response.body)
            }
            // An empty file has no such range.
            416 => Ok(Vec::new()),
            status if is_missing(status, &json_of(&response)) => Err(missing(status)),
            status => Err(StoreError::Transient(format!("storage answered {status}"))),
        }
    }

    /// Storage deletes what it finds of `prefixes`, which are whole names, and answers with that:
    /// <https://supabase.github.io/storage/#/object/delete_object__bucketName_>.
    async fn remove(&self, bucket: Bucket, paths: &[String]) -> Result<(), StoreError> {
        let url = format!("{}/storage/v1/object/{}", self.supabase.url, bucket.name());
        let request = with_json(self.request("DELETE", url), &json!({ "prefixes": paths }));
        match self.http.send(request.timeout(Duration::from_secs(30))).await {
            Ok(response) => removed(&response).map_err(not_written),
            Err(error) => Err(StoreError::Transient(error.to_string())),
        }
    }
}

fn not_written(error: NotWritten) -> StoreError {
    StoreError::Transient(error.cause)
}

fn missing(status: u16) -> StoreError {
    let message = "The source image is no longer stored.";
    permanent(FailureCode::SourceMissing, message, format!("storage answered {status}"))
}

/// Whether Storage says that there is no such file. Its own status may be 400, and the real one stands in the
/// body, <https://supabase.com/docs/guides/storage/debugging/error-codes>. A 404 without such a word is one of
/// a gateway that does not find Storage.
fn is_missing(status: u16, body: &Value) -> bool {
    let says = |name: &str, text: &str| body.get(name).is_some_and(|value| value == text);
    matches!(status, 400 | 404)
        && (says("statusCode", "404") || says("error", "not_found") || says("code", "NoSuchKey"))
}

/// Whether an answer is a page of HTML: no image that is taken begins so but an SVG, which says what it is.
fn is_page(body: &[u8]) -> bool {
    let start = body.trim_ascii_start();
    let begins = |word: &[u8]| start.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word));
    begins(b"<!doctype html") || begins(b"<html")
}

/// Decides on the beginning of a download: the bytes must be an image, and the declared type must
/// not say that it is something else.
fn check(head: &PipeHead<'_>) -> Result<ImageHead, StoreError> {
    match head.status {
        200 => {}
        403 | 404 | 410 => return Err(StoreError::Gone(format!("the output answered {}", head.status))),
        status => return Err(StoreError::Transient(format!("the output answered {status}"))),
    }
    if head.content_length.is_some_and(|length| length > MAX_IMAGE_BYTES) {
        return Err(too_large());
    }
    let declared_image = head.content_type.starts_with("image/");
    let undeclared = matches!(head.content_type, "" | "application/octet-stream" | "binary/octet-stream");
    match image_file::inspect(head.bytes) {
        Some(image) if declared_image || undeclared => Ok(image),
        // A file's host that is unwell: the image is paid for, and asked for again.
        None if head.bytes.is_empty() || (head.content_type == "text/html" && is_page(head.bytes)) => {
            Err(StoreError::Transient("the output answered no file".into()))
        }
        _ => Err(permanent(
            FailureCode::OutputUnusable,
            "The model's answer was not an image.",
            format!("declared as {:?}, and the bytes are not that", head.content_type),
        )),
    }
}

/// Of the formats that are stored, SVG alone can contain scripts.
fn content_check(format: ImageFormat) -> Option<ChunkCheck<StoreError>> {
    if format != ImageFormat::Svg {
        return None;
    }
    let mut svg = SvgCheck::default();
    Some(Box::new(move |bytes| {
        svg.chunk(bytes.unwrap_or_default()).map_err(|found| {
            let message = "The file contains more than an image, and was not stored.";
            permanent(FailureCode::OutputUnsafe, message, format!("the SVG contains {found}"))
        })
    }))
}

fn too_large() -> StoreError {
    permanent(
        FailureCode::OutputTooLarge,
        "The image is too large to be stored.",
        format!("over {MAX_IMAGE_BYTES} bytes"),
    )
}

fn permanent(code: FailureCode, message: &str, cause: String) -> StoreError {
    StoreError::Permanent(Failure::new(code, message).with_cause(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

    fn head<'a>(status: u16, content_type: &'a str, bytes: &'a [u8]) -> PipeHead<'a> {
        PipeHead { status, content_type, content_length: Some(bytes.len() as u64), bytes }
    }

    #[test]
    fn the_bytes_decide_the_format() {
        for content_type in ["image/png", "image/webp", "", "application/octet-stream"] {
            let image = check(&head(200, content_type, PNG)).unwrap();
            assert_eq!((image.format, image.size), (ImageFormat::Png, Some((3, 2))), "{content_type}");
        }
    }

    #[test]
    fn what_is_no_image_never_passes() {
        for (content_type, bytes) in
            [("text/html", PNG), ("image/png", b"<html>".as_slice()), ("text/html", b"words")]
        {
            let refusal = check(&head(200, content_type, bytes)).unwrap_err();
            assert!(
                matches!(refusal, StoreError::Permanent(failure) if failure.code == FailureCode::OutputUnusable)
            );
        }
    }

    #[test]
    fn a_page_or_nothing_in_place_of_an_image_passes() {
        for bytes in [b"<!DOCTYPE html><title>x".as_slice(), b"\n <HTML>", b""] {
            let refusal = check(&head(200, "text/html", bytes)).unwrap_err();
            assert!(matches!(refusal, StoreError::Transient(_)), "{bytes:?}");
        }
    }

    #[test]
    fn gone_is_told_from_trouble() {
        for status in [403, 404, 410] {
            assert!(matches!(check(&head(status, "image/png", PNG)), Err(StoreError::Gone(_))), "{status}");
        }
        for status in [429, 500, 502, 503, 301, 206] {
            assert!(
                matches!(check(&head(status, "image/png", PNG)), Err(StoreError::Transient(_))),
                "{status}"
            );
        }
        let large = PipeHead { content_length: Some(MAX_IMAGE_BYTES + 1), ..head(200, "image/png", PNG) };
        assert!(
            matches!(check(&large), Err(StoreError::Permanent(failure)) if failure.code == FailureCode::OutputTooLarge)
        );
    }
}
