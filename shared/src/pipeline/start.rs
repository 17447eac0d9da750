//! `POST /start-generation` and the endpoints of the original that start generations: decide, then one round trip.

use serde::Serialize;
use uuid::Uuid;

use crate::catalogue::Mapped;
use crate::http::batch::BatchRequest;
use crate::http::fields::Fields;
use crate::http::idempotency::Key;
use crate::http::json_text::JsonText;
use crate::http::known_fields::refuse_unknown;
use crate::http::problem::Problem;
use crate::http::request::{StartRequest, json_of, map_params};
use crate::http::rerun::RerunChanges;
use crate::http::types::{self, BatchItem, NamedBatch, StartedGeneration, Status, Urls};
use crate::policy::bounds::{MAX_ID_CHARS, PROMPTS, SETTINGS};
use crate::policy::url_policy::AllowedOrigins;
use crate::ports::{DatabaseError, NewGenerations, QueuedGeneration, StartKind, Started, UserGenerations};

/// Which endpoint a request came to.
#[derive(Debug, Clone)]
enum Endpoint {
    StartGeneration,
    Rerun(Uuid),
    GenerateImage(Uuid),
    BatchGenerate { name: Option<String>, has_tags: bool },
}

/// What the model makes of it; of negative prompts it is asked once.
fn map(request: &StartRequest) -> Result<Mapped, Problem> {
    let its_own = request.items.iter().find_map(|item| item.negative_prompt.as_ref());
    match its_own {
        Some(own) if request.params.negative_prompt.is_none() => {
            let mut params = request.params.clone();
            params.negative_prompt = Some(own.clone());
            map_params(&params)
        }
        _ => map_params(&request.params),
    }
}

/// What a start is answered with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum StartAnswer<'a> {
    /// What most are.
    Started(types::Started),
    /// Where the batch has a name.
    Batch(types::StartedBatch<'a>),
}

/// A request that the catalogue accepts.
#[derive(Debug, Clone)]
pub struct StartPlan {
    /// `None`: what an inserted row says, or what was asked for under the same key.
    asked: Option<(Mapped, StartRequest)>,
    endpoint: Endpoint,
}

impl StartPlan {
    /// Parses, checks and maps a body of `POST /start-generation`; `allowed` as in [`StartRequest::parse`].
    pub fn from_body(body: &[u8], allowed: &AllowedOrigins) -> Result<Self, Problem> {
        Self::of(StartRequest::parse(body, allowed)?, Endpoint::StartGeneration)
    }

    /// The same of `POST /generate-image`: the `generation_id` of a row that its user has inserted, and the fields of a
    /// start, or none of them.
    pub fn of_inserted(body: &[u8], allowed: &AllowedOrigins) -> Result<Self, Problem> {
        let body = json_of(body)?;
        let fields = Fields::of(&body)?;
        refuse_unknown(&fields, &[&["generation_id"], &PROMPTS, &SETTINGS], "this request")?;
        let id = fields.text("generation_id", MAX_ID_CHARS)?.and_then(|id| Uuid::try_parse(&id).ok());
        let id = id.ok_or_else(|| {
            Problem::invalid(
                "generation_id",
                "generation_id must be the id of your row in image_generations.",
            )
        })?;
        let endpoint = Endpoint::GenerateImage(id);
        if fields.get("prompt").is_none() && fields.get("prompts").is_none() {
            return match fields.besides("generation_id") {
                None => Ok(Self { asked: None, endpoint }),
                Some(field) => Err(Problem::invalid(
                    field,
                    "Without a prompt your row says what is made: send generation_id alone, or prompt too.",
                )),
            };
        }
        Self::of(StartRequest::read(&body, allowed)?, endpoint)
    }

    /// The same of `POST /generations/{id}/rerun`: the generation that is made again, as `kept`, with these changes.
    pub fn of_rerun(
        id: Uuid,
        kept: &JsonText,
        changes: &RerunChanges,
        allowed: &AllowedOrigins,
    ) -> Result<Self, Problem> {
        Self::of(changes.onto(kept, allowed)?, Endpoint::Rerun(id))
    }

