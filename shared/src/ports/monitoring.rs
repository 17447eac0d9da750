//! How the queue stands, for operators.

use std::time::Duration;

use super::{QueueError, Refusal};

/// The last run of the cron trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastSweep {
    /// When it was (ISO 8601).
    pub at: String,
    /// How long ago, by the database's clock.
    pub age: Duration,
}

/// A pause: nothing is created at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why.
    pub refusal: Refusal,
    /// When it ends, unless it is prolonged (ISO 8601).
    pub until: Option<String>,
    /// How long it has lasted, by the database's clock.
    pub lasted: Duration,
}

/// How much of the installation's budget is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BudgetState {
    /// There is no budget.
    None,
    /// Enough.
    Ok,
    /// At least four fifths are used.
    Near,
    /// Not enough for another image.
    Exhausted,
}

/// The queue at a glance.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueStatus {
    /// The last run of the cron trigger; `None` before the first one.
    pub last_sweep: Option<LastSweep>,
    /// The pause that is on.
    pub pause: Option<Pause>,
    /// How much of the budget is left.
    pub budget: BudgetState,
    /// For how many seconds the provider keeps the oldest output that is not stored yet; below 0 once it is deleted.
    /// `None` where all are stored.
    pub output_left_s: Option<f64>,
    /// The models that the provider refuses, `owner/name`.
    pub refused_models: Vec<String>,
}

/// The name of a type of jobs, which may be one of an operator's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobTypeName(pub String);

/// Where a job stands: the values of the column `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// It waits.
    Pending,
    /// Somebody holds it, or awaits its prediction.
    Processing,
    /// It is done.
    Completed,
    /// It has failed for good.
    Failed,
    /// Nobody wants it any more.
    Cancelled,
}

impl JobStatus {
    /// The value of the column.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Processing => "processing",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Processing, Self::Completed, Self::Failed, Self::Cancelled]
            .into_iter()
            .find(|status| status.as_str() == name)
    }
}

/// Jobs of one type and status.
#[derive(Debug, Clone, PartialEq)]
pub struct JobTotal {
    /// The type.
    pub job_type: JobTypeName,
    /// Where they stand.
    pub status: JobStatus,
    /// How many.
    pub jobs: u64,
    /// Seconds since the oldest was created, where they are not finished.
    pub oldest_s: Option<f64>,
}

/// How long a budget lasts (UTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// A day.
    Day,
    /// A month.
    Month,
}

impl Period {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Month => "month",
        }
    }

    /// The period of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Day, Self::Month].into_iter().find(|period| period.as_str() == name)
    }
}

/// The budget of a period.
#[derive(Debug, Clone, PartialEq)]
pub struct BudgetPeriod {
    /// Which period.
    pub period: Period,
    /// What may be spent, in US dollars.
    pub budget_usd: f64,
    /// What is spent or reserved, in US dollars.
    pub used_usd: f64,
}

/// Which part of the jobs took at most so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantile {
    /// One half.
    P50,
    /// 95 of 100.
    P95,
    /// 99 of 100.
    P99,
}

impl Quantile {
    /// The number, as OpenMetrics writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::P50 => "0.5",
            Self::P95 => "0.95",
            Self::P99 => "0.99",
        }
    }

    /// The quantile of this number.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::P50, Self::P95, Self::P99].into_iter().find(|quantile| quantile.as_str() == name)
    }
}

/// A quantile of a duration, for the jobs of one type that ended in the last hour.
#[derive(Debug, Clone, PartialEq)]
pub struct Latency {
    /// The type.
    pub job_type: JobTypeName,
    /// Which quantile.
    pub quantile: Quantile,
    /// The duration.
    pub seconds: f64,
}

/// The code of an error: a [`FailureCode`](super::FailureCode), one of the database's own, or of an operator's workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorCode(pub String);

/// Jobs of one type that failed with one code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedJobs {
    /// The type.
    pub job_type: JobTypeName,
    /// The code of their last error.
    pub code: ErrorCode,
    /// How many.
    pub jobs: u64,
}

/// An alert that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenAlert {
    /// The name of its rule.
    pub rule: String,
    /// `warning` or `critical`.
    pub severity: String,
}

/// The queue in numbers. `None`: the database does not tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct QueueMetrics {
    /// Jobs by type and status.
    pub jobs: Vec<JobTotal>,
    /// Blocked jobs.
    pub blocked: Option<u64>,
    /// Scheduled jobs.
    pub scheduled: Option<u64>,
    /// Jobs that are running and have lost their lease.
    pub lost: Option<u64>,
    /// The budget, for each period that has one.
    pub budget: Vec<BudgetPeriod>,
    /// Outputs that were made over 30 minutes ago and are not stored.
    pub outputs_at_risk: Option<u64>,
    /// As in [`QueueStatus`].
    pub output_left_s: Option<f64>,
    /// As in [`QueueStatus`].
    pub refused_models: Vec<String>,
    /// Jobs that failed, by type and code.
    pub failed: Vec<FailedJobs>,
    /// The alerts that are open.
    pub alerts: Vec<OpenAlert>,
    /// Jobs that were ever enqueued.
    pub enqueued: Option<u64>,
    /// How long jobs waited.
    pub wait: Vec<Latency>,
    /// How long jobs ran.
    pub run: Vec<Latency>,
    /// When the cron trigger last ran, in seconds since 1970.
    pub last_sweep_s: Option<f64>,
    /// Stored files without a row.
    pub removed_files: Option<u64>,
}

/// What operators ask of the queue. No question is repeated: whoever asks asks again.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait Monitoring {
    /// The queue at a glance.
    async fn status(&self) -> Result<QueueStatus, QueueError>;
    /// The queue in numbers.
    async fn metrics(&self) -> Result<QueueMetrics, QueueError>;
}
