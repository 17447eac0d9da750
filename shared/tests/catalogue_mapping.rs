//! Requests and the inputs they become, model by model.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail by panicking")]

use serde_json::{Value, json};
use shared::catalogue::{
    Adjustment, Catalogue, GenerationParams, Mapped, Operation, Role, SourceImage, Unsupported,
};

const SCHNELL: &str = "black-forest-labs/flux-schnell";
const DEV: &str = "black-forest-labs/flux-dev";
const PRO: &str = "black-forest-labs/flux-1.1-pro";
const ULTRA: &str = "black-forest-labs/flux-1.1-pro-ultra";
const KONTEXT: &str = "black-forest-labs/flux-kontext-pro";
const SDXL: &str = "stability-ai/sdxl";
const PICTURE: &str = "https://example.com/a.png";

/// A request that names nothing but a model.
fn params(model_id: &str) -> GenerationParams {
    GenerationParams { model_id: model_id.into(), prompt: "a fox".into(), ..GenerationParams::default() }
}

fn sized(model_id: &str, width: u32, height: u32) -> GenerationParams {
    GenerationParams { width: Some(width), height: Some(height), ..params(model_id) }
}

fn from_source(model_id: &str) -> GenerationParams {
    GenerationParams { sources: vec![SourceImage::Url(PICTURE.into())], ..params(model_id) }
}

fn try_map(params: &GenerationParams) -> Result<Mapped, Unsupported> {
    Catalogue::builtin().model(&params.model_id).expect("the model is in the catalogue").map(params)
}

fn map(params: &GenerationParams) -> Mapped {
    try_map(params).unwrap_or_else(|fault| panic!("{}: {fault}", params.model_id))
}

fn adjusted<'a>(mapped: &'a Mapped, field: &str) -> Option<&'a Adjustment> {
    mapped.adjustments.iter().find(|adjustment| adjustment.field == field)
}

