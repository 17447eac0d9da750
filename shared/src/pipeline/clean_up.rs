//! A `cleanup-storage` job: delete stored files that nobody needs.

use super::Pipeline;
use super::run_job::RunEnd;
use crate::job::Job;
use crate::ports::{Failure, FailureCode, ImageStore, JobQueue, Log, Ports, QueueError, Removable};

impl<P: Ports> Pipeline<'_, P> {
    /// Deletes what the database says may go now: since the job was enqueued, one of its files may have
    /// become an image's.
    pub(super) async fn clean_up(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let (bucket, files) = match self.ports.queue().removable(job).await? {
            Removable::Files(bucket, files) => (bucket, files),
            Removable::Invalid => {
                let failure = Failure::new(FailureCode::InvalidPayload, "The job names no files.");
                return self.give_up(job, failure).await;
            }
            Removable::Stale => {
                self.ports.runtime().warn("lease lost", job, "another worker holds the job now");
                return Ok(RunEnd::Failed);
            }
        };
        if !files.is_empty()
            && let Err(error) = self.ports.store().remove(bucket, &files).await
        {
            let failure = Failure::new(FailureCode::StorageFailed, "The files could not be deleted.");
            let failure = failure.with_cause(error.to_string());
            return self.put_off(job, failure.clone(), failure).await;
        }
        self.ports.queue().complete(job, None).await?;
        Ok(RunEnd::Forward)
    }
}
