use super::*;

fn parse(body: Value) -> Result<StartRequest, Problem> {
    StartRequest::parse(body.to_string().as_bytes(), &AllowedOrigins::default())
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({ "prompt": "a fox", "model_id": "black-forest-labs/flux-schnell" });
    body[field] = value;
    body
}

#[test]
fn the_originals_body_is_read() {
    let request = parse(json!({
        "prompt": "a fox", "model_id": "m", "model_version": "v", "width": 1344, "height": 768.0,
        "num_inference_steps": 4, "guidance_scale": 0, "seed": 0, "negative_prompt": "", "style": null,
        "source_image_url": "https://example.com/a.png", "strength": 1
    }))
    .unwrap();
    assert_eq!(request.items, [Item { prompt: "a fox".into(), seed: Some(0), negative_prompt: None }]);
    assert_eq!((request.params.width, request.params.height), (Some(1344), Some(768)));
    assert_eq!((request.params.guidance_scale, request.params.strength), (Some(0.0), Some(1.0)));
    assert_eq!((request.params.negative_prompt, request.params.style), (None, None));
}

#[test]
fn an_unknown_field_is_refused_whatever_it_holds_and_a_payload_may_have_it() {
    for value in [json!(4), json!(null), json!("a\0b")] {
        let problem = parse(with("steps", value)).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::InvalidRequest, Some("steps")));
        assert!(problem.detail.ends_with("Did you mean num_inference_steps?"), "{}", problem.detail);
    }
    assert!(parse_params(&with("steps", json!(4))).is_ok());
}

#[test]
fn null_counts_as_left_out() {
    let mut body = with("model_id", json!("m"));
    for name in SETTINGS.iter().chain(&PROMPTS).filter(|name| !["model_id", "prompt"].contains(name)) {
        body[name] = json!(null);
    }
    let (all, none) = (parse(body).unwrap(), parse(with("model_id", json!("m"))).unwrap());
    assert_eq!(format!("{all:?}"), format!("{none:?}"));
}

#[test]
fn every_field_out_of_its_range_is_refused_by_name() {
    let table = [
        ("prompt", json!("")),
        ("prompt", json!("  \n")),
        ("prompt", json!(5)),
        ("prompt", json!(null)),
        ("prompt", json!("x".repeat(4001))),
        ("prompt", json!("a\u{0}b")),
        ("model_id", json!("")),
        ("model_id", json!(null)),
        ("model_id", json!(7)),
        ("width", json!(0)),
        ("width", json!(-5)),
        ("width", json!(99_999_999)),
        ("width", json!(512.5)),
        ("width", json!("512")),
        ("height", json!(-5)),
        ("height", json!(1e300)),
        ("aspect_ratio", json!("16x9")),
        ("aspect_ratio", json!("0:9")),
        ("aspect_ratio", json!("100:9")),
        ("aspect_ratio", json!(1.5)),
        ("aspect_ratio", json!([16, 9])),
        ("output_format", json!("jpeg")),
        ("output_format", json!("WEBP")),
        ("output_format", json!(1)),
        ("num_inference_steps", json!(0)),
        ("num_inference_steps", json!(1000)),
        ("guidance_scale", json!(-1)),
        ("guidance_scale", json!("7")),
        ("seed", json!(-1)),
        ("seed", json!(1.5)),
        ("seed", json!(4_294_967_296_u64)),
        ("negative_prompt", json!("x".repeat(4001))),
        ("negative_prompt", json!(false)),
        ("style", json!(3)),
        ("source_image_url", json!("http://example.com/a.png")),
        ("source_image_url", json!("https://127.0.0.1/a")),
        ("source_image_url", json!("https://localhost/a")),
        ("source_image_url", json!("not a url")),
        ("source_image_url", json!("data:image/png;base64,AAAA")),
        ("strength", json!(0.5)),
        ("num_images", json!(0)),
        ("num_images", json!(11)),
        ("prompts", json!(["a"])),
        ("priority", json!("urgent")),
        ("priority", json!(1)),
        ("operation", json!("paint")),
        ("expires_in", json!(0)),
        ("expires_in", json!("1h")),
        ("scheduled_at", json!(5)),
        ("scheduled_at", json!("")),
        ("scheduled_at", json!("tomorrow")),
        ("scheduled_at", json!("2026-12-01 BC")),
        ("scheduled_at", json!("2026-12-01T00:00:00 America/New_York")),
    ];
    for (field, value) in table {
        let problem =
            parse(with(field, value.clone())).expect_err(&format!("{field}: {value} must be refused"));
        assert_eq!(problem.code, Code::InvalidRequest, "{field}: {value}");
        assert_eq!(problem.field.as_deref(), Some(field), "{value}");
        assert_eq!(problem.body()["error"], problem.body()["detail"]);
    }
}

