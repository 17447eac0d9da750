//! The provider of images.

use crate::replicate::{CreateError, NewPrediction, Prediction, ProviderError};

/// The provider that makes the images.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait ImageProvider {
    /// Creates a prediction: from here on it costs money.
    async fn create(&self, prediction: &NewPrediction) -> Result<Prediction, CreateError>;
    /// Reads a prediction.
    async fn get(&self, prediction_id: &str) -> Result<Prediction, ProviderError>;
    /// The image inside of a prediction's output, as a `data:` address; `None`: there is none.
    async fn inline_image(&self, prediction_id: &str) -> Result<Option<String>, ProviderError>;
    /// Stops a prediction; harmless when it has ended. Gives it as it stands then, where that is told.
    async fn cancel(&self, prediction_id: &str) -> Result<Option<Prediction>, ProviderError>;
    /// The newest predictions created after the time (milliseconds since 1970).
    async fn list_since(&self, created_after_ms: u64) -> Result<Vec<Prediction>, ProviderError>;
}
