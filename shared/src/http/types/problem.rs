//! What stands in a refusal.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;

use crate::http::problem::Code;

/// An error, as RFC 9457 problem details.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema), schemars(rename = "Problem"))]
pub struct ProblemDetails<'a> {
    /// Always `about:blank`. Use `code` to tell problems apart.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "about:blank")))]
    pub kind: &'static str,
    /// A short name of the kind of problem.
    pub title: &'static str,
    /// The HTTP status code.
    #[cfg_attr(feature = "openapi", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// A sentence for the user: what went wrong and, if possible, what to do about it.
    pub detail: &'a str,
    /// A stable code for programs. New codes may be added.
    pub code: Code,
    /// The same as `detail`, for clients of the original.
    pub error: &'a str,
    /// The request field that caused the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// How long to wait before trying again, in seconds, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// The quota that was exceeded, if `code` is `quota_exceeded`: `requests_per_minute`, `images_per_day` or `money_per_day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'a str>,
}
