//! The paths of start-generation. Each has its handler there and its operation in `openapi.json`: for
//! both the compiler wants one.

use crate::http::route::Route;

/// What a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Puts images into the queue.
    Start,
    /// The caller's generations.
    List,
    /// One of them.
    Get,
    /// Ends one.
    Cancel,
    /// The live channel of one.
    GenerationEvents,
    /// The live channel of all.
    Events,
    /// Takes an image to start from.
    UploadSource,
    /// The catalogue.
    Models,
    /// What a page needs to sign somebody in.
    Config,
    /// The description of all this.
    OpenApi,
    /// Whether anybody is there.
    Health,
}

/// Every path, in the order in which they are described.
pub const ROUTES: &[Route<Target>] = &[
    ("POST", "/start-generation", Target::Start),
    ("GET", "/generations", Target::List),
    ("GET", "/generations/:", Target::Get),
    ("POST", "/generations/:/cancel", Target::Cancel),
    ("GET", "/generations/:/events", Target::GenerationEvents),
    ("GET", "/events", Target::Events),
    ("POST", "/sources", Target::UploadSource),
    ("GET", "/models", Target::Models),
    ("GET", "/config", Target::Config),
    ("GET", "/openapi.json", Target::OpenApi),
    ("GET", "/health", Target::Health),
];
