//! A `cleanup-storage` job: delete stored files that nobody needs.

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::Job;
use crate::ports::{Clock, Failure, ImageProvider, ImageStore, JobQueue, Log, QueueError, Random, Removable};

impl<Q: JobQueue, P: ImageProvider, S: ImageStore, W: Clock + Random + Log> Pipeline<'_, Q, P, S, W> {
    /// Deletes what the database says may go now: since the job was enqueued, one of its files may have
    /// become an image's.
    pub(super) async fn clean_up(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let (bucket, files) = match self.queue.removable(job).await? {
            Removable::Files(bucket, files) => (bucket, files),
            Removable::Invalid => {
                let failure = Failure::new("invalid_payload", "The job names no files.");
                return self.give_up(job, failure).await;
            }
            Removable::Stale => {
                self.world.warn("lease lost", job.id, "another worker holds the job now");
                return Ok(RunEnd::Failed);
            }
        };
        if !files.is_empty()
            && let Err(error) = self.store.remove(bucket, &files).await
        {
            let failure = Failure::new("storage_failed", "The files could not be deleted.");
            let failure = failure.because(error.to_string());
            return self.put_off(job, failure.clone(), failure).await;
        }
        self.queue.complete(job, None).await?;
        Ok(RunEnd::Forward)
    }
}
