//! Reads a stream whole, and no further than a limit.

use futures::StreamExt;
use worker::ByteStream;

/// Why a stream was not read to its end.
pub(crate) enum ReadError {
    /// It is longer than the limit.
    TooLarge,
    /// It broke off.
    Broken(worker::Error),
}

pub(crate) async fn read_bounded(mut stream: ByteStream, max: usize) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk.map_err(ReadError::Broken)?);
        if bytes.len() > max {
            return Err(ReadError::TooLarge);
        }
    }
    Ok(bytes)
}
