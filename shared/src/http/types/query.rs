//! Parameters in the query of a URL.

use schemars::JsonSchema;
use uuid::Uuid;

use super::enums::Status;
use crate::http::list_query::{DEFAULT_LIMIT, MAX_LIMIT};

/// Which of the user's generations to list.
#[derive(Debug, JsonSchema)]
pub struct ListQuery {
    /// The number of generations on a page, 1 to 100. The default is 20.
    #[schemars(range(min = 1, max = MAX_LIMIT), extend("default" = DEFAULT_LIMIT))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Lists only generations with this status.
    pub status: Option<Status>,
    /// Lists only generations of this batch.
    pub batch_id: Option<Uuid>,
}

/// Where a live channel continues.
#[derive(Debug, JsonSchema)]
pub struct EventsQuery {
    /// The greatest `seq` that you have seen. The server sends first what has changed since then.
    pub since: Option<u64>,
}
