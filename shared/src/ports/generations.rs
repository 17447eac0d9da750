//! A user's own generations, and what a generation costs: what the public Worker asks of the database.

use uuid::Uuid;

use super::DatabaseError;
use crate::catalogue::Mapped;
use crate::http::idempotency::Key;
use crate::http::json_text::JsonText;
use crate::http::list_query::ListQuery;
use crate::http::marks::{ImageMarks, ImagesMarks};
use crate::http::models::Charged;
use crate::http::request::StartRequest;

/// How a start is asked for.
#[derive(Debug, Clone, Copy)]
pub enum StartKind<'a> {
    /// As it is; a second request with the same idempotency key starts nothing.
    Plain(Option<&'a Key>),
    /// The row is there: its user has inserted it. A second request tells the same start again.
    Inserted(Uuid),
    /// A batch, also of one image, that has this name.
    Batch(Option<&'a str>),
}

/// A request for one generation or a batch.
#[derive(Debug, Clone, Copy)]
pub struct NewGenerations<'a> {
    /// What the user asks for, and what the catalogue makes of it. `None`: what an inserted row says, or what was
    /// asked for under the same key.
    pub asked: Option<(&'a StartRequest, &'a Mapped)>,
    /// How it is asked for.
    pub kind: StartKind<'a>,
    /// The user's own generation that they make again.
    pub parent: Option<Uuid>,
    /// Whose they are, where a server asks; `None`: the caller's own.
    pub user_id: Option<Uuid>,
    /// The caller takes up to so many of the new jobs, where they are next, under a lease, and sees to it that they
    /// are run.
    pub hand_over: u32,
}

/// A generation that waits in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueuedGeneration {
    /// Its id.
    pub id: Uuid,
    /// Its job in the queue.
    pub job_id: Uuid,
    /// Its position; 1 is next. `None` for one that is scheduled.
    pub queue_position: Option<i64>,
    /// Seconds until it has ended, where that can be told.
    pub estimated_seconds: Option<i64>,
}

/// Jobs that are leased to whoever is handed them: a JSON array as the queue wrote it. The Worker that started them
/// hands them on unread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeasedJobs {
    /// The array.
    pub jobs: JsonText,
    /// Its length.
    pub count: usize,
}

/// What a request has started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// The batch that the generations belong to; `None` for a single one.
    pub batch_id: Option<Uuid>,
    /// The first generation.
    pub first: QueuedGeneration,
    /// The other generations of a batch, in the order of the request.
    pub others: Vec<QueuedGeneration>,
    /// The same request came before with the same idempotency key: this is what that one started.
    pub replayed: bool,
    /// The jobs that the caller took.
    pub leased: Option<LeasedJobs>,
    /// There is a webhook to deliver: the start has found that the cron does not run, which nobody else can tell.
    pub has_webhook: bool,
}

/// The generations of one user, with that user's own rights.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait UserGenerations {
    /// Checks the request, creates its generations and enqueues their jobs, in one transaction.
    async fn start(&self, new: &NewGenerations<'_>) -> Result<Started, DatabaseError>;
    /// One generation, as the user is shown it (`http::types::Generation`).
    async fn get(&self, id: Uuid) -> Result<JsonText, DatabaseError>;
    /// A page of generations, the newest first, as the user is shown it (`http::types::GenerationPage`).
    async fn list(&self, query: &ListQuery) -> Result<JsonText, DatabaseError>;
    /// The request that a generation stands for, under the names of a start (`http::rerun` changes it). A server is told
    /// its owner, too, as `user_id`.
    async fn kept_request(&self, id: Uuid) -> Result<JsonText, DatabaseError>;
    /// Cancels a generation. A job stops its prediction, where one runs.
    async fn cancel(&self, id: Uuid) -> Result<(), DatabaseError>;
    /// Tries a failed generation again, with the quotas and the money of a start, and tells how it stands then
    /// (`http::types::Generation`).
    async fn retry(&self, id: Uuid) -> Result<JsonText, DatabaseError>;
    /// Deletes a generation with its image, file and jobs. A job stops its prediction, where one runs.
    async fn delete(&self, id: Uuid) -> Result<(), DatabaseError>;
    /// Deletes an image with its file; its generation stays.
    async fn delete_image(&self, id: Uuid) -> Result<(), DatabaseError>;
    /// Marks an image, and tells how it is marked then (`http::types::GeneratedImage`).
    async fn mark_image(&self, id: Uuid, marks: ImageMarks) -> Result<JsonText, DatabaseError>;
    /// The same for those of the images that are the user's (`http::types::MarkedImages`).
    async fn mark_images(&self, asked: &ImagesMarks) -> Result<JsonText, DatabaseError>;
    /// What the user has used of their plan, as they are shown it (`http::types::Usage`); `user_id` as in
    /// [`NewGenerations`].
    async fn usage(&self, user_id: Option<Uuid>) -> Result<JsonText, DatabaseError>;
}

/// The models that the database lets start, and what it charges for them.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait PriceList {
    /// All of them.
    async fn charged(&self) -> Result<Charged, DatabaseError>;
}
