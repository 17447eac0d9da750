//! What a request may say and the description of the interface names the same fields.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod support;

use serde_json::{Value, json};
use shared::adapters::supabase::{Generations, Rpc};
use shared::catalogue::GenerationParams;
use shared::http::request::{StartRequest, map_params};
use shared::http::types::DOCUMENT;
use shared::policy::url_policy::AllowedOrigins;
use shared::ports::{NewGenerations, StartKind, UserGenerations};
use support::block_on;
use support::http::Recorder;

/// What the database is told of a request.
fn told(request: &StartRequest) -> Value {
    // The model takes neither several sources nor a mask.
    let sources = request.params.sources.iter().take(1).cloned().collect();
    let plain = GenerationParams {
        style: None,
        negative_prompt: None,
        mask: None,
        sources,
        ..request.params.clone()
    };
    let mapped = map_params(&plain).unwrap();
    let new = NewGenerations {
        asked: Some((request, &mapped)),
        kind: StartKind::Plain(None),
        parent: None,
        user_id: None,
        hand_over: 0,
    };
    let http = Recorder::default().answers(200, "{}");
    let generations = Generations::new(Rpc::new(&http, "https://project.supabase.co", "anon", Some("jwt")));
    assert!(block_on(generations.start(&new)).is_err(), "the answer names no generation");
    let mut arguments: Value = serde_json::from_str(&http.only().body).unwrap();
    arguments["p_request"].take()
}

#[test]
fn every_field_that_is_read_is_documented() {
    let document: Value = serde_json::from_str(DOCUMENT).unwrap();
    let documented = &document["components"]["schemas"]["StartRequest"]["properties"];
    let made_here = ["items", "adjustments", "output"];
    let id = "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11";
    let sources = [
        ("source_image_url", json!("https://example.com/a.png")),
        ("source_generation_id", json!(id)),
        ("source_id", json!(id)),
        ("sources", json!([{ "source_id": id }, { "source_image_url": "https://example.com/a.png" }])),
    ];
    let sizes = [json!({ "width": 1024, "height": 1024 }), json!({ "aspect_ratio": "16:9" })];
    for (size, (source, value)) in sizes.iter().flat_map(|size| sources.clone().map(|source| (size, source)))
    {
        let mut body = json!({
            "prompt": "a fox", "model_id": "black-forest-labs/flux-dev", "model_version": "v",
            "negative_prompt": "b", "output_format": "png", "num_inference_steps": 28,
            "guidance_scale": 3, "seed": 1, "style": "s", source: value, "strength": 0.5, "scale": 2,
            "mask": { "source_id": id },
            "operation": "variation", "priority": "low", "scheduled_at": "2027-01-31T12:00:00Z",
            "expires_in": 60, "webhook_url": "https://example.com/hook",
        });
        body.as_object_mut().unwrap().extend(size.as_object().unwrap().clone());
        let request = StartRequest::parse(body.to_string().as_bytes(), &AllowedOrigins::default()).unwrap();
        let told = told(&request);
        assert_eq!((&told[source], &told["output_format"]), (&value, &json!("png")));
        assert_eq!((&told["mask"], &told["scale"]), (&json!({ "source_id": id }), &json!(2.0)));
        for (name, value) in size.as_object().unwrap() {
            assert_eq!(told[name], *value);
        }
        for name in told.as_object().unwrap().keys().filter(|name| !made_here.contains(&name.as_str())) {
            assert!(documented.get(name).is_some(), "{name} is read and not a member of types::StartRequest");
        }
    }
}
