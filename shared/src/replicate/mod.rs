//! The adapter to Replicate, <https://replicate.com/docs/reference/http>.

mod client;
mod failure;
mod logs;
mod outcome;
mod prediction;

pub use client::{Client, CreateError, NewPrediction, ProviderError};
pub use failure::{FailureClass, classify};
pub use logs::percent;
pub use outcome::{Outcome, outcome};
pub use prediction::{Prediction, Status};
