//! The words that an error says itself, as a list that phrases are looked for in.

/// So many words in a row that stand in the request as well are the request, wherever they stand.
const LONG_ECHO: usize = 6;

/// A word in lower case.
struct Word {
    text: String,
    /// It stands behind a quotation mark, a colon or a bracket: what is repeated begins there.
    opens: bool,
}

/// The words of `error` without those that repeat a text of the request (`said`): a prompt about a policy is
/// no policy of the model.
///
/// A text counts as repeated where it stands whole, where six words of it stand in a row, and where any of it
/// stands in quotation marks.
pub(super) fn own_words(error: &str, said: &[String]) -> Vec<String> {
    let mut words = split(error);
    for text in said {
        let echo = split(text);
        let mut at = 0;
        while let Some(rest) = words.get(at..).filter(|rest| !rest.is_empty()) {
            let run = longest_run(rest, &echo);
            let opens = rest.first().is_some_and(|word| word.opens);
            let whole = run == echo.len() && run > 1;
            if whole || run >= LONG_ECHO || (opens && run > 0 && run >= echo.len().min(2)) {
                words.drain(at..at + run);
            } else {
                at += 1;
            }
        }
    }
    words.into_iter().map(|word| word.text).collect()
}

/// How many words at the beginning of `rest` stand in `echo` in the same order.
fn longest_run(rest: &[Word], echo: &[Word]) -> usize {
    let run = |from: usize| {
        let there = echo.iter().skip(from).zip(rest);
        there.take_while(|(there, here)| there.text == here.text).count()
    };
    (0..echo.len()).map(run).max().unwrap_or(0)
}

/// Splits at what is no letter and no digit, and inside of `CamelCase` and `HTTPError`. Letters beyond ASCII have
/// no case here: the tables that tell it are larger than all else of this.
fn split(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let mut word = String::new();
    let (mut before, mut opens) = (' ', false);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let mark = matches!(letter, '"' | '\'' | '`' | '“' | '‘' | '«' | ':' | '=' | '(' | '[' | '{');
        // The marks of typography stand together, from the hyphens to the single quotation marks.
        let is_letter =
            letter.is_ascii_alphanumeric() || !(letter.is_ascii() || mark || ('‐'..='›').contains(&letter));
        let next_is_small = letters.peek().is_some_and(char::is_ascii_lowercase);
        let hump = letter.is_ascii_uppercase()
            && (before.is_ascii_lowercase() || (before.is_ascii_uppercase() && next_is_small));
        if (hump || !is_letter) && !word.is_empty() {
            words.push(Word { text: std::mem::take(&mut word), opens });
            opens = false;
        }
        if is_letter {
            word.push(letter.to_ascii_lowercase());
        } else if letter > ' ' {
            opens = mark;
        }
        before = letter;
    }
    if !word.is_empty() {
        words.push(Word { text: word, opens });
    }
    words
}

/// Whether a phrase stands somewhere in the words: words with spaces between them, of which each may end in
/// `*` for any ending.
pub(super) fn says(words: &[String], phrase: &str) -> bool {
    (0..words.len()).any(|at| {
        let here = words.get(at..).unwrap_or_default();
        let mut parts = phrase.split(' ');
        let mut said = here.iter();
        parts.all(|part| said.next().is_some_and(|word| is(word, part)))
    })
}

/// Whether a word of each list stands within `distance` words of one of the other.
pub(super) fn says_near(words: &[String], one: &[&str], other: &[&str], distance: usize) -> bool {
    let places = |list: &[&str]| -> Vec<usize> {
        let found = words.iter().enumerate().filter(|(_, word)| list.iter().any(|part| is(word, part)));
        found.map(|(place, _)| place).collect()
    };
    let others = places(other);
    places(one).iter().any(|place| others.iter().any(|there| place.abs_diff(*there) <= distance))
}

fn is(word: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => word == pattern,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn words(text: &str) -> String {
        own_words(text, &[]).join(" ")
    }

    #[test]
    fn every_spelling_gives_the_same_words() {
        for text in
            ["IMAGE_SAFETY", "image-safety", "ImageSafety", "imageSafety", "Image safety.", "IMAGESafety"]
        {
            assert_eq!(words(text), "image safety", "{text}");
        }
        assert_eq!(words("HTTPSConnectionPool(host='x')"), "https connection pool host x");
        assert_eq!(words("(E005) x264 日本"), "e005 x264 日本");
        assert_eq!(words(" ,.!"), "");
    }

    #[test]
    fn what_the_request_says_is_not_the_errors_own() {
        let left = |error: &str, prompt: &str| own_words(error, &[prompt.to_owned()]).join(" ");
        let prompt = "a poster about our return policy, in blue and violent red";
        assert_eq!(
            left(&format!("Failed for prompt: {prompt}. (code: PA)"), prompt),
            "failed for prompt code pa"
        );
        assert_eq!(left("Failed on 'A poster about our RETURN POLICY, in…'", prompt), "failed on");
        assert_eq!(left("Lost \"policy\" (code: PA)", "policy"), "lost code pa");
        assert_eq!(left(r#"{"prompt": "say \"nsfw content\" now"}"#, r#"say "nsfw content" now"#), "prompt");
        // What only looks alike stays.
        assert_eq!(left("The policy forbids it", "policy"), "the policy forbids it");
        assert_eq!(left("It is about our policy", prompt), "it is about our policy");
    }

    #[test]
    fn phrases_stand_in_a_row() {
        let said = own_words("CUDA out of memory; tried to allocate 2 GiB", &[]);
        assert!(says(&said, "out of memory") && says(&said, "tried to alloc*"));
        assert!(!says(&said, "out memory") && !says(&said, "gib more") && !says(&[], "x"));
        assert!(says_near(&said, &["cuda"], &["mem*"], 3));
        assert!(!says_near(&said, &["cuda"], &["gib"], 3));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

        #[test]
        fn any_text_is_split(error in any::<String>(), said in proptest::collection::vec(any::<String>(), 0..3)) {
            let words = own_words(&error, &said);
            prop_assert!(words.iter().all(|word| !word.is_empty()));
        }

        #[test]
        fn a_prompt_in_quotation_marks_leaves_nothing(prompt in "[a-zA-Z][a-zA-Z ,.!-]{2,80}[a-z]") {
            let error = format!("lost \"{prompt}\" here");
            prop_assert_eq!(own_words(&error, std::slice::from_ref(&prompt)), ["lost", "here"]);
        }
    }
}
