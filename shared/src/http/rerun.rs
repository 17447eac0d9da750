//! The body of `POST /generations/{id}/rerun`: what is to be different from the generation that is made again.

use serde_json::{Map, Value};

use crate::http::fields::Fields;
use crate::http::json_text::JsonText;
use crate::http::known_fields::refuse_unknown;
use crate::http::problem::{Code, Problem};
use crate::http::request::{StartRequest, json_of};
use crate::policy::bounds::{PROMPTS, SETTINGS, SOURCE};
use crate::policy::url_policy::AllowedOrigins;

/// The ways to name source images.
const SOURCES: [&str; 4] = [SOURCE[0], SOURCE[1], SOURCE[2], "sources"];
/// What the database says besides a request's own members: a source image was deleted.
const SOURCE_IS_GONE: &str = "source_is_gone";
/// The same of the mask.
const MASK_IS_GONE: &str = "mask_is_gone";

/// Members of a start. Each takes the place of what was kept; `null` takes away what was kept.
#[derive(Debug, Clone, Default)]
pub struct RerunChanges(Map<String, Value>);

impl RerunChanges {
    /// Parses a body; an empty one changes nothing. Its members are checked with those that were kept.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        let body = json_of(body)?;
        refuse_unknown(&Fields::of(&body)?, &[&PROMPTS, &SETTINGS], "this request")?;
        match body {
            Value::Object(changes) => Ok(Self(changes)),
            _ => Ok(Self::default()),
        }
    }

    /// The request that `kept` stands for with these changes, parsed and checked as any start; `allowed` as in
    /// [`StartRequest::parse`].
    ///
    /// # Errors
    /// Those of a start, and `conflict` where the source image was deleted and no other one is given.
    pub fn onto(&self, kept: &JsonText, allowed: &AllowedOrigins) -> Result<StartRequest, Problem> {
        let kept = serde_json::from_str(kept.as_str()).map_err(|_| Problem::internal())?;
        StartRequest::read(&Value::Object(self.merged(kept)?), allowed)
    }

    fn merged(&self, mut request: Map<String, Value>) -> Result<Map<String, Value>, Problem> {
        let names = |name: &str| self.0.contains_key(name);
        let gives = |name: &str| self.0.get(name).is_some_and(|value| !value.is_null());
        let source_is_gone = request.remove(SOURCE_IS_GONE).is_some();
        if source_is_gone && !SOURCES.into_iter().any(names) {
            let detail = "The source image of this generation was deleted. Give another one, or null as \
                          source_generation_id to do without.";
            return Err(Problem::new(Code::Conflict, detail).with_field("source_generation_id"));
        }
        if request.remove(MASK_IS_GONE).is_some() && !SOURCES.into_iter().any(gives) && !names("mask") {
            let detail = "The mask of this generation was deleted. Give another one, or null to do without.";
            return Err(Problem::new(Code::Conflict, detail).with_field("mask"));
        }
        let had_source = source_is_gone || has_source(&request);
        let had_model = request.get("model_id").cloned();
        // A mask is one of its source image.
        if SOURCES.into_iter().any(gives) {
            request.retain(|name, _| name != "mask" && !SOURCES.contains(&name.as_str()));
        }
        // A shape and a size are two ways to say one thing.
        if gives("aspect_ratio") {
            request.retain(|name, _| name != "width" && name != "height");
        } else if gives("width") || gives("height") {
            request.remove("aspect_ratio");
        }
        if gives("prompts") {
            request.remove("prompt");
        }
        for (name, value) in &self.0 {
            match value {
                Value::Null => request.remove(name),
                value => request.insert(name.clone(), value.clone()),
            };
        }
        // They were for what is not there any more.
        if !has_source(&request) {
            request.retain(|name, _| (name != "strength" && name != "mask") || names(name));
        }
        let is_other = had_source != has_source(&request) || request.get("model_id") != had_model.as_ref();
        if is_other && !names("operation") {
            request.remove("operation");
        }
        Ok(request)
    }
}

