//! The paths of a user's own generations: each verifies the token, is counted, then makes one
//! round trip with the token.

use edge::{
    Answer, FetchClient, Incoming, LiveUpdates, SignedIn, WakeFor, misconfigured, signed_in, variables, wake,
    wakes, within_limit,
};
use serde_json::{Value, json};
use shared::idempotency::Key;
use shared::list_query::ListQuery;
use shared::pipeline::{HandedOver, StartPlan, Started};
use shared::problem::{Code, Problem};
use shared::rate_limit;
use shared::request::MAX_BODY_BYTES;
use shared::settings::SupabaseSettings;
use shared::supabase::{Generations, Rpc, RpcError};
use uuid::Uuid;
use worker::{Context, Env, console_error};

pub(crate) async fn start(
    incoming: &mut Incoming,
    env: &Env,
    context: &Context,
    prefix: &str,
) -> Result<Answer, Problem> {
    let (supabase, token) = admit(incoming, env).await?;
    let body = incoming.body(MAX_BODY_BYTES).await?;
    let key = Key::parse(incoming.header("idempotency-key").as_deref(), &body)?;
    let allowed = variables(env).webhook_allowed_origins().map_err(|error| misconfigured(&error))?;
    let plan = StartPlan::from_body(&body, &allowed)?;
    let live = LiveUpdates::new(env, context);
    // Whoever leaves jobs to the cron trigger has nobody to hand them to.
    let next = if wakes(env) { variables(env).max_parallel_jobs() } else { 0 };
    let key = key.as_ref().map(|key| (key.key.as_str(), key.request_hash.as_str()));
    let mut row = Generations::new(rpc(&supabase, &token).telling(&live))
        .start(plan.request, key, next)
        .await
        .map_err(problem)?;
    let started = Started::from_row(&row, &format!("{}{prefix}", incoming.origin())).ok_or_else(|| {
        console_error!("start_generation answered without a generation");
        Problem::internal()
    })?;
    let answer = Answer::json(202, json!(started.body));
    if started.replayed {
        return Ok(answer.header("idempotency-replayed", "true"));
    }
    wake(env, context, WakeFor::Images { handed_over: HandedOver::take(&mut row, next) });
    Ok(answer)
}

pub(crate) async fn get(incoming: &Incoming, env: &Env, id: &str) -> Result<Answer, Problem> {
    let (supabase, token) = admit(incoming, env).await?;
    let row = generations(&supabase, &token).get(generation_id(id)?).await.map_err(problem)?;
    Ok(private(row))
}

pub(crate) async fn list(incoming: &Incoming, env: &Env) -> Result<Answer, Problem> {
    let (supabase, token) = admit(incoming, env).await?;
    let query = ListQuery::parse(|name| incoming.query(name))?;
    let page = generations(&supabase, &token).list(query.to_rpc()).await.map_err(problem)?;
    Ok(private(page))
}

pub(crate) async fn cancel(
    incoming: &Incoming,
    env: &Env,
    context: &Context,
    id: &str,
) -> Result<Answer, Problem> {
    let (supabase, token) = admit(incoming, env).await?;
    let live = LiveUpdates::new(env, context);
    let generations = Generations::new(rpc(&supabase, &token).telling(&live));
    let state = generations.cancel(generation_id(id)?).await.map_err(problem)?;
    // A prediction that runs is stopped by a job.
    wake(env, context, WakeFor::Cancellation);
    Ok(private(state))
}

fn private(body: Value) -> Answer {
    Answer::json(200, body).header("cache-control", "private, no-store")
}

/// Supabase, and the verified token for it of a caller who is within the rate limit.
async fn admit(incoming: &Incoming, env: &Env) -> Result<(SupabaseSettings, String), Problem> {
    let (supabase, caller) = admit_caller(incoming, env).await?;
    Ok((supabase, caller.token))
}

/// Supabase, and a caller who is within the rate limit.
pub(crate) async fn admit_caller(
    incoming: &Incoming,
    env: &Env,
) -> Result<(SupabaseSettings, SignedIn), Problem> {
    let supabase = variables(env).supabase_for_users().map_err(|error| misconfigured(&error))?;
    let caller = signed_in(incoming, env, &supabase).await;
    // Cloudflare sets the header, over whatever a client has sent.
    let address = incoming.header("cf-connecting-ip");
    let user = caller.as_ref().map(|caller| caller.user_id);
    if let Some(key) = rate_limit::key(&incoming.method(), user, address.as_deref()) {
        within_limit(env, key).await?;
    }
    Ok((supabase, caller?))
}

fn generations<'a>(supabase: &SupabaseSettings, token: &'a str) -> Generations<'a, FetchClient> {
    Generations::new(rpc(supabase, token))
}

fn rpc<'a>(supabase: &SupabaseSettings, token: &'a str) -> Rpc<'a, FetchClient> {
    Rpc::new(&FetchClient, &supabase.url, &supabase.key, Some(token))
}

pub(crate) fn generation_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::new(Code::NotFound, "There is no generation with this id."))
}

pub(crate) fn problem(error: RpcError) -> Problem {
    if !matches!(error, RpcError::Refused(_)) {
        console_error!("{error}");
    }
    error.into_problem()
}
