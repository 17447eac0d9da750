//! A clock that moves when told, seeded chance, and a log that can be read.

use std::cell::{Cell, RefCell};
use std::time::Duration;

use shared::ports::{About, Clock, Log, Random};
use uuid::Uuid;

use super::rng::Rng;

/// 2026-11-24T00:00:00Z
pub const START_MS: u64 = 1_795_478_400_000;

/// A runtime in which time stands still.
pub struct Still;

impl Clock for Still {
    fn now_ms(&self) -> u64 {
        START_MS
    }

    async fn sleep(&self, _: Duration) {}
}

impl Random for Still {
    fn unit(&self) -> f64 {
        0.5
    }
}

pub struct TestRuntime {
    now_ms: Cell<u64>,
    chance: Rng,
    /// Every warning: what, job, detail.
    pub warnings: RefCell<Vec<(String, Uuid, String)>>,
    /// Every alert: what, job, detail.
    pub alerts: RefCell<Vec<(String, Uuid, String)>>,
}

impl TestRuntime {
    pub fn new(seed: u64) -> Self {
        Self {
            now_ms: Cell::new(START_MS),
            chance: Rng::new(seed),
            warnings: RefCell::default(),
            alerts: RefCell::default(),
        }
    }

    pub fn advance(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    /// Whether a warning of this kind was written.
    pub fn warned(&self, what: &str) -> bool {
        self.warnings.borrow().iter().any(|(seen, _, _)| seen == what)
    }
}

impl Clock for TestRuntime {
    fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    async fn sleep(&self, time: Duration) {
        self.advance(u64::try_from(time.as_millis()).unwrap());
    }
}

impl Random for TestRuntime {
    fn unit(&self) -> f64 {
        self.chance.unit()
    }
}

impl Log for TestRuntime {
    fn warn(&self, what: &str, about: impl Into<About>, detail: &str) {
        self.warnings.borrow_mut().push((what.to_owned(), about.into().job_id, detail.to_owned()));
    }

    fn alert(&self, what: &str, about: impl Into<About>, detail: &str) {
        self.alerts.borrow_mut().push((what.to_owned(), about.into().job_id, detail.to_owned()));
    }
}
