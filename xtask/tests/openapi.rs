//! The description of the HTTP interface: up to date, and with the bounds that the parsers enforce.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use shared::http::list_query::ListQuery;
use shared::http::problem::Problem;
use shared::http::request::StartRequest;
use shared::http::router::find;
use shared::http::types::{DOCUMENT, Status};
use shared::policy::bounds::{OPERATIONS, PRIORITIES, PROMPTS, SERVERS, SETTINGS};
use shared::policy::url_policy::AllowedOrigins;
use xtask::openapi::{ELSEWHERE, code_sets, document, given, written};

fn schema(name: &str) -> Value {
    document()["components"]["schemas"][name].clone()
}

fn words(value: &Value) -> Vec<&str> {
    value.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect()
}

fn members(schema: &Value) -> Map<String, Value> {
    schema["properties"].as_object().unwrap().clone()
}

#[test]
fn the_file_is_what_the_types_say() {
    assert!(
        DOCUMENT == written(&document()),
        "shared/src/http/openapi.json is out of date: run npm run openapi"
    );
}

#[test]
fn every_code_belongs_to_an_operation_and_has_its_name() {
    let named: BTreeSet<_> = code_sets().flatten().chain(&ELSEWHERE).map(|code| code.as_str()).collect();
    let schema = schema("ProblemCode");
    let listed: BTreeSet<_> = words(&schema["enum"]).into_iter().collect();
    assert_eq!(
        named, listed,
        "left: what xtask/src/openapi/operations.rs names, right: the variants of problem::Code"
    );
}

#[test]
fn words_are_those_that_the_parsers_take() {
    let statuses = Status::ALL.map(Status::as_str);
    for (name, taken) in
        [("Status", &statuses[..]), ("Operation", &OPERATIONS[..]), ("Priority", &PRIORITIES[..])]
    {
        assert_eq!(words(&schema(name)["enum"]), taken, "{name}");
    }
}

#[test]
fn every_documented_path_is_found_by_the_router() {
    let document = document();
    let mut count = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let path = path.replace("{id}", "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11");
            let found = find(shared::http::routes::ROUTES, &method.to_uppercase(), &path);
            assert!(found.is_ok(), "{method} {path}");
            count += 1;
        }
    }
    assert_eq!(count, shared::http::routes::ROUTES.len(), "operations and routes");
}

/// A start that is right but for one field.
fn start(field: &str, value: Value) -> Result<StartRequest, Problem> {
    let mut body = json!({ "prompt": "a fox", "model_id": "black-forest-labs/flux-dev" });
    match field {
        "prompts" => body["prompt"] = Value::Null,
        "strength" | "mask" => body["source_image_url"] = json!("https://example.com/a.png"),
        _ => {}
    }
    body[field] = value;
    StartRequest::parse(body.to_string().as_bytes(), &AllowedOrigins::default())
}

fn accepted(field: &str, value: Value) {
    if let Err(problem) = start(field, value.clone()) {
        let text = value.to_string();
        panic!("openapi.json allows {field} to be {text:.80}, and the parser says: {}", problem.detail);
    }
}

fn refused(field: &str, value: Value) {
    let text = value.to_string();
    match start(field, value) {
        Ok(_) => panic!("openapi.json forbids {field} to be {text:.80}, and the parser takes it"),
        Err(problem) => assert_eq!(problem.field.as_deref(), Some(field), "{text:.80}: {}", problem.detail),
    }
}

