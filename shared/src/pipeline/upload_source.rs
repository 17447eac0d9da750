//! `POST /sources`: an image to start from, passed on into the store while it is looked at.

use std::cell::Cell;
use std::rc::Rc;

use chrono::DateTime;
use uuid::Uuid;

use crate::http::problem::{Code, Problem};
use crate::http::types::Source;
use crate::policy::image_file::{ImageFormat, ImageHead, Walk, inspect};
use crate::ports::{ChunkCheck, Clock, PipeHead, SourceStore, Upload, UploadError};

/// The largest upload, in bytes; the bucket has the same limit.
pub const MAX_SOURCE_BYTES: u64 = 10 * 1024 * 1024;
/// How long an upload can be started from, in milliseconds; as in the database, `private.uploaded_source`.
const LIFE_MS: u64 = 24 * 60 * 60 * 1000;

/// The formats in which models take images.
pub(super) const FORMATS: [ImageFormat; 3] = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Webp];

/// Stores an upload under `source_id`, a new one. What is not an image, or not all of one, is broken off before
/// its last byte is sent, so that it never becomes a file.
pub async fn upload_source(
    upload: impl Upload,
    sources: &impl SourceStore,
    source_id: Uuid,
    clock: &impl Clock,
) -> Result<Source, UploadError> {
    let size = Rc::new(Cell::new(None));
    let mut format = None;
    let accept = |head: &PipeHead<'_>| {
        let image = check(head)?;
        format = Some(image.format);
        let whole = whole(image, Rc::clone(&size));
        Ok((image.format, whole))
    };
    let bytes = sources.put(upload, source_id, MAX_SOURCE_BYTES, accept).await?;
    let (Some(format), Some((width, height))) = (format, size.get()) else {
        return Err(UploadError::Defect("an upload was stored that had not been looked at".into()));
    };
    let expires_at = i64::try_from(clock.now_ms() + LIFE_MS).ok().and_then(DateTime::from_timestamp_millis);
    Ok(Source {
        source_id,
        format: format.extension(),
        bytes,
        width,
        height,
        expires_at: expires_at.unwrap_or_default().to_rfc3339(),
    })
}

/// Decides on the beginning, by what the bytes are: for the declared type each phone, browser and file
/// extension has a name of its own, and the store is told the true one.
fn check(head: &PipeHead<'_>) -> Result<ImageHead, Problem> {
    if head.bytes.is_empty() {
        return Err(Problem::invalid("body", "The body must be the image file."));
    }
    let image = inspect(head.bytes).filter(|image| FORMATS.contains(&image.format)).ok_or_else(|| {
        let detail =
            "The file is no PNG, JPEG or WebP. Send one of these as it is, as the body of the request.";
        Problem::new(Code::UnsupportedMediaType, detail)
    })?;
    match head.content_length {
        Some(length) if length > MAX_SOURCE_BYTES => Err(too_large()),
        _ => Ok(image),
    }
}

/// Sees to it that all of the file comes, and notes its width and height.
fn whole(image: ImageHead, size: Rc<Cell<Option<(u32, u32)>>>) -> ChunkCheck<Problem> {
    let mut walk = Walk::new(image.format);
    Box::new(move |chunk| {
        let Some(walk) = &mut walk else { return Ok(()) };
        if let Some(bytes) = chunk {
            walk.chunk(bytes);
            return Ok(());
        }
        let found = walk.jpeg_size().or(image.size).filter(|(width, height)| *width > 0 && *height > 0);
        size.set(found);
        if walk.is_whole() && found.is_some() {
            return Ok(());
        }
        Err(Problem::new(Code::InvalidImage, "The image file is damaged, or not all of it was sent."))
    })
}

/// What an uploader sees of an upload that was not stored.
pub fn upload_problem(error: UploadError) -> Problem {
    match error {
        UploadError::Refused(problem) => problem,
        UploadError::TooLarge => too_large(),
        UploadError::Broken => Problem::invalid("body", "The body could not be read."),
        UploadError::Unavailable(_) => Problem::unavailable(),
        UploadError::Defect(_) => Problem::internal(),
    }
}

fn too_large() -> Problem {
    let limit = MAX_SOURCE_BYTES / 1024 / 1024;
    Problem::new(Code::BodyTooLarge, format!("A source image must be at most {limit} MiB."))
}