    /// The same of `POST /batch-generate`.
    pub fn of_batch(body: &[u8], allowed: &AllowedOrigins) -> Result<Self, Problem> {
        let BatchRequest { request, name, has_tags } = BatchRequest::parse(body, allowed)?;
        Self::of(request, Endpoint::BatchGenerate { name, has_tags })
    }

    /// A start that can only be the repetition of one under its key, of a rerun where it has a parent: it says nothing
    /// of what is to be made.
    pub fn repetition(parent: Option<Uuid>) -> Self {
        Self { asked: None, endpoint: parent.map_or(Endpoint::StartGeneration, Endpoint::Rerun) }
    }

    /// Whose generations they are to be, where the request says so: a server's start does, and what the database keeps
    /// of a generation that a server makes again.
    pub fn user_id(&self) -> Option<Uuid> {
        self.asked.as_ref().and_then(|(_, request)| request.user_id)
    }

    /// The same, from a country: what Cloudflare says in `CF-IPCountry`
    /// (<https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-ipcountry>). Anything else is none.
    #[must_use]
    pub fn from_country(mut self, header: Option<String>) -> Self {
        let is_code = |told: &String| {
            matches!(told.as_bytes(), [first, second] if first.is_ascii_uppercase()
                && (second.is_ascii_uppercase() || second.is_ascii_digit()))
        };
        if let Some((_, request)) = &mut self.asked {
            request.country = header.filter(is_code);
        }
        self
    }

    /// The model's id and the prompts of all images, for whoever judges them; `None` where an inserted row says them, or
    /// there are none.
    pub fn to_judge(&self) -> Option<(&str, Vec<&str>)> {
        let (_, request) = self.asked.as_ref()?;
        let prompts = request.items.iter().map(|item| item.prompt.as_str());
        let prompts: Vec<&str> = prompts.filter(|prompt| !prompt.is_empty()).collect();
        (!prompts.is_empty()).then_some((&request.params.model_id, prompts))
    }

    fn of(request: StartRequest, endpoint: Endpoint) -> Result<Self, Problem> {
        let mapped = map(&request)?;
        Ok(Self { asked: Some((mapped, request)), endpoint })
    }

    /// Starts it. The caller takes up to `hand_over` of the jobs and sees to it that they are run. A `key` is for
    /// `POST /start-generation` and reruns alone.
    pub async fn start(
        &self,
        key: Option<&Key>,
        hand_over: u32,
        generations: &impl UserGenerations,
    ) -> Result<Started, DatabaseError> {
        let kind = match &self.endpoint {
            Endpoint::StartGeneration | Endpoint::Rerun(_) => StartKind::Plain(key),
            Endpoint::GenerateImage(id) => StartKind::Inserted(*id),
            Endpoint::BatchGenerate { name, .. } => StartKind::Batch(name.as_deref()),
        };
        let parent = match self.endpoint {
            Endpoint::Rerun(id) => Some(id),
            _ => None,
        };
        let asked = self.asked.as_ref().map(|(mapped, request)| (request, mapped));
        // The caller has asked whether it may be there.
        let user_id = self.user_id();
        generations.start(&NewGenerations { asked, kind, parent, user_id, hand_over }).await
    }

    /// The body of the 202. `base` is our own URL as the caller used it, without a trailing slash.
    pub fn answer(&self, started: &Started, base: &str) -> StartAnswer<'_> {
        match &self.endpoint {
            Endpoint::StartGeneration | Endpoint::Rerun(_) | Endpoint::GenerateImage(_) => {
                StartAnswer::Started(start_answer(started, base))
            }
            Endpoint::BatchGenerate { name, has_tags } => {
                StartAnswer::Batch(batch_answer(started, base, name.as_deref(), *has_tags))
            }
        }
    }
}

