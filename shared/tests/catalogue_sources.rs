//! Several source images, masks and scales that a request names, over all models.
#![expect(clippy::expect_used, clippy::panic, reason = "a test's helpers fail by panicking")]

use serde_json::{Value, json};
use shared::catalogue::{Adjustment, Catalogue, GenerationParams, Mapped, Model, Role, SourceImage};
use uuid::Uuid;

const MOST: usize = 10;

fn model(id: &str) -> &'static Model {
    Catalogue::builtin().model(id).expect("the model is in the catalogue")
}

fn picture(number: usize) -> SourceImage {
    SourceImage::Url(format!("https://example.com/{number}.png"))
}

/// A request with so many source images, and a mask where the model takes one.
fn from(model: &Model, sources: usize) -> GenerationParams {
    GenerationParams {
        model_id: model.id.clone(),
        prompt: "a fox".into(),
        sources: (0..sources).map(picture).collect(),
        mask: Some(picture(MOST)).filter(|_| sources > 0 && model.input.role(Role::Mask).is_some()),
        ..GenerationParams::default()
    }
}

fn map(model: &Model, params: &GenerationParams) -> Mapped {
    model.map(params).unwrap_or_else(|fault| panic!("{}: {fault}", model.id))
}

/// What is sent in the field of this role.
fn sent<'a>(model: &Model, mapped: &'a Mapped, role: Role) -> Option<&'a Value> {
    let (name, _) = model.input.fields().find(|(_, field)| field.role == Some(role))?;
    mapped.input.get(name)
}

fn adjusted<'a>(mapped: &'a Mapped, field: &str) -> Option<&'a Adjustment> {
    mapped.adjustments.iter().find(|adjustment| adjustment.field == field)
}

#[test]
fn every_model_takes_as_many_sources_as_it_says_and_no_more() {
    let (mut several, mut none) = (0, 0);
    for model in Catalogue::builtin().all() {
        let described = model.describe();
        let most = described["supports"]["max_source_images"].as_u64().expect("a number") as usize;
        assert!(most <= MOST, "{}", model.id);
        if most > 0 {
            let mapped = map(model, &from(model, most));
            let value = sent(model, &mapped, Role::Source).expect("a source is sent");
            match value.as_array() {
                Some(list) => assert_eq!(
                    (list.len(), &list[most - 1]),
                    (most, &json!(format!("https://example.com/{}.png", most - 1)))
                ),
                None => assert_eq!((most, value), (1, &json!("https://example.com/0.png")), "{}", model.id),
            }
        }
        let fault = model.map(&from(model, most + 1)).expect_err(&model.id);
        let field = if most == 0 { "source_image_url" } else { "sources" };
        assert_eq!(fault.field, field, "{}: {fault}", model.id);
        several += usize::from(most > 1);
        none += usize::from(most == 0);
    }
    assert!(several >= 6 && none >= 5, "{several} models take several sources, {none} none");
}

#[test]
fn a_mask_goes_to_those_that_take_one_and_says_which_colour_is_painted() {
    let mut taken = 0;
    for model in Catalogue::builtin().all() {
        let described = model.describe();
        let supports = &described["supports"];
        let colour = supports["mask"].as_str();
        assert!(matches!(colour, None | Some("white" | "black")), "{}", model.id);
        assert_eq!(colour.is_some(), model.input.role(Role::Mask).is_some(), "{} says a colour", model.id);
        if supports["max_source_images"] == 0 {
            continue;
        }
        let masked = GenerationParams { mask: Some(picture(MOST)), ..from(model, 1) };
        let bare = GenerationParams { mask: None, ..from(model, 1) };
        match (model.map(&masked), colour) {
            (Ok(mapped), Some(_)) => {
                let value = sent(model, &mapped, Role::Mask);
                assert_eq!(value, Some(&json!("https://example.com/10.png")), "{}", model.id);
                taken += 1;
            }
            (Err(fault), None) => assert_eq!(fault.field, "mask", "{}", model.id),
            (other, _) => panic!("{} and a mask: {other:?}", model.id),
        }
        match (model.map(&bare), supports["source_image"] == true) {
            (Ok(_), true) => {}
            (Err(fault), false) => assert_eq!(fault.field, "mask", "{}", model.id),
            (other, _) => panic!("{} without a mask: {other:?}", model.id),
        }
    }
    assert!(taken >= 6, "only {taken} models take a mask");
    let lonely = GenerationParams {
        sources: Vec::new(),
        mask: Some(picture(0)),
        ..from(model("stability-ai/sdxl"), 1)
    };
    assert_eq!(model("stability-ai/sdxl").map(&lonely).expect_err("a mask of nothing").field, "mask");
}

