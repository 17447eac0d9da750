//! The body of `POST /start-generation` and the payload of a job, parsed once into a type.
//!
//! Both are untrusted: SQL functions are open to signed-in users directly, so what a job's payload
//! holds is checked again before it is paid for. A payload may hold more than is read; a request may not.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::catalogue::{
    AspectRatio, Catalogue, GenerationParams, MAX_SOURCES, Mapped, Operation, OutputFormat, SourceImage,
};
use crate::http::fields::Fields;
use crate::http::known_fields::refuse_unknown;
use crate::http::problem::{Code, Problem};
use crate::http::prompts::{needs_prompt, parse_prompt, parse_prompts};
use crate::http::types::Priority;
use crate::policy::bounds::{
    EXPIRES_IN, GUIDANCE, MAX_BODY_BYTES, MAX_ID_CHARS, MAX_NAME_CHARS, MAX_PROMPT_CHARS, MAX_TIME_CHARS,
    NUM_IMAGES, OPERATIONS, OUTPUT_FORMATS, PRIORITIES, PROMPTS, SCALE, SEED, SERVERS, SETTINGS, SIDE,
    SOURCE, STEPS, STRENGTH,
};
use crate::policy::url_policy::{AllowedOrigins, check_public_https, check_webhook};

/// One image of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// What to paint.
    pub prompt: String,
    /// The seed for this image.
    pub seed: Option<i64>,
    /// What this image is not to show, where it differs from the others'.
    pub negative_prompt: Option<String>,
}

/// A valid request for one image or a batch of them.
#[derive(Debug, Clone)]
pub struct StartRequest {
    /// The images, 1 to [`crate::policy::bounds::MAX_BATCH`].
    pub items: Vec<Item>,
    /// What they have in common; its prompt and seed are the first item's.
    pub params: GenerationParams,
    /// Where in the queue they go.
    pub priority: Option<Priority>,
    /// They wait until then (RFC 3339).
    pub scheduled_at: Option<String>,
    /// Those that have not started after so many seconds are cancelled.
    pub expires_in: Option<i64>,
    /// Who is told of their ends.
    pub webhook_url: Option<String>,
    /// Whose they are. Only a server may say so.
    pub user_id: Option<Uuid>,
    /// Whence it came, for the analytics: two letters of ISO 3166-1, or one of Cloudflare's own codes, such as `T1`.
    pub country: Option<String>,
}

impl StartRequest {
    /// Parses and checks a body; `allowed` are the origins that a webhook may name although they are
    /// not public.
    pub fn parse(body: &[u8], allowed: &AllowedOrigins) -> Result<Self, Problem> {
        let body = json_of(body)?;
        refuse_unknown(&Fields::of(&body)?, &[&PROMPTS, &SETTINGS, &SERVERS], "this request")?;
        Self::read(&body, allowed)
    }

    /// The same of a body that is read already, and has no field that it may not have.
    pub fn read(body: &Value, allowed: &AllowedOrigins) -> Result<Self, Problem> {
        let fields = Fields::of(body)?;
        let prompts = parse_prompts(&fields, needs_prompt(&fields)?)?;
        let first = prompts.first().cloned().unwrap_or_default();
        let params = params_with_prompt(&fields, first)?;
        // Passed on as the parser read it: what others make of odd spellings must not matter.
        let webhook_url = match fields.text("webhook_url", usize::MAX)? {
            Some(url) => match check_webhook(&url, allowed) {
                Ok(url) => Some(url.to_string()),
                Err(why) => return Err(Problem::invalid("webhook_url", format!("webhook_url {why}."))),
            },
            None => None,
        };
        let items = spread(prompts, params.seed, fields.integer("num_images", NUM_IMAGES)?)?;
        Ok(Self {
            items,
            params,
            priority: fields.word("priority", &PRIORITIES)?.and_then(Priority::from_name),
            scheduled_at: time(&fields, "scheduled_at")?,
            expires_in: fields.integer("expires_in", EXPIRES_IN)?,
            webhook_url,
            user_id: id(&fields, "user_id", "a user")?,
            country: None,
        })
    }
}

/// The JSON of a body, which has its bounds.
pub fn json_of(body: &[u8]) -> Result<Value, Problem> {
    if body.len() > MAX_BODY_BYTES {
        return Err(Problem::new(Code::BodyTooLarge, "The body must be at most 64 KiB."));
    }
    serde_json::from_slice(body).map_err(|_| Problem::invalid("body", "The body must be valid JSON."))
}

/// Parses what one image needs, from a request body or a job's payload.
pub fn parse_params(body: &Value) -> Result<GenerationParams, Problem> {
    let fields = Fields::of(body)?;
    let prompt = parse_prompt(fields.get("prompt"), "prompt", needs_prompt(&fields)?)?;
    params_with_prompt(&fields, prompt)
}

