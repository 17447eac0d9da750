//! The source image of a request: where it is stored, and a URL for the provider. What users upload straight to
//! Storage has passed no check of ours: its beginning is looked at before a prediction is paid for with it.

use super::upload_source::FORMATS;
use super::{Pipeline, SOURCE_LIFE};
use crate::job::SourceFile;
use crate::policy::image_file::inspect;
use crate::ports::{Bucket, Failure, FailureCode, ImageStore, Ports, StoreError};

/// As much as is read, in bytes: format and size stand in front, of a JPEG behind its metadata.
const HEAD_BYTES: usize = 64 * 1024;

impl<P: Ports> Pipeline<'_, P> {
    /// Signs the URL under which the provider reads a source image that is stored here. The URL is made when it is
    /// needed, and lives only as long as a prediction may wait for its machine.
    pub(super) async fn sign_source(&self, source: Option<&SourceFile>) -> Result<String, StoreError> {
        match source {
            Some(SourceFile { bucket, path }) => {
                self.check_source(*bucket, path).await?;
                self.ports.store().sign(*bucket, path, SOURCE_LIFE).await
            }
            None => {
                let failure =
                    Failure::new(FailureCode::InvalidPayload, "The source image could not be used.");
                Err(StoreError::Permanent(failure.with_cause("no file in the user's own folder")))
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
                    Failure::new(FailureCode::SourceUnusable, message).with_cause("the upload's first bytes"),
                ))
            }
        }
    }
}