/// The original sent every model 1344×768, and seven of sixteen refused it.
#[test]
fn every_model_that_generates_makes_something_of_1344_by_768() {
    let expected = [
        (SCHNELL, json!({ "aspect_ratio": "16:9", "megapixels": "1" }), Some((1344, 768))),
        (DEV, json!({ "aspect_ratio": "16:9", "megapixels": "1" }), Some((1344, 768))),
        ("black-forest-labs/flux-krea-dev", json!({ "aspect_ratio": "16:9" }), Some((1344, 768))),
        (PRO, json!({ "aspect_ratio": "custom", "width": 1344, "height": 768 }), Some((1344, 768))),
        (ULTRA, json!({ "aspect_ratio": "16:9" }), None),
        ("black-forest-labs/flux-pro", json!({ "aspect_ratio": "custom", "width": 1344 }), Some((1344, 768))),
        (
            "black-forest-labs/flux-2-pro",
            json!({ "aspect_ratio": "custom", "width": 1344 }),
            Some((1344, 768)),
        ),
        (
            "black-forest-labs/flux-2-max",
            json!({ "aspect_ratio": "custom", "height": 768 }),
            Some((1344, 768)),
        ),
        (
            "black-forest-labs/flux-2-dev",
            json!({ "aspect_ratio": "custom", "height": 768 }),
            Some((1344, 768)),
        ),
        ("black-forest-labs/flux-2-klein-4b", json!({ "aspect_ratio": "16:9" }), None),
        (KONTEXT, json!({ "aspect_ratio": "16:9" }), None),
        ("black-forest-labs/flux-kontext-max", json!({ "aspect_ratio": "16:9" }), None),
        ("ideogram-ai/ideogram-v3-turbo", json!({ "resolution": "1344x768" }), Some((1344, 768))),
        ("ideogram-ai/ideogram-v3-balanced", json!({ "resolution": "1344x768" }), Some((1344, 768))),
        ("ideogram-ai/ideogram-v3-quality", json!({ "resolution": "1344x768" }), Some((1344, 768))),
        ("ideogram-ai/ideogram-v2", json!({ "resolution": "1344x768" }), Some((1344, 768))),
        ("google/imagen-4", json!({ "aspect_ratio": "16:9" }), None),
        ("google/imagen-4-fast", json!({ "aspect_ratio": "16:9" }), None),
        ("google/imagen-4-ultra", json!({ "aspect_ratio": "16:9" }), None),
        ("google/nano-banana", json!({ "aspect_ratio": "16:9" }), None),
        (
            "bytedance/seedream-4",
            json!({ "size": "custom", "width": 1792, "height": 1024 }),
            Some((1792, 1024)),
        ),
        ("bytedance/seedream-3", json!({ "aspect_ratio": "custom", "width": 1344 }), Some((1344, 768))),
        (
            "recraft-ai/recraft-v3",
            json!({ "aspect_ratio": "Not set", "size": "1820x1024" }),
            Some((1820, 1024)),
        ),
        ("recraft-ai/recraft-v3-svg", json!({ "size": "1820x1024" }), Some((1820, 1024))),
        ("qwen/qwen-image", json!({ "aspect_ratio": "16:9" }), Some((1664, 928))),
        ("stability-ai/stable-diffusion-3.5-large", json!({ "aspect_ratio": "16:9" }), None),
        ("stability-ai/stable-diffusion-3.5-large-turbo", json!({ "aspect_ratio": "16:9" }), None),
        (SDXL, json!({ "width": 1344, "height": 768 }), Some((1344, 768))),
        ("bytedance/sdxl-lightning-4step", json!({ "width": 1280, "height": 728 }), Some((1280, 728))),
    ];
    let generates = |params: &&str| expected.iter().any(|(id, ..)| id == params);
    for model in Catalogue::builtin().all() {
        let listed = generates(&model.id.as_str());
        let generating = model.operations.contains(&Operation::Generate);
        assert_eq!(listed, generating, "{} belongs in this table, or out of it", model.id);
    }
    for (id, fields, output) in expected {
        let mapped = map(&sized(id, 1344, 768));
        for (name, value) in fields.as_object().into_iter().flatten() {
            assert_eq!(mapped.input.get(name), Some(value), "{id}: {name} of {:?}", mapped.input);
        }
        assert_eq!(mapped.output, output, "{id}");
        let exact = output == Some((1344, 768));
        assert_eq!(mapped.adjustments.is_empty(), exact, "{id}: {:?}", mapped.adjustments);
    }
}

#[test]
fn a_size_is_adjusted_in_shape_first() {
    let cases = [
        (SCHNELL, (700, 400), "aspect_ratio", json!("16:9")),
        (SCHNELL, (400, 700), "aspect_ratio", json!("9:16")),
        (SCHNELL, (512, 512), "megapixels", json!("0.25")),
        (SCHNELL, (4000, 100), "aspect_ratio", json!("21:9")),
        (SCHNELL, (896, 1088), "aspect_ratio", json!("4:5")),
        ("google/imagen-4", (3000, 2000), "aspect_ratio", json!("4:3")),
        (SDXL, (1001, 1003), "width", json!(1000)),
        (SDXL, (1001, 1004), "height", json!(1008)),
        (SDXL, (99_999_999, 99_999_999), "width", json!(2048)),
        (PRO, (2000, 1000), "width", json!(1440)),
        (PRO, (2000, 1000), "height", json!(736)),
        (PRO, (0, 0), "width", json!(256)),
        ("bytedance/seedream-3", (1921, 1081), "width", json!(1921)),
        ("bytedance/seedream-4", (4096, 4096), "height", json!(4096)),
        ("bytedance/seedream-4", (512, 512), "width", json!(1024)),
        ("recraft-ai/recraft-v3", (1024, 1707), "size", json!("1024x1707")),
        ("ideogram-ai/ideogram-v2", (1920, 1080), "resolution", json!("1312x736")),
    ];
    for (id, (width, height), field, value) in cases {
        let mapped = map(&sized(id, width, height));
        assert_eq!(mapped.input.get(field), Some(&value), "{id} {width}x{height}: {:?}", mapped.input);
    }
    assert_eq!(map(&sized(SCHNELL, 512, 512)).output, Some((512, 512)));
}