#[test]
fn the_parser_of_a_start_enforces_the_documented_bounds() {
    let schema = schema("StartRequest");
    let mut checked = BTreeSet::new();
    for (field, member) in members(&schema) {
        refused(&field, json!({}));
        let may_be_null = given(&member) != member;
        assert_eq!(may_be_null, field != "model_id", "{field}");
        if !["prompt", "model_id", "prompts"].contains(&field.as_str()) {
            accepted(&field, Value::Null);
        }
        let member = given(&member);
        for (bound, step) in [("minimum", -1.0), ("maximum", 1.0)] {
            let Some(limit) = member[bound].as_f64() else { continue };
            accepted(&field, json!(limit));
            refused(&field, json!(limit + step));
            checked.insert(field.clone());
        }
        if let Some(max) = member["maxLength"].as_u64().filter(|_| member["format"].is_null()) {
            accepted(&field, json!("é".repeat(max as usize)));
            refused(&field, json!("é".repeat(max as usize + 1)));
            checked.insert(field.clone());
        }
        if member["minLength"] == 1 {
            refused(&field, json!(""));
        }
        if member["type"] == "integer" {
            refused(&field, json!(member["minimum"].as_f64().unwrap() + 0.5));
        }
        if let Some(pattern) = member["pattern"].as_str() {
            assert_eq!((field.as_str(), pattern), ("aspect_ratio", "^[1-9][0-9]?:[1-9][0-9]?$"));
            for ratio in ["1:1", "16:9", "99:99"] {
                accepted(&field, json!(ratio));
            }
            for wrong in ["", "16", "0:1", "1:100", "01:1", "+1:1", " 1:1", "1:1\n", "1x1"] {
                refused(&field, json!(wrong));
            }
            checked.insert(field.clone());
        }
        if member["format"] == "uuid" {
            accepted(&field, json!("0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11"));
            refused(&field, json!("0193f3a2"));
            checked.insert(field.clone());
        }
        if member["format"] == "date-time" {
            accepted(&field, json!("2027-01-31T12:00:00Z"));
            refused(&field, json!("tomorrow"));
            checked.insert(field.clone());
        }
        if member["format"] == "uri" {
            accepted(&field, json!("https://example.com/a.png"));
            let max = member["maxLength"].as_u64().unwrap() as usize;
            refused(&field, json!(format!("https://example.com/{}", "a".repeat(max))));
            checked.insert(field.clone());
        }
        // What names an image stands in a place of its own, and a refusal says where.
        if ["sources", "mask"].contains(&field.as_str()) {
            let image = json!({ "source_image_url": "https://example.com/a.png" });
            let good = |value: &Value| if field == "mask" { value.clone() } else { json!([value]) };
            for value in [&image, &json!("0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11")] {
                accepted(&field, good(value));
            }
            refused(&field, json!(7));
            checked.insert(field.clone());
            continue;
        }
        if let Some(name) = member["$ref"].as_str() {
            let words = document().pointer(name.trim_start_matches('#')).unwrap()["enum"].clone();
            for word in words.as_array().unwrap() {
                accepted(&field, word.clone());
            }
            refused(&field, json!("paint"));
            checked.insert(field.clone());
        }
    }
    let documented = |path: &str| document().pointer(path).unwrap()["maxLength"].clone();
    assert_eq!(
        documented("/components/schemas/SourceImage/oneOf/0/properties/source_image_url"),
        documented("/components/schemas/StartRequest/properties/source_image_url"),
    );
    let list = &schema["properties"]["sources"];
    let many = |count: u64| {
        json!(vec![json!({ "source_id": "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11" }); count as usize])
    };
    let [min, max] = ["/minItems", "/maxItems"].map(|at| list.pointer(at).unwrap().as_u64().unwrap());
    accepted("sources", many(min));
    accepted("sources", many(max));
    refused("sources", many(min - 1));
    refused("sources", many(max + 1));
    let list = &schema["properties"]["prompts"];
    let prompts = |count: u64, length: u64| json!(vec!["é".repeat(length as usize); count as usize]);
    let [min, max, longest] =
        ["/minItems", "/maxItems", "/items/maxLength"].map(|at| list.pointer(at).unwrap().as_u64().unwrap());
    accepted("prompts", prompts(min, longest));
    accepted("prompts", prompts(max, 1));
    for wrong in [prompts(min - 1, 1), prompts(max + 1, 1), prompts(1, longest + 1), prompts(1, 0)] {
        refused("prompts", wrong);
    }
    checked.insert("prompts".into());
    let all: BTreeSet<_> = members(&schema).into_iter().map(|(name, _)| name).collect();
    assert_eq!(checked, all, "left: fields with a bound that was tried, right: all fields");
}

#[test]
fn the_parser_of_a_start_has_the_documented_fields_and_no_other() {
    let schema = schema("StartRequest");
    let documented: BTreeSet<_> = members(&schema).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        documented,
        PROMPTS.iter().chain(&SETTINGS).chain(&SERVERS).map(ToString::to_string).collect()
    );
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(start("an_unknown_field", json!(1)).unwrap_err().field.as_deref(), Some("an_unknown_field"));
}

#[test]
fn the_parser_of_a_list_enforces_the_documented_bounds() {
    let document = document();
    let parameters = document["paths"]["/generations"]["get"]["parameters"].as_array().unwrap();
    let parse = |name: &str, value: &str| {
        ListQuery::parse(|asked| (asked == name).then(|| value.to_owned())).map(|query| query.limit)
    };
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
    for (bound, beyond) in [("minimum", -1), ("maximum", 1)] {
        let value = limit["schema"][bound].as_i64().unwrap();
        assert_eq!(i64::from(parse("limit", &value.to_string()).unwrap()), value);
        let problem = parse("limit", &(value + beyond).to_string()).unwrap_err();
        assert_eq!(problem.field.as_deref(), Some("limit"));
    }
    assert_eq!(json!(parse("none", "").unwrap()), limit["schema"]["default"]);
    // Each of them is read: a word that none of them takes is refused, or a text that is too long.
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap();
        let wrong = match parameter["schema"]["maxLength"].as_u64() {
            None => "?".to_owned(),
            Some(max) => {
                assert!(parse(name, &"é".repeat(max as usize)).is_ok(), "{name}");
                "é".repeat(max as usize + 1)
            }
        };
        assert_eq!(parse(name, &wrong).unwrap_err().field.as_deref(), Some(name));
    }
}
