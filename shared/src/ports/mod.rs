//! What the use cases need from outside, as traits. A Worker implements them with `fetch`, a native
//! test with whatever it likes.

mod bundle;
mod failure;
mod http;
mod live_channel;
mod maintenance;
mod prediction;
mod provider;
mod queue;
mod runtime;
mod signatures;
mod sources;
mod store;
mod webhooks;

pub use bundle::Ports;
pub use failure::Failure;
pub use http::{
    Accepted, ChunkCheck, Http, HttpError, HttpRequest, HttpResponse, RELAY_HEAD_BYTES, RelayError,
    RelayHead, Upload,
};
pub use live_channel::LiveChannel;
pub use maintenance::{Maintenance, RunReport};
pub use prediction::{DEADLINE, FailureClass, ImageAt, Outcome, Prediction, Status};
pub use provider::{CreateError, ImageProvider, NewPrediction, ProviderError};
pub use queue::{
    AfterPrediction, CreatedPrediction, Finished, JobQueue, Paused, PredictionNews, PredictionSource,
    ProgressNoted, QueueError, Received, Recorded, Refusal, Refused, Removable, Step,
};
pub use runtime::{Clock, Log, Random, Runtime};
pub use signatures::{PublicKey, Signatures};
pub use sources::{SourceStore, UploadError};
pub use store::{Bucket, ImageStore, StoreError, StoredImage};
pub use webhooks::{Attempt, Message, Outbox, ResolveError, Resolver, ToSend, Verdict};
