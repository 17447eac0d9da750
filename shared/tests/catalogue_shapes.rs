//! Shapes and file formats that a request names, over all models.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail by panicking")]

use serde_json::{Value, json};
use shared::catalogue::{
    Adjustment, AspectRatio, Catalogue, GenerationParams, Mapped, Model, OutputFormat, Role, SourceImage,
    SourceSize,
};

fn ratio(text: &str) -> AspectRatio {
    AspectRatio::parse(text).unwrap_or_else(|| panic!("{text} is a ratio"))
}

fn model(id: &str) -> &'static Model {
    Catalogue::builtin().model(id).expect("the model is in the catalogue")
}

fn source() -> Option<SourceImage> {
    Some(SourceImage::Url("https://example.com/a.png".to_owned()))
}

/// What any model takes: a source image where it needs one.
fn params(model: &Model) -> GenerationParams {
    let needs_source = model.describe().pointer("/supports/source_image_required") == Some(&json!(true));
    GenerationParams {
        model_id: model.id.clone(),
        prompt: "a fox".into(),
        sources: source().into_iter().filter(|_| needs_source).collect(),
        ..GenerationParams::default()
    }
}

fn shaped(model: &Model, text: &str) -> Mapped {
    map(model, GenerationParams { aspect_ratio: Some(ratio(text)), ..params(model) })
}

fn map(model: &Model, params: GenerationParams) -> Mapped {
    model.map(&params).unwrap_or_else(|fault| panic!("{}: {fault}", model.id))
}

fn adjusted<'a>(mapped: &'a Mapped, field: &str) -> Option<&'a Adjustment> {
    mapped.adjustments.iter().find(|adjustment| adjustment.field == field)
}

/// What is sent in the field of this role.
fn sent<'a>(model: &Model, mapped: &'a Mapped, role: Role) -> Option<&'a Value> {
    let (name, _) = model.input.fields().find(|(_, field)| field.role == Some(role))?;
    mapped.input.get(name)
}

fn offered<'a>(model: &'a Model, of: &'a Value, list: &str) -> Vec<&'a str> {
    let list = of.pointer(list).and_then(Value::as_array).unwrap_or_else(|| panic!("{}: {list}", model.id));
    list.iter().filter_map(Value::as_str).collect()
}

#[test]
fn every_ratio_that_a_model_offers_is_that_option_and_no_adjustment() {
    let mut tried = 0;
    for model in Catalogue::builtin().all() {
        let described = model.describe();
        for text in offered(model, &described, "/supports/aspect_ratios") {
            let mapped = shaped(model, text);
            assert_eq!(sent(model, &mapped, Role::AspectRatio), Some(&json!(text)), "{}", model.id);
            for role in [Role::Width, Role::Height, Role::Size] {
                assert_eq!(sent(model, &mapped, role), None, "{}: {role:?}", model.id);
            }
            assert_eq!(mapped.adjustments, [], "{}: {text}", model.id);
            tried += 1;
        }
    }
    assert!(tried > 200, "{tried}");
}

#[test]
fn a_ratio_is_what_it_is_in_whatever_numbers() {
    let schnell = model("black-forest-labs/flux-schnell");
    let mapped = shaped(schnell, "32:18");
    assert_eq!((&mapped.input["aspect_ratio"], mapped.output), (&json!("16:9"), Some((1344, 768))));
    assert_eq!(mapped.adjustments, []);
    assert_eq!(
        shaped(model("black-forest-labs/flux-kontext-pro"), "7:3").input["aspect_ratio"],
        json!("21:9")
    );
}

#[test]
fn a_ratio_that_is_not_offered_is_the_nearest_one_and_told() {
    let mapped = shaped(model("google/imagen-4"), "21:9");
    assert_eq!(mapped.input["aspect_ratio"], json!("16:9"));
    let told = adjusted(&mapped, "aspect_ratio").expect("an adjustment");
    assert_eq!((&told.requested, &told.used), (&json!("21:9"), &json!("16:9")));
    assert_eq!(mapped.adjustments.len(), 1, "of nothing that nobody asked for");
}

#[test]
fn a_model_with_free_sizes_makes_the_shape_at_its_own_area() {
    for (id, text, size) in [
        ("stability-ai/sdxl", "16:9", (1352, 760)),
        ("bytedance/sdxl-lightning-4step", "2:3", (824, 1240)),
        ("black-forest-labs/flux-1.1-pro", "21:9", (1440, 608)),
        ("bytedance/seedream-4", "7:5", (2423, 1731)),
        ("recraft-ai/recraft-v3", "10:7", (1434, 1024)),
    ] {
        let mapped = shaped(model(id), text);
        assert_eq!((mapped.output, mapped.adjustments), (Some(size), vec![]), "{id} {text}");
    }
}

#[test]
fn no_shape_costs_another_megapixel_or_leaves_the_limits() {
    for model in Catalogue::builtin().all() {
        let Some((width, height)) = model.size.filter(|_| model.input.role(Role::Width).is_some()) else {
            continue;
        };
        for (w, h) in (1..=21).flat_map(|w| (1..=21).map(move |h| (w, h))) {
            let mapped = shaped(model, &format!("{w}:{h}"));
            assert!(
                mapped.adjustments.iter().all(|one| one.field == "aspect_ratio"),
                "{}: {mapped:?}",
                model.id
            );
            let Some(made) = mapped.output else { continue };
            assert!(made.0 * made.1 <= width * height, "{} {w}:{h}: {made:?}", model.id);
        }
    }
}

#[test]
fn a_shape_beyond_the_limits_is_told_as_it_is_made() {
    let mapped = shaped(model("stability-ai/sdxl"), "99:1");
    assert_eq!(mapped.output, Some((2048, 256)));
    assert_eq!(adjusted(&mapped, "aspect_ratio").map(|told| &told.used), Some(&json!("8:1")));
}

#[test]
fn where_the_source_image_gives_the_shape_none_is_used() {
    for model in Catalogue::builtin().all() {
        let asked = GenerationParams {
            aspect_ratio: Some(ratio("1:1")),
            sources: source().into_iter().filter(|_| model.input.role(Role::Source).is_some()).collect(),
            mask: source().filter(|_| model.input.role(Role::Mask).is_some()),
            ..params(model)
        };
        let has_source = !asked.sources.is_empty();
        let mapped = map(model, asked);
        let used = adjusted(&mapped, "aspect_ratio").map(|told| &told.used);
        let cannot = model.size.is_none() || (has_source && model.source_size == SourceSize::Kept);
        assert_eq!(used, cannot.then_some(&Value::Null), "{}", model.id);
        if cannot {
            assert_eq!(mapped.output, None, "{}", model.id);
        }
    }
}

#[test]
fn every_format_that_a_model_offers_is_made_and_no_other() {
    for model in Catalogue::builtin().all() {
        let described = model.describe();
        let offers = offered(model, &described, "/output/formats");
        let own = map(model, params(model)).format;
        for format in OutputFormat::ALL {
            let mapped = map(model, GenerationParams { output_format: Some(format), ..params(model) });
            let told = adjusted(&mapped, "output_format").map(|told| told.used.clone());
            if offers.contains(&format.as_str()) {
                assert_eq!((mapped.format.as_deref(), told), (Some(format.as_str()), None), "{}", model.id);
                let field = sent(model, &mapped, Role::Format);
                assert!(field.is_none_or(|sent| *sent == json!(format)), "{}", model.id);
            } else {
                assert_eq!((&mapped.format, told), (&own, Some(json!(own))), "{}: {format:?}", model.id);
            }
        }
    }
}
