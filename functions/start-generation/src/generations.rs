//! The paths of a user's own generations: each verifies the token, is counted, then makes one
//! round trip with the token; or with the secret key of a server, for one of its users.

use edge::{
    Answer, Environment, FetchClient, Incoming, LiveUpdates, WakeFor, note, variables, wake, wakes,
    webhook_allowed_origins,
};
use serde_json::{Value, json};
use shared::adapters::supabase::Generations;
use shared::http::idempotency::Key;
use shared::http::known_fields::refuse_fields;
use shared::http::list_query::ListQuery;
use shared::http::named_user::{USER_ID, user_in_query};
use shared::http::problem::{Code, Problem};
use shared::http::query;
use shared::http::rerun::RerunChanges;
use shared::http::routes::Target;
use shared::http::traceparent::{self, TRACEPARENT};
use shared::http::types::{Cancelled, Deleted, Status, Woken};
use shared::pipeline::{HandedOver, StartPlan};
use shared::policy::bounds::MAX_BODY_BYTES;
use shared::policy::url_policy::AllowedOrigins;
use shared::ports::{QueuedGeneration, Started, UserGenerations};
use uuid::Uuid;
use worker::Context;

use crate::access::{Access, admit, admit_asker};
use crate::moderation::moderate;

/// How an endpoint's body is read.
pub(crate) type Read = fn(&[u8], &AllowedOrigins) -> Result<StartPlan, Problem>;

pub(crate) async fn start(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    prefix: &str,
) -> Result<Answer, Problem> {
    start_by(incoming, env, context, prefix, StartPlan::from_body, true).await
}

/// The same of an endpoint that has no idempotency keys.
pub(crate) async fn start_without_key(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    prefix: &str,
    read: Read,
) -> Result<Answer, Problem> {
    start_by(incoming, env, context, prefix, read, false).await
}

async fn start_by(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    prefix: &str,
    read: Read,
    has_keys: bool,
) -> Result<Answer, Problem> {
    // It comes while the token is verified and the request counted.
    let body = incoming.body(MAX_BODY_BYTES);
    // A server of the app's knows the one endpoint that is not the original's.
    let access = if has_keys { admit_asker(incoming, env).await? } else { admit(incoming, env).await? };
    let body = body.await?;
    let key = Key::parse(incoming.header("idempotency-key").as_deref(), &[&body])?;
    if key.is_some() && !has_keys {
        let detail = "This path takes no Idempotency-Key: call POST /start-generation with one.";
        return Err(Problem::invalid("idempotency-key", detail));
    }
    let allowed = webhook_allowed_origins(env)?;
    let plan = read(&body, &allowed)?;
    let plan = from_country(plan, &access, incoming);
    let named = access.for_user(env, plan.user_id()).await?;
    let live = LiveUpdates::new(env, context);
    let traceparent = traceparent::read(incoming.header(TRACEPARENT));
    let rpc = access.rpc().with_live_channel(&live).with_traceparent(traceparent.as_deref());
    let generations = Generations::new(rpc);
    if let Err(refusal) = moderate(env, &plan, named.or(access.user_id())).await {
        // A repetition names no user, which a server's has to.
        let key = if named.is_some() { None } else { key.as_ref() };
        let (again, first) = first_answer(None, key, &generations, refusal).await?;
        return Ok(started_answer(incoming, env, context, prefix, &again, first, has_keys));
    }
    let started = plan.start(key.as_ref(), hand_over(env), &generations).await;
    let started = access.judged(started)?;
    Ok(started_answer(incoming, env, context, prefix, &plan, started, has_keys))
}

/// A server is where it is, and its users elsewhere.
fn from_country(plan: StartPlan, access: &Access, incoming: &Incoming) -> StartPlan {
    if access.is_server() { plan } else { plan.from_country(incoming.header("cf-ipcountry")) }
}

/// Makes a generation again, with changes: reads it, then starts.
pub(crate) async fn rerun(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    prefix: &str,
    id: &str,
) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_BODY_BYTES);
    let access = admit_asker(incoming, env).await?;
    let body = body.await?;
    let id = generation_id(id)?;
    access.count(env, id).await?;
    let key = Key::parse(incoming.header("idempotency-key").as_deref(), &[id.as_bytes(), &body])?;
    let changes = RerunChanges::parse(&body)?;
    let allowed = webhook_allowed_origins(env)?;
    let live = LiveUpdates::new(env, context);
    let traceparent = traceparent::read(incoming.header(TRACEPARENT));
    let rpc = access.rpc().with_live_channel(&live).with_traceparent(traceparent.as_deref());
    let generations = Generations::new(rpc);
    let kept = access.judged(generations.kept_request(id).await);
    let plan = match kept.and_then(|kept| StartPlan::of_rerun(id, &kept, &changes, &allowed)) {
        Ok(plan) => {
            let plan = from_country(plan, &access, incoming);
            moderate(env, &plan, plan.user_id().or(access.user_id())).await.map(|()| plan)
        }
        Err(refusal) => Err(refusal),
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(refusal) => {
            let key = if access.is_server() { None } else { key.as_ref() };
            let (again, first) = first_answer(Some(id), key, &generations, refusal).await?;
            return Ok(started_answer(incoming, env, context, prefix, &again, first, true));
        }
    };
    let started = access.judged(plan.start(key.as_ref(), hand_over(env), &generations).await)?;
    Ok(started_answer(incoming, env, context, prefix, &plan, started, true))
}

