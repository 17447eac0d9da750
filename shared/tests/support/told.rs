//! What a SQL function is told, as the adapter writes it: the queue in memory is told the same.

use serde_json::Value;
use shared::adapters::supabase::{Queue, Rpc};
use shared::ports::QueueError;

use super::block_on;
use super::http::Recorder;
use super::runtime::Still;

/// An argument of the function that a step calls.
pub fn told<T>(
    argument: &str,
    step: impl AsyncFnOnce(&Queue<'_, Recorder, Still>) -> Result<T, QueueError>,
) -> Value {
    // An answer without an outcome: no step takes it, and none asks again.
    let http = Recorder::default().answers(200, "{}");
    let queue = Queue::new(Rpc::new(&http, "https://project.supabase.co", "service-key", None), &Still);
    assert!(block_on(step(&queue)).is_err());
    let mut arguments: Value = serde_json::from_str(&http.only().body).unwrap();
    arguments[argument].take()
}
