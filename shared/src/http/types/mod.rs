//! The HTTP interface in types: what stands in bodies and answers, by the names on the wire.
//!
//! Answers that are made here are these types, serialized. Those that come from the database pass through
//! unread; their types, and those of what is read field by field, exist with the feature `openapi` only.
//! `openapi.json` is written from all of them: their doc comments are its descriptions, so they are for
//! people who call the interface.

mod enums;
mod model;
mod problem;
mod service;
mod start;

#[cfg(feature = "openapi")]
mod generation;
#[cfg(feature = "openapi")]
mod live;
#[cfg(feature = "openapi")]
mod marks;
#[cfg(feature = "openapi")]
mod query;
#[cfg(feature = "openapi")]
mod request;
#[cfg(feature = "openapi")]
mod usage;
#[cfg(feature = "openapi")]
mod webhook;

pub use enums::{Operation, Priority, Status};
pub use model::{Defaults, Limits, Model, Models, Output, Price, Range, SideLimits, Supports};
pub use problem::ProblemDetails;
pub use service::{Config, Health, Source};
pub use start::{
    BatchItem, Cancelled, Deleted, NamedBatch, Started, StartedBatch, StartedGeneration, Urls, Woken,
};

#[cfg(feature = "openapi")]
pub use self::{
    generation::{GeneratedImage, Generation, GenerationError, GenerationPage, MarkedImages},
    live::{LiveGeneration, LiveMessage, LiveReady, LiveResume},
    marks::{ImageMarks, ImagesMarks},
    query::{EventsQuery, ListQuery, UserQuery},
    request::StartRequest,
    usage::{OwnJobs, Plan, Spent, Usage, UsedCount, UsedMoney},
    webhook::{WebhookEvent, WebhookType},
};

/// The description of the whole interface, an OpenAPI 3.1 document: what `GET /openapi.json` answers.
/// `npm run openapi` writes it.
pub const DOCUMENT: &str = include_str!("../openapi.json");
