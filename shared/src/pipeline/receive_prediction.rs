//! How a prediction goes and ends: told by the provider's webhook, or found by the sweep.

use uuid::Uuid;

use super::backoff::backoff;
use super::run_job::RunEnd;
use super::store_image::unusable;
use super::{DOWNLOAD_LEASE, Pipeline};
use crate::job::{Job, JobType, Payload};
use crate::ports::{
    AfterPrediction, FailureClass, JobQueue, Log, Outcome, Ports, Prediction, PredictionNews,
    PredictionSource, ProgressNoted, QueueError, Received,
};
use crate::progress::Progress;

/// What a verified webhook tells.
#[derive(Debug, Clone)]
pub struct Callback {
    /// The job that our webhook URL names.
    pub job_id: Uuid,
    /// Attempts before this one, for the backoff; our URL's query is not signed, so it decides no more.
    pub attempts: u32,
    /// The prediction as it stands.
    pub prediction: Prediction,
}

impl Callback {
    /// What a verified webhook tells of a prediction; `parameter` gives a parameter of our URL. `None`: not one of
    /// ours.
    pub fn new(parameter: impl Fn(&str) -> Option<String>, prediction: Prediction) -> Option<Self> {
        let job_id = Uuid::try_parse(&parameter("job")?).ok()?;
        // The signature covers the body and not the query: where the body repeats our URL, the two
        // must agree, or a captured delivery could be played to another job.
        let ours = format!("?job={job_id}&");
        if prediction.webhook.as_deref().is_some_and(|webhook| !webhook.contains(&ours)) {
            return None;
        }
        let attempts = parameter("attempts").and_then(|text| text.parse().ok()).unwrap_or(0);
        Some(Self { job_id, attempts, prediction })
    }

    /// What it tells of a prediction that runs.
    pub fn progress(&self) -> Option<Progress> {
        self.prediction.progress()
    }

    /// Whether the prediction has not ended, as far as this tells.
    pub fn is_running(&self) -> bool {
        self.prediction.is_running()
    }

    /// Whether the prediction has ended without an image.
    pub fn failed(&self) -> bool {
        matches!(self.prediction.outcome, Outcome::Failed { .. })
    }
}

impl<P: Ports> Pipeline<'_, P> {
    /// Takes in a webhook: the part that must be recorded before it is answered. Gives the jobs to
    /// run after the answer; up to `more` besides the one that stores the image.
    pub async fn receive(&self, callback: &Callback, more: u32) -> Result<Vec<Job>, QueueError> {
        if callback.is_running() {
            let Some(progress) = callback.progress() else { return Ok(Vec::new()) };
            // Late, repeated or of another attempt: the database knows.
            let noted = self
                .ports
                .queue()
                .record_progress(callback.job_id, &callback.prediction.id, &progress)
                .await?;
            if noted != ProgressNoted::Unknown {
                return Ok(Vec::new());
            }
        }
        let (job_id, attempts, prediction) = (callback.job_id, callback.attempts, &callback.prediction);
        let (settled, mut jobs) =
            self.settle(job_id, attempts, prediction, (PredictionSource::Webhook, more)).await?;
        if let Settled::Run(job) = settled {
            jobs.insert(0, *job);
        }
        Ok(jobs)
    }

    /// Records how a prediction ended and stores its image. One that is not the job's is stopped where
    /// it runs.
    pub(super) async fn finish(
        &self,
        job_id: Uuid,
        attempts: u32,
        prediction: &Prediction,
    ) -> Result<RunEnd, QueueError> {
        match self.settle(job_id, attempts, prediction, (PredictionSource::Adopted, 0)).await? {
            (Settled::Run(next), _) => self.follow_up(&next).await,
            (Settled::Ended(end), _) => Ok(end),
        }
    }

    /// Runs the job that came back with a step: it stores the output, or stops a prediction that nobody awaits.
    pub(super) async fn follow_up(&self, job: &Job) -> Result<RunEnd, QueueError> {
        match &job.payload {
            Payload::DownloadImage(image) => self.download(job, image).await,
            Payload::CancelPrediction(what) => self.cancel_prediction(job, what).await,
            _ => self.give_up(job, unusable()).await,
        }
    }

    async fn settle(
        &self,
        job_id: Uuid,
        attempts: u32,
        prediction: &Prediction,
        (source, more): (PredictionSource, u32),
    ) -> Result<(Settled, Vec<Job>), QueueError> {
        let mut retry_in = None;
        match &prediction.outcome {
            Outcome::Succeeded { more, .. } if *more > 0 => {
                let detail = format!("{}: {more}", prediction.id);
                self.ports.runtime().warn("further files are not stored", job_id, &detail);
            }
            Outcome::Failed { class, failure } => {
                // Not the provider's words, which may quote the prompt: they are in the job's `error_details`.
                self.ports.runtime().warn("prediction failed", job_id, failure.code.as_str());
                retry_in =
                    (*class != FailureClass::Permanent).then(|| backoff(attempts, self.ports.runtime()));
            }
            Outcome::Running | Outcome::Succeeded { .. } => {}
        }
        let news = PredictionNews { prediction, source, retry_in };
        let finished = self.ports.queue().finish_prediction(job_id, news, DOWNLOAD_LEASE, more).await?;
        let settled = match finished.next {
            AfterPrediction::Run(job) => {
                if job.job_type() == JobType::CancelPrediction {
                    self.ports.runtime().warn("prediction of no current job", job_id, &prediction.id);
                }
                Settled::Run(job)
            }
            AfterPrediction::Nothing(received) => {
                if received == Received::Mismatch {
                    self.ports.runtime().warn("prediction of no current job", job_id, &prediction.id);
                }
                let failed = matches!(received, Received::Failed | Received::Retrying);
                Settled::Ended(if failed { RunEnd::Failed } else { RunEnd::Forward })
            }
        };
        Ok((settled, finished.more))
    }
}

enum Settled {
    Run(Box<Job>),
    Ended(RunEnd),
}