/// The model as the catalogue names it, where it knows the name; `None` where there is none.
pub(super) fn model_id(fields: &Fields<'_>) -> Result<Option<String>, Problem> {
    let Some(id) = fields.text("model_id", MAX_NAME_CHARS)?.filter(|id| !id.is_empty()) else {
        return Ok(None);
    };
    // By owner/name, as nearly all do, it needs no look.
    let full = (!id.contains('/')).then(|| Catalogue::full_id(&id)).flatten();
    Ok(Some(full.map_or(id, str::to_owned)))
}

fn params_with_prompt(fields: &Fields<'_>, prompt: String) -> Result<GenerationParams, Problem> {
    let model_id = model_id(fields)?
        .ok_or_else(|| Problem::invalid("model_id", "model_id is required: GET /models lists the models."))?;
    let sources = sources(fields)?;
    let mask = fields.get("mask").map(|mask| placed(mask, "mask")).transpose()?;
    let strength = fields.number("strength", STRENGTH)?;
    for (name, given) in [("mask", mask.is_some()), ("strength", strength.is_some())] {
        if given && sources.is_empty() {
            let detail = format!("{name} needs a source_image_url, a source_generation_id or a source_id.");
            return Err(Problem::invalid(name, detail));
        }
    }
    let (width, height) = (side(fields, "width")?, side(fields, "height")?);
    let aspect_ratio = aspect_ratio(fields)?;
    if aspect_ratio.is_some() && width.or(height).is_some() {
        let detail = "Give either aspect_ratio or width and height, not both.";
        return Err(Problem::invalid("aspect_ratio", detail));
    }
    Ok(GenerationParams {
        model_id,
        model_version: fields.text("model_version", MAX_NAME_CHARS)?,
        prompt,
        negative_prompt: fields.text("negative_prompt", MAX_PROMPT_CHARS)?.filter(|text| !text.is_empty()),
        width,
        height,
        aspect_ratio,
        output_format: fields.word("output_format", &OUTPUT_FORMATS)?.and_then(OutputFormat::from_name),
        num_inference_steps: fields
            .integer("num_inference_steps", STEPS)?
            .and_then(|steps| u32::try_from(steps).ok()),
        guidance_scale: fields.number("guidance_scale", GUIDANCE)?,
        seed: fields.integer("seed", SEED)?,
        sources,
        mask,
        strength,
        scale: fields.number("scale", SCALE)?,
        style: fields.text("style", MAX_NAME_CHARS)?.filter(|text| !text.is_empty()),
        operation: fields.word("operation", &OPERATIONS)?.and_then(Operation::from_name),
    })
}

/// The source images: those of a list, or the one that the request names itself.
fn sources(fields: &Fields<'_>) -> Result<Vec<SourceImage>, Problem> {
    let one = source(fields)?;
    let Some(list) = fields.get("sources") else { return Ok(one.into_iter().collect()) };
    if let Some(one) = one {
        let detail = format!("Give either sources or {}, not both.", one.field());
        return Err(Problem::invalid("sources", detail));
    }
    let list = list.as_array().filter(|list| (1..=MAX_SOURCES).contains(&list.len())).ok_or_else(|| {
        Problem::invalid("sources", format!("sources must be a list of 1 to {MAX_SOURCES} source images."))
    })?;
    list.iter().enumerate().map(|(index, one)| placed(one, &format!("sources[{index}]"))).collect()
}

/// An image that stands at `place` in the request: the id of an upload, or an object of its own.
fn placed(value: &Value, place: &str) -> Result<SourceImage, Problem> {
    if value.as_str().is_some_and(|id| Uuid::try_parse(id).is_err()) {
        let detail = format!(
            "{place} must be the id of an upload. An address goes into an object: {{\"source_image_url\": \"https://…\"}}."
        );
        return Err(Problem::invalid(place, detail));
    }
    let upload = value.is_string().then(|| json!({ SOURCE[2]: value }));
    let one = match Fields::of(upload.as_ref().unwrap_or(value)) {
        Ok(fields) if fields.names().all(|name| SOURCE.contains(&name)) => source(&fields),
        _ => Ok(None),
    };
    match one {
        Ok(Some(image)) => Ok(image),
        Ok(None) => {
            let detail = format!(
                "{place} must be the id of an upload, or an object with one of {}.",
                SOURCE.join(", ")
            );
            Err(Problem::invalid(place, detail))
        }
        Err(mut problem) => {
            problem.field = problem.field.map(|field| format!("{place}.{field}"));
            Err(problem)
        }
    }
}

