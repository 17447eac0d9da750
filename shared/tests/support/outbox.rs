//! The webhooks that are to be sent, beside the in-memory queue; and a resolver with a fixed list.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::json;
use shared::job::Job;
use shared::ports::{
    Attempt, Delivery, DeliveryOutcome, Failure, FailureCode, JobQueue, Message, Outbox, QueueError,
    ResolveError, Resolver, Step, WebhookPorts,
};
use uuid::Uuid;

use super::http::Recorder;
use super::{MemoryQueue, TestRuntime};

pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

pub struct MemoryOutbox<'a> {
    queue: &'a MemoryQueue,
    messages: RefCell<BTreeMap<Uuid, Message>>,
    /// Every attempt, in order.
    pub log: RefCell<Vec<(Attempt, DeliveryOutcome)>>,
}

impl<'a> MemoryOutbox<'a> {
    pub fn new(queue: &'a MemoryQueue) -> Self {
        Self { queue, messages: RefCell::default(), log: RefCell::default() }
    }

    /// Announces something to a receiver; gives the job's id.
    pub fn announce(&self, url: &str, secrets: &[&str]) -> Uuid {
        let id = self.queue.enqueue("process-webhook", json!({}));
        self.queue.edit(id, |row| row.max_attempts = 8);
        let message = Message {
            webhook_id: format!("msg_{id}"),
            url: url.to_owned(),
            body: r#"{"type":"generation.completed","data":{"id":"g1","cost_usd":0.0030}}"#.to_owned(),
            secrets: secrets.iter().map(|secret| (*secret).to_owned()).collect(),
            header: None,
            traceparent: None,
        };
        self.messages.borrow_mut().insert(id, message);
        id
    }

    /// Changes what was announced.
    pub fn edit(&self, id: Uuid, change: impl FnOnce(&mut Message)) {
        change(self.messages.borrow_mut().get_mut(&id).expect("something was announced"));
    }

    /// The one attempt that was logged.
    pub fn only(&self) -> (Attempt, DeliveryOutcome) {
        let log = self.log.borrow();
        assert_eq!(log.len(), 1, "one attempt is expected: {log:?}");
        log[0].clone()
    }
}

impl Outbox for MemoryOutbox<'_> {
    async fn message(&self, job: &Job) -> Result<Delivery, QueueError> {
        let row = self.queue.row(job.id);
        if row.lease != job.lease || row.status != "processing" {
            return Ok(Delivery::Stale);
        }
        Ok(self.messages.borrow().get(&job.id).cloned().map_or(Delivery::Unknown, Delivery::Message))
    }

    async fn record(
        &self,
        job: &Job,
        attempt: &Attempt,
        outcome: DeliveryOutcome,
    ) -> Result<Step, QueueError> {
        let failure = Failure::new(FailureCode::Rejected, attempt.error.clone().unwrap_or_default());
        let step = match outcome {
            DeliveryOutcome::Delivered => self.queue.complete(job, None).await?,
            DeliveryOutcome::Retry(wait) => self.queue.fail(job, &failure, Some(wait)).await?,
            DeliveryOutcome::Failed | DeliveryOutcome::Gone => self.queue.fail(job, &failure, None).await?,
        };
        if step != Step::Stale {
            self.log.borrow_mut().push((attempt.clone(), outcome));
        }
        Ok(step)
    }
}

/// What names lead to; every name that is not listed has no address.
#[derive(Default)]
pub struct Names {
    pub list: Vec<(&'static str, Vec<&'static str>)>,
    pub down: bool,
    pub asked: RefCell<Vec<String>>,
}

impl Resolver for Names {
    async fn addresses(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        self.asked.borrow_mut().push(name.to_owned());
        if self.down {
            return Err(ResolveError::Unavailable("no answer in time".into()));
        }
        let found = self.list.iter().find(|(known, _)| *known == name).ok_or(ResolveError::NoAddress)?;
        Ok(found.1.iter().map(|address| address.parse().unwrap()).collect())
    }
}

/// What a sender of webhooks stands on in these tests.
pub struct Sending<'a> {
    pub outbox: &'a MemoryOutbox<'a>,
    pub http: &'a Recorder,
    pub resolver: &'a Names,
    pub runtime: &'a TestRuntime,
}

impl<'a> WebhookPorts for Sending<'a> {
    type Outbox = MemoryOutbox<'a>;
    type Http = Recorder;
    type Resolver = Names;
    type Runtime = TestRuntime;

    fn outbox(&self) -> &MemoryOutbox<'a> {
        self.outbox
    }

    fn http(&self) -> &Recorder {
        self.http
    }

    fn resolver(&self) -> &Names {
        self.resolver
    }

    fn runtime(&self) -> &TestRuntime {
        self.runtime
    }
}