/// The body of the 202 of `POST /batch-generate`.
pub fn batch_answer<'a>(
    started: &Started,
    base: &str,
    name: Option<&'a str>,
    has_tags: bool,
) -> types::StartedBatch<'a> {
    let types::Started { success, mut message, batch_id, generations, .. } = start_answer(started, base);
    if has_tags {
        message.push_str(" Their tags are not kept: tag the images when they are made.");
    }
    let generations: Vec<BatchItem> = generations
        .unwrap_or_default()
        .into_iter()
        .map(|StartedGeneration { generation_id: id, job_id, status, .. }| BatchItem { id, job_id, status })
        .collect();
    types::StartedBatch {
        success,
        message,
        batch: NamedBatch {
            id: batch_id,
            name,
            total_count: i64::try_from(generations.len()).unwrap_or_default(),
            generations,
        },
    }
}

/// The body of the 202 of `POST /start-generation`.
pub fn start_answer(started: &Started, base: &str) -> types::Started {
    let first = one(&started.first, base);
    let all =
        || [&started.first].into_iter().chain(&started.others).map(|queued| one(queued, base)).collect();
    types::Started {
        success: true,
        generation_id: first.generation_id,
        job_id: first.job_id,
        status: first.status,
        message: match started.others.len() {
            0 => "Generation queued.".to_owned(),
            others => format!("{} generations queued.", others + 1),
        },
        queue_position: first.queue_position,
        estimated_seconds: first.estimated_seconds,
        urls: first.urls,
        batch_id: started.batch_id,
        generations: started.batch_id.map(|_| all()),
    }
}

