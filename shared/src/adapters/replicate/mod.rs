//! The adapter to Replicate, <https://replicate.com/docs/reference/http>.

mod adapter;
mod client;
mod failure;
mod logs;
mod outcome;
mod output;
mod prediction;
mod texts;
mod words;

pub use adapter::Replicate;
pub use client::Client;
pub use failure::classify;
pub use logs::percent;
pub use prediction::read_prediction;
