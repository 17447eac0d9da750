//! The ports that the pipeline needs, together.

use super::{ImageProvider, ImageStore, JobQueue, Runtime};

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
