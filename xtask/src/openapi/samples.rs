//! Examples. What is made here is made by the code that makes the real ones.

use serde_json::{Value, json};
use shared::catalogue::Catalogue;
use shared::pipeline::{batch_answer, start_answer};
use shared::ports::{QueuedGeneration, Started};
use uuid::Uuid;

pub const GENERATION: &str = "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11";
const SECOND: &str = "0193f3a2-6c1e-7c41-8b02-51a7c9e4d022";
pub const IMAGE: &str = "0193f3a2-7a10-7c55-8d31-90b7c2f1ab66";
const JOB: &str = "0193f3a2-6c1f-7d10-b3c4-77e1a2f90c33";
const SOURCE: &str = "0193f3a1-0b7d-7e52-a1d8-3c9b5e6f4a44";
const BATCH: &str = "0193f3a2-6c1e-7c3f-8f00-4b1d9e7a5c55";
const MODEL: &str = "black-forest-labs/flux-schnell";
const ORIGIN: &str = "https://start-generation.example.workers.dev";

pub fn requests() -> Value {
    json!({
        "one": { "summary": "One image", "value": {
            "prompt": "a lighthouse at dawn", "model_id": MODEL, "width": 1344, "height": 768,
        } },
        "shaped": { "summary": "In a shape and a file format", "value": {
            "prompt": "a lighthouse at dawn", "model_id": MODEL, "aspect_ratio": "16:9", "output_format": "png",
        } },
        "several": { "summary": "Four images of one prompt", "value": {
            "prompt": "a lighthouse at dawn", "model_id": MODEL, "num_images": 4, "seed": 7,
        } },
        "batch": { "summary": "Two prompts", "value": {
            "prompts": ["a fox in the snow", "a hare in the snow"], "model_id": MODEL, "priority": "low",
        } },
        "variation": { "summary": "From an uploaded image", "value": {
            "prompt": "the same at night", "model_id": "black-forest-labs/flux-dev", "operation": "variation",
            "source_id": SOURCE, "strength": 0.6,
        } },
        "edit": { "summary": "From an uploaded image and one of the user's own", "value": {
            "prompt": "the fox of the second image in the first one", "model_id": "google/nano-banana",
            "operation": "edit", "sources": [{ "source_id": SOURCE }, { "source_generation_id": GENERATION }],
        } },
        "masked": { "summary": "A part of an image anew", "value": {
            "prompt": "a red door", "model_id": "ideogram-ai/ideogram-v3-turbo", "operation": "edit",
            "source_generation_id": GENERATION, "mask": { "source_id": SOURCE },
        } },
        "enlarged": { "summary": "Twice as wide and as high", "value": {
            "prompt": "a lighthouse at dawn", "model_id": "nightmareai/real-esrgan", "operation": "upscale",
            "source_generation_id": GENERATION, "scale": 2,
        } },
    })
}

pub fn reruns() -> Value {
    json!({
        "again": { "summary": "The same with another seed", "value": { "seed": null } },
        "changed": { "summary": "Another prompt, the same seed", "value": { "prompt": "a lighthouse at night" } },
        "none": { "summary": "The same once more", "value": {} },
    })
}

fn queued(id: &str, job_id: &str, position: i64) -> QueuedGeneration {
    QueuedGeneration {
        id: Uuid::try_parse(id).unwrap_or_default(),
        job_id: Uuid::try_parse(job_id).unwrap_or_default(),
        queue_position: Some(position),
        estimated_seconds: Some(5),
    }
}

pub fn started() -> Value {
    let first = queued(GENERATION, JOB, 1);
    let started = Started {
        batch_id: None,
        first,
        others: Vec::new(),
        replayed: false,
        leased: None,
        has_webhook: false,
    };
    json!(start_answer(&started, ORIGIN))
}

pub fn batch() -> Value {
    json!({
        "prompts": [{ "text": "A fox", "negative_prompt": "blur", "seed": 1 }, { "text": "A hare" }],
        "shared_settings": { "model_id": "flux-dev", "width": 1024, "height": 1024, "steps": 28 },
        "batch_name": "Animals",
    })
}

pub fn started_batch() -> Value {
    let (first, second) = (queued(GENERATION, JOB, 1), queued(SECOND, SOURCE, 2));
    let batch_id = Uuid::try_parse(BATCH).ok();
    let started =
        Started { batch_id, first, others: vec![second], replayed: false, leased: None, has_webhook: false };
    json!(batch_answer(&started, ORIGIN, Some("Animals"), false))
}

