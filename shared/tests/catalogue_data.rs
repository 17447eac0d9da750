//! What every entry of the catalogue must satisfy, and what the database must be told of it.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use serde_json::{Map, Value};
use shared::catalogue::{Catalogue, Kind, Model, ModelPrice, Operation, Role};

const JSON: &str = include_str!("../src/catalogue/models.json");

/// As it is written; the Workers' lacks what they do not read.
fn models() -> impl Iterator<Item = &'static Model> {
    static ALL: OnceLock<Catalogue> = OnceLock::new();
    ALL.get_or_init(|| Catalogue::parse(JSON).unwrap_or_default()).all()
}

#[test]
fn the_workers_are_told_the_same_of_every_model() {
    // The prices are the database's.
    let told = |model: &Model| {
        Value::from_iter(
            model
                .describe()
                .as_object()
                .unwrap()
                .iter()
                .filter(|one| one.0 != "price")
                .map(|(name, value)| (name.clone(), value.clone())),
        )
    };
    let described = |catalogue: &Catalogue| catalogue.all().map(told).collect::<Vec<_>>();
    assert_eq!(described(Catalogue::builtin()), described(&Catalogue::parse(JSON).unwrap()));
}

#[test]
fn the_file_parses_and_is_complete() {
    let parsed = Catalogue::parse(JSON);
    assert!(parsed.is_ok(), "models.json: {}", parsed.unwrap_err());
    assert!(models().count() >= 39, "a model was lost: set it to \"active\":false instead");
    assert!(JSON.len() < 60_000, "models.json is compiled into three workers: keep it under 60 kB");
    let ids: BTreeSet<_> = models().map(|model| &model.id).collect();
    assert_eq!(ids.len(), models().count(), "two entries have the same id");
}

#[test]
fn there_is_one_default_and_it_is_active() {
    let defaults: Vec<_> = models().filter(|model| model.default).collect();
    assert_eq!(defaults.len(), 1);
    assert_eq!(defaults[0].id, "black-forest-labs/flux-schnell");
    assert!(defaults[0].active);
}

#[test]
fn versions_are_what_the_provider_takes() {
    for model in models() {
        let version = model.provider_version();
        let hex = version.len() == 64 && version.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        let owner_and_name = version == model.id && version.split('/').count() == 2;
        assert!(hex || owner_and_name, "{}: version {version}", model.id);
    }
}

#[test]
fn operations_are_known_and_can_be_met() {
    for model in models() {
        let id = &model.id;
        assert!(!model.operations.is_empty(), "{id} has no operation");
        for operation in model.operations.iter().copied() {
            let takes_source = model.input.role(Role::Source).is_some();
            assert!(
                operation == Operation::Generate || takes_source,
                "{id}: {operation:?} needs a source role"
            );
        }
        let sized = [Role::Width, Role::Size, Role::AspectRatio];
        let has_size = sized.into_iter().any(|role| model.input.role(role).is_some());
        assert_eq!(has_size, model.size.is_some(), "{id}: a size to choose and a default size go together");
        assert!(model.estimated_seconds > 0, "{id}: estimated_seconds");
        assert!(!model.facts.is_empty(), "{id}: say where the facts come from");
    }
}

#[test]
fn a_role_is_given_once_and_to_a_field_of_its_type() {
    for model in models() {
        let id = &model.id;
        let mut seen = Vec::new();
        for (name, field) in model.input.fields() {
            let Some(role) = field.role else { continue };
            assert!(role == Role::Style || !seen.contains(&role), "{id}: {role:?} twice");
            seen.push(role);
            let fits = match role {
                Role::Source => matches!(field.kind, Kind::String | Kind::Array),
                Role::Seed | Role::Width | Role::Height | Role::Steps => field.kind == Kind::Integer,
                Role::Mask => field.kind == Kind::String && field.paints.is_some(),
                Role::Scale => {
                    matches!(field.kind, Kind::Number | Kind::Integer) || field.scales().next().is_some()
                }
                Role::Guidance | Role::Strength | Role::SourceWeight => field.kind == Kind::Number,
                Role::Prompt | Role::NegativePrompt => field.kind == Kind::String,
                _ => field.kind == Kind::String && !field.options.is_empty(),
            };
            let is_plain = role == Role::Mask || (field.paints.is_none() && !field.with_source);
            assert!(is_plain, "{id}: {name} is no mask");
            assert!(fits, "{id}: {name} cannot be {role:?}");
            let limited = field.minimum.is_some() && field.maximum.is_some();
            let needs_limits = !matches!(field.kind, Kind::String | Kind::Array) && role != Role::Seed;
            assert!(limited || !needs_limits, "{id}: {name} needs a minimum and a maximum");
        }
    }
}

