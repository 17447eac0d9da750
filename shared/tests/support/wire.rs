//! The wire between the pipeline and its ports. Every call passes here, is written down, and may be
//! lost: as a test scripts it, or at random.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll};

use super::rng::Rng;

/// What goes wrong with one call. Each port knows the faults that it can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives.
    LostRequest,
    /// It takes effect, and the answer never arrives.
    LostAnswer,
    /// The provider asks to wait for so many seconds.
    Throttled(u64),
    /// The provider refuses our account, with this status.
    Account(u16),
    /// Refused for good: a create, or a file that will never do.
    Rejected,
    /// The host of a file does not find it.
    Gone,
}

/// Every call of the pipeline to a port.
pub struct Wire {
    /// The names of the calls so far, in order.
    pub calls: RefCell<Vec<&'static str>>,
    /// Calls that go wrong until they are taken out.
    pub down: RefCell<BTreeMap<&'static str, Fault>>,
    script: RefCell<BTreeMap<&'static str, VecDeque<Option<Fault>>>>,
    rng: Rng,
    /// The probability of a fault at each call.
    pub fault_rate: Cell<f64>,
    /// Whether calls let others go first.
    pub pauses: Cell<bool>,
}

impl Wire {
    pub fn new(seed: u64) -> Self {
        Self {
            calls: RefCell::default(),
            down: RefCell::default(),
            script: RefCell::default(),
            rng: Rng::new(seed ^ 0xfa17),
            fault_rate: Cell::new(0.0),
            pauses: Cell::new(false),
        }
    }

    /// The next call of this name goes wrong; several are used up in order.
    pub fn fail(&self, call: &'static str, fault: Fault) {
        self.script.borrow_mut().entry(call).or_default().push_back(Some(fault));
    }

    /// Every call of these names goes wrong, until [`mend`](Self::mend).
    pub fn break_down(&self, calls: &[&'static str]) {
        self.down.borrow_mut().extend(calls.iter().map(|call| (*call, Fault::LostRequest)));
    }

    /// All calls go well again.
    pub fn mend(&self) {
        self.down.borrow_mut().clear();
    }

    /// The next call of this name goes well, and the one after it wrong.
    pub fn pass_then_fail(&self, call: &'static str, fault: Fault) {
        self.script.borrow_mut().entry(call).or_default().extend([None, Some(fault)]);
    }

    /// How often this call was made.
    pub fn count(&self, call: &str) -> usize {
        self.calls.borrow().iter().filter(|made| **made == call).count()
    }

    /// A request is on its way.
    pub async fn request(&self, call: &'static str, possible: &[Fault]) -> Option<Fault> {
        self.calls.borrow_mut().push(call);
        self.pause().await;
        if let Some(scripted) = self.script.borrow_mut().get_mut(call).and_then(VecDeque::pop_front) {
            return scripted;
        }
        if let Some(fault) = self.down.borrow().get(call) {
            return Some(*fault);
        }
        let faulty = self.fault_rate.get() > 0.0 && self.rng.chance(self.fault_rate.get());
        faulty.then(|| possible[self.rng.within(0, possible.len() as u64) as usize])
    }

    /// The answer is on its way.
    pub async fn answer(&self) {
        self.pause().await;
    }

    async fn pause(&self) {
        let turns = if self.pauses.get() { self.rng.within(0, 4) } else { 0 };
        Turns(turns).await;
    }
}

/// Lets others go first so many times.
struct Turns(u64);

impl Future for Turns {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.0 == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
