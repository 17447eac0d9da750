//! Where files are kept.

use std::time::Duration;

use uuid::Uuid;

use super::Failure;
use crate::job::Bucket;
use crate::policy::image_file::ImageHead;

/// An image file that lies in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// Where: `{user_id}/{generation_id}.{ext}`.
    pub path: String,
    /// Where everyone finds it.
    pub public_url: String,
    /// Its size.
    pub bytes: u64,
    /// Format and, where the file tells, width and height.
    pub head: ImageHead,
}

/// Why an image could not be stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Worth trying again.
    #[error("{0}")]
    Transient(String),
    /// Its host says that the source is not there.
    #[error("{0}")]
    Gone(String),
    /// The file will never do: too large, or not an image.
    #[error("{}", .0.cause)]
    Permanent(Failure),
}

/// The object store.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait ImageStore {
    /// Streams the file at `source_url`, which may be a `data:` address, into the images, as `{folder}/{name}.{ext}`, replacing what is there.
    async fn store(&self, source_url: &str, folder: Uuid, name: Uuid) -> Result<StoredImage, StoreError>;
    /// A URL under which anybody reads the file at `path` for so long.
    async fn sign(&self, bucket: Bucket, path: &str, life: Duration) -> Result<String, StoreError>;
    /// The first bytes of the file at `path`, at most so many.
    async fn peek(&self, bucket: Bucket, path: &str, bytes: usize) -> Result<Vec<u8>, StoreError>;
    /// Deletes files by their paths; one that is not there is no error.
    async fn remove(&self, bucket: Bucket, paths: &[String]) -> Result<(), StoreError>;
}
