//! The private Worker that drains the queue: woken by start-generation, and each minute by cron.

use std::time::Duration;

use edge::{
    Answer, App, Caller, Environment, Incoming, JOBS_LEFT, WAKE_TIME, WEBHOOKS, budget, note, serve,
    service_caller,
};
use serde_json::json;
use shared::adapters::Provider;
use shared::adapters::provider::ProviderAdapter;
use shared::health::health;
use shared::http::problem::Problem;
use shared::http::router::{Route, find};
use shared::metrics;
use shared::pipeline::{Drained, HandedOver, operators_problem};
use shared::ports::{Alert, Clock, Monitoring, QueueError};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, console_error, event, web_sys};

/// An explicit call is somebody's waiting HTTP request; a sweep ends before the next one begins.
const SWEEP_TIME: Duration = Duration::from_secs(50);
/// A wake-up carries at most ten jobs: what an answer of the database may have.
const MAX_WAKE_BYTES: usize = 4 * 1024 * 1024;

#[derive(Clone, Copy)]
enum Target {
    ProcessJobs,
    Metrics,
    Health,
}

const ROUTES: &[Route<Target>] = &[
    ("POST", "/process-jobs", Target::ProcessJobs),
    ("GET", "/metrics", Target::Metrics),
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

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let env = Environment::new(env);
    let Ok(app) = App::from_env(&env, &context) else { return };
    let swept = app.sweep(budget(&env, SWEEP_TIME)).await;
    for failure in swept.failures {
        console_error!("{failure}");
    }
    for Alert(alert) in swept.alerts {
        note(&env, &[json!({ "level": "error", "what": "alert", "detail": alert })]);
    }
    match swept.report {
        Ok(report) => note(&env, &[json!({ "level": "info", "what": "sweep", "report": report })]),
        Err(error) => console_error!("sweep: {error}"),
    }
}

async fn handle(incoming: &mut Incoming, env: &Environment, context: &Context) -> Result<Answer, Problem> {
    let target = find(ROUTES, incoming.method(), incoming.path())?.target;
    let app = App::from_env(env, context)?;
    match target {
        Target::ProcessJobs => process_jobs(incoming, app, env, context).await,
        Target::Metrics => {
            service_caller(incoming, context, app.service_keys())?;
            let numbers = app.monitoring().metrics().await.map_err(unanswered)?;
            Ok(Answer::text(metrics::CONTENT_TYPE, metrics::render(&numbers)))
        }
        Target::Health => {
            let status = app.monitoring().status().await.map_err(unanswered)?;
            let (healthy, body) = health(&status, Provider::NAME);
            Ok(Answer::json(if healthy { 200 } else { 503 }, body))
        }
    }
}

fn unanswered(error: QueueError) -> Problem {
    console_error!("{error}");
    operators_problem(&error)
}

async fn process_jobs(
    incoming: &mut Incoming,
    app: App,
    env: &Environment,
    context: &Context,
) -> Result<Answer, Problem> {
    let failed = |error: QueueError| {
        console_error!("{error}");
        Problem::unavailable()
    };
    let started = app.runtime.now_ms();
    let by_binding = service_caller(incoming, context, app.service_keys())? == Caller::Binding;
    if !by_binding {
        let drained = app.drain_all(budget(env, SWEEP_TIME)).await.map_err(failed)?;
        return Ok(answer(drained, started, &app));
    }
    let budget = budget(env, WAKE_TIME);
    let handed_over = HandedOver::parse(&incoming.body(MAX_WAKE_BYTES).await?);
    let counts = if handed_over.jobs.is_empty() {
        app.pipeline().drain(budget.for_images()).await
    } else {
        let HandedOver { jobs, more } = &handed_over;
        app.pipeline().run_leased(jobs, *more, budget.for_images()).await
    };
    let counts = counts.map_err(failed)?;
    let answer = answer(counts, started, &app);
    // Receivers that do not answer must not hold up the caller, who calls again when jobs are left.
    if (counts.errors > 0 || incoming.query(WEBHOOKS).is_some())
        && let Some(budget) = budget.for_webhooks(&counts)
    {
        context.wait_until(async move {
            if let Err(error) = app.deliver_webhooks(budget).await {
                console_error!("{error}");
            }
        });
    }
    Ok(answer)
}

fn answer(drained: Drained, started_ms: u64, app: &App) -> Answer {
    let answer = Answer::json(200, json!(drained.report(started_ms, &app.runtime)));
    if drained.unfinished { answer.header(JOBS_LEFT, "true") } else { answer }
}
