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
    /// The number of generations on a page, 1 to 100. The default is 20.
    #[schemars(range(min = 1, max = MAX_LIMIT), extend("default" = DEFAULT_LIMIT))]
    pub limit: Option<u32>,
    /// The `next_cursor` of the previous page.
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

/// Where a live channel continues.
#[derive(Debug, JsonSchema)]
pub struct EventsQuery {
    /// The greatest `seq` that you have seen. The server sends first what has changed since then.
    #[schemars(range(max = MAX_SEQ))]
    pub since: Option<u64>,
}
