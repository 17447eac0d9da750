//! The one error that a caller of the HTTP interface sees: RFC 9457 problem details.

#[cfg(feature = "openapi")]
use schemars::JsonSchema;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use crate::http::types::ProblemDetails;

/// A stable code of a problem, for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "openapi",
    derive(JsonSchema),
    schemars(rename = "ProblemCode", rename_all = "snake_case")
)]
pub enum Code {
    /// The body or a parameter is malformed or out of range; `field` names it.
    InvalidRequest,
    /// The access token is missing or invalid.
    Unauthorized,
    /// The user may not do this.
    Forbidden,
    /// The path does not exist, or the user has nothing with this id.
    NotFound,
    /// There is no active model with this `model_id`.
    UnknownModel,
    /// The provider refuses the model, temporarily or permanently.
    ModelUnavailable,
    /// The path does not support this method.
    MethodNotAllowed,
    /// The current state does not allow this, for example to cancel a completed generation.
    Conflict,
    /// The body is too large.
    BodyTooLarge,
    /// The path does not accept this type of body.
    UnsupportedMediaType,
    /// The image file in the body is damaged or incomplete.
    InvalidImage,
    /// The model does not support what the request asks for.
    Unsupported,
    /// The operators of this installation do not let this prompt be made; `detail` may say why.
    ContentFlagged,
    /// The idempotency key was already used with another body.
    IdempotencyMismatch,
    /// This path needs a WebSocket or an event stream.
    UpgradeRequired,
    /// The user has used up a quota; `retry_after` says how long to wait.
    QuotaExceeded,
    /// The client sent too many requests in a short time; `retry_after` says how long to wait.
    RateLimited,
    /// The server has a defect or is misconfigured.
    InternalError,
    /// The budget for all users is used up for the day or the month; `retry_after` says how long to wait.
    BudgetExhausted,
    /// The database or the provider cannot be reached; `retry_after` says how long to wait.
    Unavailable,
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl Code {
    /// The stable snake_case name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::UnknownModel => "unknown_model",
            Self::ModelUnavailable => "model_unavailable",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Conflict => "conflict",
            Self::BodyTooLarge => "body_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::InvalidImage => "invalid_image",
            Self::Unsupported => "unsupported",
            Self::ContentFlagged => "content_flagged",
            Self::IdempotencyMismatch => "idempotency_mismatch",
            Self::UpgradeRequired => "upgrade_required",
            Self::QuotaExceeded => "quota_exceeded",
            Self::RateLimited => "rate_limited",
            Self::InternalError => "internal_error",
            Self::BudgetExhausted => "budget_exhausted",
            Self::Unavailable => "unavailable",
        }
    }

    /// The code that the database names in an error's `details`.
    pub fn from_name(name: &str) -> Option<Self> {
        [
            Self::InvalidRequest,
            Self::Unauthorized,
            Self::Forbidden,
            Self::NotFound,
            Self::UnknownModel,
            Self::ModelUnavailable,
            Self::Conflict,
            Self::BodyTooLarge,
            Self::Unsupported,
            Self::ContentFlagged,
            Self::IdempotencyMismatch,
            Self::QuotaExceeded,
            Self::BudgetExhausted,
        ]
        .into_iter()
        .find(|code| code.as_str() == name)
    }

    /// The HTTP status that goes with it.
    pub fn status(self) -> u16 {
        match self {
            Self::InvalidRequest => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound | Self::UnknownModel => 404,
            Self::MethodNotAllowed => 405,
            Self::Conflict => 409,
            Self::BodyTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::ModelUnavailable
            | Self::InvalidImage
            | Self::Unsupported
            | Self::ContentFlagged
            | Self::IdempotencyMismatch => 422,
            Self::UpgradeRequired => 426,
            Self::QuotaExceeded | Self::RateLimited => 429,
            Self::InternalError => 500,
            Self::BudgetExhausted | Self::Unavailable => 503,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::InvalidRequest => "Invalid request",
            Self::Unauthorized => "Unauthorized",
            Self::Forbidden => "Forbidden",
            Self::NotFound => "Not found",
            Self::UnknownModel => "Unknown model",
            Self::ModelUnavailable => "Model unavailable",
            Self::MethodNotAllowed => "Method not allowed",
            Self::Conflict => "Conflict",
            Self::BodyTooLarge => "Body too large",
            Self::UnsupportedMediaType => "Unsupported media type",
            Self::InvalidImage => "Invalid image",
            Self::Unsupported => "Unsupported",
            Self::ContentFlagged => "Content flagged",
            Self::IdempotencyMismatch => "Idempotency key reused",
            Self::UpgradeRequired => "Upgrade required",
            Self::QuotaExceeded => "Quota exceeded",
            Self::RateLimited => "Too many requests",
            Self::InternalError => "Internal error",
            Self::BudgetExhausted => "Budget exhausted",
            Self::Unavailable => "Service unavailable",
        }
    }
}

/// An error as the caller sees it. `detail` is a sentence for people; nothing internal is in it.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{}: {detail}", code.as_str())]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    /// One sentence for people, with a way out where there is one.
    pub detail: String,
    /// The field of the request that is at fault.
    pub field: Option<String>,
    /// Seconds after which trying again makes sense (`Retry-After`).
    pub retry_after: Option<u32>,
    /// Which limit it was, with [`Code::QuotaExceeded`]: a column of `private.plans`.
    pub limit: Option<String>,
    /// The methods that the path has (`Allow`), with [`Code::MethodNotAllowed`].
    pub allow: Option<String>,
}

impl Problem {
    /// A problem with no more than its sentence.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), field: None, retry_after: None, limit: None, allow: None }
    }

    /// A field of the request is missing, malformed or out of range.
    pub fn invalid(field: &str, detail: impl Into<String>) -> Self {
        Self::new(Code::InvalidRequest, detail).with_field(field)
    }

    /// A defect or misconfiguration on our side; what it was belongs in the log.
    pub fn internal() -> Self {
        Self::new(Code::InternalError, "Something went wrong on our side. Please try again later.")
    }

    /// Something that we depend on did not answer.
    pub fn unavailable() -> Self {
        let mut problem = Self::new(
            Code::Unavailable,
            "The service cannot be reached at the moment. Please try again in a few seconds.",
        );
        problem.retry_after = Some(5);
        problem
    }

    /// Names the field at fault.
    #[must_use]
    pub fn with_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }

    /// The `application/problem+json` body.
    pub fn body(&self) -> Value {
        json!(ProblemDetails {
            kind: "about:blank",
            title: self.code.title(),
            status: self.code.status(),
            detail: &self.detail,
            code: self.code,
            error: &self.detail,
            field: self.field.as_deref(),
            retry_after: self.retry_after,
            limit: self.limit.as_deref(),
        })
    }
}
