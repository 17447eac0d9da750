//! All that is ready, and what the cron trigger does besides, in this order.

use super::Pipeline;
use super::deliver_webhook::WebhookSender;
use super::drain::{Budget, Drained};
use crate::ports::{Alert, Clock, Maintenance, Ports, QueueError, RunReport, WebhookPorts};

/// What a run of the cron trigger did.
#[derive(Debug)]
pub struct Sweep {
    /// What its jobs came to; an error means that the first claim failed, and nothing was recorded.
    pub report: Result<RunReport, QueueError>,
    /// What somebody has to read.
    pub alerts: Vec<Alert>,
    /// What else did not work: the next run makes up for it.
    pub failures: Vec<String>,
}

impl Drained {
    /// The report of a run that began at this time.
    pub fn report(self, started_ms: u64, clock: &impl Clock) -> RunReport {
        RunReport {
            success: true,
            claimed: self.claimed,
            processed: self.processed,
            errors: self.errors,
            rescued: self.rescued,
            duration_ms: clock.now_ms().saturating_sub(started_ms),
        }
    }
}

impl<P: Ports> Pipeline<'_, P> {
    /// Runs what is ready: images first, then webhooks, then cleanups.
    pub async fn drain_all(
        &self,
        sender: &WebhookSender<'_, impl WebhookPorts>,
        budget: Budget,
    ) -> Result<Drained, QueueError> {
        let images = self.drain(budget.for_images()).await?;
        let webhooks = match budget.for_webhooks(&images) {
            Some(budget) => sender.drain(self.ports.queue(), budget).await?,
            None => Drained::default(),
        };
        let cleanups = match budget.for_cleanup(&images, &webhooks) {
            Some(budget) => self.drain_cleanup(budget).await?,
            None => Drained::default(),
        };
        Ok(images.and(webhooks).and(cleanups))
    }

    /// A run of the cron trigger. Stored files come first, so that the jobs that they lead to are run in the same go.
    pub async fn sweep(
        &self,
        sender: &WebhookSender<'_, impl WebhookPorts>,
        maintenance: &impl Maintenance,
        budget: Budget,
    ) -> Sweep {
        let (mut alerts, mut failures) = (Vec::new(), Vec::new());
        if let Err(error) = maintenance.sweep_storage().await {
            failures.push(format!("stored files could not be looked through: {error}"));
        }
        let started_ms = self.ports.runtime().now_ms();
        let report = match self.drain_all(sender, budget).await {
            Ok(drained) => drained.report(started_ms, self.ports.runtime()),
            Err(error) => return Sweep { report: Err(error), alerts, failures },
        };
        match maintenance.record_sweep(&report).await {
            Ok(recorded) => alerts = recorded,
            Err(error) => failures.push(format!("the sweep could not be recorded: {error}")),
        }
        if let Err(error) = maintenance.prune_jobs().await {
            failures.push(format!("old jobs could not be pruned: {error}"));
        }
        Sweep { report: Ok(report), alerts, failures }
    }
}
