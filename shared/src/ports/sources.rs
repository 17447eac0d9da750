//! Where users' uploads go.

use uuid::Uuid;

use super::{ChunkCheck, PipeHead, Upload};
use crate::http::problem::Problem;
use crate::policy::image_file::ImageFormat;

/// Why an upload was not stored.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum UploadError {
    /// By us or by the store, in words that the user may read.
    #[error("{0}")]
    Refused(Problem),
    /// More than the allowed number of bytes came.
    #[error("too large")]
    TooLarge,
    /// The upload broke off.
    #[error("the body could not be read")]
    Broken,
    /// The store did not answer, or not now, or not yet to this user: that passes.
    #[error("{0}")]
    Unavailable(String),
    /// An answer that should not happen: a defect.
    #[error("{0}")]
    Defect(String),
}

/// The store of one user's uploads, with that user's own rights.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait SourceStore {
    /// Streams an upload of at most so many bytes into a new file. `accept` tells by its beginning what it is, and
    /// gives the check that sees all of it. Gives the number of bytes.
    async fn put(
        &self,
        upload: impl Upload,
        source_id: Uuid,
        max_bytes: u64,
        accept: impl FnOnce(&PipeHead<'_>) -> Result<(ImageFormat, ChunkCheck<Problem>), Problem>,
    ) -> Result<u64, UploadError>;
}
