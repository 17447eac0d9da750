//! The rate-limit binding of a Worker.

use shared::http::problem::Problem;
use shared::rate_limit::{exceeded, passes};
use worker::console_warn;

use crate::environment::Environment;
use crate::host::{self, call};
use crate::runtime::EdgeRuntime;

/// The name in wrangler.toml, `ratelimits`.
const BINDING: &str = "RATE_LIMIT";

/// Counts a request under a key; a problem when there were too many. A deployment without the
/// binding has no such limit, and one that fails lets everything pass.
pub async fn within_limit(env: &Environment, key: &str) -> Result<(), Problem> {
    let (counted, is_bound) = call(|id| host::limit(id, &env.bindings, BINDING, key));
    if !is_bound {
        return Ok(());
    }
    let answer = async {
        let counted = counted.await;
        if counted.status < 0 { Err(counted.text.unwrap_or_default()) } else { Ok(counted.status == 1) }
    };
    match passes(answer, &EdgeRuntime).await {
        Ok(true) => Ok(()),
        Ok(false) => Err(exceeded()),
        Err(reason) => {
            console_warn!("a request passed uncounted, the rate limit failed: {reason}");
            Ok(())
        }
    }
}