#[test]
fn every_size_a_model_offers_is_its_own_closest() {
    let mut seen = 0;
    for model in Catalogue::builtin().all() {
        let described = model.describe();
        for size in described["supports"]["sizes"].as_array().into_iter().flatten() {
            let (width, height) = size.as_str().and_then(|size| size.split_once('x')).expect("WxH");
            let wanted = (width.parse().expect("a number"), height.parse().expect("a number"));
            let mapped = map(&sized(&model.id, wanted.0, wanted.1));
            assert_eq!(mapped.output, Some(wanted), "{} {size}", model.id);
            assert_eq!(mapped.adjustments, [], "{} {size}", model.id);
            seen += 1;
        }
    }
    assert!(seen > 300, "only {seen} sizes were looked at");
}

#[test]
fn a_missing_side_is_the_default_and_no_size_is_no_adjustment() {
    let mapped = map(&GenerationParams { width: Some(1344), ..params(SDXL) });
    assert_eq!(mapped.output, Some((1344, 1024)));
    for model in Catalogue::builtin().all().filter(|model| model.operations[0] == Operation::Generate) {
        let mapped = map(&params(&model.id));
        assert_eq!(mapped.adjustments, [], "{}", model.id);
        assert!(mapped.output.is_none() || mapped.output == model.size || model.id.starts_with("qwen/"));
    }
}

#[test]
fn zero_is_a_value() {
    let zero = GenerationParams { seed: Some(0), guidance_scale: Some(0.0), ..GenerationParams::default() };
    let dev = map(&GenerationParams { model_id: DEV.into(), prompt: "a".into(), ..zero.clone() });
    assert_eq!(dev.input["seed"], json!(0));
    assert_eq!(dev.input["guidance"], json!(0.0));
    assert_eq!(dev.adjustments, []);
    let lightning = map(&GenerationParams {
        model_id: "bytedance/sdxl-lightning-4step".into(),
        prompt: "a".into(),
        ..zero.clone()
    });
    assert_eq!(lightning.input["guidance_scale"], json!(0.0));
    let sdxl = map(&GenerationParams { model_id: SDXL.into(), prompt: "a".into(), ..zero });
    assert_eq!(sdxl.input["guidance_scale"], json!(1.0), "SDXL's least");
    assert_eq!(adjusted(&sdxl, "guidance_scale").map(|a| &a.used), Some(&json!(1.0)));
    let without = map(&params(DEV));
    assert!(!without.input.contains_key("guidance") && !without.input.contains_key("seed"));
}

#[test]
fn numbers_go_under_the_models_own_names_within_its_limits() {
    let cases = [
        (SCHNELL, 30, "num_inference_steps", json!(4), 7.5, "guidance", None),
        (DEV, 0, "num_inference_steps", json!(1), 99.0, "guidance", Some(json!(10.0))),
        ("black-forest-labs/flux-pro", 25, "steps", json!(25), 7.5, "guidance", Some(json!(5.0))),
        (SDXL, u32::MAX, "num_inference_steps", json!(500), 7.5, "guidance_scale", Some(json!(7.5))),
        ("qwen/qwen-image", 80, "num_inference_steps", json!(50), 4.0, "guidance", Some(json!(4.0))),
        (
            "bytedance/sdxl-lightning-4step",
            4,
            "num_inference_steps",
            json!(4),
            -1.0,
            "guidance_scale",
            Some(json!(0.0)),
        ),
    ];
    for (id, steps, steps_field, steps_used, guidance, guidance_field, guidance_used) in cases {
        let mapped = map(&GenerationParams {
            num_inference_steps: Some(steps),
            guidance_scale: Some(guidance),
            ..params(id)
        });
        assert_eq!(mapped.input.get(steps_field), Some(&steps_used), "{id}");
        assert_eq!(mapped.input.get(guidance_field), guidance_used.as_ref(), "{id}");
        let steps_kept = steps_used == json!(steps);
        assert_eq!(adjusted(&mapped, "num_inference_steps").is_none(), steps_kept, "{id}");
        let guidance_kept = guidance_used == Some(json!(guidance));
        assert_eq!(adjusted(&mapped, "guidance_scale").is_none(), guidance_kept, "{id}");
    }
    let cfg = map(&GenerationParams {
        guidance_scale: Some(4.5),
        ..params("stability-ai/stable-diffusion-3.5-large")
    });
    assert_eq!(cfg.input["cfg"], json!(4.5));
}

