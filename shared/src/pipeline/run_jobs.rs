//! Jobs that are run beside each other. Predictions that are created at about the same time are recorded in one call.

use std::time::Duration;

use futures::StreamExt;
use futures::future::{Either, LocalBoxFuture, select};
use futures::stream::FuturesUnordered;

use super::Pipeline;
use super::run_job::{Begun, RunEnd};
use crate::job::{Job, JobType};
use crate::ports::{Clock, CreatedPrediction, JobQueue, Log, Ports, QueueError};

/// So long at most a prediction waits to be recorded with those that are being created beside it.
const GATHER: Duration = Duration::from_millis(100);

type Ends<'a> = Vec<(&'a Job, Result<RunEnd, QueueError>)>;

enum Event<'a> {
    Begun(&'a Job, Result<Begun, QueueError>),
    Ended(Ends<'a>),
}

impl<P: Ports> Pipeline<'_, P> {
    /// Runs leased jobs at once. Each ends for itself.
    pub(super) async fn run_jobs<'a>(&'a self, jobs: &'a [Job]) -> Ends<'a> {
        let mut ends = Ends::with_capacity(jobs.len());
        let mut creating = jobs.iter().filter(|job| job.job_type() == JobType::GenerateImage).count();
        let mut created = Vec::new();
        let mut time_up: Option<LocalBoxFuture<'a, ()>> = None;
        let mut running: FuturesUnordered<LocalBoxFuture<'a, Event<'a>>> = FuturesUnordered::new();
        for job in jobs {
            running.push(Box::pin(async move { Event::Begun(job, self.begin(job).await) }));
        }
        while ends.len() < jobs.len() {
            let event = match &mut time_up {
                None => running.next().await,
                Some(timer) => match select(running.next(), timer).await {
                    Either::Left((event, _)) => event,
                    Either::Right(_) => None,
                },
            };
            let is_late = event.is_none();
            match event {
                Some(Event::Begun(job, begun)) => {
                    creating -= usize::from(job.job_type() == JobType::GenerateImage);
                    match begun {
                        Ok(Begun::Created(prediction)) => created.push((job, prediction)),
                        Ok(Begun::Ended(end)) => ends.push((job, Ok(end))),
                        Err(error) => ends.push((job, Err(error))),
                    }
                }
                Some(Event::Ended(more)) => ends.extend(more),
                None => {}
            }
            if created.is_empty() {
                continue;
            }
            if creating == 0 || is_late {
                time_up = None;
                let created = std::mem::take(&mut created);
                running.push(Box::pin(async move { Event::Ended(self.record_all(created).await) }));
            } else if time_up.is_none() {
                time_up = Some(Box::pin(self.ports.runtime().sleep(GATHER)));
            }
        }
        ends
    }

    async fn record_all<'a>(&self, created: Vec<(&'a Job, CreatedPrediction)>) -> Ends<'a> {
        let mut ends = Ends::with_capacity(created.len());
        if created.len() > 1 {
            match self.ports.queue().record_predictions(&created, self.options.sweep_after()).await {
                Ok(recorded) => {
                    for ((job, _), recorded) in created.into_iter().zip(recorded) {
                        ends.push((job, self.recorded(recorded, job).await));
                    }
                    return ends;
                }
                // One that cannot be recorded is no reason not to record the others.
                Err(QueueError::Defect(cause)) => {
                    if let Some((job, _)) = created.first() {
                        self.ports.runtime().warn("predictions are recorded one by one", *job, &cause);
                    }
                }
                Err(error) => return created.into_iter().map(|(job, _)| (job, Err(error.clone()))).collect(),
            }
        }
        for (job, prediction) in created {
            ends.push((job, self.record(job, &prediction).await));
        }
        ends
    }
}
