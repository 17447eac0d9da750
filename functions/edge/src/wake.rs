//! The wake-up of process-jobs over its service binding.

use std::time::Duration;

use worker::{Context, console_warn};

use crate::environment::{Environment, variables};
use crate::host::{self, call};

/// The header with which process-jobs says that it stopped before the queue was empty: each
/// invocation has a budget of subrequests, and a further call has a new one.
pub const JOBS_LEFT: &str = "x-jobs-left";

/// A waker lives for 30 s after its answer; what is left then is found by the cron trigger.
const MAX_CALLS: u32 = 10;

/// What an answer has led to runs within its `wait_until`, which ends 30 s after it.
pub const WAKE_TIME: Duration = Duration::from_secs(20);

/// Whether jobs are looked for at once; `WAKE=off` leaves them to the cron trigger and explicit calls.
pub fn wakes(env: &Environment) -> bool {
    variables(env).optional("WAKE").as_deref() != Some("off")
}

/// What process-jobs is woken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeFor {
    /// Images are to be made.
    Images {
        /// What is handed over ([`shared::pipeline::HandedOver`]).
        handed_over: Option<String>,
        /// There is a webhook to deliver, too.
        webhook: bool,
    },
    /// A generation was cancelled: there may be a webhook to deliver, too.
    Cancellation,
}

/// The query parameter that asks process-jobs to look for webhooks: without it a wake-up spares that
/// claim, unless something failed.
pub const WEBHOOKS: &str = "webhooks";

/// Wakes process-jobs without waiting for it. Where that fails, the cron trigger finds the job.
pub fn wake(env: &Environment, context: &Context, what: WakeFor) {
    if !wakes(env) {
        return;
    }
    let env = env.clone();
    context.wait_until(async move {
        if let Err(error) = call_until_empty(&env, what).await {
            console_warn!("process-jobs was not woken: {error}");
        }
    });
}

async fn call_until_empty(env: &Environment, what: WakeFor) -> Result<(), String> {
    // The host is not looked up: the binding leads to the Worker.
    let (webhook, mut handed_over) = match what {
        WakeFor::Images { handed_over, webhook } => (webhook, handed_over),
        WakeFor::Cancellation => (true, None),
    };
    let query = if webhook { "?webhooks=true" } else { "" };
    let url = format!("https://process-jobs/process-jobs{query}");
    for _ in 0..MAX_CALLS {
        // Once only: a job that is run twice may be paid for twice.
        let body = handed_over.take().unwrap_or_else(|| "{}".to_owned());
        let json = Some("application/json");
        let (answer, is_bound) =
            call(|id| host::ask(id, &env.bindings, "PROCESS_JOBS", None, &url, json, &body, JOBS_LEFT));
        if !is_bound {
            return Err("it is not bound".into());
        }
        let answer = answer.await;
        match answer.status {
            200..=299 if answer.text.is_none() => break,
            200..=299 => {}
            status if status < 0 => return Err(answer.text.unwrap_or_default()),
            status => return Err(format!("status {status}")),
        }
    }
    Ok(())
}
