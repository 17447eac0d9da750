//! A `download-image` job: bring the finished image into the store before the provider deletes it.

use std::time::Duration;

use uuid::Uuid;

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::{Job, Payload};
use crate::ports::{
    Clock, Failure, ImageAt, ImageProvider, ImageStore, JobQueue, Log, Outcome, Ports, ProviderError,
    QueueError, Step, StoreError,
};
use crate::url_policy::check_output;

impl<P: Ports> Pipeline<'_, P> {
    /// Stores the image of a leased download job and completes its generation.
    pub async fn download(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let Some(source) = Source::parse(&job.payload, &self.options.provider_origin) else {
            let failure = Failure::new("invalid_payload", "The image's address could not be used.");
            return self.give_up(job, failure).await;
        };
        let url = match source.image {
            ImageAt::Url(url) => url,
            ImageAt::Inside => match self.inline_image(job).await {
                Ok(data) => data,
                Err(error) => return self.not_stored(job, error).await,
            },
        };
        let store = async || self.ports.store().store(&url, source.user_id, source.generation_id).await;
        let mut answer = store().await;
        if job.lease == 1 && matches!(answer, Err(StoreError::Transient(_))) {
            // What passes at once is not to wait for the next claim.
            self.ports.runtime().sleep(AGAIN).await;
            answer = store().await;
        }
        match answer {
            Ok(mut stored) => {
                // The file's own size comes before the one that was expected.
                let expected = || job.payload.number("width").zip(job.payload.number("height"));
                stored.head.size = stored.head.size.or_else(expected);
                if self.ports.queue().finish_download(job, &stored).await? == Step::Stale {
                    self.ports.runtime().warn(
                        "lease lost while storing",
                        job.id,
                        "another worker stores the image",
                    );
                }
                Ok(RunEnd::Forward)
            }
            Err(error) => self.not_stored(job, error).await,
        }
    }

    async fn not_stored(&self, job: &Job, error: StoreError) -> Result<RunEnd, QueueError> {
        match error {
            StoreError::Gone(cause) if self.is_removed(job).await => {
                self.give_up(job, expired().because(cause)).await
            }
            StoreError::Transient(cause) | StoreError::Gone(cause) => {
                let failure = Failure::new("storage_failed", "The image could not be stored.");
                self.put_off(job, failure.because(cause), expired()).await
            }
            StoreError::Permanent(failure) => self.give_up(job, failure).await,
        }
    }

    /// The image that lies in the prediction itself: it is too large for a job's payload, so it is read again.
    async fn inline_image(&self, job: &Job) -> Result<String, StoreError> {
        let prediction_id = job.payload.text("prediction_id").unwrap_or_default();
        match self.ports.provider().inline_image(prediction_id).await {
            Ok(Some(data)) => Ok(data),
            Ok(None) | Err(ProviderError::NotFound) => {
                let message = "The image was deleted by the provider before it could be stored.";
                let failure = Failure::new("output_expired", message);
                Err(StoreError::Permanent(failure.because("the prediction holds no image any more")))
            }
            Err(error @ ProviderError::Unavailable(_)) => Err(StoreError::Transient(error.to_string())),
        }
    }

    /// Whether the provider has deleted what its file's host does not find: that host may be wrong for a while.
    async fn is_removed(&self, job: &Job) -> bool {
        let Some(id) = job.payload.text("prediction_id") else { return true };
        match self.ports.provider().get(id).await {
            Ok(prediction) => {
                prediction.data_removed || !matches!(prediction.outcome, Outcome::Succeeded { .. })
            }
            Err(ProviderError::NotFound) => true,
            Err(ProviderError::Unavailable(_)) => false,
        }
    }
}

/// The wait before an upload is tried again in the same run.
const AGAIN: Duration = Duration::from_secs(1);

/// Its time is over: an hour after the prediction's end.
fn expired() -> Failure {
    Failure::new("output_expired", "The image could not be stored before the provider deleted it.")
}

/// Where a download job's image lies and whose it is.
struct Source {
    image: ImageAt,
    user_id: Uuid,
    generation_id: Uuid,
}

impl Source {
    fn parse(payload: &Payload, provider_origin: &str) -> Option<Self> {
        let text = |name: &str| payload.text(name);
        let inside = payload.is("inline");
        let url = text("output_url").filter(|url| check_output(url, provider_origin).is_some());
        Some(Self {
            image: url.map(|url| ImageAt::Url(url.to_owned())).or(inside.then_some(ImageAt::Inside))?,
            user_id: Uuid::try_parse(text("user_id")?).ok()?,
            generation_id: Uuid::try_parse(text("generation_id")?).ok()?,
        })
    }
}