#[test]
fn each_word_of_an_operation_has_its_meaning() {
    assert_eq!(Operation::ALL.map(Operation::as_str), OPERATIONS);
    for operation in Operation::ALL {
        let read = parse(with("operation", json!(operation))).unwrap().params.operation;
        assert_eq!(read, Some(operation), "{operation:?}");
    }
}

#[test]
fn each_word_of_a_priority_has_its_meaning() {
    for (word, priority) in PRIORITIES.into_iter().zip([Priority::Low, Priority::Normal, Priority::High]) {
        assert_eq!(parse(with("priority", json!(word))).unwrap().priority, Some(priority), "{word}");
    }
}

#[test]
fn each_word_of_an_output_format_has_its_meaning() {
    assert_eq!(OutputFormat::ALL.map(OutputFormat::as_str), OUTPUT_FORMATS);
    for format in OutputFormat::ALL {
        assert_eq!(parse(with("output_format", json!(format))).unwrap().params.output_format, Some(format));
    }
}

#[test]
fn a_shape_is_given_instead_of_a_size() {
    let shaped = parse(with("aspect_ratio", json!("16:9"))).unwrap().params;
    assert_eq!((shaped.aspect_ratio, shaped.width), (AspectRatio::parse("16:9"), None));
    for side in ["width", "height"] {
        let mut body = with("aspect_ratio", json!("16:9"));
        body[side] = json!(1024);
        let problem = parse(body.clone()).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::InvalidRequest, Some("aspect_ratio")));
        body[side] = Value::Null;
        assert!(parse(body).is_ok());
    }
}

#[test]
fn strength_is_bounded_with_a_source_image() {
    for (strength, fine) in [(json!(0), true), (json!(1), true), (json!(1.01), false), (json!(-0.1), false)] {
        let mut body = with("strength", strength.clone());
        body["source_image_url"] = json!("https://example.com/a.png");
        assert_eq!(parse(body).is_ok(), fine, "{strength}");
    }
}

#[test]
fn bodies_that_are_no_json_object() {
    for body in ["", "{", "[]", "null", "\"x\"", "5", "\u{feff}"] {
        let problem = StartRequest::parse(body.as_bytes(), &AllowedOrigins::default()).unwrap_err();
        assert_eq!(
            (problem.code, problem.field.as_deref()),
            (Code::InvalidRequest, Some("body")),
            "{body:?}"
        );
    }
    let problem = StartRequest::parse(&[b' '; MAX_BODY_BYTES + 1], &AllowedOrigins::default()).unwrap_err();
    assert_eq!(problem.code, Code::BodyTooLarge);
}

