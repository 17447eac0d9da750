//! Which fields a body may have, and which parameters a query. Any other is refused: who misspells a field would pay for
//! another image than the one that was asked for, and who misspells a filter would take all for the few.

use strsim::osa_distance;

use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::request::json_of;
use crate::policy::bounds::{NO_FIELDS, OTHER_NAMES};

/// The longest name that another one is looked for, in bytes: the look takes its time for each of them.
const MAX_LOOKED_AT: usize = 40;
/// So much of a name is told back, in characters.
const MAX_TOLD: usize = 60;

/// Refuses a field that is in none of the lists of `known`. `place` is what has it: "this request".
pub fn refuse_unknown(fields: &Fields<'_>, known: &[&[&'static str]], place: &str) -> Result<(), Problem> {
    refuse_other_names(fields.names(), known, "field", place)
}

/// Refuses a body that is neither empty nor an object without fields, where there is nothing to say.
pub fn refuse_fields(body: &[u8]) -> Result<(), Problem> {
    if body.trim_ascii().is_empty() {
        return Ok(());
    }
    refuse_unknown(&Fields::of(&json_of(body)?)?, &[], "this request")
}

/// Refuses a name that is in none of the lists of `known`: of a `kind`, such as "field", of a `place`.
pub(super) fn refuse_other_names<'a>(
    mut names: impl Iterator<Item = &'a str>,
    known: &[&[&'static str]],
    kind: &str,
    place: &str,
) -> Result<(), Problem> {
    let is_known = |name: &str| known.iter().any(|list| list.contains(&name));
    let Some(name) = names.find(|name| !is_known(name)) else { return Ok(()) };
    let told: String = name.chars().filter(|one| !one.is_control()).take(MAX_TOLD).collect();
    let asked = plain(name);
    let hint = match NO_FIELDS.iter().find(|(_, theirs)| is_among(&asked, theirs)) {
        Some((instead, _)) => (*instead).to_owned(),
        None => match meant(&asked, known) {
            Some(ours) => format!("Did you mean {ours}?"),
            None => format!("GET /openapi.json lists its {kind}s."),
        },
    };
    Err(Problem::invalid(&told, format!("{told} is not a {kind} of {place}. {hint}")))
}

fn is_among(asked: &str, names: &str) -> bool {
    names.split(' ').any(|one| one == asked)
}

/// What of the known names is meant by another one, which is [`plain`].
fn meant(asked: &str, known: &[&[&'static str]]) -> Option<&'static str> {
    if asked.len() > MAX_LOOKED_AT {
        return None;
    }
    let all = || known.iter().copied().flatten().copied();
    let is_here = |ours: &str| ours.split(" and ").all(|one| all().any(|known| known == one));
    let mut elsewhere = OTHER_NAMES.iter().filter(|(_, theirs)| is_among(asked, theirs));
    if let Some((ours, _)) = elsewhere.find(|(ours, _)| is_here(ours)) {
        return Some(ours);
    }
    // One slip in four letters, and one more.
    let most = 1 + asked.len() / 4;
    let near = all().map(|ours| (osa_distance(&plain(ours), asked), ours));
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
    fn where_there_is_nothing_to_say_nothing_is_said() {
        for body in ["", " \n", "{}", "{ }"] {
            refuse_fields(body.as_bytes()).unwrap();
        }
        for (body, field) in
            [("{\"xyzzy\":1}", "xyzzy"), ("[]", "body"), ("x", "body"), ("{\"a\":null}", "a")]
        {
            assert_eq!(refuse_fields(body.as_bytes()).unwrap_err().field.as_deref(), Some(field), "{body}");
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
            let known: Vec<&'static str> = ours.split(" and ").collect();
            for one in theirs.split(' ') {
                assert_eq!(plain(one), one);
                let problem = refuse_other_names([one].into_iter(), &[&known], "field", "this request");
                let detail = problem.unwrap_err().detail;
                assert!(detail.ends_with(&format!("Did you mean {ours}?")), "{one}: {detail}");
            }
        }
    }

    #[test]
    fn what_is_no_field_leads_to_what_to_do_instead() {
        for (name, instead) in [
            ("idempotency_key", "Send it as the header Idempotency-Key."),
            ("Idempotency-Key", "Send it as the header Idempotency-Key."),
            ("scheduler", "It is not available: each model has its own."),
        ] {
            assert_eq!(refused(name).detail, format!("{name} is not a field of this request. {instead}"));
        }
    }
}
