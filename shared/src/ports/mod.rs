//! What the use cases need from outside, as traits. A Worker implements them with `fetch`, a native
//! test with whatever it likes.

mod bundle;
mod database_error;
mod failure;
mod generations;
mod http;
mod live_channel;
mod maintenance;
mod monitoring;
mod prediction;
mod provider;
mod queue;
mod runtime;
mod sources;
mod store;
mod token_signatures;
mod webhooks;

pub use bundle::{Ports, WebhookPorts};
pub use database_error::DatabaseError;
pub use failure::{Failure, FailureCode};
pub use generations::{
    LeasedJobs, NewGenerations, PriceList, QueuedGeneration, StartKind, Started, UserGenerations,
};
pub use http::{
    Accepted, ChunkCheck, Http, HttpError, HttpRequest, HttpResponse, PIPE_HEAD_BYTES, PipeError, PipeHead,
    Upload,
};
pub use live_channel::{LiveChannel, LiveSnapshots, SnapshotQuery};
pub use maintenance::{Alert, Maintenance, RunReport};
pub use monitoring::{
    BudgetPeriod, BudgetState, ErrorCode, FailedJobs, JobStatus, JobTotal, JobTypeName, LastSweep, Latency,
    Monitoring, OpenAlert, Pause, Period, Quantile, QueueMetrics, QueueStatus,
};
pub use prediction::{DEADLINE, FailureClass, ImageAt, Outcome, Prediction, Status};
pub use provider::{CreateError, ImageProvider, NewPrediction, ProviderError};
pub use queue::{
    AfterPrediction, CreatedPrediction, Finished, JobQueue, Paused, PredictionNews, PredictionSource,
    ProgressNoted, QueueError, Received, Recorded, Refusal, Refused, Removable, Step,
};
pub use runtime::{About, Clock, Log, Random, Runtime};
pub use sources::{SourceStore, UploadError};
pub use store::{ImageStore, StoreError, StoredImage};

pub use crate::job::Bucket;
pub use token_signatures::{PublicKey, Signatures};
pub use webhooks::{Attempt, Delivery, DeliveryOutcome, Message, Outbox, ResolveError, Resolver};