#[test]
fn a_seed_too_large_is_folded_and_reported() {
    let v3 = "ideogram-ai/ideogram-v3-turbo";
    let large = map(&GenerationParams { seed: Some(1 << 31), ..params(v3) });
    assert_eq!((&large.input["seed"], adjusted(&large, "seed").is_some()), (&json!(0), true));
    let largest = map(&GenerationParams { seed: Some((1 << 31) - 1), ..params(v3) });
    assert_eq!((&largest.input["seed"], largest.adjustments.len()), (&json!(2_147_483_647), 0));
    let negative = map(&GenerationParams { seed: Some(i64::MIN), ..params(v3) });
    assert_eq!(negative.input["seed"], json!(0));
    assert_eq!(map(&GenerationParams { seed: Some(i64::MAX), ..params(DEV) }).input["seed"], json!(i64::MAX));
}

#[test]
fn what_a_model_lacks_is_left_out_and_reported() {
    let everything = GenerationParams {
        negative_prompt: Some("blur".into()),
        seed: Some(7),
        num_inference_steps: Some(20),
        guidance_scale: Some(3.0),
        style: Some("anime".into()),
        ..params("google/imagen-4")
    };
    let mapped = map(&everything);
    let fields: Vec<_> = mapped.adjustments.iter().map(|adjustment| adjustment.field).collect();
    assert_eq!(fields, ["negative_prompt", "seed", "num_inference_steps", "guidance_scale", "style"]);
    assert!(mapped.adjustments.iter().all(|adjustment| adjustment.used == Value::Null));
    let sent: Vec<_> = mapped.input.keys().map(String::as_str).collect();
    assert_eq!(sent, ["aspect_ratio", "output_format", "prompt"]);

    let negative = map(&GenerationParams { negative_prompt: Some("blur".into()), ..params(SDXL) });
    assert_eq!((&negative.input["negative_prompt"], negative.adjustments.len()), (&json!("blur"), 0));
    let upscale = map(&from_source("nightmareai/real-esrgan"));
    assert_eq!(upscale.input.keys().collect::<Vec<_>>(), ["image"]);
    assert!(adjusted(&upscale, "prompt").is_none(), "it is a title");
}

#[test]
fn strength_one_changes_everything_whatever_the_model_calls_it() {
    let cases = [
        (DEV, "prompt_strength", 1.0, 1.0),
        (DEV, "prompt_strength", 0.25, 0.25),
        (SDXL, "prompt_strength", 0.0, 0.0),
        ("qwen/qwen-image", "strength", 0.9, 0.9),
        ("philz1337x/clarity-upscaler", "creativity", 0.4, 0.4),
        (ULTRA, "image_prompt_strength", 1.0, 0.0),
        (ULTRA, "image_prompt_strength", 0.9, 0.1),
        (ULTRA, "image_prompt_strength", 0.0, 1.0),
        (ULTRA, "image_prompt_strength", 7.0, 0.0),
    ];
    for (id, field, strength, sent) in cases {
        let mapped = map(&GenerationParams { strength: Some(strength), ..from_source(id) });
        assert_eq!(mapped.input[field], json!(sent), "{id} {strength}");
        assert_eq!(adjusted(&mapped, "strength").is_some(), strength > 1.0, "{id} {strength}");
    }
    let silent = map(&from_source(DEV));
    assert!(!silent.input.contains_key("prompt_strength"), "the model's default is its own");
}