#[test]
fn every_value_an_entry_names_is_allowed_by_its_field() {
    for model in models() {
        for (name, field) in model.input.fields() {
            let named = [&field.value, &field.when_sized, &field.when_source];
            for value in named.into_iter().flatten() {
                assert!(accepts(model, name, value), "{}: {name} = {value}", model.id);
            }
            let default_fits = field.default.as_ref().is_none_or(|value| accepts(model, name, value));
            assert!(default_fits, "{}: default of {name}", model.id);
            for (ratio, _) in &field.pixels {
                assert!(field.choices().any(|choice| choice == ratio), "{}: pixels of {ratio}", model.id);
            }
        }
    }
}

fn accepts(model: &Model, name: &str, value: &Value) -> bool {
    let input = Map::from_iter([(name.to_owned(), value.clone())]);
    match model.input.validate(&input) {
        Err(fault) => !fault.starts_with(&format!("{name}: ")),
        Ok(()) => true,
    }
}

#[test]
fn the_schema_refuses_what_the_provider_would_refuse() {
    let named = |id: &str| &models().find(|model| model.id == id).unwrap().input;
    let (schema, dev) = (named("stability-ai/sdxl"), named("black-forest-labs/flux-2-dev"));
    let fault = |schema: &shared::catalogue::Schema, name: &str, value: Value| {
        let mut input = Map::from_iter([("prompt".to_owned(), Value::from("a"))]);
        input.insert(name.to_owned(), value);
        schema.validate(&input).err().unwrap_or_default()
    };
    let cases = [
        (schema, "width", Value::from(1001), "multiple"),
        (schema, "width", Value::from(8), "minimum"),
        (schema, "num_inference_steps", Value::from(501), "maximum"),
        (schema, "num_inference_steps", Value::from(4.5), "type"),
        (schema, "guidance_scale", Value::from("7"), "type"),
        (schema, "scheduler", Value::from("k_euler"), "allowed"),
        (schema, "seed", Value::Null, "null"),
        (schema, "output_format", Value::from("png"), "not a field"),
        (dev, "input_images", Value::from(vec!["a"; 5]), "many"),
        (dev, "input_images", Value::from("a"), "type"),
    ];
    for (schema, name, value, expected) in cases {
        let fault = fault(schema, name, value.clone());
        assert!(fault.starts_with(name) && fault.contains(expected), "{name} = {value}: {fault:?}");
    }
    assert_eq!(fault(dev, "width", Value::Null), "", "a nullable field takes null");
    assert_eq!(dev.validate(&Map::new()), Err("prompt: is required".to_owned()));
}

