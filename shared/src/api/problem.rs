//! What stands in a refusal.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::Serialize;

use crate::problem::Code;

/// RFC 9457 problem details, as every refusal has them.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(JsonSchema), schemars(rename = "Problem"))]
pub struct ProblemDetails<'a> {
    /// Always `about:blank`: `code` tells problems apart.
    #[serde(rename = "type")]
    #[cfg_attr(feature = "openapi", schemars(extend("const" = "about:blank")))]
    pub kind: &'static str,
    /// What kind of problem it is, in words.
    pub title: &'static str,
    /// The HTTP status.
    #[cfg_attr(feature = "openapi", schemars(range(min = 400, max = 599)))]
    pub status: u16,
    /// A sentence for people, with a way out where there is one.
    pub detail: &'a str,
    /// Stable: branch on this. Later versions may have more of them.
    pub code: Code,
    /// `detail` again, for the original's clients.
    pub error: &'a str,
    /// The field of the request that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<&'a str>,
    /// Seconds after which trying again makes sense, as in `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// Which quota it was, with `quota_exceeded`: `requests_per_minute`, `images_per_day` or `money_per_day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<&'a str>,
}
