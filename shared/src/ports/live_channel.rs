//! The live channel: from the side of those who change something, and what a user's channel asks the database.

use std::time::Duration;

use uuid::Uuid;

use super::QueueError;
use crate::live::{Change, Snapshot};

/// Who listens to a user's generations hears of changes over it.
pub trait LiveChannel {
    /// Hands changes on, after the database has committed them. It does not wait and does not fail: what
    /// is lost is found by the next look at the database.
    fn publish(&self, changes: Vec<Change>);
}

/// Which states a user's channel asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SnapshotQuery {
    /// Whose generations.
    pub user_id: Uuid,
    /// Only this one.
    pub generation_id: Option<Uuid>,
    /// Those that have changed since this number, besides those that are under way.
    pub since: Option<i64>,
    /// For so long from now the steps of this user are told to the channel.
    pub listen: Duration,
}

/// How a user's generations stand.
#[expect(async_fn_in_trait, reason = "wasm futures are not Send; nothing here needs them to be")]
pub trait LiveSnapshots {
    /// Reads the states and registers the channel as a listener. It is not repeated: the next look makes up for it.
    async fn snapshot(&self, query: &SnapshotQuery) -> Result<Snapshot, QueueError>;
}
