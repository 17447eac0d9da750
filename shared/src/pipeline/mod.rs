//! The use cases: from a claimed job to a stored image.

mod backoff;
mod clean_up;
mod deliver_webhook;
mod drain;
mod find_created;
mod generate;
mod hand_over;
mod operators;
mod receive_prediction;
mod run_job;
mod run_jobs;
mod run_without_queue;
mod sign_source;
mod start;
mod stop_prediction;
mod store_image;
mod sweep;
mod upload_source;
mod watch_prediction;

use std::time::Duration;

use crate::ports::DEADLINE;

pub use deliver_webhook::WebhookSender;
pub use drain::{Budget, Drained};
pub use hand_over::HandedOver;
pub use operators::operators_problem;
pub use receive_prediction::Callback;
pub use run_job::RunEnd;
pub use run_without_queue::run_without_queue;
pub use start::{StartAnswer, StartPlan, batch_answer, start_answer};
pub use sweep::Sweep;
pub use upload_source::{MAX_SOURCE_BYTES, upload_problem, upload_source};

/// How long a run may take before another worker takes the job over.
pub const JOB_LEASE: Duration = Duration::from_secs(60);
/// The same for bringing an image into the store.
const DOWNLOAD_LEASE: Duration = Duration::from_secs(120);
/// How long the provider may read a source image that is stored here: a prediction that has not begun by
/// its deadline never does.
const SOURCE_LIFE: Duration = Duration::from_secs(DEADLINE.as_secs() + 60);
/// The provider may be a little late with its deadline; after this time the sweep stops a prediction. By the
/// database's clock alone, from when it was recorded.
const OVERDUE: Duration = Duration::from_secs(DEADLINE.as_secs() + 60);
/// For so long more the sweep tries to stop it; then its attempt ends whatever the provider answers.
const LAST_LOOKS: Duration = Duration::from_secs(10 * 60);
/// When a create's outcome is unknown, nothing is created before this time: Replicate repeats its
/// last webhook for about a minute, <https://replicate.com/docs/topics/webhooks/receive-webhook>.
const WEBHOOK_WINDOW: Duration = Duration::from_secs(90);
/// How long nothing is created after our account was refused; then it is tried again.
const ACCOUNT_PAUSE: Duration = Duration::from_secs(60);

/// What the pipeline must know of its surroundings.
#[derive(Debug, Clone)]
pub struct PipelineOptions {
    /// The origin of the provider's API: outputs may lie there.
    pub provider_origin: String,
    /// The address that the provider calls back, without a query; `None`: the sweep alone finishes jobs.
    pub callback: Option<String>,
}

impl PipelineOptions {
    /// When the sweep looks at an awaited prediction: seldom where a webhook comes first.
    fn sweep_after(&self) -> Duration {
        Duration::from_secs(if self.callback.is_some() { 120 } else { 5 })
    }
}

/// The use cases, on the ports that they need.
#[derive(Debug)]
pub struct Pipeline<'a, P> {
    /// Queue, provider, store, and the runtime.
    pub ports: P,
    /// What else is to be known.
    pub options: &'a PipelineOptions,
}
