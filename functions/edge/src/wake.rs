//! The wake-up of process-jobs over its service binding.

use std::time::Duration;

use worker::{Context, Env, Fetcher, Headers, Method, RequestInit, console_warn};

use crate::environment::variables;

/// The header with which process-jobs says that it stopped before the queue was empty: each
/// invocation has a budget of subrequests, and a further call has a new one.
pub const JOBS_LEFT: &str = "x-jobs-left";

/// A waker lives for 30 s after its answer; what is left then is found by the cron trigger.
const MAX_CALLS: u32 = 10;

/// What an answer has led to runs within its `wait_until`, which ends 30 s after it.
pub const WAKE_TIME: Duration = Duration::from_secs(20);

/// Whether jobs are looked for at once; `WAKE=off` leaves them to the cron trigger and explicit calls.
pub fn wakes(env: &Env) -> bool {
    variables(env).optional("WAKE").as_deref() != Some("off")
}

/// What process-jobs is woken for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeFor {
    /// Images are to be made.
    Images {
        /// What is handed over ([`shared::pipeline::HandedOver`]).
        handed_over: Option<String>,
    },
    /// A generation was cancelled: there may be a webhook to deliver, too.
    Cancellation,
}

/// The query parameter that asks process-jobs to look for webhooks: without it a wake-up spares that
/// claim, unless something failed.
pub const WEBHOOKS: &str = "webhooks";

/// Wakes process-jobs without waiting for it. Where that fails, the cron trigger finds the job.
pub fn wake(env: &Env, context: &Context, what: WakeFor) {
    if !wakes(env) {
        return;
    }
    match env.service("PROCESS_JOBS") {
        Ok(process_jobs) => context.wait_until(async move {
            if let Err(error) = call_until_empty(&process_jobs, what).await {
                console_warn!("process-jobs was not woken: {error}");
            }
        }),
        Err(error) => console_warn!("process-jobs is not bound: {error}"),
    }
}

async fn call_until_empty(process_jobs: &Fetcher, what: WakeFor) -> worker::Result<()> {
    // The host is not looked up: the binding leads to the Worker.
    let (url, mut handed_over) = match what {
        WakeFor::Images { handed_over } => ("https://process-jobs/process-jobs".to_owned(), handed_over),
        WakeFor::Cancellation => (format!("https://process-jobs/process-jobs?{WEBHOOKS}=true"), None),
    };
    for _ in 0..MAX_CALLS {
        // Once only: a job that is run twice may be paid for twice.
        let body = handed_over.take().unwrap_or_else(|| "{}".to_owned());
        let headers = Headers::new();
        headers.set("content-type", "application/json")?;
        let mut init = RequestInit::new();
        init.with_method(Method::Post).with_headers(headers).with_body(Some(body.into()));
        let response = process_jobs.fetch(&url, Some(init)).await?;
        let status = response.status_code();
        if !(200..=299).contains(&status) {
            return Err(worker::Error::RustError(format!("status {status}")));
        }
        if response.headers().get(JOBS_LEFT)?.is_none() {
            break;
        }
    }
    Ok(())
}
