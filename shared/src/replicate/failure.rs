//! The words that a failed prediction brings, and whether trying again makes sense.

use crate::ports::Failure;

/// Whether trying again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The next attempt may succeed.
    Transient,
    /// The same request fails again.
    Permanent,
}

struct Known {
    /// Part of the provider's text.
    text: &'static str,
    class: FailureClass,
    code: &'static str,
    message: &'static str,
}

const FLAGGED: &str =
    "The model refused this request as sensitive. Please change the prompt or the source image.";
const INTERRUPTED: &str = "The provider had a fault while making the image.";

/// Seen texts. Codes: <https://replicate.com/docs/reference/error-codes>; E005, PA and the safety
/// checkers' sentences from recorded failures.
const KNOWN: [Known; 10] = [
    Known { text: "(E005)", class: FailureClass::Permanent, code: "content_flagged", message: FLAGGED },
    Known {
        text: "flagged as sensitive",
        class: FailureClass::Permanent,
        code: "content_flagged",
        message: FLAGGED,
    },
    Known { text: "NSFW content", class: FailureClass::Permanent, code: "content_flagged", message: FLAGGED },
    Known {
        text: "E1001",
        class: FailureClass::Permanent,
        code: "out_of_memory",
        message: "The image is too large for this model. Please ask for a smaller one.",
    },
    Known { text: "E4875", class: FailureClass::Permanent, code: "provider_error", message: INTERRUPTED },
    Known {
        text: "(code: PA)",
        class: FailureClass::Transient,
        code: "provider_interrupted",
        message: INTERRUPTED,
    },
    Known { text: "Director:", class: FailureClass::Transient, code: "provider_error", message: INTERRUPTED },
    Known { text: "E1000", class: FailureClass::Transient, code: "provider_error", message: INTERRUPTED },
    Known { text: "E6716", class: FailureClass::Transient, code: "provider_error", message: INTERRUPTED },
    Known {
        text: "temporarily unavailable",
        class: FailureClass::Transient,
        code: "provider_error",
        message: INTERRUPTED,
    },
];

/// Reads the `error` of a failed prediction. What is not known is tried again: a wasted attempt
/// costs less than a lost picture.
pub fn classify(error: &str) -> (FailureClass, Failure) {
    let cause = without_queries(error);
    match KNOWN.iter().find(|known| error.contains(known.text)) {
        Some(known) => (known.class, Failure::new(known.code, known.message).because(cause)),
        None => (FailureClass::Transient, Failure::new("provider_error", INTERRUPTED).because(cause)),
    }
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
mod tests {
    use super::*;

    #[test]
    fn what_opens_a_source_image_is_not_among_the_words_for_operators() {
        let error =
            "Client error '400 Bad Request' for url 'https://x.supabase.co/a.webp?token=secret' (E9828)";
        let (_, failure) = classify(error);
        let cause = "Client error '400 Bad Request' for url 'https://x.supabase.co/a.webp?… (E9828)";
        assert_eq!((failure.cause.as_str(), failure.code.as_str()), (cause, "provider_error"));
        assert_eq!(without_queries("why? no one knows"), "why? no one knows");
    }

    #[test]
    fn recorded_errors_have_their_class() {
        let table = [
            (
                "Prediction interrupted; please retry (code: PA)",
                FailureClass::Transient,
                "provider_interrupted",
            ),
            (
                "Director: unexpected error handling prediction (E9828)",
                FailureClass::Transient,
                "provider_error",
            ),
            (
                "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (uIJ6l3ruRD)",
                FailureClass::Permanent,
                "content_flagged",
            ),
            (
                "NSFW content detected. Try running it again, or try a different prompt.",
                FailureClass::Permanent,
                "content_flagged",
            ),
            (
                "All generated images contained NSFW content. Try running it again with a different prompt.",
                FailureClass::Permanent,
                "content_flagged",
            ),
            ("CUDA out of memory (E1001)", FailureClass::Permanent, "out_of_memory"),
            ("Webhook URL was empty (E4875)", FailureClass::Permanent, "provider_error"),
            ("Unknown error (E1000)", FailureClass::Transient, "provider_error"),
            ("Timeout starting prediction (E6716)", FailureClass::Transient, "provider_error"),
            ("Service is temporarily unavailable.", FailureClass::Transient, "provider_error"),
            ("Prediction failed.", FailureClass::Transient, "provider_error"),
            ("", FailureClass::Transient, "provider_error"),
        ];
        for (error, class, code) in table {
            let (seen, failure) = classify(error);
            assert_eq!((seen, failure.code.as_str()), (class, code), "{error}");
            assert_eq!(failure.cause, error);
            assert!(!failure.message.contains("E9828"), "the provider's words are for operators");
        }
    }
}
