//! What a run may have created that ended unseen: it is looked for before anything is created again.

use std::time::Duration;

use super::Pipeline;
use super::generate::unreachable;
use super::run_job::RunEnd;
use crate::http::request::map_params;
use crate::job::{ImageToMake, Job};
use crate::ports::{
    CreatedPrediction, JobQueue, Log, Ports, Prediction, PredictionSource, ProviderError, QueueError, Status,
};

impl<P: Ports> Pipeline<'_, P> {
    /// The predictions that this attempt may have left: no earlier one ended with them.
    pub(super) async fn find_created(&self, job: &Job) -> Result<Vec<Prediction>, ProviderError> {
        let found = self.predictions_of(job.id, job.started_ms()).await?;
        Ok(found.into_iter().filter(|one| !job.knew(&one.id)).collect())
    }

    /// The search shows that the last create left nothing: the job goes back into the ready queue, behind a
    /// pause where there is one, and no attempt is used. Without a webhook nothing tells whose a prediction is:
    /// there each create is an attempt that may have been paid for.
    pub(super) async fn left_nothing(&self, job: &Job) -> Result<RunEnd, QueueError> {
        let failure = unreachable().with_cause("a create left no prediction");
        if self.options.callback.is_none() {
            return self.try_later(job, failure.once()).await;
        }
        if job.is_over() {
            return self.give_up(job, failure).await;
        }
        self.ports.queue().snooze(job, Duration::ZERO, false).await?;
        Ok(RunEnd::Failed)
    }

    /// Goes on with what a run has left that ended unseen: the best of it, and stops the rest.
    pub(super) async fn adopt(
        &self,
        job: &Job,
        image: &ImageToMake,
        mut found: Vec<Prediction>,
    ) -> Result<RunEnd, QueueError> {
        let ranks = found.iter().map(|one| match one.status {
            Status::Succeeded => 0,
            _ if one.is_running() => 1,
            _ => 2,
        });
        let Some((_, place)) = ranks.zip(0..).min() else { return Ok(RunEnd::Forward) };
        let best = found.remove(place);
        self.ports.runtime().warn("prediction adopted", job, "it was created by a run that ended unseen");
        let mapped = image.params.as_ref().ok().and_then(|params| map_params(params).ok());
        let adopted = CreatedPrediction {
            id: best.id.clone(),
            source: PredictionSource::Adopted,
            model_id: None,
            size: mapped.as_ref().and_then(|mapped| mapped.output),
            adjustments: mapped.map(|mapped| mapped.adjustments),
        };
        let recorded = self.record(job, &adopted).await?;
        if recorded == RunEnd::Failed {
            return Ok(RunEnd::Failed);
        }
        for other in found {
            self.ports.runtime().warn("second prediction of one attempt", job, &other.id);
            self.finish(job.id, job.attempts, &other).await?;
        }
        match self.go_on_with(job, &best).await? {
            RunEnd::Forward => Ok(recorded),
            end => Ok(end),
        }
    }
}
