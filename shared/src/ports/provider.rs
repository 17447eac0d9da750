//! The provider of images.

use std::time::Duration;

use super::Prediction;
use crate::catalogue::ModelInput;

/// What a prediction is created from.
#[derive(Debug, Clone)]
pub struct NewPrediction {
    /// `owner/name` of an official model, or a 64-hex version.
    pub version: String,
    /// The model's input.
    pub input: ModelInput,
    /// Where the provider calls back: when the model begins, prints, and has ended.
    pub webhook: Option<String>,
    /// The provider stops it after this time from its creation (`Cancel-After`, at least 5 s).
    pub deadline: Duration,
}

/// Why a prediction was not created, or may not have been.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// Nothing was created; creating is allowed again after this time.
    #[error("throttled")]
    Throttled {
        /// Until then.
        retry_after: Duration,
    },
    /// Nothing was created, and the same request is refused again.
    #[error("rejected: {0}")]
    Rejected(String),
    /// Nothing was created: the model, or its version, is not there, or not for us. It may be the account that
    /// is refused; other models tell.
    #[error("model: status {status}, {detail}")]
    Model {
        /// 403, 404 or 422.
        status: u16,
        /// The provider's words.
        detail: String,
    },
    /// Nothing was created because of our account: token or credit.
    #[error("account: status {status}, {detail}")]
    Account {
        /// 401 or 402.
        status: u16,
        /// The provider's words.
        detail: String,
    },
    /// Whether it was created is unknown.
    #[error("unknown outcome: {0}")]
    Unknown(String),
}

/// A read or a cancel did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// There is no such prediction.
    #[error("no such prediction")]
    NotFound,
    /// Worth trying again.
    #[error("{0}")]
    Unavailable(String),
}

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
    /// The predictions created after the time (milliseconds since 1970) whose webhook's address begins so, the newest
    /// first.
    async fn list_since(
        &self,
        created_after_ms: u64,
        webhook: &str,
    ) -> Result<Vec<Prediction>, ProviderError>;
}