#[test]
fn a_batch_has_one_item_per_image() {
    let mut body = with("num_images", json!(3));
    body["seed"] = json!(7);
    let seeds: Vec<_> = parse(body).unwrap().items.iter().map(|item| item.seed).collect();
    assert_eq!(seeds, [Some(7), Some(8), Some(9)], "the same seed would paint the same image thrice");

    let request = parse(json!({ "prompts": ["a", "b"], "model_id": "m" })).unwrap();
    assert_eq!(request.items.iter().map(|item| item.prompt.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(request.items[0].seed, None);

    for prompts in [json!([]), json!(["a", ""]), json!("a"), json!(vec!["a"; 11])] {
        let problem = parse(json!({ "prompts": prompts, "model_id": "m" })).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("prompts"));
    }
    let problem = parse(json!({ "prompts": ["a", "b"], "num_images": 2, "model_id": "m" })).unwrap_err();
    assert_eq!(problem.field.as_deref(), Some("num_images"));
}

#[test]
fn the_source_is_a_url_or_a_generation_of_ones_own() {
    let id = "0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c";
    let mut body = with("source_generation_id", json!(id));
    body["model_id"] = json!("black-forest-labs/flux-dev");
    body["strength"] = json!(0.4);
    let request = parse(body.clone()).unwrap();
    let params = &request.params;
    let own = SourceImage::Generation(Uuid::try_parse(id).unwrap());
    assert_eq!((&params.sources, params.strength), (&vec![own], Some(0.4)));

    body["source_image_url"] = json!("https://example.com/a.png");
    for body in [body, with("source_generation_id", json!("x")), with("source_generation_id", json!(7))] {
        let problem = parse(body).unwrap_err();
        let expected = (Code::InvalidRequest, Some("source_generation_id"));
        assert_eq!((problem.code, problem.field.as_deref()), expected);
    }
}

#[test]
fn the_source_may_be_an_upload_and_is_only_one() {
    let id = "0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c";
    let mut body = with("source_id", json!(id));
    body["model_id"] = json!("black-forest-labs/flux-dev");
    body["strength"] = json!(0.4);
    let request = parse(body.clone()).unwrap();
    assert_eq!(request.params.sources, [SourceImage::Upload(Uuid::try_parse(id).unwrap())]);
    assert_eq!(map_params(&request.params).unwrap().operation, Operation::Variation);

    let others =
        [("source_image_url", json!("https://example.com/a.png")), ("source_generation_id", json!(id))];
    for (other, value) in others {
        let mut both = body.clone();
        both[other] = value;
        let problem = parse(both).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::InvalidRequest, Some("source_id")));
        assert!(problem.detail.contains(other), "{}", problem.detail);
    }
    for value in [json!(""), json!("x"), json!(7), json!([id])] {
        let problem = parse(with("source_id", value)).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::InvalidRequest, Some("source_id")));
    }
}

#[test]
fn several_sources_stand_in_their_order_and_a_mask_beside_them() {
    let id = "0b5c2a4e-6f0d-4c3e-9a57-1d2f3e4a5b6c";
    let url = json!({ "source_image_url": "https://example.com/a.png" });
    let mut body = with("sources", json!([id, url, { "source_generation_id": id, "source_id": null }]));
    body["mask"] = json!({ "source_id": id });
    body["scale"] = json!(2.5);
    let params = parse(body).unwrap().params;
    let own = Uuid::try_parse(id).unwrap();
    let public = SourceImage::Url("https://example.com/a.png".to_owned());
    assert_eq!(params.sources, [SourceImage::Upload(own), public, SourceImage::Generation(own)]);
    assert_eq!((params.mask, params.scale), (Some(SourceImage::Upload(own)), Some(2.5)));

    let with_both = |name: &str, value: Value| {
        let mut body = with("sources", json!([{ "source_id": id }]));
        body[name] = value;
        body
    };
    for (body, field) in [
        (with("sources", json!([])), "sources"),
        (with("sources", json!(vec![json!({ "source_id": id }); 11])), "sources"),
        (with("sources", json!({ "source_id": id })), "sources"),
        (with("sources", json!([7])), "sources[0]"),
        (with("sources", json!(["https://example.com/a.png"])), "sources[0]"),
        (with("sources", json!([{ "source_id": id }, {}])), "sources[1]"),
        (with("sources", json!([{ "source_id": "x" }])), "sources[0].source_id"),
        (with("sources", json!([{ "url": "https://example.com/a.png" }])), "sources[0]"),
        (
            with("sources", json!([{ "source_image_url": "http://localhost/" }])),
            "sources[0].source_image_url",
        ),
        (with("sources", json!([{ "source_id": id, "source_generation_id": id }])), "sources[0].source_id"),
        (with("mask", json!({ "source_id": id })), "mask"),
        (with("mask", json!(id)), "mask"),
        (with_both("mask", json!("")), "mask"),
        (with_both("mask", json!({})), "mask"),
        (with_both("mask", json!({ "source_id": 7 })), "mask.source_id"),
        (with_both("source_id", json!(id)), "sources"),
        (with("scale", json!(0.9)), "scale"),
        (with("scale", json!(10.1)), "scale"),
        (with("scale", json!("2x")), "scale"),
    ] {
        let problem = parse(body.clone()).unwrap_err();
        assert_eq!((problem.code, problem.field.as_deref()), (Code::InvalidRequest, Some(field)), "{body}");
    }
}

