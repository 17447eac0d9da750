//! A `download-image` job: bring the finished image into the store before the provider deletes it.

use std::time::Duration;

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::{ImageToStore, Job};
use crate::policy::url_policy::check_output;
use crate::ports::{
    Clock, Failure, FailureCode, ImageAt, ImageProvider, ImageStore, JobQueue, Log, Outcome, Ports,
    ProviderError, QueueError, Step, StoreError,
};

impl<P: Ports> Pipeline<'_, P> {
    /// Stores the image of a leased download job and completes its generation.
    pub(super) async fn download(&self, job: &Job, image: &ImageToStore) -> Result<RunEnd, QueueError> {
        let place = place(image, &self.options.provider_origin);
        let Some((place, (user_id, generation_id))) = place.zip(image.owner) else {
            return self.give_up(job, unusable()).await;
        };
        let url = match place {
            ImageAt::Url(url) => url,
            ImageAt::Inside => match self.inline_image(image).await {
                Ok(data) => data,
                Err(error) => return self.not_stored(job, image, error).await,
            },
        };
        let store = async || self.ports.store().store(&url, user_id, generation_id).await;
        let mut answer = store().await;
        if job.lease == 1 && matches!(answer, Err(StoreError::Transient(_))) {
            // What passes at once is not to wait for the next claim.
            self.ports.runtime().sleep(AGAIN).await;
            answer = store().await;
        }
        match answer {
            Ok(mut stored) => {
                // The file's own size comes before the one that was expected.
                stored.head.size = stored.head.size.or(image.size);
                if self.ports.queue().finish_download(job, &stored).await? == Step::Stale {
                    self.ports.runtime().warn(
                        "lease lost while storing",
                        job,
                        "another worker stores the image",
                    );
                }
                Ok(RunEnd::Forward)
            }
            Err(error) => self.not_stored(job, image, error).await,
        }
    }

    async fn not_stored(
        &self,
        job: &Job,
        image: &ImageToStore,
        error: StoreError,
    ) -> Result<RunEnd, QueueError> {
        match error {
            StoreError::Gone(cause) if self.is_removed(image).await => {
                self.give_up(job, expired().with_cause(cause)).await
            }
            StoreError::Transient(cause) | StoreError::Gone(cause) => {
                let failure = Failure::new(FailureCode::StorageFailed, "The image could not be stored.");
                self.put_off(job, failure.with_cause(cause), expired()).await
            }
            StoreError::Permanent(failure) => self.give_up(job, failure).await,
        }
    }

    /// The image that lies in the prediction itself: it is too large for a job's payload, so it is read again.
    async fn inline_image(&self, image: &ImageToStore) -> Result<String, StoreError> {
        let prediction_id = image.prediction_id.as_deref().unwrap_or_default();
        match self.ports.provider().inline_image(prediction_id).await {
            Ok(Some(data)) => Ok(data),
            Ok(None) | Err(ProviderError::NotFound) => {
                let message = "The image was deleted by the provider before it could be stored.";
                let failure = Failure::new(FailureCode::OutputExpired, message);
                Err(StoreError::Permanent(failure.with_cause("the prediction holds no image any more")))
            }
            Err(error @ ProviderError::Unavailable(_)) => Err(StoreError::Transient(error.to_string())),
        }
    }

    /// Whether the provider has deleted what its file's host does not find: that host may be wrong for a while.
    async fn is_removed(&self, image: &ImageToStore) -> bool {
        let Some(id) = image.prediction_id.as_deref() else { return true };
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

/// Its payload does not say what to store.
pub(super) fn unusable() -> Failure {
    Failure::new(FailureCode::InvalidPayload, "The image's address could not be used.")
}

/// Its time is over: an hour after the prediction's end.
fn expired() -> Failure {
    Failure::new(FailureCode::OutputExpired, "The image could not be stored before the provider deleted it.")
}

/// Where a download job's image lies.
fn place(image: &ImageToStore, provider_origin: &str) -> Option<ImageAt> {
    // What was checked is what is asked for: a line's end in the text, say, is none in the address.
    let url = image.output_url.as_deref().and_then(|url| check_output(url, provider_origin));
    url.map(|url| ImageAt::Url(url.into())).or(image.is_inside.then_some(ImageAt::Inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(output_url: &str) -> Option<ImageAt> {
        let image = ImageToStore {
            output_url: Some(output_url.to_owned()),
            is_inside: false,
            prediction_id: None,
            owner: None,
            size: None,
        };
        place(&image, "https://api.replicate.com")
    }

    #[test]
    fn the_address_that_was_checked_is_the_one_that_is_asked_for() {
        let image = Some(ImageAt::Url("https://replicate.delivery/a/out-0.webp".into()));
        for text in [
            "https://replicate.delivery/a/out-0.webp",
            " https://replicate.delivery/a/out-0.webp\n",
            "https://replicate.delivery/a/\r\nout-0.webp",
            "HTTPS://Replicate.Delivery/a/b/../out-0.webp",
        ] {
            assert_eq!(parse(text), image, "{text:?}");
        }
        assert_eq!(parse("http://replicate.delivery/a/out-0.webp"), None);
    }
}
