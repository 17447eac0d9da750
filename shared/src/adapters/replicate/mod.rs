//! The adapter to Replicate, <https://replicate.com/docs/reference/http>.

mod adapter;
mod client;
mod error_words;
mod failure;
mod json_leaves;
mod logs;
mod outcome;
mod output;
mod prediction;

pub use adapter::Replicate;
pub use client::Client;
pub use failure::classify;
pub use logs::percent;
pub use prediction::read_prediction;