#[test]
fn a_faulty_entry_is_refused_and_named() {
    let entry = |field: &str| {
        format!(
            r#"{{"models":[{{"id":"a/b","name":"","description":"","operations":[],"output":"list",
            "estimated_seconds":1,"active":true,"facts":"","input":{{"prompt":{field}}}}}]}}"#
        )
    };
    assert!(Catalogue::parse(&entry(r#"{"type":"string","role":"prompt"}"#)).is_ok());
    let cases = [
        (r#"{"type":"string","requierd":true}"#, "requierd"),
        (r#"{"type":"text"}"#, "type cannot be"),
        (r#"{"role":"prompt"}"#, "type is missing"),
        (r#"{"type":"string","role":"promt"}"#, "role cannot be"),
        (r#"{"type":"string","pixels":{"1:1":"big"}}"#, "pixels cannot be"),
        ("7", "not an object"),
    ];
    for (field, expected) in cases {
        let fault = Catalogue::parse(&entry(field)).unwrap_err();
        assert!(fault.starts_with("a/b: prompt: ") && fault.contains(expected), "{field}: {fault}");
    }
    assert!(Catalogue::parse("{}").unwrap_err().contains("models"));
}

#[test]
fn every_model_has_a_price_and_its_source() {
    let legend: Value = serde_json::from_str(JSON).unwrap();
    let legend = legend["sources"].as_object().unwrap();
    for model in models() {
        let id = &model.id;
        let price = model.price.unwrap_or_else(|| panic!("{id} has no price"));
        let expected =
            price.expected(model.size).unwrap_or_else(|| panic!("{id}: its price adds up to nothing"));
        assert!((0.0003..0.2).contains(&expected), "{id}: {expected} US dollars");
        let source = model.price_source.as_deref().unwrap_or_default();
        let first = source.split([':', ',', ' ']).next().unwrap_or_default();
        assert!(legend.contains_key(first), "{id}: the legend of sources has no {first:?}");
    }
}

#[test]
fn a_price_adds_up_its_parts() {
    let none = ModelPrice::default();
    let cases = [
        (ModelPrice { image: Some(0.04), ..none }, Some((4096, 4096)), Some(0.04)),
        (ModelPrice { megapixel: Some(0.01), ..none }, Some((1024, 1024)), Some(0.01)),
        (ModelPrice { megapixel: Some(0.01), ..none }, Some((1025, 1024)), Some(0.02)),
        (ModelPrice { megapixel: Some(0.01), ..none }, None, Some(0.01)),
        (ModelPrice { image: Some(0.5), megapixel: Some(0.25), ..none }, Some((2048, 1024)), Some(1.0)),
        (ModelPrice { second: Some(0.25), seconds: Some(2.0), image: Some(9.0), ..none }, None, Some(0.5)),
        (none, None, None),
    ];
    for (price, size, expected) in cases {
        assert_eq!(price.expected(size), expected, "{price:?} at {size:?}");
    }
}

#[test]
fn descriptions_tell_what_a_model_supports() {
    let describe = |id: &str| models().find(|model| model.id == id).unwrap().describe();
    let schnell = describe("black-forest-labs/flux-schnell");
    assert_eq!(schnell["supports"]["steps"]["max"], 4);
    assert_eq!(schnell["supports"]["guidance"], Value::Null);
    assert_eq!(schnell["supports"]["source_image"], false);
    assert_eq!(schnell["supports"]["aspect_ratios"].as_array().unwrap().len(), 11);
    assert_eq!(schnell["limits"]["width"], serde_json::json!({ "min": 320, "max": 1536 }));
    assert_eq!(schnell["price"]["usd_per_image"], 0.003);
    assert_eq!(schnell["is_default"], true);

    let ultra = describe("black-forest-labs/flux-1.1-pro-ultra");
    assert_eq!(ultra["defaults"]["strength"], 0.9, "its own 0.1 is the weight of the source image");
    assert_eq!(ultra["output"]["formats"], serde_json::json!(["jpg", "png"]));

    let sdxl = describe("stability-ai/sdxl");
    assert_eq!(sdxl["supports"]["guidance"], serde_json::json!({ "min": 1, "max": 50, "default": 7.5 }));
    assert_eq!(sdxl["limits"]["height"], serde_json::json!({ "min": 256, "max": 2048, "multiple_of": 8 }));

    let kontext = describe("black-forest-labs/flux-kontext-dev");
    assert_eq!(kontext["supports"]["source_image_required"], true);
    let ratios = kontext["supports"]["aspect_ratios"].to_string();
    assert!(!ratios.contains("match_input_image"), "words are no ratios: {ratios}");
}

#[test]
fn a_style_that_two_fields_know_is_offered_once() {
    let v3 = Catalogue::builtin_model("ideogram-ai/ideogram-v3-turbo").unwrap().describe();
    let styles = v3["supports"]["styles"].as_array().unwrap();
    assert_eq!(styles.iter().filter(|style| *style == "None").count(), 1);
    for model in Catalogue::builtin().all().map(Model::describe) {
        let styles = model["supports"]["styles"].as_array().unwrap();
        let once: BTreeSet<_> = styles.iter().map(Value::to_string).collect();
        assert_eq!(once.len(), styles.len(), "{}", model["id"]);
    }
}

#[test]
fn a_model_that_is_read_alone_is_the_same() {
    for model in Catalogue::builtin().all() {
        let alone = Catalogue::builtin_model(&model.id);
        assert_eq!(format!("{alone:?}"), format!("{:?}", Some(model)));
    }
    assert!(Catalogue::builtin_model("nobody/nothing").is_none());
}
