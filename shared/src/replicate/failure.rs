//! What the `error` of a failed prediction means: whether trying again makes sense, and what its user reads.
//!
//! Models write these texts as they like, and new ones come with every model. So families of words decide,
//! in any spelling, and not whole sentences; and what nobody can tell is tried once more and no further.

use super::words::{own_words, says, says_near};
use crate::ports::Failure;

/// Whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The next attempt may succeed.
    Transient,
    /// Nobody can tell: the same request is run once more, and never a third time.
    Unknown,
    /// The same request fails again.
    Permanent,
}

const FLAGGED: &str =
    "The model refused this request as sensitive. Please change the prompt or the source image.";
const TOO_LARGE: &str = "The image is too large for this model. Please ask for a smaller one.";
const NO_SOURCE: &str = "The model could not fetch or read the source image. Please check that its address is public and that it is a PNG, JPEG or WebP image.";
const REJECTED: &str =
    "The model does not accept this request. Please change the prompt, the settings or the source image.";
const INTERRUPTED: &str = "The provider had a fault while making the image. Please try again later.";
const NOT_KNOWN: &str = "The provider could not make the image, and does not say why. Please change the request or try again later.";

/// A family of words, and what it means.
struct Family {
    phrases: &'static [&'static str],
    class: FailureClass,
    code: &'static str,
    message: &'static str,
}

/// Phrases with words of the families in them that mean something else: taken out before the families are
/// looked for.
const HARMLESS: [&str; 8] = [
    "case sensitive",
    "retry policy",
    "cors policy",
    "security policy",
    "access policy",
    "thread safety",
    "blocked by cloudflare",
    "connection blocked",
];

/// Before the source image is thought of. A guess of the runtime, and faults of the machine, are no size of
/// the image's; a server that answers 429 or 5xx is no image that cannot be read.
const FIRST: [Family; 3] = [
    Family {
        phrases: &["unknown reason", "cuda error", "cudnn error", "nccl error", "same device"],
        class: FailureClass::Unknown,
        code: "provider_error",
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
        code: "out_of_memory",
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
        code: "provider_error",
        message: INTERRUPTED,
    },
];

/// Of several families the first one counts: a moderation service that timed out has not refused anything,
/// and a refusal that ends in "please try again" is one.
const FAMILIES: [Family; 6] = [
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
        code: "provider_error",
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
        code: "content_flagged",
        message: FLAGGED,
    },
    // The provider's own account with somebody else; and a webhook of ours that it could not read (E4875).
    Family {
        phrases: &["e4875"],
        class: FailureClass::Permanent,
        code: "provider_error",
        message: INTERRUPTED,
    },
    Family {
        phrases: &["api key", "api token", "unauthorized", "authentication", "credit*", "billing", "balance"],
        class: FailureClass::Unknown,
        code: "provider_error",
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
        code: "rejected",
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
        code: "provider_error",
        message: INTERRUPTED,
    },
];

/// What is done to a source image, and what it is called. The model's own files are read too.
const FETCHING: [&str; 9] =
    ["download*", "fetch*", "load*", "retriev*", "decod*", "open", "opening", "read*", "identify"];
const SOURCE: [&str; 6] = ["image", "images", "url", "uri", "photo", "picture"];
const ITS_OWN: [&str; 8] =
    ["weight*", "checkpoint*", "safetensors", "encoder", "tokenizer", "pipeline", "checker", "lora*"];
const SOURCE_PHRASES: [&str; 7] = [
    "client error",
    "for url",
    "unidentified image",
    "truncated image",
    "file is truncated",
    "invalid image",
    "input file",
];

/// Reads the `error` of a failed prediction. `said` are the texts of its input, which it may repeat.
pub fn classify(error: &str, said: &[String]) -> (FailureClass, Failure) {
    let mut words = own_words(error, said);
    if words.is_empty() {
        // All of it stands in the request too: who asks for a picture of an error may get that error.
        words = own_words(error, &[]);
    }
    for phrase in HARMLESS {
        if says(&words, phrase) {
            words.retain(|word| !phrase.split(' ').any(|part| part == word));
        }
    }
    let (class, code, message) = meaning(&words, error, said);
    // The platform's own word for a run that it stopped to use the machine for another.
    let code = if says(&words, "code pa") && class == FailureClass::Transient {
        "provider_interrupted"
    } else {
        code
    };
    let failure = Failure::new(code, message).because(without_queries(error));
    (class, if class == FailureClass::Unknown { failure.once() } else { failure })
}

fn meaning(words: &[String], error: &str, said: &[String]) -> (FailureClass, &'static str, &'static str) {
    let of = |families: &[Family]| {
        let said = |family: &&Family| family.phrases.iter().any(|phrase| says(words, phrase));
        families.iter().find(said).map(|family| (family.class, family.code, family.message))
    };
    of(&FIRST)
        .or_else(|| source_trouble(words, error, said))
        .or_else(|| of(&FAMILIES))
        // The platform's codes: E and four digits, <https://replicate.com/docs/reference/error-codes>. Those
        // that last have been met above.
        .or_else(|| {
            let coded = words.iter().any(|word| is_code(word));
            coded.then_some((FailureClass::Transient, "provider_error", INTERRUPTED))
        })
        .unwrap_or((FailureClass::Unknown, "provider_error", NOT_KNOWN))
}

/// A source image that cannot be fetched or read stays so. Where the request has none, it is something else
/// of the request that the model cannot read.
fn source_trouble(
    words: &[String],
    error: &str,
    said: &[String],
) -> Option<(FailureClass, &'static str, &'static str)> {
    let unreadable =
        SOURCE_PHRASES.iter().any(|phrase| says(words, phrase)) || says_near(words, &FETCHING, &SOURCE, 4);
    let own = ITS_OWN.iter().any(|phrase| says(words, phrase));
    let mut addresses = said.iter().filter_map(|text| text.strip_prefix("https://")).peekable();
    let has_source =
        said.is_empty() || addresses.peek().is_some() || said.iter().any(|text| text.starts_with("data:"));
    // A connection that fails may be one to any server: it must be that of the source image.
    let mut hosts = addresses.filter_map(|address| address.split('/').next());
    let unreachable =
        says(words, "exceeded with url") && (said.is_empty() || hosts.any(|host| error.contains(host)));
    match ((unreadable && !own) || unreachable, has_source) {
        (false, _) => None,
        (true, true) => Some((FailureClass::Permanent, "source_unreachable", NO_SOURCE)),
        (true, false) => Some((FailureClass::Permanent, "rejected", REJECTED)),
    }
}

fn is_code(word: &str) -> bool {
    word.strip_prefix('e')
        .is_some_and(|digits| digits.len() == 4 && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The provider's words as they may be logged: a source image's URL, which they may quote, ends in what
/// opens it.
pub(super) fn without_queries(text: &str) -> String {
    let words = text.split(' ').map(|word| match word.split_once('?') {
        Some((address, _)) if address.contains("://") => format!("{address}?…"),
        _ => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests;
