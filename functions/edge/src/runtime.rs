//! Time, chance and log of a Worker.

use std::time::Duration;

use serde_json::{Value, json};
use shared::ports::{About, Clock, Log, Random};
use uuid::Uuid;
use worker::{console_error, console_warn};

use crate::environment::Environment;
use crate::host::{self, Sleep};

/// Writes one line of JSON for each event, `{level, what, …}`, and its data point where the binding `EVENTS` is.
pub fn note(env: &Environment, events: &[Value]) {
    let lines: Vec<String> = events.iter().map(Value::to_string).collect();
    host::note(&env.bindings, &lines.join("\n"));
}

/// Time, chance and log of a Worker.
#[derive(Debug, Clone, Copy)]
pub struct EdgeRuntime;

impl EdgeRuntime {
    /// A new id (UUID, version 4).
    pub fn id(&self) -> Uuid {
        let mut bytes = [0_u8; 16];
        // Without chance the id would be the same each time, which is no reason to refuse a request.
        let _ = getrandom::fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl Clock for EdgeRuntime {
    fn now_ms(&self) -> u64 {
        js_sys::Date::now() as u64
    }

    async fn sleep(&self, time: Duration) {
        Sleep::of(time).await;
    }
}

impl Random for EdgeRuntime {
    fn unit(&self) -> f64 {
        // 53 bits: as many as fit between 0 and 1. Without chance all jobs wait half the time.
        getrandom::u64().map_or(0.5, |bits| (bits >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

impl Log for EdgeRuntime {
    fn warn(&self, what: &str, about: impl Into<About>, detail: &str) {
        console_warn!("{}", line("warn", what, about.into(), detail));
    }

    fn alert(&self, what: &str, about: impl Into<About>, detail: &str) {
        console_error!("{}", line("error", what, about.into(), detail));
    }
}

fn line(level: &str, what: &str, about: About, detail: &str) -> Value {
    json!({
        "level": level, "what": what, "job_id": about.job_id, "generation_id": about.generation_id, "detail": detail,
    })
}
