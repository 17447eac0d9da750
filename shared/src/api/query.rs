//! Parameters in the query of a URL.

use schemars::JsonSchema;
use uuid::Uuid;

use super::words::Status;
use crate::list_query::{DEFAULT_LIMIT, MAX_LIMIT};

/// Which of the user's generations are wanted.
#[derive(Debug, JsonSchema)]
pub struct ListQuery {
    /// Generations a page, 1 to 100; default 20.
    #[schemars(range(min = 1, max = MAX_LIMIT), extend("default" = DEFAULT_LIMIT))]
    pub limit: Option<u32>,
    /// Where to go on: `next_cursor` of an earlier page.
    pub cursor: Option<String>,
    /// Only those that stand so.
    pub status: Option<Status>,
    /// Only those of this batch.
    pub batch_id: Option<Uuid>,
}

/// Where a live channel goes on.
#[derive(Debug, JsonSchema)]
pub struct EventsQuery {
    /// The greatest `seq` seen so far: what has changed since then is told first.
    pub since: Option<u64>,
}
