//! The adapter to Replicate, <https://replicate.com/docs/reference/http>.

mod client;
mod failure;
mod logs;
mod outcome;
mod output;
mod prediction;
mod texts;
mod words;

pub use client::{Client, CreateError, NewPrediction, ProviderError};
pub use failure::{FailureClass, classify};
pub use logs::percent;
pub use outcome::{DEADLINE, Outcome, outcome};
pub use output::{ImageAt, Output};
pub use prediction::{Prediction, Status};