#[test]
fn a_source_image_goes_where_the_model_wants_it() {
    let url = "https://example.com/a.png";
    let cases = [
        (DEV, "image", json!(url)),
        (PRO, "image_prompt", json!(url)),
        (KONTEXT, "input_image", json!(url)),
        ("black-forest-labs/flux-2-pro", "input_images", json!([url])),
        ("google/nano-banana", "image_input", json!([url])),
        ("qwen/qwen-image-edit", "image", json!(url)),
        ("cjwbw/rembg", "image", json!(url)),
    ];
    for (id, field, value) in cases {
        assert_eq!(map(&from_source(id)).input[field], value, "{id}");
    }
}

#[test]
fn a_generation_as_the_source_counts_as_one_and_its_id_stands_for_the_url() {
    let id = uuid::Uuid::from_u128(7);
    let own = |model: &str| GenerationParams { sources: vec![SourceImage::Generation(id)], ..params(model) };
    for (model, field, operation) in [
        (DEV, "image", "variation"),
        (KONTEXT, "input_image", "edit"),
        ("nightmareai/real-esrgan", "image", "upscale"),
        ("851-labs/background-remover", "image", "remove_background"),
    ] {
        let mapped = map(&GenerationParams { operation: Operation::from_name(operation), ..own(model) });
        assert_eq!((&mapped.input[field], mapped.operation.as_str()), (&json!(id.to_string()), operation));
    }
    let strong = map(&GenerationParams { strength: Some(0.25), ..own(DEV) });
    assert_eq!(strong.input["prompt_strength"], json!(0.25));
    assert_eq!(try_map(&own(SCHNELL)).unwrap_err().field, "source_generation_id");
}

#[test]
fn an_upload_is_a_source_for_every_model_that_takes_one() {
    let id = uuid::Uuid::from_u128(8);
    let mut taken = 0;
    for model in Catalogue::builtin().all() {
        let own = GenerationParams { sources: vec![SourceImage::Upload(id)], ..params(&model.id) };
        let with_url = model.map(&from_source(&model.id));
        let mapped = match (model.map(&own), &with_url) {
            (Ok(mapped), _) => mapped,
            (Err(fault), Err(_)) => {
                let field = if model.input.role(Role::Mask).is_some() { "mask" } else { "source_id" };
                assert_eq!(fault.field, field, "{}", model.id);
                continue;
            }
            (Err(fault), Ok(_)) => panic!("{} takes a URL and no upload: {fault}", model.id),
        };
        let swapped = serde_json::to_string(&mapped.input).unwrap().replace(&id.to_string(), PICTURE);
        assert_eq!(swapped, serde_json::to_string(&with_url.unwrap().input).unwrap(), "{}", model.id);
        taken += 1;
    }
    assert!(taken >= 10, "only {taken} models take a source image");
}

