//! Which fields a body may have. Any other is refused: who misspells a field would pay for another image than the one
//! that was asked for.

use strsim::osa_distance;

use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::policy::bounds::OTHER_NAMES;

/// The longest name that another one is looked for, in bytes: the look takes its time for each of them.
const MAX_LOOKED_AT: usize = 40;
/// So much of a name is told back, in characters.
const MAX_TOLD: usize = 60;

/// Refuses a field that is in none of the lists of `known`. `place` is what has it: "this request".
pub fn refuse_unknown(fields: &Fields<'_>, known: &[&[&'static str]], place: &str) -> Result<(), Problem> {
    let is_known = |name: &str| known.iter().any(|list| list.contains(&name));
    let Some(name) = fields.names().find(|name| !is_known(name)) else { return Ok(()) };
    let told: String = name.chars().filter(|one| !one.is_control()).take(MAX_TOLD).collect();
    let hint = match meant(name, known) {
        Some(ours) => format!("Did you mean {ours}?"),
        None => "GET /openapi.json lists its fields.".to_owned(),
    };
    Err(Problem::invalid(&told, format!("{told} is not a field of {place}. {hint}")))
}

/// What of the known fields is meant by another name.
fn meant(name: &str, known: &[&[&'static str]]) -> Option<&'static str> {
    if name.len() > MAX_LOOKED_AT {
        return None;
    }
    let asked = plain(name);
    let all = || known.iter().copied().flatten().copied();
    let is_here = |ours: &str| ours.split(" and ").all(|one| all().any(|known| known == one));
    let elsewhere = OTHER_NAMES.iter().find(|(_, theirs)| theirs.split(' ').any(|one| one == asked));
    if let Some((ours, _)) = elsewhere.filter(|(ours, _)| is_here(ours)) {
        return Some(ours);
    }
    // One slip in four letters, and one more.
    let most = 1 + asked.len() / 4;
    let near = all().map(|ours| (osa_distance(&plain(ours), &asked), ours));
    near.filter(|(distance, _)| *distance <= most).min().map(|(_, ours)| ours)
}

/// `numImages` and `num-images` are `num_images`, less what joins the words.
fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|one| one.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::policy::bounds::{PROMPTS, SETTINGS};

    fn refused(name: &str) -> Problem {
        let body = json!({ "prompt": "a fox", "model_id": "m", name: Value::Null });
        refuse_unknown(&Fields::of(&body).unwrap(), &[&PROMPTS, &SETTINGS], "this request").unwrap_err()
    }

    #[test]
    fn what_is_meant_is_named() {
        for (name, ours) in [
            ("n", "num_images"),
            ("num_outputs", "num_images"),
            ("num_images_per_prompt", "num_images"),
            ("steps", "num_inference_steps"),
            ("guidance", "guidance_scale"),
            ("cfg_scale", "guidance_scale"),
            ("size", "width and height"),
            ("image_size", "width and height"),
            ("aspectRatio", "aspect_ratio"),
            ("ratio", "aspect_ratio"),
            ("format", "output_format"),
            ("outputFormat", "output_format"),
            ("image", "source_image_url"),
            ("image_url", "source_image_url"),
            ("init_image", "source_image_url"),
            ("image_prompt", "source_image_url"),
            ("prompt_strength", "strength"),
            ("model", "model_id"),
            ("modelId", "model_id"),
            ("Prompt", "prompt"),
            ("promt", "prompt"),
            ("widht", "width"),
            ("negative_promt", "negative_prompt"),
            ("num_inference_step", "num_inference_steps"),
            ("source_image_uri", "source_image_url"),
            ("scheduledAt", "scheduled_at"),
        ] {
            let problem = refused(name);
            assert_eq!(
                (problem.field.as_deref(), problem.detail),
                (Some(name), format!("{name} is not a field of this request. Did you mean {ours}?"))
            );
        }
    }

    #[test]
    fn what_is_like_nothing_leads_to_the_list() {
        for name in ["loras", "x", "", "input", "é", "safety_checker", &"prompt".repeat(7)] {
            let problem = refused(name);
            assert_eq!(
                problem.detail,
                format!("{name} is not a field of this request. GET /openapi.json lists its fields.")
            );
        }
    }

    #[test]
    fn a_name_of_any_length_is_told_back_in_part() {
        let problem = refused(&"\u{0}é".repeat(30_000));
        assert_eq!(problem.field, Some("é".repeat(MAX_TOLD)));
    }

    #[test]
    fn nothing_is_meant_that_the_body_cannot_have() {
        let body = json!({ "steps": 4, "image_size": 5 });
        let fields = Fields::of(&body).unwrap();
        let problem = refuse_unknown(&fields, &[&["steps", "width"]], "shared_settings").unwrap_err();
        assert_eq!(
            problem.detail,
            "image_size is not a field of shared_settings. GET /openapi.json lists its fields."
        );
    }

    #[test]
    fn every_name_of_another_api_leads_to_a_field() {
        for (ours, theirs) in OTHER_NAMES {
            for one in theirs.split(' ') {
                assert_eq!(plain(one), one);
                assert!(refused(one).detail.ends_with(&format!("Did you mean {ours}?")), "{one}");
            }
        }
    }
}
