//! The paths of start-generation; process-generation and process-jobs have theirs in their `lib.rs`. Each has its handler there and its operation in
//! `xtask/src/openapi/operations.rs`: for both the compiler wants one.

use crate::http::router::Route;

/// What a path stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Puts images into the queue.
    Start,
    /// Starts one that its user has inserted.
    StartInserted,
    /// Starts a batch that has a name.
    StartBatch,
    /// The caller's generations.
    List,
    /// One of them.
    Get,
    /// Ends one.
    Cancel,
    /// Tries a failed one again.
    Retry,
    /// Makes one again, with changes.
    Rerun,
    /// Deletes one, with its image.
    Delete,
    /// Deletes an image, and not its generation.
    DeleteImage,
    /// Marks an image.
    MarkImage,
    /// Marks several.
    MarkImages,
    /// The live channel of one.
    GenerationEvents,
    /// The live channel of all.
    Events,
    /// Takes an image to start from.
    UploadSource,
    /// What the caller has used of their plan.
    Usage,
    /// The catalogue.
    Models,
    /// What a page needs to sign somebody in.
    Config,
    /// The description of all this.
    OpenApi,
    /// Whether anybody is there.
    Health,
    /// Looks at the queue at once.
    WakeQueue,
    /// What process-jobs answers.
    ProcessJobs,
    /// What process-generation answers.
    ProcessGeneration,
}

/// Every path, in the order in which they are described.
pub const ROUTES: &[Route<Target>] = &[
    ("POST", "/start-generation", Target::Start),
    ("GET", "/generations", Target::List),
    ("GET", "/generations/:", Target::Get),
    ("DELETE", "/generations/:", Target::Delete),
    ("POST", "/generations/:/cancel", Target::Cancel),
    ("POST", "/generations/:/retry", Target::Retry),
    ("POST", "/generations/:/rerun", Target::Rerun),
    ("PATCH", "/images", Target::MarkImages),
    ("PATCH", "/images/:", Target::MarkImage),
    ("DELETE", "/images/:", Target::DeleteImage),
    ("GET", "/generations/:/events", Target::GenerationEvents),
    ("GET", "/events", Target::Events),
    ("POST", "/sources", Target::UploadSource),
    ("GET", "/usage", Target::Usage),
    ("GET", "/models", Target::Models),
    ("GET", "/config", Target::Config),
    ("GET", "/openapi.json", Target::OpenApi),
    ("GET", "/health", Target::Health),
    ("POST", "/generate-image", Target::StartInserted),
    ("POST", "/batch-generate", Target::StartBatch),
    ("POST", "/process-queue", Target::WakeQueue),
    ("POST", "/process-jobs", Target::ProcessJobs),
    ("POST", "/process-generation", Target::ProcessGeneration),
];
