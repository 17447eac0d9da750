use proptest::prelude::*;

use super::FailureClass::{Permanent, Transient, Unknown};
use super::*;

const FLAG: (FailureClass, &str) = (Permanent, "content_flagged");
const MEMORY: (FailureClass, &str) = (Permanent, "out_of_memory");
const SOURCE_GONE: (FailureClass, &str) = (Permanent, "source_unreachable");
const REJECT: (FailureClass, &str) = (Permanent, "rejected");
const PASSING: (FailureClass, &str) = (Transient, "provider_error");
const UNKNOWN: (FailureClass, &str) = (Unknown, "provider_error");

/// What models and platforms write, from their documentation, their source and public reports of users.
const SEEN: &[(&str, (FailureClass, &str))] = &[
    // Refusals.
    (
        "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (uIJ6l3ruRD)",
        FLAG,
    ),
    ("NSFW content detected. Try running it again, or try a different prompt.", FLAG),
    ("All generated images contained NSFW content. Try running it again with a different prompt.", FLAG),
    (
        "Potential NSFW content was detected in one or more images. A black image will be returned instead.",
        FLAG,
    ),
    ("Request Moderated", FLAG),
    ("Content Moderated", FLAG),
    ("BFL API did not return an image due to: Request Moderated.", FLAG),
    (
        "Your request was flagged by our content moderation system, as a result your request was denied and you were not charged.",
        FLAG,
    ),
    (
        "Image generation failed with the following error: The response is blocked, as it may violate our policies. Error Code: 58061214",
        FLAG,
    ),
    ("Image generation was blocked: it may violate our policies. (PROHIBITED_CONTENT)", FLAG),
    ("No image came back, finish reason: IMAGE_SAFETY", FLAG),
    ("Gemini returned no candidates. finishReason: PROHIBITED_CONTENT", FLAG),
    ("finishReason=RECITATION", FLAG),
    ("OutputImageSensitiveContentDetected: the output image may contain sensitive information", FLAG),
    ("InputTextSensitiveContentDetected", FLAG),
    (
        "InputImageSensitiveContentDetected.PrivacyInformation: The request failed because the input image may contain real person. Request id: 02177872",
        FLAG,
    ),
    (
        "API Error: 500 input new_sensitive, messages[1]'s content[1] image is sensitive, please check your input (1026). This is a server-side issue, usually temporary, try again in a moment.",
        FLAG,
    ),
    ("input contains sensitive words: [test]", FLAG),
    ("The prompt failed the safety check", FLAG),
    ("Image blocked by safety filter", FLAG),
    (
        "Your request was rejected as a result of our safety system. Your prompt may contain text that is not allowed by our safety system.",
        FLAG,
    ),
    (
        "{'error': {'message': 'Your request was rejected by the safety system. safety_violations=[violence].', 'type': 'image_generation_user_error', 'code': 'moderation_blocked'}}",
        FLAG,
    ),
    (
        "Your resource has been temporarily blocked because we detected behavior that may violate our content policy.",
        FLAG,
    ),
    ("INVALID_ARGUMENT / reason=PUBLIC_ERROR_UNSAFE_GENERATION", FLAG),
    ("DataInspectionFailed: Input data may contain inappropriate content.", FLAG),
    ("This query violates the policy against generating content that promotes violence.", FLAG),
    ("All images were filtered out because of Responsible AI practices.", FLAG),
    ("The request failed because the output may be related to copyright restrictions.", FLAG),
    ("content_policy_violation", FLAG),
    // Memory.
    (
        "CUDA out of memory. Tried to allocate 5.71 GiB (GPU 0; 14.61 GiB total capacity; 8.08 GiB already allocated; 2.04 GiB free; 11.60 GiB reserved in total by PyTorch)",
        MEMORY,
    ),
    ("torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 218.96 GiB", MEMORY),
    ("Prediction failed: out of memory (E1001)", MEMORY),
    ("The model was OOMKilled", MEMORY),
    (
        "RuntimeError: [enforce fail at alloc_cpu.cpp:114] DefaultCPUAllocator: not enough memory: you tried to allocate 6442450944 bytes.",
        MEMORY,
    ),
    ("OSError: [Errno 12] Cannot allocate memory", MEMORY),
    // The source image.
    ("cannot identify image file '/tmp/tmpuv7lgrx7input'", SOURCE_GONE),
    (
        "PIL.UnidentifiedImageError: cannot identify image file <_io.BytesIO object at 0x7fd1d1af94f0>",
        SOURCE_GONE,
    ),
    ("404 Client Error: Not Found for url: https://example.com/a.png", SOURCE_GONE),
    (
        "Client error '403 Forbidden' for url 'https://x.supabase.co/storage/v1/object/sign/a.webp?token=secret'",
        SOURCE_GONE,
    ),
    ("Failed to download image: HTTP 404", SOURCE_GONE),
    ("Failed to fetch input image", SOURCE_GONE),
    ("Error downloading image from URL: connection timed out", SOURCE_GONE),
    ("Could not load image from url", SOURCE_GONE),
    ("The image could not be downloaded", SOURCE_GONE),
    ("image file is truncated (12 bytes not processed)", SOURCE_GONE),
    ("broken data stream when reading image file", SOURCE_GONE),
    (
        "HTTPSConnectionPool(host='x.example.com', port=443): Max retries exceeded with url: /static/z1.webm (Caused by NewConnectionError: Failed to establish a new connection: [Errno 111] Connection refused)",
        SOURCE_GONE,
    ),
    // Input.
    ("ValueError: `height` and `width` have to be divisible by 8 but are 1023 and 512.", REJECT),
    ("width must be between 256 and 1440", REJECT),
    ("Input image is too large: at most 2048x2048 pixels", REJECT),
    ("Unsupported aspect ratio: 7:4", REJECT),
    ("The size of tensor exceeds the model's maximum", REJECT),
    ("1 validation error for Input: prompt is required", REJECT),
    ("Prompt too long", REJECT),
    ("No face detected in the source", REJECT),
    ("Could not make an image. Please try again with a different prompt.", REJECT),
    ("400 INVALID_ARGUMENT: Request contains an invalid argument.", REJECT),
    // What passes.
    ("Director: unexpected error handling prediction (E9828)", PASSING),
    ("Director: unexpected error handling prediction (E8765)", PASSING),
    ("Unknown error (E1000)", PASSING),
    ("Timeout starting prediction (E6716)", PASSING),
    ("Service is temporarily unavailable. Please try again later.", PASSING),
    ("The service is currently unavailable (E004)", PASSING),
    ("This model is currently overloaded", PASSING),
    ("502 Server Error: Bad Gateway for url: https://api.vendor.example/v1/images", PASSING),
    ("Client error '429 Too Many Requests' for url 'https://api.vendor.example/v1/images'", PASSING),
    (
        "<!DOCTYPE html><html><head><title>api.vendor.example | 502: Bad gateway</title></head></html>",
        PASSING,
    ),
    ("httpx.ConnectError: All connection attempts failed", PASSING),
    ("httpx.ReadTimeout", PASSING),
    ("RemoteDisconnected('Remote end closed connection without response')", PASSING),
    ("429 RESOURCE_EXHAUSTED", PASSING),
    ("The moderation service timed out, please try again", PASSING),
    ("Internal server error", PASSING),
    ("upstream request failed with status 503", PASSING),
    ("Retry policy exhausted: temporary failure", PASSING),
    (
        "Failed to download weights from https://weights.replicate.delivery/x: connection reset by peer",
        PASSING,
    ),
    // Nobody can tell.
    ("", UNKNOWN),
    ("Prediction failed.", UNKNOWN),
    ("An error occurred while processing your request (E001) (1cah9wlWR9)", UNKNOWN),
    ("Prediction failed for an unknown reason. It might have run out of memory? (exitcode 2)", UNKNOWN),
    ("'NoneType' object has no attribute 'shape'", UNKNOWN),
    ("list index out of bounds", UNKNOWN),
    ("RuntimeError: CUDA error: an illegal memory access was encountered", UNKNOWN),
    ("Expected all tensors to be on the same device, but found at least two devices", UNKNOWN),
    ("Invalid API key", UNKNOWN),
    ("finishReason: OTHER", UNKNOWN),
    ("あ", UNKNOWN),
];

