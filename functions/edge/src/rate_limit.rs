//! The rate-limit binding of a Worker.

use shared::problem::Problem;
use shared::rate_limit::{exceeded, passes};
use worker::{Env, console_warn};

use crate::world::EdgeWorld;

/// The name in wrangler.toml, `ratelimits`.
const BINDING: &str = "RATE_LIMIT";

/// Counts a request under a key; a problem when there were too many. A deployment without the
/// binding has no such limit, and one that fails lets everything pass.
pub async fn within_limit(env: &Env, key: String) -> Result<(), Problem> {
    if !js_sys::Reflect::has(env, &BINDING.into()).unwrap_or(false) {
        return Ok(());
    }
    let answer = async { Ok::<_, worker::Error>(env.rate_limiter(BINDING)?.limit(key).await?.success) };
    match passes(answer, &EdgeWorld).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(exceeded()),
        Err(reason) => {
            console_warn!("a request passed uncounted, the rate limit failed: {reason}");
            Ok(())
        }
    }
}
