//! The source image of a request: where it is stored, and a URL for the provider. What users upload straight to
//! Storage has passed no check of ours: its beginning is looked at before a prediction is paid for with it.

use super::upload_source::FORMATS;
use super::{Pipeline, SOURCE_LIFE};
use crate::image_file::inspect;
use crate::job::Payload;
use crate::ports::{Bucket, Failure, ImageStore, Ports, StoreError};

/// As much as is read, in bytes: format and size stand in front, of a JPEG behind its metadata.
const HEAD_BYTES: usize = 64 * 1024;

impl<P: Ports> Pipeline<'_, P> {
    /// The source image is one that is stored here: a URL for the provider, made when it is needed and
    /// alive only as long as a prediction may wait for its machine.
    pub(super) async fn sign_source(&self, payload: &Payload) -> Result<String, StoreError> {
        match (source_bucket(payload), source_path(payload)) {
            (Some(bucket), Some(path)) => {
                self.check_source(bucket, path).await?;
                self.ports.store().sign(bucket, path, SOURCE_LIFE).await
            }
            _ => {
                let failure = Failure::new("invalid_payload", "The source image could not be used.");
                Err(StoreError::Permanent(failure.because("no file in the user's own folder")))
            }
        }
    }

    /// Whether the bytes of an upload begin as an image that models take does. One request to Storage; finished
    /// images were looked at when they were stored.
    async fn check_source(&self, bucket: Bucket, path: &str) -> Result<(), StoreError> {
        if bucket != Bucket::Sources {
            return Ok(());
        }
        let head = self.ports.store().peek(bucket, path, HEAD_BYTES).await?;
        // A size that does not stand in all of the file stands nowhere.
        let is_cut = head.len() >= HEAD_BYTES;
        let image = inspect(&head).filter(|image| FORMATS.contains(&image.format));
        match image {
            Some(image) if image.size.map_or(is_cut, |(width, height)| width > 0 && height > 0) => Ok(()),
            _ => {
                let message =
                    "The source image is not a PNG, JPEG or WebP file. Upload it again with POST /sources.";
                Err(StoreError::Permanent(
                    Failure::new("source_unusable", message).because("the upload's first bytes"),
                ))
            }
        }
    }
}

/// The bucket with the source image; an older payload names none.
fn source_bucket(payload: &Payload) -> Option<Bucket> {
    if !payload.has("source_bucket") {
        return Some(Bucket::Images);
    }
    Bucket::from_name(payload.text("source_bucket")?)
}

/// Where the source image is stored: in the folder of the job's user and nowhere else.
fn source_path(payload: &Payload) -> Option<&str> {
    let path = payload.text("source_path")?;
    let name = path.strip_prefix(payload.text("user_id")?)?.strip_prefix('/')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (name.chars().all(plain) && !name.starts_with('.') && !name.is_empty()).then_some(path)
}