#[test]
fn a_refusal_says_what_is_wrong_and_how_it_is_right() {
    let list = |prompts: Value| json!({ "prompts": prompts, "model_id": "black-forest-labs/flux-schnell" });
    for (body, detail) in [
        (with("prompt", json!("  ")), "A prompt must not be empty, nor only white space."),
        (with("prompt", json!(7)), "prompt must be text."),
        (list(json!([{ "text": "a fox" }])), "Each of prompts must be text."),
        (
            with("sources", json!(["https://example.com/a.png"])),
            "sources[0] must be the id of an upload. An address goes into an object: {\"source_image_url\": \
             \"https://…\"}.",
        ),
    ] {
        assert_eq!(parse(body.clone()).unwrap_err().detail, detail, "{body}");
    }
}

#[test]
fn a_model_that_takes_no_prompt_needs_none_and_keeps_one_as_a_title() {
    let url = "https://example.com/a.png";
    let body = |prompt: Value| json!({ "prompt": prompt, "model_id": "851-labs/background-remover", "source_image_url": url });
    for (prompt, kept) in [(Value::Null, ""), (json!(""), ""), (json!(" "), ""), (json!("My cat"), "My cat")]
    {
        let request = parse(body(prompt.clone())).unwrap();
        assert_eq!(request.items[0].prompt, kept, "{prompt}");
        let mapped = map_params(&request.params).unwrap();
        assert_eq!((mapped.adjustments.len(), mapped.input.contains_key("prompt")), (0, false), "{prompt}");
    }
    assert!(parse(body(json!(7))).is_err() && parse(body(json!("x".repeat(4_001)))).is_err());
    // By its short name, and in a job's payload, too.
    let mut short = body(Value::Null);
    short["model_id"] = json!("background-remover");
    assert_eq!(parse_params(&short).unwrap().prompt, "");
    let other = with("prompt", Value::Null);
    assert_eq!(parse(other).unwrap_err().detail, "prompt is required and must be text.");
}

#[test]
fn a_webhook_is_public_https_or_of_an_allowed_origin() {
    let sent = |url: &str, allowed: &str| {
        let body = with("webhook_url", json!(url)).to_string();
        let request = StartRequest::parse(body.as_bytes(), &AllowedOrigins::parse(allowed).unwrap())?;
        Ok::<_, Problem>(request.webhook_url)
    };
    assert_eq!(sent("https://Example.com/hook?a=1", "").unwrap().unwrap(), "https://example.com/hook?a=1");
    let local = "http://127.0.0.1:9000";
    assert_eq!(sent("http://127.0.0.1:9000/hook", local).unwrap().unwrap(), "http://127.0.0.1:9000/hook");
    for url in
        ["http://example.com/", "https://127.0.0.1/", "https://example.com:8443/", "http://127.0.0.1:9001/"]
    {
        let problem = sent(url, local).unwrap_err();
        assert_eq!(
            (problem.code, problem.field.as_deref()),
            (Code::InvalidRequest, Some("webhook_url")),
            "{url}"
        );
    }
}
