//! The families of words that the errors of failed predictions say.

use super::{FailureClass, FailureCode};

pub(super) const FLAGGED: &str =
    "The model refused this request as sensitive. Please change the prompt or the source image.";
pub(super) const TOO_LARGE: &str = "The image is too large for this model. Please ask for a smaller one.";
pub(super) const NO_SOURCE: &str = "The model could not fetch or read the source image. Please check that its address is public and that it is a PNG, JPEG or WebP image.";
pub(super) const REJECTED: &str =
    "The model does not accept this request. Please change the prompt, the settings or the source image.";
pub(super) const INTERRUPTED: &str = "The provider failed while making the image. Please try again later.";
pub(super) const NOT_KNOWN: &str = "The provider could not make the image, and does not say why. Please change the request or try again later.";

/// A family of words, and what it means.
pub(super) struct Family {
    pub(super) phrases: &'static [&'static str],
    pub(super) class: FailureClass,
    pub(super) code: FailureCode,
    pub(super) message: &'static str,
}

/// Phrases with words of the families in them that mean something else: taken out before the families are
/// looked for.
pub(super) const HARMLESS: [&str; 8] = [
    "case sensitive",
    "retry policy",
    "cors policy",
    "security policy",
    "access policy",
    "thread safety",
    "blocked by cloudflare",
    "connection blocked",
];

/// Before the source image is thought of. A guess of the runtime, and errors of the machine, are no size of
/// the image's; a server that answers 429 or 5xx is no image that cannot be read.
pub(super) const FIRST: [Family; 3] = [
    Family {
        phrases: &["unknown reason", "cuda error", "cudnn error", "nccl error", "same device"],
        class: FailureClass::Unknown,
        code: FailureCode::ProviderError,
        message: NOT_KNOWN,
    },
    Family {
        phrases: &[
            "out of memory",
            "outofmemory*",
            "oom",
            "oomkill*",
            "e1001",
            "tried to allocate",
            "cannot allocate memory",
            "not enough memory",
            "insufficient memory",
            "memory limit",
        ],
        class: FailureClass::Permanent,
        code: FailureCode::OutOfMemory,
        message: TOO_LARGE,
    },
    Family {
        phrases: &[
            "too many requests",
            "rate limit*",
            "internal server error",
            "server error",
            "bad gateway",
            "service unavailable",
            "gateway timeout",
        ],
        class: FailureClass::Transient,
        code: FailureCode::ProviderError,
        message: INTERRUPTED,
    },
];

/// Of several families the first one counts: a moderation service that timed out has not refused anything,
/// and a refusal that ends in "please try again" is one.
pub(super) const FAMILIES: [Family; 6] = [
    // Seen of the platform and of networks.
    Family {
        phrases: &[
            "code pa",
            "prediction interrupted",
            "connection",
            "connect error",
            "disconnected",
            "timeout",
            "timed out",
            "time out",
            "deadline exceeded",
            "ratelimit*",
            "throttl*",
            "resource exhausted",
            "overload*",
            "at capacity",
            "high demand",
            "queue full",
            "no healthy upstream",
            "name resolution",
            "broken pipe",
            "ssl",
            "eof",
            "doctype html",
        ],
        class: FailureClass::Transient,
        code: FailureCode::ProviderError,
        message: INTERRUPTED,
    },
    Family {
        phrases: &[
            "moderat*",
            "nsfw",
            "safety",
            "unsafe",
            "not safe",
            "sensitive",
            "policy",
            "policies",
            "prohibit*",
            "violat*",
            "flagged",
            "blocked",
            "blocklist*",
            "disallowed",
            "inappropriate",
            "offensive",
            "harmful",
            "sexual*",
            "nudity",
            "nude",
            "violence",
            "copyright*",
            "trademark*",
            "infring*",
            "recitation",
            "censor*",
            "guardrail*",
            "responsible ai",
            "content filter*",
            "content check*",
            "content restriction*",
            "filtered",
            "risk control",
            "public figure*",
            "celebrit*",
            "minors",
            "e005",
        ],
        class: FailureClass::Permanent,
        code: FailureCode::ContentFlagged,
        message: FLAGGED,
    },
    // The provider's own account with somebody else; and a webhook of ours that it could not read (E4875).
    Family {
        phrases: &["e4875"],
        class: FailureClass::Permanent,
        code: FailureCode::ProviderError,
        message: INTERRUPTED,
    },
    Family {
        phrases: &["api key", "api token", "unauthorized", "authentication", "credit*", "billing", "balance"],
        class: FailureClass::Unknown,
        code: FailureCode::ProviderError,
        message: NOT_KNOWN,
    },
    Family {
        phrases: &[
            "value error",
            "validation*",
            "bad request",
            "invalid",
            "must be",
            "must have",
            "must not",
            "is required",
            "not supported",
            "not support",
            "unsupported",
            "not allowed",
            "not accept*",
            "out of range",
            "exceeds",
            "at least",
            "at most",
            "too large",
            "too small",
            "too big",
            "too long",
            "too short",
            "too many",
            "too high",
            "too wide",
            "dimension*",
            "aspect ratio",
            "unprocessable",
            "different prompt*",
            "different input*",
            "different image*",
            "another prompt",
            "another image",
            "rephras*",
            "reword*",
            "your prompt",
            "your input*",
            "your image",
            "no face*",
            "face not",
        ],
        class: FailureClass::Permanent,
        code: FailureCode::Rejected,
        message: REJECTED,
    },
    Family {
        phrases: &[
            "try again",
            "try later",
            "retry",
            "retrying",
            "temporar*",
            "transient",
            "unavailable",
            "interrupt*",
            "quota",
            "busy",
            "upstream",
            "preempt*",
            "evicted",
            "shutting down",
            "restart*",
            "director unexpected",
            "http 5*",
            "status 5*",
            "status code 5*",
            "error 5*",
            "code 5*",
        ],
        class: FailureClass::Transient,
        code: FailureCode::ProviderError,
        message: INTERRUPTED,
    },
];

/// What is done to a source image, and what it is called. The model's own files are read too.
pub(super) const FETCHING: [&str; 9] =
    ["download*", "fetch*", "load*", "retriev*", "decod*", "open", "opening", "read*", "identify"];
pub(super) const SOURCE: [&str; 6] = ["image", "images", "url", "uri", "photo", "picture"];
pub(super) const ITS_OWN: [&str; 8] =
    ["weight*", "checkpoint*", "safetensors", "encoder", "tokenizer", "pipeline", "checker", "lora*"];
pub(super) const SOURCE_PHRASES: [&str; 7] = [
    "client error",
    "for url",
    "unidentified image",
    "truncated image",
    "file is truncated",
    "invalid image",
    "input file",
];
