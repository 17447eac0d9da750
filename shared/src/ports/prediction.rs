//! A prediction: one run of a model at the provider, as the use cases see it.

use std::time::Duration;

use super::Failure;
use crate::progress::Progress;

/// The provider stops a prediction after this time from its creation.
pub const DEADLINE: Duration = Duration::from_secs(15 * 60);

/// Where a prediction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Status {
    /// Waiting for a machine.
    Starting,
    /// Running.
    Processing,
    /// Done, with output.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped while running; billed for the time run.
    Canceled,
    /// Its deadline came before it started; not billed.
    Aborted,
    /// None, or one that this version does not know: it runs as long as it has no time of its end.
    #[default]
    Other,
}

/// What a prediction means for its job.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Outcome {
    /// Not ended yet.
    #[default]
    Running,
    /// There is an image, for an hour.
    Succeeded {
        /// Where.
        image: ImageAt,
        /// How many further files there are, which are not stored.
        more: usize,
    },
    /// No image.
    Failed {
        /// Whether trying again makes sense.
        class: FailureClass,
        /// Why.
        failure: Failure,
    },
}

/// Whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The next attempt may succeed. What has failed after it began is run once more all the same.
    Transient,
    /// Nobody can tell: the same request is run once more, and never a third time.
    Unknown,
    /// The same request fails again.
    Permanent,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageAt {
    /// At this address, for an hour.
    Url(String),
    /// In the prediction itself, as a `data:` address: read it again when it is needed.
    Inside,
}

/// A prediction as it stood when the provider told of it.
#[derive(Debug, Clone, Default)]
pub struct Prediction {
    /// Opaque id.
    pub id: String,
    /// Where it stands.
    pub status: Status,
    /// What that means for its job.
    pub outcome: Outcome,
    /// How far it is, 0 to 100, by what the model printed.
    pub percent: Option<u8>,
    /// Input and output were deleted, an hour after the end.
    pub data_removed: bool,
    /// Seconds that the model ran: what is billed for models billed by time.
    pub predict_time: Option<f64>,
    /// When it was created (ISO 8601).
    pub created_at: Option<String>,
    /// When the model began (ISO 8601).
    pub started_at: Option<String>,
    /// When it ended (ISO 8601).
    pub completed_at: Option<String>,
    /// The webhook that it was created with, where the provider repeats it.
    pub webhook: Option<String>,
}

impl Prediction {
    /// Whether it has not ended, as far as this tells.
    pub fn is_running(&self) -> bool {
        match self.status {
            Status::Starting | Status::Processing => true,
            Status::Other => self.completed_at.is_none(),
            Status::Succeeded | Status::Failed | Status::Canceled | Status::Aborted => false,
        }
    }

    /// When it ended, as the database reads it; `None` where the provider does not tell.
    pub fn completed_at(&self) -> Option<String> {
        let time = chrono::DateTime::parse_from_rfc3339(self.completed_at.as_deref()?).ok()?;
        Some(time.to_utc().to_rfc3339_opts(chrono::SecondsFormat::Millis, true))
    }

    /// What it tells of its run. `None`: nothing beyond that it was created.
    pub fn progress(&self) -> Option<Progress> {
        let is_run = self.status == Status::Processing;
        is_run
            .then(|| Progress::of_run(self.percent, self.created_at.as_deref(), self.started_at.as_deref()))?
    }
}