#[test]
fn the_size_follows_the_source_image_where_the_model_does_so() {
    for id in [KONTEXT, "black-forest-labs/flux-2-pro", "google/nano-banana", "bytedance/seedream-4"] {
        let mapped = map(&from_source(id));
        assert_eq!(mapped.input["aspect_ratio"], json!("match_input_image"), "{id}");
        assert_eq!((mapped.output, mapped.input.get("width")), (None, None), "{id}");
    }
    let asked = map(&GenerationParams { width: Some(1344), height: Some(768), ..from_source(KONTEXT) });
    assert_eq!(asked.input["aspect_ratio"], json!("16:9"), "a size that is asked for counts");
    assert_eq!(map(&params(KONTEXT)).input["aspect_ratio"], json!("1:1"), "there is no image to match");

    for id in [DEV, SDXL, "stability-ai/stable-diffusion-3.5-large"] {
        let mapped = map(&GenerationParams { width: Some(1344), height: Some(768), ..from_source(id) });
        let size_fields = ["aspect_ratio", "megapixels", "width", "height"];
        assert!(
            size_fields.iter().all(|field| !mapped.input.contains_key(*field)),
            "{id}: {:?}",
            mapped.input
        );
        assert_eq!(mapped.output, None, "{id}");
        assert_eq!(adjusted(&mapped, "size").map(|a| &a.requested), Some(&json!("1344x768")), "{id}");
    }
    assert_eq!(map(&from_source("qwen/qwen-image")).output, None, "the facts do not say");
}

#[test]
fn what_cannot_be_met_is_refused_by_field() {
    let strong = |params: GenerationParams| GenerationParams { strength: Some(0.5), ..params };
    let doing = |params: GenerationParams, operation: &str| GenerationParams {
        operation: Operation::from_name(operation),
        ..params
    };
    let cases = [
        (from_source(SCHNELL), "source_image_url"),
        (from_source("google/imagen-4"), "source_image_url"),
        (from_source("recraft-ai/recraft-v3"), "source_image_url"),
        (from_source("ideogram-ai/ideogram-v3-turbo"), "mask"),
        (from_source("bytedance/sdxl-lightning-4step"), "source_image_url"),
        (params("black-forest-labs/flux-kontext-dev"), "source_image_url"),
        (params("qwen/qwen-image-edit"), "source_image_url"),
        (params("nightmareai/real-esrgan"), "source_image_url"),
        (params("cjwbw/rembg"), "source_image_url"),
        (doing(params(DEV), "variation"), "source_image_url"),
        (strong(from_source(KONTEXT)), "strength"),
        (strong(from_source(PRO)), "strength"),
        (strong(params(DEV)), "strength"),
        (strong(params(SCHNELL)), "strength"),
        (doing(params(SCHNELL), "upscale"), "operation"),
        (doing(params(SCHNELL), "variation"), "operation"),
        (doing(from_source("nightmareai/real-esrgan"), "generate"), "operation"),
        (doing(from_source("cjwbw/rembg"), "upscale"), "operation"),
        (GenerationParams { prompt: "  ".into(), ..params(DEV) }, "prompt"),
    ];
    for (params, field) in cases {
        let fault = try_map(&params).expect_err(&format!("{} takes {params:?}", params.model_id));
        assert_eq!(fault.field, field, "{}: {fault}", params.model_id);
        assert!(!fault.reason.is_empty());
    }
    let sources =
        Catalogue::builtin().all().filter(|model| model.describe()["supports"]["source_image"] == false);
    let mut refused = 0;
    for model in sources {
        let fault = model.map(&from_source(&model.id)).expect_err(&model.id);
        let field = if model.input.role(Role::Mask).is_some() { "mask" } else { "source_image_url" };
        assert_eq!(fault.field, field, "{}", model.id);
        refused += 1;
    }
    assert!(refused >= 12, "only {refused} models lack a source image");
}

#[test]
fn the_operation_is_the_models_own_unless_asked_for() {
    let operation = |params: &GenerationParams| map(params).operation.as_str();
    assert_eq!(operation(&params(DEV)), "generate");
    assert_eq!(operation(&from_source("philz1337x/clarity-upscaler")), "upscale");
    assert_eq!(operation(&from_source("lucataco/remove-bg")), "remove_background");
    // A source image is there to be used: by an edit where the model has one, else by a variation.
    assert_eq!(operation(&from_source(DEV)), "variation");
    assert_eq!(operation(&from_source("black-forest-labs/flux-2-pro")), "edit");
    assert_eq!(operation(&from_source("qwen/qwen-image-edit")), "edit");
    let own = GenerationParams { operation: Some(Operation::Generate), ..from_source(DEV) };
    assert_eq!(operation(&own), "generate");
    assert_eq!(
        operation(&GenerationParams { operation: Some(Operation::Variation), ..from_source(DEV) }),
        "variation"
    );
}