#[test]
fn what_was_seen_has_its_class() {
    let (class, failure) = classify("Prediction interrupted; please retry (code: PA)", &[]);
    assert_eq!((class, failure.code.as_str()), (Transient, "provider_interrupted"));
    let mut wrong = Vec::new();
    for (error, expected) in SEEN {
        let (class, failure) = classify(error, &[]);
        if (class, failure.code.as_str()) != *expected {
            wrong.push(format!("{error:?}: {class:?} {}", failure.code.as_str()));
        }
        assert_eq!(failure.once, class == Unknown, "{error}");
        assert!(
            failure.message.ends_with('.') && !failure.message.contains("E9828"),
            "words are for operators"
        );
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), SEEN.len(), wrong.join("\n"));
}

#[test]
fn what_the_prompt_says_decides_nothing() {
    let prompt = "a sign that reads: nudity is prohibited, by order of the safety policy";
    for error in [
        format!("Prediction interrupted for \"{prompt}\"; please retry (code: PA)"),
        format!("{{'prompt': '{prompt}'}}: Service is temporarily unavailable"),
        format!("Lost {prompt} (E9828)"),
        format!("KeyError: prompt={} and more", prompt.to_uppercase()),
    ] {
        let (class, failure) = classify(&error, &[prompt.to_owned()]);
        assert_ne!(class, Permanent, "{error}: {}", failure.code.as_str());
    }
    let (_, failure) = classify(&format!("Request Moderated: {prompt}"), &[prompt.to_owned()]);
    assert_eq!(failure.code.as_str(), "content_flagged", "its own word is left");
    let error = "The input or output was flagged as sensitive";
    let (_, failure) = classify(error, &[format!("a sign: {error}")]);
    assert_eq!(failure.code.as_str(), "content_flagged", "an error that says nothing else says this");
}

