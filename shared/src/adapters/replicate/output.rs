//! What a succeeded prediction carries: one address, a list, an object, or lists and objects inside of each
//! other. One generation stores one image.

use super::json_leaves::{Leaf, each_member};
use crate::policy::url_policy::{MAX_URL_BYTES, check_output};
use crate::ports::ImageAt;

/// The largest image that is taken from inside an answer, in bytes: it is in memory whole, a few times over.
const MAX_INLINE_BYTES: usize = 8 * 1024 * 1024;
/// The same in base64, with `data:image/…;base64,` before it.
const MAX_INLINE_TEXT: usize = MAX_INLINE_BYTES / 3 * 4 + 100;
/// The files that are told apart; further ones are only counted.
const MAX_FILES: usize = 64;
const IMAGE_ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "gif", "svg"];

/// The files of an output, in reading order.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Output {
    files: Vec<File>,
    /// How many files there are, those with no place in `files` included.
    count: usize,
    /// There are texts that are no files, or values that are not looked at.
    other: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum File {
    Address(String),
    Inline,
}

/// What an output has for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Chosen {
    /// The image, and how many files there are besides.
    Image(ImageAt, usize),
    /// Nothing at all.
    Nothing,
    /// Something, but no file that we take.
    Unusable,
}

impl Output {
    /// The image: the first file that says it is one, else the first that says nothing, else the first.
    pub(super) fn choose(&self, provider_origin: &str) -> Chosen {
        let usable = self.files.iter().filter(|file| match file {
            File::Inline => true,
            File::Address(url) => check_output(url, provider_origin).is_some(),
        });
        // The first one of the lowest rank.
        match usable.min_by_key(|file| file.rank()) {
            Some(file) => {
                let at = match file {
                    File::Inline => ImageAt::Inside,
                    File::Address(url) => ImageAt::Url(url.clone()),
                };
                Chosen::Image(at, self.count.saturating_sub(1))
            }
            None if self.count == 0 && !self.other => Chosen::Nothing,
            None => Chosen::Unusable,
        }
    }

    /// There is something behind the bounds of what is read.
    pub(super) fn pass_over(&mut self) {
        self.other = true;
    }

    pub(super) fn take(&mut self, text: &str) {
        let file = if is_inline(text) {
            File::Inline
        } else if text.len() <= MAX_URL_BYTES && text.contains("://") {
            File::Address(text.to_owned())
        } else {
            self.other = true;
            return;
        };
        self.count += 1;
        if self.files.len() < MAX_FILES {
            self.files.push(file);
        }
    }
}

impl File {
    fn rank(&self) -> u8 {
        let File::Address(url) = self else { return 0 };
        let path = url.split(['?', '#']).next().unwrap_or_default();
        match path.rsplit('/').next().and_then(|name| name.rsplit_once('.')) {
            Some((_, ending)) if IMAGE_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()) => 0,
            None => 1,
            Some(_) => 2,
        }
    }
}

/// Whether a text is a `data:` address of an image in base64 that is not too large. Its bytes are looked at
/// when it is stored.
fn is_inline(text: &str) -> bool {
    let Some((kind, data)) = text.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) else {
        return false;
    };
    let digits = data.trim_end_matches('=');
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    (kind.starts_with("image/") || kind == "application/octet-stream")
        && (1..=MAX_INLINE_TEXT).contains(&text.len())
        && !digits.is_empty()
        && data.len() % 4 == 0
        && data.len() - digits.len() <= 2
        && digits.bytes().all(base64)
}

