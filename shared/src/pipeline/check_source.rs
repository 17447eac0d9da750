//! What users upload straight to Storage has passed no check of ours: its beginning is looked at before a
//! prediction is paid for with it.

use super::Pipeline;
use super::upload_source::FORMATS;
use crate::image_file::inspect;
use crate::ports::{Bucket, Clock, Failure, ImageProvider, ImageStore, JobQueue, Log, Random, StoreError};

/// As much as is read, in bytes: format and size stand in front, of a JPEG behind its metadata.
const HEAD_BYTES: usize = 64 * 1024;

impl<Q: JobQueue, P: ImageProvider, S: ImageStore, W: Clock + Random + Log> Pipeline<'_, Q, P, S, W> {
    /// Whether the bytes of an upload begin as an image that models take does. One request to Storage; finished
    /// images were looked at when they were stored.
    pub(super) async fn check_source(&self, bucket: Bucket, path: &str) -> Result<(), StoreError> {
        if bucket != Bucket::Sources {
            return Ok(());
        }
        let head = self.store.peek(bucket, path, HEAD_BYTES).await?;
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
