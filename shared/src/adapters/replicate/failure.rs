//! What the `error` of a failed prediction means: whether trying again makes sense, and what its user reads.
//!
//! Models write these texts as they like, and new ones come with every model. So families of words decide,
//! in any spelling, and not whole sentences; and what nobody can tell is tried once more and no further.

mod families;

use families::{
    FAMILIES, FETCHING, FIRST, Family, HARMLESS, INTERRUPTED, ITS_OWN, NO_SOURCE, NOT_KNOWN, REJECTED,
    SOURCE, SOURCE_PHRASES,
};

use super::error_words::{own_words, says, says_near};
use crate::ports::{Failure, FailureClass, FailureCode};

/// Reads the `error` of a failed prediction. `said` are the texts of its input, which it may repeat.
pub fn classify(error: &str, said: &[String]) -> (FailureClass, Failure) {
    let mut words = own_words(error, said);
    if words.is_empty() {
        // All of it stands in the request too: who asks for a drawing of an error may get that error.
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
        FailureCode::ProviderInterrupted
    } else {
        code
    };
    let failure = Failure::new(code, message).with_cause(without_queries(error));
    (class, if class == FailureClass::Unknown { failure.once() } else { failure })
}

fn meaning(words: &[String], error: &str, said: &[String]) -> (FailureClass, FailureCode, &'static str) {
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
            coded.then_some((FailureClass::Transient, FailureCode::ProviderError, INTERRUPTED))
        })
        .unwrap_or((FailureClass::Unknown, FailureCode::ProviderError, NOT_KNOWN))
}

/// A source image that cannot be fetched or read stays so. Where the request has none, it is something else
/// of the request that the model cannot read.
fn source_trouble(
    words: &[String],
    error: &str,
    said: &[String],
) -> Option<(FailureClass, FailureCode, &'static str)> {
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
        (true, true) => Some((FailureClass::Permanent, FailureCode::SourceUnreachable, NO_SOURCE)),
        (true, false) => Some((FailureClass::Permanent, FailureCode::Rejected, REJECTED)),
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
