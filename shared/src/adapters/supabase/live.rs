//! What a user's live channel asks, on its SQL function.

use serde_json::json;

use super::queue::Queue;
use crate::live::Snapshot;
use crate::ports::{Clock, Http, LiveSnapshots, QueueError, Random, SnapshotQuery};

impl<H: Http, W: Clock + Random> LiveSnapshots for Queue<'_, H, W> {
    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Snapshot, QueueError> {
        let arguments = json!({
            "p_user_id": query.user_id, "p_generation_id": query.generation_id, "p_since": query.since,
            "p_listen_seconds": query.listen.as_secs(),
        });
        let answer = self.call_once("live_snapshot", &arguments).await?;
        Snapshot::read(&answer).ok_or_else(|| QueueError::Defect("live_snapshot: no states".into()))
    }
}
