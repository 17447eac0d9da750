//! What must be told to the queue is told again where it does not take it: seconds are cheaper than a lease.

use std::time::Duration;

use crate::ports::{Clock, QueueError, Random};

/// The waits between tries, in milliseconds; each run of a Worker has few subrequests to spend.
const WAITS_MS: [f64; 4] = [250.0, 1000.0, 3000.0, 5000.0];
/// No try begins after this time: a Worker lives on for 30 s after its answer, and a call takes up to ten,
/// <https://developers.cloudflare.com/workers/runtime-apis/context/#waituntil>.
const PATIENCE_MS: u64 = 12_000;

/// Repeats a call of the queue while its error may pass. Every step may be repeated although it took effect:
/// it names its lease, or is a fact that is known the second time.
pub async fn persist<T>(
    runtime: &(impl Clock + Random),
    call: impl AsyncFn() -> Result<T, QueueError>,
) -> Result<T, QueueError> {
    let end = runtime.now_ms().saturating_add(PATIENCE_MS);
    for wait in WAITS_MS {
        match call().await {
            Err(error) if error.passes() && runtime.now_ms() < end => {
                runtime.sleep(Duration::from_millis((wait * (0.5 + runtime.unit())) as u64)).await;
            }
            answer => return answer,
        }
    }
    call().await
}