/// The one image that these fields name, if any.
fn source(fields: &Fields<'_>) -> Result<Option<SourceImage>, Problem> {
    // Passed on as the parser read it: what others make of odd spellings must not matter.
    let url = match fields.text("source_image_url", usize::MAX)? {
        Some(url) => match check_public_https(&url) {
            Ok(url) => Some(SourceImage::Url(url.to_string())),
            Err(why) => {
                return Err(Problem::invalid("source_image_url", format!("source_image_url {why}.")));
            }
        },
        None => None,
    };
    let generation = id(fields, "source_generation_id", "a generation")?.map(SourceImage::Generation);
    let upload = id(fields, "source_id", "an upload")?.map(SourceImage::Upload);
    let mut given = url.into_iter().chain(generation).chain(upload);
    let first = given.next();
    if let (Some(one), Some(other)) = (&first, given.last()) {
        let (one, other) = (one.field(), other.field());
        return Err(Problem::invalid(other, format!("Give only one of {one} and {other}.")));
    }
    Ok(first)
}

/// The id of `what`, in any spelling that a UUID has.
pub(super) fn id(fields: &Fields<'_>, name: &str, what: &str) -> Result<Option<Uuid>, Problem> {
    let Some(text) = fields.text(name, MAX_ID_CHARS)? else { return Ok(None) };
    let wrong = |_| Problem::invalid(name, format!("{name} must be the id of {what}."));
    Uuid::try_parse(&text).map(Some).map_err(wrong)
}

/// A point in time as RFC 3339 writes it.
fn time(fields: &Fields<'_>, name: &str) -> Result<Option<String>, Problem> {
    let text = fields.text(name, MAX_TIME_CHARS)?;
    if text.as_deref().is_some_and(|text| chrono::DateTime::parse_from_rfc3339(text).is_err()) {
        let detail = format!("{name} must be a time such as 2027-01-31T12:00:00Z.");
        return Err(Problem::invalid(name, detail));
    }
    Ok(text)
}

/// A shape such as `16:9`.
fn aspect_ratio(fields: &Fields<'_>) -> Result<Option<AspectRatio>, Problem> {
    let Some(value) = fields.get("aspect_ratio") else { return Ok(None) };
    let ratio = value.as_str().and_then(AspectRatio::parse);
    let detail = "aspect_ratio must be two whole numbers from 1 to 99 such as 16:9.";
    ratio.map(Some).ok_or_else(|| Problem::invalid("aspect_ratio", detail))
}

/// Width or height in pixels. The bounds keep nonsense out; the model's own limits come later.
fn side(fields: &Fields<'_>, name: &str) -> Result<Option<u32>, Problem> {
    Ok(fields.integer(name, SIDE)?.and_then(|pixels| u32::try_from(pixels).ok()))
}

/// One item per prompt, or `count` of one prompt. With a fixed seed each further image takes the
/// next seed: the same seed would only make the same image again.
fn spread(prompts: Vec<String>, seed: Option<i64>, count: Option<i64>) -> Result<Vec<Item>, Problem> {
    let count = usize::try_from(count.unwrap_or(1)).unwrap_or(1);
    if prompts.len() > 1 && count > 1 {
        return Err(Problem::invalid("num_images", "num_images works with a single prompt only."));
    }
    if prompts.len() > 1 {
        return Ok(prompts.into_iter().map(|prompt| Item { prompt, seed, negative_prompt: None }).collect());
    }
    let prompt = prompts.into_iter().next().unwrap_or_default();
    Ok((0_i64..)
        .take(count)
        .map(|n| Item {
            prompt: prompt.clone(),
            seed: seed.map(|first| first.saturating_add(n) % (i64::from(u32::MAX) + 1)),
            negative_prompt: None,
        })
        .collect())
}

fn unsupported(field: &str, detail: impl Into<String>) -> Problem {
    Problem::new(Code::Unsupported, detail).with_field(field)
}

/// What the catalogue makes of a request: the model's input, or why there is none.
pub fn map_params(params: &GenerationParams) -> Result<Mapped, Problem> {
    let model = Catalogue::builtin_model(&params.model_id).ok_or_else(|| {
        let detail = if params.model_id.contains('/') {
            "There is no model with this id. GET /models lists the models."
        } else if Uuid::try_parse(&params.model_id).is_ok() {
            "No model of the catalogue has a row with this id. GET /models lists the models."
        } else {
            "No model has this short name. Name it by owner/name: GET /models lists the models."
        };
        Problem::new(Code::UnknownModel, detail).with_field("model_id")
    })?;
    model.map(params).map_err(|cannot| unsupported(cannot.field, cannot.reason))
}

#[cfg(test)]
mod tests;