fn one(queued: &QueuedGeneration, base: &str) -> StartedGeneration {
    let path = format!("{base}/generations/{}", queued.id);
    StartedGeneration {
        generation_id: queued.id,
        job_id: queued.job_id,
        status: Status::Queued,
        queue_position: queued.queue_position,
        estimated_seconds: queued.estimated_seconds,
        urls: Urls { cancel: format!("{path}/cancel"), events: format!("{path}/events"), this: path },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::http::problem::Code;

    const ID: &str = "0193f3a2-6c1e-7c40-9a55-2f6e0d1b7c11";

    fn started(others: usize) -> Started {
        let id = Uuid::try_parse(ID).unwrap();
        let first = QueuedGeneration { id, job_id: id, queue_position: Some(1), estimated_seconds: Some(5) };
        let second = QueuedGeneration {
            id: Uuid::from_u128(2),
            job_id: id,
            queue_position: None,
            estimated_seconds: None,
        };
        Started {
            batch_id: (others > 0).then_some(Uuid::nil()),
            first,
            others: vec![second; others],
            replayed: false,
            leased: None,
            has_webhook: false,
        }
    }

    #[test]
    fn an_unknown_model_is_named_so() {
        let problem =
            StartPlan::from_body(br#"{"prompt":"a","model_id":"no/such"}"#, &AllowedOrigins::default())
                .unwrap_err();
        assert_eq!((problem.code, problem.code.status()), (Code::UnknownModel, 404));
    }

    #[test]
    fn the_answer_has_the_contracts_shape() {
        assert_eq!(
            json!(start_answer(&started(0), "https://x.example/functions/v1")),
            json!({
                "success": true, "generation_id": ID, "job_id": ID, "status": "queued",
                "message": "Generation queued.", "queue_position": 1, "estimated_seconds": 5,
                "urls": {
                    "self": format!("https://x.example/functions/v1/generations/{ID}"),
                    "cancel": format!("https://x.example/functions/v1/generations/{ID}/cancel"),
                    "events": format!("https://x.example/functions/v1/generations/{ID}/events"),
                }
            })
        );
    }

    #[test]
    fn a_batch_lists_its_generations() {
        let body = json!(start_answer(&started(2), "b"));
        assert_eq!((&body["batch_id"], &body["generation_id"]), (&json!(Uuid::nil()), &json!(ID)));
        assert_eq!(body["message"], "3 generations queued.");
        assert_eq!(body["generations"].as_array().unwrap().len(), 3);
        assert_eq!(body["generations"][0]["generation_id"], ID);
        assert_eq!(body["generations"][2]["generation_id"], json!(Uuid::from_u128(2)));
        assert_eq!(body["generations"][2]["queue_position"], json!(null));
    }

    #[test]
    fn a_country_is_two_letters_or_none() {
        let body = br#"{"prompt":"a","model_id":"black-forest-labs/flux-schnell"}"#;
        let country = |header: Option<&str>| {
            let plan = StartPlan::from_body(body, &AllowedOrigins::default()).unwrap();
            plan.from_country(header.map(Into::into)).asked.and_then(|(_, request)| request.country)
        };
        for code in ["CH", "T1", "XX"] {
            assert_eq!(country(Some(code)).as_deref(), Some(code));
        }
        for other in [None, Some(""), Some("ch"), Some("CHE"), Some("1A"), Some("\u{e9}")] {
            assert_eq!(country(other), None);
        }
    }

    #[test]
    fn a_rerun_is_for_the_owner_that_the_database_names() {
        let kept =
            format!(r#"{{"prompt":"a","model_id":"black-forest-labs/flux-schnell","user_id":"{ID}"}}"#);
        let changes = RerunChanges::parse(br#"{"seed":7}"#).unwrap();
        let plan =
            StartPlan::of_rerun(Uuid::nil(), &JsonText::new(kept), &changes, &AllowedOrigins::default());
        assert_eq!(plan.unwrap().user_id(), Uuid::try_parse(ID).ok());
    }

    #[test]
    fn a_named_batch_is_answered_as_its_app_reads_it() {
        let body =
            br#"{"prompts":[{"text":"A fox","negative_prompt":"blur","tags":["animals"]},{"text":"A hare"}],
            "shared_settings":{"model_id":"stability-ai/sdxl","steps":4},"batch_name":"Animals"}"#;
        let plan = StartPlan::of_batch(body, &AllowedOrigins::default()).unwrap();
        let answer = json!(plan.answer(&started(1), "b"));
        assert_eq!(answer["success"], true);
        assert_eq!(
            answer["message"],
            "2 generations queued. Their tags are not kept: tag the images when they are made."
        );
        let batch = &answer["batch"];
        assert_eq!(
            (&batch["id"], &batch["name"], &batch["total_count"]),
            (&json!(Uuid::nil()), &json!("Animals"), &json!(2))
        );
        assert_eq!(batch["generations"][0], json!({ "id": ID, "job_id": ID, "status": "queued" }));
    }

    #[test]
    fn a_negative_prompt_of_one_image_is_mapped_too() {
        let body = br#"{"prompts":[{"text":"A fox"},{"text":"A hare","negative_prompt":"blur"}],
            "shared_settings":{"model_id":"black-forest-labs/flux-schnell"}}"#;
        let plan = StartPlan::of_batch(body, &AllowedOrigins::default());
        let plain = StartPlan::from_body(
            br#"{"prompt":"A hare","negative_prompt":"blur","model_id":"black-forest-labs/flux-schnell"}"#,
            &AllowedOrigins::default(),
        );
        let said = |plan: Result<StartPlan, Problem>| {
            plan.map(|plan| plan.asked.unwrap().0.adjustments).map_err(|p| p.code)
        };
        assert_eq!(said(plan), said(plain));
    }

    #[test]
    fn an_inserted_row_is_named_with_a_request_or_without() {
        let parse =
            |body: Value| StartPlan::of_inserted(body.to_string().as_bytes(), &AllowedOrigins::default());
        assert!(parse(json!({ "generation_id": ID })).unwrap().asked.is_none());
        let full = json!({
            "generation_id": ID, "prompt": "a fox", "model_id": "flux-schnell", "model_version": null,
            "width": 1024, "height": 1024, "num_inference_steps": 4, "guidance_scale": 7.5,
        });
        assert!(parse(full).unwrap().asked.is_some());
        let ignored = parse(json!({ "generation_id": ID, "prompt": null, "priority": "high" }));
        assert_eq!(ignored.unwrap_err().field.as_deref(), Some("priority"), "it would count for nothing");
        for body in [
            json!({}),
            json!({ "generation_id": "x" }),
            json!({ "generation_id": 7 }),
            json!([]),
            json!({ "generation_id": ID, "id": null }),
        ] {
            assert_eq!(parse(body.clone()).unwrap_err().code, Code::InvalidRequest, "{body}");
        }
    }
}
