//! The prompts of a request, which a model may need or not.

use serde_json::Value;

use crate::catalogue::{Catalogue, Role};
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::request::model_id;
use crate::policy::bounds::{MAX_BATCH, MAX_PROMPT_CHARS};

/// Whether a prompt has to be there: not where the model takes none, for which one is a title and no more.
pub(super) fn needs_prompt(fields: &Fields<'_>) -> Result<bool, Problem> {
    let model = model_id(fields)?.as_deref().and_then(Catalogue::builtin_model);
    Ok(model.is_none_or(|model| model.input.role(Role::Prompt).is_some()))
}

/// The prompts of a request: those of a list, or the one.
pub(super) fn parse_prompts(fields: &Fields<'_>, needed: bool) -> Result<Vec<String>, Problem> {
    let Some(value) = fields.get("prompts") else {
        return Ok(vec![parse_prompt(fields.get("prompt"), "prompt", needed)?]);
    };
    if fields.get("prompt").is_some() {
        return Err(Problem::invalid("prompts", "Give either prompt or prompts, not both."));
    }
    let list = value.as_array().filter(|list| (1..=MAX_BATCH).contains(&list.len())).ok_or_else(|| {
        Problem::invalid("prompts", format!("prompts must be a list of 1 to {MAX_BATCH} prompts."))
    })?;
    list.iter().map(|prompt| parse_prompt(Some(prompt), "prompts", needed)).collect()
}

/// A prompt; empty only where it is not `needed`.
pub(super) fn parse_prompt(value: Option<&Value>, name: &str, needed: bool) -> Result<String, Problem> {
    let text = match value {
        None if !needed => return Ok(String::new()),
        None => return Err(Problem::invalid(name, format!("{name} is required and must be text."))),
        Some(value) => value.as_str().ok_or_else(|| {
            let each = if name == "prompt" { "" } else { "Each of " };
            Problem::invalid(name, format!("{each}{name} must be text."))
        })?,
    };
    if text.trim().is_empty() {
        if !needed {
            return Ok(String::new());
        }
        return Err(Problem::invalid(name, "A prompt must not be empty, nor only white space."));
    }
    let length = text.chars().count();
    if length > MAX_PROMPT_CHARS {
        let detail =
            format!("A prompt must have at most {MAX_PROMPT_CHARS} characters; this one has {length}.");
        return Err(Problem::invalid(name, detail));
    }
    if text.contains('\0') {
        return Err(Problem::invalid(name, "A prompt must not contain a NUL character."));
    }
    Ok(text.to_owned())
}
