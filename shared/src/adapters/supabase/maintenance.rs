//! Maintenance on its SQL functions.

use serde_json::{Value, json};

use super::queue::Queue;
use crate::ports::{Alert, Clock, Http, Maintenance, QueueError, Random, RunReport};

impl<H: Http, W: Clock + Random> Maintenance for Queue<'_, H, W> {
    async fn sweep_storage(&self) -> Result<(), QueueError> {
        self.call_once("sweep_storage", &json!({})).await.map(drop)
    }

    async fn record_sweep(&self, report: &RunReport) -> Result<Vec<Alert>, QueueError> {
        let answer = self.call_once("record_sweep", &json!({ "p_stats": report })).await?;
        let alerts = answer.get("alerts").and_then(Value::as_array).into_iter().flatten();
        Ok(alerts.filter_map(Value::as_str).map(|text| Alert(text.to_owned())).collect())
    }

    async fn prune_jobs(&self) -> Result<(), QueueError> {
        self.call_once("prune_jobs", &json!({})).await.map(drop)
    }
}
