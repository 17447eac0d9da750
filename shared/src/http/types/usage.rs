//! What a user has used of their plan. The database writes it (`private.user_usage`), and it passes through unread.

use schemars::JsonSchema;
use serde::Serialize;

use super::enums::Priority;

/// What the user has used of their plan, and what is left.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Usage {
    /// The user's plan.
    pub plan: Plan,
    /// Requests in the current minute. The minute begins with the first request.
    pub requests: UsedCount,
    /// Images of today (UTC).
    pub images: UsedCount,
    /// Money of today (UTC), in US dollars.
    pub money: UsedMoney,
    /// What the user has spent, in US dollars. Generations that have not ended count with their expected cost.
    pub spent_usd: Spent,
    /// The user's jobs that make images. Each number is counted up to 1,000.
    pub jobs: OwnJobs,
}

/// What a user may do. A limit that is `null` does not exist.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Plan {
    /// The plan's name.
    pub name: String,
    /// Requests a minute.
    #[schemars(range(min = 0))]
    pub requests_per_minute: Option<u32>,
    /// Images a day.
    #[schemars(range(min = 0))]
    pub images_per_day: Option<u32>,
    /// US dollars a day.
    #[schemars(range(min = 0))]
    pub money_per_day: Option<f64>,
    /// How many images are made at the same time; further ones are blocked until one of them ends.
    #[schemars(range(min = 1))]
    pub running_jobs: Option<u32>,
    /// The priorities that a request may have.
    pub priorities: Vec<Priority>,
}

/// How much of a limit is used.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsedCount {
    /// How many were used.
    #[schemars(range(min = 0))]
    pub used: u32,
    /// How many are left; `null` if there is no limit.
    #[schemars(range(min = 0))]
    pub left: Option<u32>,
    /// When the count starts again at 0; `null` if it does so with the next request.
    #[schemars(extend("format" = "date-time"))]
    pub resets_at: Option<String>,
}

/// How much of the money is used, in US dollars.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UsedMoney {
    /// How much was used.
    #[schemars(range(min = 0))]
    pub used: f64,
    /// How much is left; `null` if there is no limit.
    #[schemars(range(min = 0))]
    pub left: Option<f64>,
    /// When the sum starts again at 0.
    #[schemars(extend("format" = "date-time"))]
    pub resets_at: String,
}

/// What was spent, in US dollars.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Spent {
    /// Today (UTC).
    #[schemars(range(min = 0))]
    pub today: f64,
    /// This month (UTC), today included.
    #[schemars(range(min = 0))]
    pub this_month: f64,
}

/// Jobs that make images, by their state.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OwnJobs {
    /// Jobs that run.
    pub running: u32,
    /// Jobs that wait for their turn.
    pub ready: u32,
    /// Jobs that wait until fewer of the user's jobs run.
    pub blocked: u32,
    /// Jobs that wait for their time: for later, or for another attempt.
    pub scheduled: u32,
}
