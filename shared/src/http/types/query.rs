//! Parameters in the query of a URL.

use schemars::JsonSchema;
use uuid::Uuid;

use super::enums::{Operation, Status};
use crate::http::list_query::{DEFAULT_LIMIT, MAX_LIMIT};
use crate::live::MAX_SEQ;
use crate::policy::bounds::{MAX_NAME_CHARS, MAX_SEARCH_CHARS};

/// Which of the user's generations to list. Filters are combined: a generation is listed if it passes all of them.
#[derive(Debug, JsonSchema)]
pub struct ListQuery {
    /// Whose generations. Servers send it, and have to, with the project's secret key; a request with a user's token
    /// that has it is refused with `forbidden`.
    pub user_id: Option<Uuid>,
    /// The number of generations on a page, 1 to 100. The default is 20.
    #[schemars(range(min = 1, max = MAX_LIMIT), extend("default" = DEFAULT_LIMIT))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the previous page.
    #[schemars(extend("pattern" = "^[0-9]{1,17}_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"))]
    pub cursor: Option<String>,
    /// Lists only generations with this status.
    pub status: Option<Status>,
    /// Lists only generations of this batch.
    pub batch_id: Option<Uuid>,
    /// Lists only generations of this model, `owner/name`.
    #[schemars(length(min = 1, max = MAX_NAME_CHARS))]
    pub model_id: Option<String>,
    /// Lists only generations with this operation.
    pub operation: Option<Operation>,
    /// `true` lists only generations whose image is a favourite, `false` only the others.
    pub favorite: Option<bool>,
    /// `true` lists only generations whose image is archived, `false` only the others. By default both are listed.
    pub archived: Option<bool>,
    /// Lists only generations that came from this one: they make it again, or its image is their source image.
    pub parent_id: Option<Uuid>,
    /// Lists only generations whose prompt contains this text, in upper or lower case.
    #[schemars(length(min = 1, max = MAX_SEARCH_CHARS))]
    pub q: Option<String>,
    /// Lists only generations that were requested after this time (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub created_after: Option<String>,
    /// Lists only generations that were requested before this time (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    pub created_before: Option<String>,
}

/// For whom a server asks.
#[derive(Debug, JsonSchema)]
pub struct UserQuery {
    /// The user. Servers send it, and have to, with the project's secret key; a request with a user's token that has it
    /// is refused with `forbidden`.
    pub user_id: Option<Uuid>,
}

/// Where a live channel continues.
#[derive(Debug, JsonSchema)]
pub struct EventsQuery {
    /// The greatest `seq` that you have seen. The server sends first what has changed since then.
    #[schemars(range(max = MAX_SEQ))]
    pub since: Option<u64>,
}