fn has_source(request: &Map<String, Value>) -> bool {
    SOURCES.into_iter().any(|name| request.contains_key(name))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11";
    const OTHER: &str = "0193f3a2-6c1e-7c41-8b02-51a7c9e4d022";

    /// What is started, of a variation of an image.
    fn rerun(changes: &Value) -> Result<Value, Problem> {
        let kept = json!({
            "prompt": "a fox", "model_id": "black-forest-labs/flux-dev", "seed": 7, "width": 640,
            "source_generation_id": ID, "strength": 0.5, "operation": "variation",
        });
        onto(&kept, changes)
    }

    fn onto(kept: &Value, changes: &Value) -> Result<Value, Problem> {
        let changes = RerunChanges::parse(changes.to_string().as_bytes())?;
        let kept = JsonText::new(kept.to_string());
        let request = changes.onto(&kept, &AllowedOrigins::default())?;
        let params = request.params;
        Ok(json!({
            "prompts": request.items.iter().map(|item| item.prompt.clone()).collect::<Vec<_>>(),
            "seeds": request.items.iter().map(|item| item.seed).collect::<Vec<_>>(),
            "width": params.width, "shape": params.aspect_ratio, "sources": params.sources, "mask": params.mask,
            "strength": params.strength, "operation": params.operation,
        }))
    }

    #[test]
    fn what_is_not_named_is_kept() {
        let kept = json!({
            "prompts": ["a fox"], "seeds": [7], "width": 640, "shape": null, "mask": null,
            "sources": [{ "source_generation_id": ID }],
            "strength": 0.5, "operation": "variation",
        });
        assert_eq!(rerun(&json!({})).unwrap(), kept);
        assert!(RerunChanges::parse(b"").unwrap().0.is_empty());
    }

    #[test]
    fn what_is_given_takes_its_place_and_null_takes_it_away() {
        let made =
            rerun(&json!({ "prompt": "a hare", "seed": null, "width": null, "num_images": 2 })).unwrap();
        assert_eq!(made["prompts"], json!(["a hare", "a hare"]));
        assert_eq!((&made["seeds"], &made["width"]), (&json!([null, null]), &json!(null)));
        assert_eq!(rerun(&json!({ "prompts": ["a", "b"] })).unwrap()["prompts"], json!(["a", "b"]));
        assert_eq!(rerun(&json!({ "num_images": 2 })).unwrap()["seeds"], json!([7, 8]));
    }

    #[test]
    fn a_shape_takes_the_place_of_a_size_and_a_size_that_of_a_shape() {
        let shaped = rerun(&json!({ "aspect_ratio": "16:9" })).unwrap();
        assert_eq!((&shaped["width"], &shaped["shape"]), (&json!(null), &json!("16:9")));
        let kept = json!({ "prompt": "a fox", "model_id": "a/b", "aspect_ratio": "4:3" });
        assert_eq!(onto(&kept, &json!({})).unwrap()["shape"], json!("4:3"));
        for (changes, width) in
            [(json!({ "width": 640 }), json!(640)), (json!({ "height": 640 }), json!(null))]
        {
            let sized = onto(&kept, &changes).unwrap();
            assert_eq!((&sized["width"], &sized["shape"]), (&width, &json!(null)));
        }
        let neither = onto(&kept, &json!({ "aspect_ratio": null, "width": null })).unwrap();
        assert_eq!((&neither["width"], &neither["shape"]), (&json!(null), &json!(null)));
        let both = onto(&kept, &json!({ "aspect_ratio": "1:1", "width": 640 })).unwrap_err();
        assert_eq!(both.field.as_deref(), Some("aspect_ratio"));
    }

    #[test]
    fn one_source_takes_the_place_of_another() {
        let made = rerun(&json!({ "source_id": OTHER })).unwrap();
        assert_eq!(made["sources"], json!([{ "source_id": OTHER }]));
        assert_eq!((&made["strength"], &made["operation"]), (&json!(0.5), &json!("variation")));
        let two = rerun(&json!({ "source_id": OTHER, "source_generation_id": ID }));
        assert_eq!(two.unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn several_sources_and_a_mask_are_kept_and_take_each_others_place() {
        let two = json!([{ "source_id": OTHER }, { "source_generation_id": ID }]);
        let kept = json!({
            "prompt": "a fox", "model_id": "stability-ai/sdxl", "sources": two, "mask": { "source_id": ID },
            "operation": "edit",
        });
        // The mapping is not tried where it is not asked for what the model takes.
        let merged = |changes: Value| {
            let Value::Object(kept) = kept.clone() else { panic!("an object") };
            let changes = RerunChanges::parse(changes.to_string().as_bytes()).unwrap();
            Value::Object(changes.merged(kept).unwrap())
        };
        assert_eq!(merged(json!({ "seed": 4 }))["sources"], two);
        assert_eq!(merged(json!({ "seed": 4 }))["mask"], json!({ "source_id": ID }));
        let single = merged(json!({ "source_id": ID }));
        assert_eq!(
            (&single["sources"], &single["mask"], &single["source_id"]),
            (&json!(null), &json!(null), &json!(ID))
        );
        let masked = merged(json!({ "source_id": ID, "mask": { "source_id": OTHER } }));
        assert_eq!(masked["mask"], json!({ "source_id": OTHER }));
        let several = onto(
            &json!({ "prompt": "a", "model_id": "google/nano-banana", "source_id": ID }),
            &json!({ "sources": two }),
        );
        assert_eq!(several.unwrap()["sources"], two);
        let none = merged(json!({ "sources": null }));
        assert_eq!((none.get("sources"), none.get("mask"), none.get("operation")), (None, None, None));
        assert_eq!(merged(json!({ "mask": null })).get("mask"), None);
    }

    #[test]
    fn a_mask_that_is_gone_is_not_left_out_in_silence() {
        let kept = json!({ "prompt": "a fox", "model_id": "a/b", "source_id": ID, "mask_is_gone": true });
        let refused = onto(&kept, &json!({})).unwrap_err();
        assert_eq!((refused.code, refused.field.as_deref()), (Code::Conflict, Some("mask")));
        assert_eq!(onto(&kept, &json!({ "mask": null })).unwrap()["mask"], json!(null));
        assert_eq!(onto(&kept, &json!({ "source_id": OTHER })).unwrap()["mask"], json!(null));
    }

    #[test]
    fn without_a_source_nothing_is_left_that_needs_one() {
        let made = rerun(&json!({ "source_generation_id": null })).unwrap();
        assert_eq!((&made["strength"], &made["operation"]), (&json!(null), &json!(null)));
        let wrong = rerun(&json!({ "source_generation_id": null, "strength": 0.2 }));
        assert_eq!(wrong.unwrap_err().field.as_deref(), Some("strength"));
    }

    #[test]
    fn another_model_has_its_own_operation() {
        let kontext = "black-forest-labs/flux-kontext-pro";
        assert_eq!(rerun(&json!({ "model_id": kontext })).unwrap()["operation"], json!(null));
        let same = rerun(&json!({ "model_id": "black-forest-labs/flux-dev" })).unwrap();
        assert_eq!(same["operation"], json!("variation"));
        let said = rerun(&json!({ "model_id": kontext, "operation": "edit" })).unwrap();
        assert_eq!(said["operation"], json!("edit"));
    }

    #[test]
    fn a_source_that_is_gone_is_not_left_out_in_silence() {
        let kept =
            json!({ "prompt": "a fox", "model_id": "a/b", "source_is_gone": true, "operation": "edit" });
        let refused = onto(&kept, &json!({ "prompt": "a hare" })).unwrap_err();
        assert_eq!((refused.code, refused.code.status()), (Code::Conflict, 409));
        let other = onto(&kept, &json!({ "source_id": OTHER })).unwrap();
        assert_eq!(other["operation"], json!("edit"));
        let without = onto(&kept, &json!({ "source_generation_id": null })).unwrap();
        assert_eq!(without["operation"], json!(null));
    }

    #[test]
    fn it_is_checked_as_a_start_is() {
        for (changes, field) in [
            (json!([]), "body"),
            (json!({ "prompt": null }), "prompt"),
            (json!({ "seed": -1 }), "seed"),
            (json!({ "steps": 4 }), "steps"),
            (json!({ "user_id": ID }), "user_id"),
        ] {
            assert_eq!(rerun(&changes).unwrap_err().field.as_deref(), Some(field), "{changes}");
        }
    }
}
