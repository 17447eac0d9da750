//! The body of `POST /batch-generate`, as the original's apps post it:
//! `{prompts: [{text, negative_prompt, seed}], shared_settings: {model_id, steps, …}, batch_name}`.

use serde_json::{Map, Value};

use crate::http::fields::Fields;
use crate::http::known_fields::refuse_unknown;
use crate::http::problem::Problem;
use crate::http::request::{StartRequest, json_of};
use crate::policy::bounds::{MAX_NAME_CHARS, MAX_PROMPT_CHARS, SEED, SETTINGS};
use crate::policy::url_policy::AllowedOrigins;

/// A batch with a name.
#[derive(Debug, Clone)]
pub struct BatchRequest {
    /// Its images, and what they have in common.
    pub request: StartRequest,
    /// What its user calls it.
    pub name: Option<String>,
    /// Its prompts have tags, which are nobody's here: images have tags, and there are none yet.
    pub has_tags: bool,
}

impl BatchRequest {
    /// Parses and checks a body; `allowed` as in [`StartRequest::parse`].
    pub fn parse(body: &[u8], allowed: &AllowedOrigins) -> Result<Self, Problem> {
        let body = json_of(body)?;
        let fields = Fields::of(&body)?;
        refuse_unknown(&fields, &[&["prompts", "shared_settings", "batch_name"]], "this request")?;
        let prompts = fields.get("prompts").and_then(Value::as_array).ok_or_else(|| {
            Problem::invalid("prompts", "prompts is required and must be a list of objects with a text.")
        })?;
        let own = prompts
            .iter()
            .map(Fields::of)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| Problem::invalid("prompts", "Each of prompts must be an object with a text."))?;
        for prompt in &own {
            refuse_unknown(prompt, &[&["text", "negative_prompt", "seed", "tags"]], "a prompt")?;
        }
        let mut start = match fields.get("shared_settings") {
            None => Map::new(),
            Some(settings) => settings
                .as_object()
                .cloned()
                .ok_or_else(|| Problem::invalid("shared_settings", "shared_settings must be an object."))?,
        };
        if let Some(settings) = fields.get("shared_settings") {
            refuse_unknown(&Fields::of(settings)?, &[&SETTINGS, &["steps"]], "shared_settings")?;
        }
        if let Some(steps) = start.remove("steps").filter(|steps| !steps.is_null()) {
            start.insert("num_inference_steps".into(), steps);
        }
        let texts = own.iter().map(|prompt| prompt.get("text").cloned().unwrap_or_default());
        start.insert("prompts".into(), texts.collect());
        let mut request = StartRequest::read(&Value::Object(start), allowed)?;
        for (item, prompt) in request.items.iter_mut().zip(&own) {
            item.seed = prompt.integer("seed", SEED)?.or(item.seed);
            item.negative_prompt =
                prompt.text("negative_prompt", MAX_PROMPT_CHARS)?.filter(|text| !text.is_empty());
        }
        Ok(Self {
            request,
            name: fields.text("batch_name", MAX_NAME_CHARS)?.filter(|name| !name.is_empty()),
            has_tags: own
                .iter()
                .any(|prompt| prompt.get("tags").is_some_and(|tags| *tags != Value::Array(Vec::new()))),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::problem::Code;

    fn parse(body: &Value) -> Result<BatchRequest, Problem> {
        BatchRequest::parse(body.to_string().as_bytes(), &AllowedOrigins::default())
    }

    fn settings() -> Value {
        json!({ "model_id": "stability-ai/sdxl", "model_version": "", "width": 1024, "height": 512, "steps": 4 })
    }

    #[test]
    fn each_prompt_has_its_own_seed_and_negative_prompt() {
        let batch = parse(&json!({
            "prompts": [{ "text": "A fox", "negative_prompt": "blur", "seed": 1, "tags": ["animals"] }, { "text": "A hare" }],
            "shared_settings": settings(), "batch_name": "Animals",
        }))
        .unwrap();
        let [fox, hare] = batch.request.items.as_slice() else { panic!("{batch:?}") };
        assert_eq!(
            (fox.prompt.as_str(), fox.seed, fox.negative_prompt.as_deref()),
            ("A fox", Some(1), Some("blur"))
        );
        assert_eq!(
            (hare.prompt.as_str(), hare.seed, hare.negative_prompt.as_deref()),
            ("A hare", None, None)
        );
        assert_eq!((batch.name.as_deref(), batch.has_tags), (Some("Animals"), true));
        let params = &batch.request.params;
        assert_eq!(
            (params.num_inference_steps, params.width, params.height),
            (Some(4), Some(1024), Some(512))
        );
    }

    #[test]
    fn a_batch_may_be_of_one_without_a_name() {
        let batch = parse(&json!({
            "prompts": [{ "text": "A fox", "tags": [] }], "shared_settings": settings(), "batch_name": "",
        }))
        .unwrap();
        assert_eq!((batch.request.items.len(), batch.name, batch.has_tags), (1, None, false));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = [
            (json!({ "shared_settings": settings() }), "prompts"),
            (json!({ "prompts": ["A fox"], "shared_settings": settings() }), "prompts"),
            (json!({ "prompts": [], "shared_settings": settings() }), "prompts"),
            (json!({ "prompts": [{ "text": "" }], "shared_settings": settings() }), "prompts"),
            (
                json!({ "prompts": vec![json!({ "text": "A fox" }); 11], "shared_settings": settings() }),
                "prompts",
            ),
            (json!({ "prompts": [{ "text": "A fox" }], "shared_settings": 7 }), "shared_settings"),
            (json!({ "prompts": [{ "text": "A fox" }] }), "model_id"),
            (json!({ "prompts": [{ "text": "A fox", "seed": -1 }], "shared_settings": settings() }), "seed"),
            (
                json!({ "prompts": [{ "text": "A fox" }], "shared_settings": { "model_id": "a/b", "steps": 0 } }),
                "num_inference_steps",
            ),
            (json!({ "prompts": [{ "text": "A fox" }], "shared_settings": settings(), "name": "x" }), "name"),
            (json!({ "prompts": [{ "text": "A fox", "steps": 4 }], "shared_settings": settings() }), "steps"),
            (
                json!({ "prompts": [{ "text": "A fox" }], "shared_settings": { "model_id": "a/b", "prompt": "x" } }),
                "prompt",
            ),
        ];
        for (body, field) in wrong {
            let problem = parse(&body).unwrap_err();
            assert_eq!(
                (problem.code, problem.field.as_deref()),
                (Code::InvalidRequest, Some(field)),
                "{body}"
            );
        }
    }
}