#[test]
fn a_request_without_a_source_image_is_not_told_of_one() {
    let code = |error: &str, said: &[&str]| {
        let said: Vec<String> = said.iter().map(|text| (*text).to_owned()).collect();
        classify(error, &said).1.code.as_str()
    };
    let unreadable = "cannot identify image file 'x'";
    assert_eq!(code(unreadable, &["a fox"]), "rejected");
    assert_eq!(code(unreadable, &["a fox", "https://example.com/a.png"]), "source_unreachable");
    assert_eq!(code(unreadable, &["data:image/png;base64,"]), "source_unreachable");
    let refused = "HTTPSConnectionPool(host='example.com', port=443): Max retries exceeded with url: /a.png";
    assert_eq!(code(refused, &["https://example.com/a.png"]), "source_unreachable");
    assert_eq!(code(refused, &["https://other.example/a.png"]), "provider_error");
    assert_eq!(code(refused, &["a fox"]), "provider_error");
}

#[test]
fn what_opens_a_source_image_is_not_among_the_words_for_operators() {
    let error = "Client error '400 Bad Request' for url 'https://x.supabase.co/a.webp?token=secret' (E9828)";
    let (_, failure) = classify(error, &[]);
    let cause = "Client error '400 Bad Request' for url 'https://x.supabase.co/a.webp?… (E9828)";
    assert_eq!((failure.cause.as_str(), failure.code.as_str()), (cause, "source_unreachable"));
    assert_eq!(without_queries("why? no one knows"), "why? no one knows");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn whatever_a_model_writes_has_a_class(error in any::<String>(), said in proptest::collection::vec(any::<String>(), 0..3)) {
        let (_, failure) = classify(&error, &said);
        prop_assert!(!failure.code.as_str().is_empty() && failure.message.ends_with('.'));
    }

    /// In any spelling, between any other words.
    #[test]
    fn a_refusal_is_known_by_its_family(
        before in "[b-d]{3,8}( [b-d]{3,8}){0,4}", style in 0_usize..5, pick in 0_usize..6,
    ) {
        let pair = [["content", "moderated"], ["image", "safety"], ["prohibited", "content"], ["policy", "violation"], ["sensitive", "words"], ["nsfw", "image"]];
        let [one, other] = pair.get(pick).copied().unwrap_or_default();
        let capital = |word: &str| format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        let said = match style {
            0 => format!("{one} {other}"),
            1 => format!("{one}_{other}").to_uppercase(),
            2 => format!("{one}-{other}"),
            3 => format!("{}{}", capital(one), capital(other)),
            _ => format!("{one}{}", capital(other)),
        };
        let (class, failure) = classify(&format!("{before}: {said}"), &[]);
        prop_assert_eq!((class, failure.code.as_str()), FLAG);
    }
}