#[test]
fn the_format_is_the_best_the_model_offers() {
    let cases = [
        (params(SCHNELL), Some("output_format"), Some("webp")),
        (params(ULTRA), Some("output_format"), Some("png")),
        (params("google/imagen-4"), Some("output_format"), Some("png")),
        (params("recraft-ai/recraft-v3-svg"), None, Some("svg")),
        (params("recraft-ai/recraft-v3"), None, Some("webp")),
        (params(SDXL), None, Some("png")),
        (params("black-forest-labs/flux-2-klein-4b"), None, Some("jpg")),
        (params("bytedance/seedream-3"), None, None),
        (from_source("851-labs/background-remover"), None, Some("png")),
    ];
    for (params, field, format) in cases {
        let mapped = map(&params);
        assert_eq!(mapped.format.as_deref(), format, "{}", params.model_id);
        let sent = field.and_then(|field| mapped.input.get(field)).and_then(Value::as_str);
        assert_eq!(sent, field.and(format), "{}", params.model_id);
        assert!(!mapped.input.contains_key("format"), "{}", params.model_id);
    }
}

#[test]
fn one_request_makes_one_image() {
    for (id, field) in
        [(SCHNELL, "num_outputs"), (SDXL, "num_outputs"), ("bytedance/seedream-4", "max_images")]
    {
        assert_eq!(map(&params(id)).input[field], json!(1), "{id}");
    }
}

#[test]
fn a_style_is_one_of_the_models_or_reported() {
    let styled = |id: &str, style: &str| map(&GenerationParams { style: Some(style.into()), ..params(id) });
    assert_eq!(styled("recraft-ai/recraft-v3-svg", "linocut").input["style"], json!("linocut"));
    assert_eq!(styled("ideogram-ai/ideogram-v3-turbo", "realistic").input["style_type"], json!("Realistic"));
    assert_eq!(styled("ideogram-ai/ideogram-v3-turbo", "Art Deco").input["style_preset"], json!("Art Deco"));
    let unknown = styled("recraft-ai/recraft-v3-svg", "vector_illustration");
    assert!(!unknown.input.contains_key("style"));
    assert_eq!(adjusted(&unknown, "style").map(|a| &a.requested), Some(&json!("vector_illustration")));
}

#[test]
fn only_the_catalogues_version_is_run() {
    let hex = "7762fd07cf82c948538e41f63f77d685e02b063e37e496e96eefd46c929f9bdc";
    let versioned = |id: &str, version: &str| {
        map(&GenerationParams { model_version: Some(version.into()), ..params(id) })
    };
    assert_eq!(map(&params(SDXL)).version, hex);
    assert_eq!(map(&params(SCHNELL)).version, SCHNELL);
    for own in [hex.to_owned(), format!("{SDXL}:{hex}"), SDXL.to_owned()] {
        let mapped = versioned(SDXL, &own);
        assert_eq!((mapped.version.as_str(), mapped.adjustments.len()), (hex, 0), "{own}");
    }
    let other = versioned(SCHNELL, hex);
    assert_eq!(other.version, SCHNELL, "another model's version must not be paid for");
    assert_eq!(adjusted(&other, "model_version").map(|a| &a.used), Some(&json!(SCHNELL)));
}

#[test]
fn numbers_that_are_none_are_left_out() {
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mapped =
            map(&GenerationParams { guidance_scale: Some(value), strength: Some(value), ..from_source(DEV) });
        assert!(!mapped.input.contains_key("guidance") && !mapped.input.contains_key("prompt_strength"));
        assert!(adjusted(&mapped, "guidance_scale").is_some() && adjusted(&mapped, "strength").is_some());
    }
}
