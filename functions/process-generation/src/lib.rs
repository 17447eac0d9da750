//! The Worker that Replicate calls back, and the original's stand-alone run.

mod live_channel;

use std::cell::RefCell;

use edge::{
    Answer, Incoming, WAKE_TIME, Workplace, budget, misconfigured, serve, service_caller, variables, wakes,
};
use serde_json::{Value, json};
use shared::http::route::{Route, find};
use shared::job::Job;
use shared::pipeline::{Budget, Callback, run_alone};
use shared::ports::{Clock, QueueError};
use shared::problem::{Code, Problem};
use shared::progress::ProgressMemo;
use shared::replicate::read_prediction;
use shared::request::MAX_BODY_BYTES;
use shared::webhook::{MAX_BODY_BYTES as MAX_WEBHOOK_BYTES, Secret, verify};
use worker::{Context, Env, Request, Response, console_error, console_warn, event};

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
    ("POST", "/webhooks/replicate", Target::Webhook),
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
    let found = find(ROUTES, &incoming.method(), incoming.path())?;
    match found.target {
        Target::Health => Ok(Answer::json(200, json!({ "status": "ok" }))),
        Target::RunAlone => alone(incoming, env, context).await,
        Target::Webhook => webhook(incoming, env, context).await,
    }
}

async fn alone(incoming: &mut Incoming, env: &Env, context: &Context) -> Result<Answer, Problem> {
    let workplace = Workplace::from_env(env, context)?;
    service_caller(incoming, context, &workplace.service_keys)?;
    let body = incoming.body(MAX_BODY_BYTES).await?;
    let body: Value = serde_json::from_slice(&body)
        .map_err(|_| Problem::invalid("body", "The body must be valid JSON."))?;
    run_alone(&body, &workplace.provider(), &workplace.world).await.map(|body| Answer::json(200, body))
}

/// Replicate's callback. What must not be lost is recorded before the answer, so that Replicate
/// repeats a callback that could not be; after it the image is brought into the store, and the
/// next one begun in the place that is free now.
async fn webhook(incoming: &mut Incoming, env: &Env, context: &Context) -> Result<Answer, Problem> {
    let body = incoming.body(MAX_WEBHOOK_BYTES).await?;
    check_signature(incoming, env, &body)?;
    let origin = variables(env).replicate_origin().map_err(|error| misconfigured(&error))?;
    let prediction = read_prediction(&body, &origin);
    let Some(callback) = prediction.and_then(|it| Callback::new(|name| incoming.query(name), it)) else {
        // Signed, so it is Replicate's, but not about a job of ours: nothing to repeat.
        return Ok(Answer::json(200, json!({ "received": false })));
    };
    if callback.is_running() {
        return progress(callback, env, context).await;
    }
    let workplace = Workplace::from_env(env, context)?;
    // Without a webhook of its own, the next image is better left to process-jobs.
    let more = u32::from(wakes(env) && workplace.asks_for_webhooks());
    let jobs = workplace.pipeline().receive(&callback, more).await;
    let jobs = jobs.map_err(|error| {
        console_error!("{error}");
        Problem::unavailable()
    })?;
    let budget = budget(env, WAKE_TIME);
    run_after_answer(workplace, callback, jobs, budget, context);
    Ok(Answer::json(200, json!({ "received": true })))
}

/// A prediction begins or goes on: most of that is no news, and costs nothing then. One that nobody
/// awaits is stopped after the answer.
async fn progress(callback: Callback, env: &Env, context: &Context) -> Result<Answer, Problem> {
    let id = &callback.prediction.id;
    let news = callback.progress().filter(|progress| RECORDED.with_borrow(|memo| memo.is_news(id, progress)));
    if let Some(progress) = news {
        let workplace = Workplace::from_env(env, context)?;
        // Replicate does not repeat it, and the next one brings more: failing is no reason to be loud.
        match workplace.pipeline().receive(&callback, 0).await {
            Ok(jobs) => {
                RECORDED.with_borrow_mut(|memo| memo.note(id, &progress));
                if !jobs.is_empty() {
                    let budget = budget(env, WAKE_TIME);
                    run_after_answer(workplace, callback, jobs, budget, context);
                }
            }
            Err(error) => console_warn!("progress was not recorded: {error}"),
        }
    }
    Ok(Answer::json(200, json!({ "received": true })))
}

fn run_after_answer(
    workplace: Workplace,
    callback: Callback,
    jobs: Vec<Job>,
    budget: Budget,
    context: &Context,
) {
    context.wait_until(async move {
        if let Err(error) = follow_up(&workplace, &callback, &jobs, budget).await {
            console_error!("{error}");
        }
    });
}

/// What is done after the answer. Where a generation may have ended with it, that is announced.
async fn follow_up(
    workplace: &Workplace,
    callback: &Callback,
    jobs: &[Job],
    budget: Budget,
) -> Result<(), QueueError> {
    let images = budget.for_images();
    let ran = workplace.pipeline().run_leased(jobs, false, images).await?;
    if callback.failed() || ran.errors > 0 || jobs.iter().any(Job::announces) {
        let beside = (ran.errors > 0).then_some(budget);
        workplace.deliver_webhooks(Budget::after_generation(beside)).await?;
    }
    Ok(())
}

fn check_signature(incoming: &Incoming, env: &Env, body: &[u8]) -> Result<(), Problem> {
    let configured = variables(env).optional("REPLICATE_WEBHOOK_SECRET").unwrap_or_default();
    let secrets = Secret::parse_list(&configured).map_err(|error| {
        console_error!("configuration: REPLICATE_WEBHOOK_SECRET: {error}");
        Problem::new(Code::Unauthorized, "Webhooks are not accepted here.")
    })?;
    let header = |name: &str| incoming.header(name).unwrap_or_default();
    let (id, timestamp) = (header("webhook-id"), header("webhook-timestamp"));
    let now = edge::EdgeWorld.now_s();
    verify(&secrets, &id, &timestamp, &header("webhook-signature"), body, now).map_err(|error| {
        // Where it is Replicate's, the configured secret is wrong and pictures come late.
        console_warn!("a webhook was refused: {error}");
        Problem::new(Code::Unauthorized, format!("The webhook is not accepted: {error}."))
    })
}
