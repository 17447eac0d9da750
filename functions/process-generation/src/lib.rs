//! The Worker that the provider calls back, and the original's stand-alone run.

mod live_channel;

use std::cell::RefCell;

use edge::{
    Answer, App, Environment, Incoming, WAKE_TIME, budget, misconfigured, serve, service_caller, variables,
    wakes,
};
use serde_json::json;
use shared::adapters::Provider;
use shared::adapters::provider::ProviderAdapter;
use shared::auth::webhook_signature::{
    ID_HEADER, MAX_BODY_BYTES as MAX_WEBHOOK_BYTES, SIGNATURE_HEADER, Secret, TIMESTAMP_HEADER, verify,
};
use shared::http::problem::{Code, Problem};
use shared::http::router::{Route, find};
use shared::job::Job;
use shared::pipeline::{Budget, Callback, run_without_queue};
use shared::policy::bounds::MAX_BODY_BYTES;
use shared::ports::{Clock, QueueError};
use shared::progress::ProgressMemo;
use worker::{Context, Env, console_error, console_warn, event, web_sys};

thread_local! {
    /// The progress that this isolate has recorded.
    static RECORDED: RefCell<ProgressMemo> = const { RefCell::new(ProgressMemo::new()) };
}

#[derive(Clone, Copy)]
enum Target {
    RunAlone,
    Webhook,
    Health,
}

const ROUTES: &[Route<Target>] = &[
    ("POST", "/process-generation", Target::RunAlone),
    ("POST", Provider::WEBHOOK_PATH, Target::Webhook),
    ("GET", "/health", Target::Health),
];

#[event(start)]
fn start() {
    console_error_panic_hook::set_once();
}

#[event(fetch)]
async fn fetch(request: web_sys::Request, env: Env, context: Context) -> worker::Result<web_sys::Response> {
    serve(request, env, async |incoming, env| handle(incoming, env, &context).await).await
}

async fn handle(incoming: &mut Incoming, env: &Environment, context: &Context) -> Result<Answer, Problem> {
    let found = find(ROUTES, incoming.method(), incoming.path())?;
    match found.target {
        Target::Health => Ok(Answer::json(200, json!({ "status": "ok" }))),
        Target::RunAlone => alone(incoming, env, context).await,
        Target::Webhook => webhook(incoming, env, context).await,
    }
}

async fn alone(incoming: &mut Incoming, env: &Environment, context: &Context) -> Result<Answer, Problem> {
    let app = App::from_env(env, context)?;
    service_caller(incoming, context, app.service_keys())?;
    let body = incoming.body(MAX_BODY_BYTES).await?;
    let answer = run_without_queue(&body, &app.provider(), &app.runtime).await?;
    Ok(Answer::text("application/json", answer.into_string()))
}

/// The provider's callback. What must not be lost is recorded before the answer, so that the provider
/// repeats a callback that could not be; after it the image is brought into the store, and the
/// next one begun in the slot that is free now.
async fn webhook(incoming: &mut Incoming, env: &Environment, context: &Context) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_WEBHOOK_BYTES).await?;
    check_signature(incoming, env, &body)?;
    let prediction = Provider::read_webhook(&variables(env), &body).map_err(|error| misconfigured(&error))?;
    let Some(callback) = prediction.and_then(|it| Callback::new(|name| incoming.query(name), it)) else {
        // Signed, so it is the provider's, but not about a job of ours: nothing to repeat.
        return Ok(Answer::json(200, json!({ "received": false })));
    };
    if callback.is_running() {
        return progress(callback, env, context).await;
    }
    let app = App::from_env(env, context)?;
    // Without a webhook of its own, the next image is better left to process-jobs.
    let more = u32::from(wakes(env) && app.asks_for_webhooks());
    let jobs = app.pipeline().receive(&callback, more).await;
    let jobs = jobs.map_err(|error| {
        console_error!("{error}");
        Problem::unavailable()
    })?;
    let budget = budget(env, WAKE_TIME);
    run_after_answer(app, callback, jobs, budget, context);
    Ok(Answer::json(200, json!({ "received": true })))
}

/// A prediction begins or goes on: most of that is no news, and costs nothing then. One that nobody
/// awaits is stopped after the answer.
async fn progress(callback: Callback, env: &Environment, context: &Context) -> Result<Answer, Problem> {
    let id = &callback.prediction.id;
    let news = callback.progress().filter(|progress| RECORDED.with_borrow(|memo| memo.is_news(id, progress)));
    if let Some(progress) = news {
        let app = App::from_env(env, context)?;
        // The provider does not repeat it, and the next one brings more: failing is no reason to be loud.
        match app.pipeline().receive(&callback, 0).await {
            Ok(jobs) => {
                RECORDED.with_borrow_mut(|memo| memo.note(id, &progress));
                if !jobs.is_empty() {
                    let budget = budget(env, WAKE_TIME);
                    run_after_answer(app, callback, jobs, budget, context);
                }
            }
            Err(error) => console_warn!("progress was not recorded: {error}"),
        }
    }
    Ok(Answer::json(200, json!({ "received": true })))
}

fn run_after_answer(app: App, callback: Callback, jobs: Vec<Job>, budget: Budget, context: &Context) {
    context.wait_until(async move {
        if let Err(error) = follow_up(&app, &callback, &jobs, budget).await {
            console_error!("{error}");
        }
    });
}

/// What is done after the answer. Where a generation may have ended with it, that is announced.
async fn follow_up(app: &App, callback: &Callback, jobs: &[Job], budget: Budget) -> Result<(), QueueError> {
    let images = budget.for_images();
    let ran = app.pipeline().run_leased(jobs, false, images).await?;
    if callback.failed() || ran.errors > 0 || jobs.iter().any(|job| job.announces) {
        let beside = (ran.errors > 0).then_some(budget);
        app.deliver_webhooks(Budget::after_generation(beside)).await?;
    }
    Ok(())
}

fn check_signature(incoming: &Incoming, env: &Environment, body: &[u8]) -> Result<(), Problem> {
    let configured = variables(env).optional(Provider::WEBHOOK_SECRET).unwrap_or_default();
    let secrets = Secret::parse_list(&configured).map_err(|error| {
        console_error!("configuration: {}: {error}", Provider::WEBHOOK_SECRET);
        Problem::new(Code::Unauthorized, "Webhooks are not accepted here.")
    })?;
    let header = |name: &str| incoming.header(name).unwrap_or_default();
    let (id, timestamp) = (header(ID_HEADER), header(TIMESTAMP_HEADER));
    let now = edge::EdgeRuntime.now_s();
    verify(&secrets, &id, &timestamp, &header(SIGNATURE_HEADER), body, now).map_err(|error| {
        // Where it is the provider's, the configured secret is wrong and images come late.
        console_warn!("a webhook was refused: {error}");
        Problem::new(Code::Unauthorized, format!("The webhook is not accepted: {error}."))
    })
}