/// The first image that is inside of a prediction's answer, as a `data:` address.
pub(super) fn inline_image(answer: &[u8]) -> Option<String> {
    let mut found = None;
    let mut document = serde_json::Deserializer::from_slice(answer);
    let read = each_member(&mut document, &mut |member, _, leaf| {
        if let (None, "output", Leaf::Text(text)) = (&found, member, leaf)
            && is_inline(text)
        {
            found = Some(text.to_owned());
        }
    });
    read.ok().and(found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::adapters::replicate::prediction::Answer;

    const API: &str = "https://api.replicate.com";
    const URL: &str = "https://replicate.delivery/pbxt/x/out-0.webp";
    const INLINE: &str = "data:image/png;base64,iVBORw0KGgo=";

    fn choose(output: &Value) -> Chosen {
        let answer = json!({ "id": "x", "status": "succeeded", "output": output }).to_string();
        serde_json::from_str::<Answer>(&answer).unwrap().output.choose(API)
    }

    fn at(url: &str, more: usize) -> Chosen {
        Chosen::Image(ImageAt::Url(url.into()), more)
    }

    #[test]
    fn the_image_is_found_in_every_shape() {
        let other = "https://replicate.delivery/pbxt/x/out-1.webp";
        let table = [
            (json!(URL), at(URL, 0)),
            (json!([URL]), at(URL, 0)),
            (json!([URL, other]), at(URL, 1)),
            (json!([[URL], [other]]), at(URL, 1)),
            (json!({ "image": URL, "id": "x7" }), at(URL, 0)),
            (json!({ "whatever": { "they": [{ "call": URL }] } }), at(URL, 0)),
            (json!([{ "url": URL, "width": 1024, "nsfw": false, "score": 0.5, "next": null }]), at(URL, 0)),
            (
                json!({ "log": "https://a.example/log.txt", "file": "https://a.example/token", "mask": URL }),
                at(URL, 2),
            ),
            (
                json!({ "log": "https://a.example/log.txt", "file": "https://a.example/token" }),
                at("https://a.example/token", 1),
            ),
            (json!(["https://a.example/x.PNG?sig=a.txt"]), at("https://a.example/x.PNG?sig=a.txt", 0)),
            (json!(["http://127.0.0.1/a.png", URL]), at(URL, 1)),
            (json!(INLINE), Chosen::Image(ImageAt::Inside, 0)),
            (json!([{ "image": INLINE }]), Chosen::Image(ImageAt::Inside, 0)),
            (json!([URL, INLINE]), at(URL, 1)),
        ];
        for (output, expected) in table {
            assert_eq!(choose(&output), expected, "{output}");
        }
    }

    #[test]
    fn what_is_no_image_is_told_from_nothing() {
        for nothing in [json!(null), json!([]), json!({}), json!([null, [], { "a": 1 }])] {
            assert_eq!(choose(&nothing), Chosen::Nothing, "{nothing}");
        }
        let deep = |levels| (0..levels).fold(json!(URL), |inner, _| json!([inner]));
        let far: Vec<Value> = (0..2000).map(|n| json!(n)).chain([json!(URL)]).collect();
        for unusable in [
            deep(8),
            deep(300),
            json!({ "image": deep(20), "seed": 7 }),
            json!(far),
            json!("a caption"),
            json!(["http://169.254.169.254/latest"]),
            json!("file:///etc/passwd"),
            json!(format!("https://a.example/{}", "x".repeat(3000))),
            json!("data:text/html;base64,PGh0bWw+"),
            json!("data:image/png;base64,"),
            json!("data:image/png;base64,a b="),
            json!("data:image/png,abc"),
        ] {
            assert_eq!(choose(&unusable), Chosen::Unusable, "{unusable}");
        }
        assert_eq!(choose(&deep(7)), at(URL, 0));
        assert_eq!(choose(&json!([deep(300), URL])), at(URL, 0), "what is not looked at is no reason");
    }

    #[test]
    fn an_inline_image_has_a_largest_size() {
        let of = |bytes: usize| format!("data:image/png;base64,{}", "AAAA".repeat(bytes / 3));
        assert!(is_inline(&of(MAX_INLINE_BYTES)));
        assert!(!is_inline(&of(MAX_INLINE_BYTES + 300)));
    }

    #[test]
    fn the_inline_image_is_read_again() {
        let answer =
            json!({ "input": { "image": "data:image/png;base64,AAAA" }, "output": ["x", { "a": INLINE }] });
        assert_eq!(inline_image(answer.to_string().as_bytes()).as_deref(), Some(INLINE));
        assert_eq!(inline_image(b"{}"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

        #[test]
        fn however_deep_and_wherever_the_first_image_is_found(
            depth in 0_usize..7, before in proptest::collection::vec("[a-z ]{0,8}", 0..5), named in any::<bool>(),
        ) {
            let mut output = json!(URL);
            for level in 0..depth {
                let mut list: Vec<Value> = before.iter().map(|text| json!(text)).collect();
                list.push(output);
                output = if named { json!({ format!("k{level}"): list.pop() }) } else { json!(list) };
            }
            prop_assert_eq!(choose(&output), at(URL, 0));
        }
    }
}