#[test]
fn an_upload_or_a_generation_stands_by_its_id_until_it_is_signed() {
    let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let banana = model("google/nano-banana");
    let params = GenerationParams {
        sources: vec![SourceImage::Upload(one), picture(0), SourceImage::Generation(other)],
        ..from(banana, 0)
    };
    let mapped = map(banana, &params);
    assert_eq!(mapped.input["image_input"], json!([one, "https://example.com/0.png", other]));
}

#[test]
fn a_scale_is_met_or_told() {
    let (mut ranges, mut sets) = (0, 0);
    for model in Catalogue::builtin().all() {
        let described = model.describe();
        let supports = &described["supports"];
        let asked = |scale| {
            map(
                model,
                &GenerationParams {
                    scale: Some(scale),
                    ..from(model, usize::from(supports["max_source_images"] != 0))
                },
            )
        };
        let Some(range) = supports["scale"].as_object() else {
            let mapped = asked(2.0);
            assert_eq!(adjusted(&mapped, "scale").map(|told| &told.used), Some(&Value::Null), "{}", model.id);
            continue;
        };
        let scales: Vec<f64> =
            supports["scales"].as_array().expect("a list").iter().filter_map(Value::as_f64).collect();
        let (min, max) = (range["min"].as_f64().expect("a least"), range["max"].as_f64().expect("a most"));
        assert!(min >= 1.0 && max <= 10.0, "{}: what is told can be asked for", model.id);
        for scale in if scales.is_empty() { vec![min, 2.5, max] } else { scales.clone() } {
            let mapped = asked(scale);
            assert_eq!(adjusted(&mapped, "scale"), None, "{}: {scale}", model.id);
            let value = sent(model, &mapped, Role::Scale).expect("a scale is sent");
            let number = value.as_f64().or_else(|| value.as_str()?.strip_suffix('x')?.parse().ok());
            assert_eq!(number, Some(scale), "{}", model.id);
        }
        let usual = range["default"].as_f64();
        assert!(scales.is_empty() || usual == Some(min), "{}: less than usual is not reserved", model.id);
        if scales.is_empty() { ranges += 1 } else { sets += 1 }
    }
    assert!(ranges >= 2 && sets >= 1, "{ranges} with a range, {sets} with choices");
    let topaz = model("topazlabs/image-upscale");
    let scaled = |scale| map(topaz, &GenerationParams { scale, ..from(topaz, 1) });
    assert_eq!(
        scaled(None).input["upscale_factor"],
        json!("2x"),
        "an upscaler enlarges without being told how much"
    );
    let between = scaled(Some(5.0));
    assert_eq!(between.input["upscale_factor"], json!("4x"), "more would cost more than was asked for");
    let small = scaled(Some(1.5));
    assert_eq!(adjusted(&small, "scale").map(|told| &told.used), Some(&json!(2.0)));
    let far = scaled(Some(10.0));
    assert_eq!(
        (&far.input["upscale_factor"], adjusted(&far, "scale").map(|told| &told.used)),
        (&json!("6x"), Some(&json!(6.0)))
    );
}
