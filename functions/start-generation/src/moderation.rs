//! The operators' judge of prompts, asked before a start where there is one.

use edge::{Environment, FetchClient, moderation};
use shared::adapters::moderation::{Judgement, ToJudge, judge};
use shared::http::problem::{Code, Problem};
use shared::pipeline::StartPlan;
use uuid::Uuid;
use worker::console_error;

/// Lets a start pass, or refuses it: by what the judge says, or by the policy for when it says nothing.
pub(crate) async fn moderate(
    env: &Environment,
    plan: &StartPlan,
    user_id: Option<Uuid>,
) -> Result<(), Problem> {
    let moderation = moderation(env)?;
    let Some(moderation) = moderation.as_ref() else { return Ok(()) };
    // Without a prompt an inserted row says what is made, which only the database knows.
    let Some((model_id, prompts)) = plan.to_judge() else { return Ok(()) };
    match judge(&FetchClient, moderation, &ToJudge { prompts, model_id, user_id }).await {
        Judgement::Allowed => Ok(()),
        Judgement::Refused(reason) => Err(Problem::new(Code::ContentFlagged, reason)),
        Judgement::Failed(cause) => {
            console_error!("the judge of prompts did not judge: {cause}");
            if moderation.allows_on_failure { Ok(()) } else { Err(Problem::unavailable()) }
        }
    }
}
