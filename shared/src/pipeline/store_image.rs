//! A `download-image` job: bring the finished image into the store before the provider deletes it.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::Job;
use crate::ports::{
    Clock, Failure, ImageProvider, ImageStore, JobQueue, Log, QueueError, Random, Step, StoreError,
    StoredImage,
};
use crate::url_policy::check_output;

impl<Q: JobQueue, P: ImageProvider, S: ImageStore, W: Clock + Random + Log> Pipeline<'_, Q, P, S, W> {
    /// Stores the image of a leased download job and completes its generation.
    pub async fn download(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let Some(source) = Source::parse(&job.payload, &self.options.provider_origin) else {
            let failure = Failure::new("invalid_payload", "The image's address could not be used.");
            return self.give_up(job, failure).await;
        };
        match self.store.store(&source.url, source.user_id, source.generation_id).await {
            Ok(stored) => {
                if self.queue.finish_download(job, image_row(&stored, &job.payload)).await? == Step::Stale {
                    self.world.warn("lease lost while storing", job.id, "another worker stores the image");
                }
                Ok(RunEnd::Forward)
            }
            Err(StoreError::Transient(cause)) => {
                let failure = Failure::new("storage_failed", "The image could not be stored.");
                self.try_later(job, failure.because(cause)).await
            }
            Err(StoreError::Permanent(failure)) => self.give_up(job, failure).await,
        }
    }
}

/// Where a download job's image lies and whose it is.
struct Source {
    url: String,
    user_id: Uuid,
    generation_id: Uuid,
}

impl Source {
    fn parse(payload: &Value, provider_origin: &str) -> Option<Self> {
        let text = |name: &str| payload.get(name).and_then(Value::as_str);
        let url = text("output_url").filter(|url| check_output(url, provider_origin).is_some())?;
        Some(Self {
            url: url.to_owned(),
            user_id: Uuid::try_parse(text("user_id")?).ok()?,
            generation_id: Uuid::try_parse(text("generation_id")?).ok()?,
        })
    }
}

/// What the `images` row says. The file's own size comes before the one that was expected.
fn image_row(stored: &StoredImage, payload: &Value) -> Value {
    let expected =
        |name: &str| payload.get(name).and_then(Value::as_u64).and_then(|side| u32::try_from(side).ok());
    let (width, height) = match stored.head.size {
        Some((width, height)) => (Some(width), Some(height)),
        None => (expected("width"), expected("height")),
    };
    json!({
        "storage_path": stored.path,
        "public_url": stored.public_url,
        "filename": stored.path.rsplit('/').next(),
        "file_size": stored.bytes,
        "width": width,
        "height": height,
        "format": stored.head.format.extension(),
    })
}
