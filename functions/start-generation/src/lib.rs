//! The public Worker: takes requests for images and tells how they stand.

mod events;
mod generations;
mod sources;

use edge::{Answer, Incoming, misconfigured, serve, variables};
use serde_json::{Value, json};
use shared::catalogue::Catalogue;
use shared::http::route::{Route, find};
use shared::problem::Problem;
use worker::{Context, Env, Request, Response, event};

#[derive(Clone, Copy)]
enum Target {
    Start,
    UploadSource,
    List,
    Get,
    Cancel,
    Events,
    AllEvents,
    Models,
    Config,
    Health,
}

const ROUTES: &[Route<Target>] = &[
    ("POST", "/start-generation", Target::Start),
    ("POST", "/sources", Target::UploadSource),
    ("GET", "/generations", Target::List),
    ("GET", "/generations/:", Target::Get),
    ("POST", "/generations/:/cancel", Target::Cancel),
    ("GET", "/generations/:/events", Target::Events),
    ("GET", "/events", Target::AllEvents),
    ("GET", "/models", Target::Models),
    ("GET", "/config", Target::Config),
    ("GET", "/health", Target::Health),
];

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    serve(request, &env, async |incoming| handle(incoming, &env, &context).await).await
}

async fn handle(incoming: &mut Incoming, env: &Env, context: &Context) -> Result<Answer, Problem> {
    let path = incoming.path().to_owned();
    let found = find(ROUTES, &incoming.method(), &path)?;
    let id = found.parameters.first().copied().unwrap_or_default();
    match found.target {
        Target::Start => generations::start(incoming, env, context, found.prefix).await,
        Target::UploadSource => sources::upload(incoming, env).await,
        Target::List => generations::list(incoming, env).await,
        Target::Get => generations::get(incoming, env, id).await,
        Target::Cancel => generations::cancel(incoming, env, context, id).await,
        Target::Events => events::one(incoming, env, id).await,
        Target::AllEvents => events::all(incoming, env).await,
        Target::Models => Ok(models()),
        Target::Config => config(env),
        Target::Health => Ok(Answer::json(200, json!({ "status": "ok" }))),
    }
}

fn models() -> Answer {
    let models: Vec<Value> = Catalogue::builtin().active().map(|model| model.describe()).collect();
    Answer::json(200, json!({ "models": models })).header("cache-control", "public, max-age=300")
}

/// What a page needs to sign somebody in. Both values are public by their nature.
fn config(env: &Env) -> Result<Answer, Problem> {
    let supabase = variables(env).supabase_for_anybody().map_err(|error| misconfigured(&error))?;
    let body = json!({ "supabase_url": supabase.url, "anon_key": supabase.key });
    Ok(Answer::json(200, body).header("cache-control", "no-store"))
}