/// Who asks once more under a key hears the first answer, whatever has become since of the parent, or of the judge's
/// mind; everybody else the refusal.
async fn first_answer(
    parent: Option<Uuid>,
    key: Option<&Key>,
    generations: &impl UserGenerations,
    refusal: Problem,
) -> Result<(StartPlan, Started), Problem> {
    if key.is_none() {
        return Err(refusal);
    }
    let again = StartPlan::repetition(parent);
    let first = again.start(key, 0, generations).await.map_err(|_| refusal)?;
    Ok((again, first))
}

/// How many jobs of a start come back with its answer: whoever leaves jobs to the cron trigger has nobody to hand them
/// to.
fn hand_over(env: &Environment) -> u32 {
    if wakes(env) { variables(env).max_parallel_jobs() } else { 0 }
}

/// The 202 of a start, for which the queue is woken.
fn started_answer(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    prefix: &str,
    plan: &StartPlan,
    started: Started,
    has_keys: bool,
) -> Answer {
    let answer = Answer::json(202, json!(plan.answer(&started, &format!("{}{prefix}", incoming.origin()))));
    let answer = if started.replayed { answer.header("idempotency-replayed", "true") } else { answer };
    if started.replayed && has_keys {
        return answer;
    }
    // Whoever names a row that was started before may have set it to pending over REST, which wakes nobody.
    note_starts(incoming, env, &started);
    let handed_over = started.leased.map(|leased| HandedOver::body(&leased, hand_over(env)));
    wake(env, context, WakeFor::Images { handed_over, webhook: started.has_webhook });
    answer
}

/// A line of the log for each generation: by it the ids of the request and its trace lead to those of the job.
fn note_starts(incoming: &Incoming, env: &Environment, started: &Started) {
    let traceparent = traceparent::read(incoming.header(TRACEPARENT));
    let line = |one: &QueuedGeneration| {
        json!({
            "level": "info", "what": "start", "request_id": incoming.id, "batch_id": started.batch_id,
            "generation_id": one.id, "job_id": one.job_id, "traceparent": traceparent,
        })
    };
    let lines: Vec<Value> = [&started.first].into_iter().chain(&started.others).map(line).collect();
    note(env, &lines);
}

/// The queue is looked at anyway, whenever something changes: for those who change it elsewhere.
pub(crate) async fn wake_queue(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
) -> Result<Answer, Problem> {
    admit(incoming, env).await?;
    nothing_said(incoming).await?;
    wake(env, context, WakeFor::Cancellation);
    Ok(private(Answer::json(202, json!(Woken { success: true }))))
}

/// Refuses a body that says something. What most send, no body at all, is not read.
async fn nothing_said(incoming: &Incoming) -> Result<(), Problem> {
    match incoming.header("content-length").as_deref() {
        Some("0") => Ok(()),
        _ => refuse_fields(&incoming.body(MAX_BODY_BYTES).await?),
    }
}

pub(crate) async fn get(incoming: &Incoming, env: &Environment, id: &str) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    query::check(Target::Get, incoming.search())?;
    let generation = generations(&access).get(generation_id(id)?).await;
    let generation = access.judged(generation)?;
    Ok(private(Answer::text("application/json", generation.into_string())))
}

pub(crate) async fn list(incoming: &Incoming, env: &Environment) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    query::check(Target::List, incoming.search())?;
    let query = ListQuery::parse(|name| incoming.query(name))?;
    access.named(query.user_id)?;
    let page = access.judged(generations(&access).list(&query).await)?;
    Ok(private(Answer::text("application/json", page.into_string())))
}

pub(crate) async fn cancel(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    id: &str,
) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    nothing_said(incoming).await?;
    let generation_id = generation_id(id)?;
    access.count(env, generation_id).await?;
    let live = LiveUpdates::new(env, context);
    let generations = Generations::new(access.rpc().with_live_channel(&live));
    access.judged(generations.cancel(generation_id).await)?;
    // A prediction that runs is stopped by a job.
    wake(env, context, WakeFor::Cancellation);
    Ok(private(Answer::json(200, json!(Cancelled { generation_id, status: Status::Cancelled }))))
}

pub(crate) async fn retry(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    id: &str,
) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    nothing_said(incoming).await?;
    let id = generation_id(id)?;
    access.count(env, id).await?;
    let live = LiveUpdates::new(env, context);
    let generations = Generations::new(access.rpc().with_live_channel(&live));
    let generation = access.judged(generations.retry(id).await)?;
    wake(env, context, WakeFor::Images { handed_over: None, webhook: false });
    Ok(private(Answer::text("application/json", generation.into_string()).status(202)))
}

pub(crate) async fn delete(
    incoming: &Incoming,
    env: &Environment,
    context: &Context,
    id: &str,
) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    let id = generation_id(id)?;
    access.count(env, id).await?;
    access.judged(generations(&access).delete(id).await)?;
    // A prediction that runs is stopped by a job.
    wake(env, context, WakeFor::Cancellation);
    Ok(private(Answer::json(200, json!(Deleted { id, deleted: true }))))
}

pub(crate) async fn usage(incoming: &Incoming, env: &Environment) -> Result<Answer, Problem> {
    let access = admit_asker(incoming, env).await?;
    query::check(Target::Usage, incoming.search())?;
    let named = access.named(user_in_query(incoming.query(USER_ID))?)?;
    let usage = access.judged(generations(&access).usage(named).await)?;
    Ok(private(Answer::text("application/json", usage.into_string())))
}

pub(crate) fn private(answer: Answer) -> Answer {
    answer.header("cache-control", "private, no-store")
}

pub(crate) fn generations(access: &Access) -> Generations<'_, FetchClient> {
    Generations::new(access.rpc())
}

pub(crate) fn generation_id(text: &str) -> Result<Uuid, Problem> {
    Uuid::try_parse(text).map_err(|_| Problem::new(Code::NotFound, "There is no generation with this id."))
}
