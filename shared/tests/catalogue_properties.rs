//! Whatever is asked of any model, the mapper answers with an input the model's schema accepts.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use shared::catalogue::{
    AspectRatio, Catalogue, GenerationParams, Operation, OutputFormat, Role, SourceImage,
};
use uuid::Uuid;

/// Texts a user could send, hostile ones among them.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        Just(" ".to_owned()),
        Just("anime".to_owned()),
        Just("Realistic".to_owned()),
        vec(any::<char>(), 1..40).prop_map(String::from_iter),
    ]
}

fn side() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), 0_u32..5000, Just(0), Just(u32::MAX)]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), -1.0..60.0_f64, Just(0.0), Just(f64::NAN), Just(f64::MIN), Just(f64::MAX)]
}

fn operation() -> impl Strategy<Value = Operation> {
    proptest::sample::select(Operation::ALL.to_vec())
}

fn shape() -> impl Strategy<Value = AspectRatio> {
    (1..=99_u32, 1..=99_u32)
        .prop_filter_map("two numbers", |(width, height)| AspectRatio::parse(&format!("{width}:{height}")))
}

fn image() -> impl Strategy<Value = SourceImage> {
    let id = || any::<u128>().prop_map(Uuid::from_u128);
    prop_oneof![
        text().prop_map(SourceImage::Url),
        id().prop_map(SourceImage::Generation),
        id().prop_map(SourceImage::Upload)
    ]
}

fn asks() -> impl Strategy<Value = GenerationParams> {
    let texts = (text(), option::of(text()), option::of(text()), option::of(text()));
    let sizes = (option::of(side()), option::of(side()), option::of(any::<u32>()));
    let formats = (option::of(shape()), option::of(proptest::sample::select(OutputFormat::ALL.to_vec())));
    let numbers = (option::of(number()), option::of(any::<i64>()), option::of(number()));
    let images = (vec(image(), 0..4), option::weighted(0.3, image()), option::of(number()));
    let operation = option::weighted(0.2, operation());
    (texts, sizes, formats, numbers, images, operation).prop_map(
        |(texts, sizes, formats, numbers, images, operation)| GenerationParams {
            model_id: String::new(),
            prompt: texts.0,
            negative_prompt: texts.1,
            style: texts.2,
            model_version: texts.3,
            width: sizes.0,
            height: sizes.1,
            aspect_ratio: formats.0,
            output_format: formats.1,
            num_inference_steps: sizes.2,
            guidance_scale: numbers.0,
            seed: numbers.1,
            strength: numbers.2,
            sources: images.0,
            mask: images.1,
            scale: images.2,
            operation,
        },
    )
}

/// The request as a well-meaning app would make it for this model: it must then be mapped.
fn made_possible(params: &GenerationParams, role: impl Fn(Role) -> bool) -> GenerationParams {
    let own = [SourceImage::Url("https://example.com/a.png".to_owned())];
    let sources = own.iter().filter(|_| role(Role::Source));
    let has_mask = role(Role::Mask);
    let has_strength = role(Role::Strength) || role(Role::SourceWeight);
    GenerationParams {
        prompt: format!("a fox {}", params.prompt),
        operation: None,
        sources: sources.into_iter().cloned().collect(),
        mask: params.mask.clone().or_else(|| Some(SourceImage::Upload(Uuid::nil()))).filter(|_| has_mask),
        strength: params.strength.filter(|_| has_strength),
        ..params.clone()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn every_mapped_input_satisfies_the_schema(params in asks()) {
        for model in Catalogue::builtin().all() {
            let possible = made_possible(&params, |role| model.input.role(role).is_some());
            for (params, must_map) in [(&params, false), (&possible, true)] {
                let params = GenerationParams { model_id: model.id.clone(), ..params.clone() };
                match model.map(&params) {
                    Ok(mapped) => {
                        prop_assert_eq!(model.input.validate(&mapped.input), Ok(()), "{}", model.id);
                        prop_assert_eq!(model.map(&params), Ok(mapped.clone()), "not deterministic");
                        let whole = mapped.output.is_none_or(|(width, height)| width > 0 && height > 0);
                        prop_assert!(whole, "{}: {:?}", model.id, mapped.output);
                        for adjustment in &mapped.adjustments {
                            prop_assert!(
                                adjustment.requested != adjustment.used || adjustment.used.is_null(),
                                "{}: no adjustment at all: {:?}", model.id, adjustment
                            );
                        }
                    }
                    Err(fault) => {
                        prop_assert!(!must_map, "{}: {} for {:?}", model.id, fault, params);
                        prop_assert!(fault.field != "model_id", "{}: {}", model.id, fault);
                    }
                }
            }
        }
    }
}
