//! The public Worker: takes requests for images and tells how they stand.

mod access;
mod events;
mod generations;
mod images;
mod models;
mod moderation;
mod sources;

use edge::{Answer, Environment, Incoming, forward, misconfigured, serve, variables};
use serde_json::json;
use shared::http::problem::Problem;
use shared::http::router::find;
use shared::http::routes::{ROUTES, Target};
use shared::http::types::{Config, DOCUMENT, Health};
use shared::pipeline::StartPlan;
use worker::{Context, Env, event, web_sys};

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    serve(request, env, async |incoming, env| handle(incoming, env, &context).await).await
}

async fn handle(incoming: &mut Incoming, env: &Environment, context: &Context) -> Result<Answer, Problem> {
    let path = incoming.path().to_owned();
    let found = find(ROUTES, incoming.method(), &path)?;
    let id = found.parameters.first().copied().unwrap_or_default();
    match found.target {
        Target::Start => generations::start(incoming, env, context, found.prefix).await,
        Target::StartInserted => {
            generations::start_without_key(incoming, env, context, found.prefix, StartPlan::of_inserted).await
        }
        Target::StartBatch => {
            generations::start_without_key(incoming, env, context, found.prefix, StartPlan::of_batch).await
        }
        Target::List => generations::list(incoming, env).await,
        Target::Get => generations::get(incoming, env, id).await,
        Target::Cancel => generations::cancel(incoming, env, context, id).await,
        Target::Retry => generations::retry(incoming, env, context, id).await,
        Target::Delete => generations::delete(incoming, env, context, id).await,
        Target::Rerun => generations::rerun(incoming, env, context, found.prefix, id).await,
        Target::MarkImage => images::mark(incoming, env, id).await,
        Target::MarkImages => images::mark_many(incoming, env).await,
        Target::DeleteImage => images::delete(incoming, env, id).await,
        Target::GenerationEvents => events::one(incoming, env, id).await,
        Target::Events => events::all(incoming, env).await,
        Target::UploadSource => sources::upload(incoming, env).await,
        Target::Usage => generations::usage(incoming, env).await,
        Target::Models => models::list(incoming, env).await,
        Target::Config => config(env),
        Target::OpenApi => Ok(public(Answer::text("application/json", DOCUMENT.to_owned()))),
        Target::Health => Ok(Answer::json(200, json!(Health { status: "ok" }))),
        Target::WakeQueue => generations::wake_queue(incoming, env, context).await,
        Target::ProcessJobs => forward(incoming, env, "PROCESS_JOBS_FORWARD").await,
        Target::ProcessGeneration => forward(incoming, env, "PROCESS_GENERATION_FORWARD").await,
    }
}

/// What a page needs to sign somebody in. Both values are public by their nature.
fn config(env: &Environment) -> Result<Answer, Problem> {
    let supabase = variables(env).supabase_for_anybody().map_err(|error| misconfigured(&error))?;
    let body = json!(Config { supabase_url: &supabase.url, anon_key: &supabase.key });
    Ok(Answer::json(200, body).header("cache-control", "no-store"))
}

/// The same for everybody, and for as long as this version is deployed.
fn public(answer: Answer) -> Answer {
    answer.header("cache-control", "public, max-age=300")
}
