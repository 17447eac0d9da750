//! The private Worker that drains the queue: woken by start-generation, and each minute by cron.

use std::time::Duration;

use edge::{
    Answer, Caller, Incoming, JOBS_LEFT, WAKE_TIME, WEBHOOKS, Workplace, budget, serve, service_caller,
};
use serde_json::{Value, json};
use shared::health::health;
use shared::http::route::{Route, find};
use shared::metrics;
use shared::pipeline::{Drained, HandedOver};
use shared::ports::{Clock, QueueError};
use shared::problem::Problem;
use worker::{
    Context, Env, Request, Response, ScheduleContext, ScheduledEvent, console_error, console_log, event,
};

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
async fn fetch(request: Request, env: Env, context: Context) -> worker::Result<Response> {
    serve(request, &env, async |incoming| handle(incoming, &env, &context).await).await
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, context: ScheduleContext) {
    let Ok(workplace) = Workplace::from_env(&env, &context) else { return };
    let swept = workplace.sweep(budget(&env, SWEEP_TIME)).await;
    for fault in swept.faults {
        console_error!("{fault}");
    }
    for alert in swept.alerts {
        console_error!("{}", json!({ "level": "error", "what": "budget", "detail": alert }));
    }
    match swept.report {
        Ok(report) => console_log!("{}", json!({ "level": "info", "what": "sweep", "report": report })),
        Err(error) => console_error!("sweep: {error}"),
    }
}

async fn handle(incoming: &mut Incoming, env: &Env, context: &Context) -> Result<Answer, Problem> {
    let target = find(ROUTES, &incoming.method(), incoming.path())?.target;
    let workplace = Workplace::from_env(env, context)?;
    match target {
        Target::ProcessJobs => process_jobs(incoming, workplace, env, context).await,
        Target::Metrics => {
            service_caller(incoming, context, &workplace.service_keys)?;
            let numbers = ask(&workplace, "queue_metrics").await?;
            Ok(Answer::text(metrics::CONTENT_TYPE, metrics::render(&numbers)))
        }
        Target::Health => {
            let status = ask(&workplace, "queue_status").await?;
            let (healthy, body) = health(&status);
            Ok(Answer::json(if healthy { 200 } else { 503 }, body))
        }
    }
}

/// What a function without arguments answers.
async fn ask(workplace: &Workplace, function: &str) -> Result<Value, Problem> {
    workplace.rpc().call(function, &json!({})).await.map_err(|error| {
        console_error!("{error}");
        error.into_operators_problem()
    })
}

async fn process_jobs(
    incoming: &mut Incoming,
    workplace: Workplace,
    env: &Env,
    context: &Context,
) -> Result<Answer, Problem> {
    let failed = |error: QueueError| {
        console_error!("{error}");
        Problem::unavailable()
    };
    let started = workplace.world.now_ms();
    let by_binding = service_caller(incoming, context, &workplace.service_keys)? == Caller::Binding;
    if !by_binding {
        let drained = workplace.drain_all(budget(env, SWEEP_TIME)).await.map_err(failed)?;
        return Ok(answer(drained, started, &workplace));
    }
    let budget = budget(env, WAKE_TIME);
    let handed_over = HandedOver::parse(&incoming.body(MAX_WAKE_BYTES).await?);
    let counts = if handed_over.jobs.is_empty() {
        workplace.pipeline().drain(budget.for_images()).await
    } else {
        let HandedOver { jobs, more } = &handed_over;
        workplace.pipeline().run_leased(jobs, *more, budget.for_images()).await
    };
    let counts = counts.map_err(failed)?;
    let answer = answer(counts, started, &workplace);
    // Receivers that do not answer must not hold up the caller, who calls again when jobs are left.
    if (counts.errors > 0 || incoming.query(WEBHOOKS).is_some())
        && let Some(budget) = budget.for_webhooks(&counts)
    {
        context.wait_until(async move {
            if let Err(error) = workplace.deliver_webhooks(budget).await {
                console_error!("{error}");
            }
        });
    }
    Ok(answer)
}

fn answer(drained: Drained, started_ms: u64, workplace: &Workplace) -> Answer {
    let answer = Answer::json(200, json!(drained.report(started_ms, &workplace.world)));
    if drained.unfinished { answer.header(JOBS_LEFT, "true") } else { answer }
}
