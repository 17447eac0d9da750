//! The ports that the pipeline needs, together.

use super::{Http, ImageProvider, ImageStore, JobQueue, Outbox, Resolver, Runtime};

/// What the pipeline asks of the outside world. Whoever runs it says once which adapters these are.
pub trait Ports {
    /// The job queue.
    type Queue: JobQueue;
    /// Who makes the images.
    type Provider: ImageProvider;
    /// Where they are kept.
    type Store: ImageStore;
    /// Time, chance and log.
    type Runtime: Runtime;

    /// The job queue.
    fn queue(&self) -> &Self::Queue;
    /// Who makes the images.
    fn provider(&self) -> &Self::Provider;
    /// Where they are kept.
    fn store(&self) -> &Self::Store;
    /// Time, chance and log.
    fn runtime(&self) -> &Self::Runtime;
}

/// What the sender of webhooks asks of the outside world: none of the pipeline's but the runtime.
pub trait WebhookPorts {
    /// What is to be sent, and the log.
    type Outbox: Outbox;
    /// Sends it.
    type Http: Http;
    /// Looks receivers up.
    type Resolver: Resolver;
    /// Time, chance and log.
    type Runtime: Runtime;

    /// What is to be sent, and the log.
    fn outbox(&self) -> &Self::Outbox;
    /// Sends it.
    fn http(&self) -> &Self::Http;
    /// Looks receivers up.
    fn resolver(&self) -> &Self::Resolver;
    /// Time, chance and log.
    fn runtime(&self) -> &Self::Runtime;
}