pub fn waiting() -> Value {
    let mut waiting = completed();
    let nothing = json!({
        "status": "queued", "progress": 0, "queue_position": 1, "estimated_seconds": 5, "images": [],
        "cost_usd": null, "started_at": null, "completed_at": null,
    });
    if let (Some(waiting), Value::Object(nothing)) = (waiting.as_object_mut(), nothing) {
        waiting.extend(nothing);
    }
    waiting
}

pub fn completed() -> Value {
    json!({
        "id": GENERATION, "batch_id": null, "status": "completed", "progress": 100,
        "queue_position": null, "estimated_seconds": null, "operation": "generate", "model_id": MODEL,
        "prompt": "a lighthouse at dawn", "negative_prompt": null, "width": 1344, "height": 768,
        "aspect_ratio": null, "output_format": null,
        "seed": 1_370_283_904, "num_inference_steps": null, "guidance_scale": null, "strength": null, "scale": null,
        "style": null, "sources": [], "mask": null,
        "model_version": null, "source_image_url": null, "source_generation_id": null, "source_id": null,
        "parent_id": null, "adjustments": [], "error": null, "images": [image()],
        "cost_usd": 0.003, "created_at": "2026-11-24T12:00:00.123456+00:00",
        "started_at": "2026-11-24T12:00:00.2+00:00", "completed_at": "2026-11-24T12:00:03.9+00:00",
    })
}

pub fn image() -> Value {
    json!({
        "id": IMAGE, "generation_id": GENERATION,
        "url": "https://project.supabase.co/storage/v1/object/public/generated-images/a.webp",
        "thumbnail_url": "https://project.supabase.co/storage/v1/render/image/public/generated-images/a.webp\
            ?width=512&resize=contain",
        "format": "webp", "width": 1344, "height": 768, "bytes": 92_410, "is_favorite": true, "is_public": false,
        "archived_at": null,
    })
}

pub fn usage() -> Value {
    let tomorrow = "2026-11-25T00:00:00+00:00";
    json!({
        "plan": {
            "name": "default", "requests_per_minute": 60, "images_per_day": 500, "money_per_day": 5,
            "running_jobs": 5, "priorities": ["low", "normal", "high"],
        },
        "requests": { "used": 3, "left": 57, "resets_at": "2026-11-24T12:00:41.2+00:00" },
        "images": { "used": 12, "left": 488, "resets_at": tomorrow },
        "money": { "used": 0.41, "left": 4.59, "resets_at": tomorrow },
        "spent_usd": { "today": 0.41, "this_month": 7.35 },
        "jobs": { "running": 5, "ready": 0, "blocked": 2, "scheduled": 0 },
    })
}

pub fn page() -> Value {
    json!({ "generations": [completed()], "next_cursor": format!("1795521600123456_{GENERATION}") })
}

pub fn cancelled() -> Value {
    json!({ "generation_id": GENERATION, "status": "cancelled" })
}

pub fn deleted() -> Value {
    json!({ "id": GENERATION, "deleted": true })
}

pub fn source() -> Value {
    json!({
        "source_id": SOURCE, "format": "png", "bytes": 1_204_518, "width": 1024, "height": 1024,
        "expires_at": "2026-11-25T12:00:00+00:00",
    })
}

pub fn models() -> Value {
    let model = Catalogue::builtin().model(MODEL).map(|model| model.describe());
    json!({ "models": model.as_slice() })
}

pub fn config() -> Value {
    json!({ "supabase_url": "https://project.supabase.co", "anon_key": "sb_publishable_…" })
}

pub fn webhook() -> Value {
    json!({ "type": "generation.completed", "timestamp": "2026-11-24T12:00:03.9+00:00", "data": completed() })
}

pub fn events() -> String {
    let change = json!({
        "type": "generation", "generation_id": GENERATION, "batch_id": null, "status": "processing",
        "progress": 35, "queue_position": null, "estimated_seconds": 3, "seq": 1_795_521_601_000_u64,
    });
    let ready = json!({ "type": "ready", "seq": 1_795_521_601_000_u64 });
    format!("retry: 2000\nid: 1795521601000\ndata: {change}\n\nid: 1795521601000\ndata: {ready}\n\n")
}
