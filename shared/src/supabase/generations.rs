//! Generations as their owner sees them, on the SQL functions that are open to signed-in users.

use serde_json::{Value, json};
use uuid::Uuid;

use super::rpc::{Rpc, RpcError};
use crate::ports::Http;

/// Generations, seen with the user's own token: the database decides a second time.
pub struct Generations<'a, H>(Rpc<'a, H>);

impl<'a, H: Http> Generations<'a, H> {
    /// Generations that are asked for with the user's token.
    pub fn new(rpc: Rpc<'a, H>) -> Self {
        Self(rpc)
    }

    /// Calls, and once more where that may help and cannot happen twice: somebody is waiting.
    async fn call(&self, function: &str, arguments: Value, idempotent: bool) -> Result<Value, RpcError> {
        match self.0.call(function, &arguments).await {
            Err(error) if error.is_repeatable(idempotent) => self.0.call(function, &arguments).await,
            answer => answer,
        }
    }

    /// Checks, creates and enqueues in one transaction. `request_hash` tells bodies apart that use
    /// the same idempotency key. Up to `next` of the jobs come back under a lease, where they are next: the
    /// caller sees to it that they are run.
    pub async fn start(
        &self,
        request: Value,
        idempotency: Option<(&str, &str)>,
        next: u32,
    ) -> Result<Value, RpcError> {
        let mut arguments = json!({ "p_request": request, "p_next": next });
        if let (Some((key, request_hash)), Some(arguments)) = (idempotency, arguments.as_object_mut()) {
            arguments.insert("p_idempotency_key".into(), json!(key));
            arguments.insert("p_request_hash".into(), json!(request_hash));
        }
        self.call("start_generation", arguments, idempotency.is_some()).await
    }

    /// One generation.
    pub async fn get(&self, id: Uuid) -> Result<Value, RpcError> {
        self.call("get_generation", json!({ "p_generation_id": id }), true).await
    }

    /// Newest first; `{generations, next_cursor}`.
    pub async fn list(&self, filter: Value) -> Result<Value, RpcError> {
        self.call("list_generations", filter, true).await
    }

    /// Cancels; a prediction that runs is stopped by a job.
    pub async fn cancel(&self, id: Uuid) -> Result<Value, RpcError> {
        self.call("cancel_generation", json!({ "p_generation_id": id }), true).await
    }
}
