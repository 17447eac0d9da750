//! In-memory ports for the pipeline: a queue that keeps the SQL contract, a provider, a store, a
//! clock that only moves when told, and a wire on which calls get lost.
#![allow(dead_code, reason = "each test crate uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

pub mod http;
pub mod outbox;
pub mod provider;
pub mod queue;
pub mod queue_predictions;
pub mod queue_rows;
pub mod queue_state;
pub mod rng;
pub mod runtime;
pub mod simulation;
pub mod store;
pub mod told;
pub mod wire;

use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use serde_json::{Value, json};
use shared::job::Job;
use shared::pipeline::{Callback, Pipeline, PipelineOptions};
use shared::ports::Ports;
use uuid::Uuid;

pub use self::provider::MemoryProvider;
pub use self::queue::MemoryQueue;
pub use self::runtime::TestRuntime;
pub use self::store::MemoryStore;
pub use self::wire::Wire;

/// The origin of the provider's API in these tests.
pub const API: &str = "https://api.replicate.com";
/// Under which origin the provider reaches our webhook.
pub const PUBLIC: &str = "https://hooks.example.com";
/// An image that the provider made.
pub const OUTPUT: &str = "https://replicate.delivery/x/out-0.webp";

/// Everything that a pipeline stands on.
pub struct Bench {
    pub wire: Rc<Wire>,
    pub runtime: Rc<TestRuntime>,
    pub queue: MemoryQueue,
    pub provider: MemoryProvider,
    pub store: MemoryStore,
    pub options: PipelineOptions,
}

impl Bench {
    /// A bench on which nothing goes wrong unless a test scripts it.
    pub fn new() -> Self {
        Self::with_seed(1)
    }

    pub fn with_seed(seed: u64) -> Self {
        let runtime = Rc::new(TestRuntime::new(seed));
        let wire = Rc::new(Wire::new(seed));
        Self {
            queue: MemoryQueue::new(wire.clone(), runtime.clone()),
            provider: MemoryProvider::new(wire.clone(), runtime.clone()),
            store: MemoryStore::new(wire.clone()),
            options: PipelineOptions {
                provider_origin: API.into(),
                callback: Some(format!("{PUBLIC}/webhooks/replicate")),
            },
            wire,
            runtime,
        }
    }

    pub fn pipeline(&self) -> Pipeline<'_, &Self> {
        Pipeline { ports: self, options: &self.options }
    }

    /// A generation that the catalogue accepts, waiting in the queue; gives its job's id.
    pub fn start(&self) -> Uuid {
        self.queue.start_generation(request())
    }

    /// Claims one job under a lease of a minute.
    pub fn claim(&self) -> Job {
        let mut jobs = self.queue.claim_now(1, 60_000);
        assert_eq!(jobs.len(), 1, "no job is ready");
        jobs.remove(0)
    }

    /// Claims the next job and runs it: `Forward` or `Failed`.
    pub fn run_next(&self) -> String {
        self.run(&self.claim())
    }

    /// Runs a claimed job: `Forward` or `Failed`.
    pub fn run(&self, job: &Job) -> String {
        format!("{:?}", block_on(self.pipeline().run_job(job)).unwrap())
    }

    /// Delivers the webhook of the prediction with this place in the order of creation.
    pub fn webhook(&self, job_id: Uuid, place: usize) -> Option<Job> {
        let callback = Callback { job_id, attempts: 0, prediction: self.provider.prediction(place) };
        block_on(self.pipeline().receive(&callback, 0)).unwrap().pop()
    }

    /// Moves the clock.
    pub fn pass(&self, seconds: u64) {
        self.runtime.advance(seconds * 1000);
    }
}

impl Ports for &Bench {
    type Queue = MemoryQueue;
    type Provider = MemoryProvider;
    type Store = MemoryStore;
    type Runtime = TestRuntime;

    fn queue(&self) -> &MemoryQueue {
        &self.queue
    }

    fn provider(&self) -> &MemoryProvider {
        &self.provider
    }

    fn store(&self) -> &MemoryStore {
        &self.store
    }

    fn runtime(&self) -> &TestRuntime {
        &self.runtime
    }
}

/// One for another model.
pub fn request_for(model: &str) -> Value {
    json!({ "model_id": model, "prompt": "a fox in the snow" })
}

/// A request that the catalogue accepts.
pub fn request() -> Value {
    json!({ "model_id": "black-forest-labs/flux-schnell", "prompt": "a fox in the snow", "seed": 7 })
}

/// Polls a future until it is done. The in-memory ports never wait for anything outside.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    for _ in 0..1_000_000 {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
    panic!("the future is never done: does a loop not end?");
}
