//! A provider whose predictions run by the clock.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};
use shared::adapters::replicate::read_prediction;
use shared::catalogue::ModelInput;
use shared::ports::{
    Clock, CreateError, ImageProvider, NewPrediction, Outcome, Prediction, ProviderError, Status,
};

use super::wire::{Fault, Wire};
use super::{API, OUTPUT, TestRuntime};

/// The provider deletes what it made after an hour.
const KEPT_MS: u64 = 3_600_000;

/// What becomes of a prediction.
#[derive(Debug, Clone)]
pub struct Fate {
    /// It starts running so long after it was created.
    pub starts_after_ms: u64,
    /// It ends so long after it was created.
    pub ends_after_ms: u64,
    /// How it ends.
    pub end: End,
}

#[derive(Debug, Clone)]
pub enum End {
    Output(Value),
    Error(&'static str),
}

impl Fate {
    pub fn succeeds_after(ends_after_ms: u64) -> Self {
        Self { starts_after_ms: 0, ends_after_ms, end: End::Output(json!([OUTPUT])) }
    }

    pub fn fails_with(error: &'static str) -> Self {
        Self { starts_after_ms: 0, ends_after_ms: 0, end: End::Error(error) }
    }

    /// Ends before it begins, which costs nothing.
    pub fn fails_to_begin(error: &'static str) -> Self {
        Self { starts_after_ms: 1, ..Self::fails_with(error) }
    }

    /// Ends at once with this output.
    pub fn gives(output: Value) -> Self {
        Self { starts_after_ms: 0, ends_after_ms: 0, end: End::Output(output) }
    }
}

/// A prediction that the provider has recorded.
#[derive(Debug, Clone)]
pub struct Booked {
    pub id: String,
    pub new: NewPrediction,
    pub created_ms: u64,
    pub fate: Fate,
    pub cancelled_ms: Option<u64>,
    /// It was created by a worker that had lost its job before.
    pub overtaken: bool,
    /// The provider does not stop it at its deadline.
    pub endless: bool,
    /// How far the provider's clock is ahead, in milliseconds.
    clock_ms: i64,
    /// Its end was handed out by [`MemoryProvider::take_ended`].
    told: bool,
}

impl Booked {
    fn ended_ms(&self) -> u64 {
        let deadline = match self.endless {
            true => u64::MAX,
            false => self.created_ms + u64::try_from(self.new.deadline.as_millis()).unwrap(),
        };
        let own = self.created_ms + self.fate.ends_after_ms;
        own.min(deadline).min(self.cancelled_ms.unwrap_or(u64::MAX))
    }

    /// The status word at this time.
    pub fn status(&self, now_ms: u64) -> &'static str {
        let started_ms = self.created_ms + self.fate.starts_after_ms;
        let cut_short = self.ended_ms() < self.created_ms + self.fate.ends_after_ms;
        match (now_ms >= self.ended_ms(), &self.fate.end) {
            (false, _) if now_ms < started_ms => "starting",
            (false, _) => "processing",
            (true, _) if cut_short && self.ended_ms() < started_ms => "aborted",
            (true, _) if cut_short => "canceled",
            (true, End::Output(_)) => "succeeded",
            (true, End::Error(_)) => "failed",
        }
    }

    /// A bar that ends at the end of the run.
    fn logs(&self, now_ms: u64) -> String {
        let started_ms = self.created_ms + self.fate.starts_after_ms;
        let whole = self.fate.ends_after_ms.saturating_sub(self.fate.starts_after_ms).max(1);
        let share = (now_ms.saturating_sub(started_ms) * 100 / whole).min(100);
        format!("Using seed: 7\n{share:>3}%|███       | {share}/100 [00:01<00:01,  9.9it/s]\n")
    }

    /// The `data:` address that is its output.
    fn inline_at(&self, now_ms: u64) -> Option<String> {
        let removed = now_ms >= self.ended_ms().saturating_add(KEPT_MS);
        match &self.fate.end {
            End::Output(Value::String(data)) if data.starts_with("data:") && !removed => Some(data.clone()),
            _ => None,
        }
    }

    pub fn at(&self, now_ms: u64) -> Prediction {
        let status = self.status(now_ms);
        let removed = now_ms >= self.ended_ms().saturating_add(KEPT_MS);
        let (output, error) = match &self.fate.end {
            End::Output(output) if status == "succeeded" && !removed => (output.clone(), Value::Null),
            End::Error(error) if status == "failed" => (Value::Null, json!(error)),
            _ => (Value::Null, Value::Null),
        };
        let started_ms = self.created_ms + self.fate.starts_after_ms;
        let time = |ms: u64| time(ms.saturating_add_signed(self.clock_ms));
        let ended_ms = self.ended_ms();
        let began = now_ms >= started_ms && started_ms <= ended_ms;
        let body = json!({
            "id": self.id, "status": status, "output": output, "error": error, "data_removed": removed,
            "created_at": time(self.created_ms), "started_at": began.then(|| time(started_ms)),
            "completed_at": (now_ms >= ended_ms).then(|| time(ended_ms)), "input": self.new.input,
            "logs": self.logs(now_ms),
            "metrics": { "predict_time": began.then_some(1.5) }, "webhook": self.new.webhook,
        });
        read_prediction(body.to_string().as_bytes(), API).unwrap()
    }
}

fn time(ms: u64) -> String {
    chrono::DateTime::from_timestamp_millis(i64::try_from(ms).unwrap()).unwrap().to_rfc3339()
}

/// What is so of the lease that a webhook's URL names.
type IsCurrent = Box<dyn Fn(&str) -> bool>;

pub struct MemoryProvider {
    wire: Rc<Wire>,
    runtime: Rc<TestRuntime>,
    /// Every prediction that was created, oldest first.
    pub booked: RefCell<Vec<Booked>>,
    /// The fates of the next predictions; without one, a prediction succeeds at once.
    pub fates: RefCell<VecDeque<Fate>>,
    /// Whether the provider has lost its predictions.
    pub forgets: Cell<bool>,
    /// Tells of a webhook's URL whether its lease is the job's current one.
    pub is_current: RefCell<IsCurrent>,
    /// Tells of a webhook's URL whether its job may create one now.
    pub may_create: RefCell<IsCurrent>,
    /// Creates that were sent although their jobs were claimed during a pause.
    pub created_in_pause: Cell<usize>,
    /// How the provider refuses every create for the time being.
    pub refusal: RefCell<Option<CreateError>>,
    /// Models that it refuses, with the status.
    pub refused_models: RefCell<std::collections::BTreeMap<&'static str, u16>>,
    /// How many it has refused so.
    pub refused: Cell<usize>,
    /// Whether the next predictions outlive their deadlines.
    pub forgets_deadlines: Cell<bool>,
    /// Whether predictions end by themselves just before a cancel comes.
    pub ends_before_cancel: Cell<bool>,
    /// How far its clock is ahead of the runtime's, in milliseconds.
    pub clock_ms: Cell<i64>,
}

impl MemoryProvider {
    pub fn new(wire: Rc<Wire>, runtime: Rc<TestRuntime>) -> Self {
        Self {
            wire,
            runtime,
            booked: RefCell::default(),
            fates: RefCell::default(),
            forgets: Cell::new(false),
            is_current: RefCell::new(Box::new(|_| true)),
            may_create: RefCell::new(Box::new(|_| true)),
            created_in_pause: Cell::new(0),
            refusal: RefCell::new(None),
            refused_models: RefCell::default(),
            refused: Cell::new(0),
            forgets_deadlines: Cell::new(false),
            ends_before_cancel: Cell::new(false),
            clock_ms: Cell::new(0),
        }
    }

    /// The next prediction has this fate.
    pub fn next(&self, fate: Fate) {
        self.fates.borrow_mut().push_back(fate);
    }

    /// How many predictions were created.
    pub fn created(&self) -> usize {
        self.booked.borrow().len()
    }

    /// The prediction as it stands now, by its place in the order of creation.
    pub fn prediction(&self, place: usize) -> Prediction {
        self.booked.borrow()[place].at(self.runtime.now_ms())
    }

    /// Predictions that ended since the last call: a webhook is due for each.
    pub fn take_ended(&self) -> Vec<(Option<String>, Prediction)> {
        let now = self.runtime.now_ms();
        let mut booked = self.booked.borrow_mut();
        let ended = booked.iter_mut().filter(|one| !one.told && now >= one.ended_ms());
        ended
            .map(|one| {
                one.told = true;
                (one.new.webhook.clone(), one.at(now))
            })
            .collect()
    }

    /// Predictions that are running now: webhooks tell of them, too.
    pub fn running(&self) -> Vec<(Option<String>, Prediction)> {
        let now = self.runtime.now_ms();
        let booked = self.booked.borrow();
        let running = booked.iter().filter(|one| one.status(now) == "processing");
        running.map(|one| (one.new.webhook.clone(), one.at(now))).collect()
    }

    /// One more prediction for a job, which none of our calls has created as far as we know.
    pub fn accept_for(&self, webhook: &str) {
        self.accept(&NewPrediction {
            version: "black-forest-labs/flux-schnell".into(),
            input: ModelInput::default(),
            webhook: Some(webhook.to_owned()),
            deadline: Duration::from_secs(900),
        });
    }

    fn accept(&self, new: &NewPrediction) -> Prediction {
        let created_ms = self.runtime.now_ms();
        let fate = self.fates.borrow_mut().pop_front().unwrap_or_else(|| Fate::succeeds_after(0));
        let id = format!("p{:025}", self.created());
        let overtaken = new.webhook.as_deref().is_some_and(|webhook| !(self.is_current.borrow())(webhook));
        let booked = Booked {
            id,
            new: new.clone(),
            created_ms,
            fate,
            cancelled_ms: None,
            overtaken,
            endless: self.forgets_deadlines.get(),
            clock_ms: self.clock_ms.get(),
            told: false,
        };
        let mut answer = booked.at(created_ms);
        (answer.status, answer.outcome) = (Status::Starting, Outcome::Running);
        self.booked.borrow_mut().push(booked);
        answer
    }
}

/// The provider asks to wait for so many seconds.
pub fn throttled(seconds: u64) -> CreateError {
    CreateError::Throttled { retry_after: Duration::from_secs(seconds) }
}

/// Our account is refused with this status.
pub fn refused(status: u16) -> CreateError {
    CreateError::Account { status, detail: "You have insufficient credit.".into() }
}

fn unavailable<T>() -> Result<T, ProviderError> {
    Err(ProviderError::Unavailable("status 503".into()))
}

impl ImageProvider for MemoryProvider {
    async fn create(&self, new: &NewPrediction) -> Result<Prediction, CreateError> {
        let faults = [Fault::LostRequest, Fault::LostAnswer, Fault::Throttled(7), Fault::Account(402)];
        if new.webhook.as_deref().is_some_and(|webhook| !(self.may_create.borrow())(webhook)) {
            self.created_in_pause.set(self.created_in_pause.get() + 1);
        }
        let fault = self.wire.request("create", &faults).await;
        if let Some(refusal) = self.refusal.borrow().clone().filter(|_| fault != Some(Fault::LostRequest)) {
            self.refused.set(self.refused.get() + 1);
            return Err(refusal);
        }
        if let Some(status) = self.refused_models.borrow().get(new.version.as_str()) {
            self.refused.set(self.refused.get() + 1);
            return Err(CreateError::Model { status: *status, detail: "You do not have permission.".into() });
        }
        match fault {
            Some(Fault::LostRequest) => return Err(CreateError::Unknown("the connection failed".into())),
            Some(Fault::Throttled(seconds)) => {
                return Err(throttled(seconds));
            }
            Some(Fault::Account(status)) => return Err(refused(status)),
            Some(Fault::Rejected) => return Err(CreateError::Rejected("- input: prompt is required".into())),
            _ => {}
        }
        let prediction = self.accept(new);
        self.wire.answer().await;
        if fault.is_some() { Err(CreateError::Unknown("no answer in time".into())) } else { Ok(prediction) }
    }

    async fn get(&self, prediction_id: &str) -> Result<Prediction, ProviderError> {
        if self.wire.request("get", &[Fault::LostRequest]).await.is_some() {
            return unavailable();
        }
        let now = self.runtime.now_ms();
        let found = self.booked.borrow().iter().find(|one| one.id == prediction_id).map(|one| one.at(now));
        self.wire.answer().await;
        found.filter(|_| !self.forgets.get()).ok_or(ProviderError::NotFound)
    }

    async fn inline_image(&self, prediction_id: &str) -> Result<Option<String>, ProviderError> {
        if self.wire.request("inline_image", &[Fault::LostRequest]).await.is_some() {
            return unavailable();
        }
        let now = self.runtime.now_ms();
        let found =
            self.booked.borrow().iter().find(|one| one.id == prediction_id).map(|one| one.inline_at(now));
        self.wire.answer().await;
        found.filter(|_| !self.forgets.get()).ok_or(ProviderError::NotFound)
    }

    async fn cancel(&self, prediction_id: &str) -> Result<Option<Prediction>, ProviderError> {
        let fault = self.wire.request("cancel", &[Fault::LostRequest, Fault::LostAnswer]).await;
        if fault == Some(Fault::LostRequest) {
            return unavailable();
        }
        let now = self.runtime.now_ms();
        let stopped = match self.booked.borrow_mut().iter_mut().find(|one| one.id == prediction_id) {
            Some(one) => {
                if self.ends_before_cancel.get() {
                    one.fate.ends_after_ms = now - one.created_ms;
                }
                if one.ended_ms() > now {
                    one.cancelled_ms = Some(now);
                }
                one.at(now)
            }
            None => return Err(ProviderError::NotFound),
        };
        self.wire.answer().await;
        if fault.is_some() { unavailable() } else { Ok(Some(stopped)) }
    }

    async fn list_since(
        &self,
        created_after_ms: u64,
        webhook: &str,
    ) -> Result<Vec<Prediction>, ProviderError> {
        if self.wire.request("list", &[Fault::LostRequest]).await.is_some() {
            return unavailable();
        }
        let now = self.runtime.now_ms();
        let booked = self.booked.borrow();
        Ok(booked
            .iter()
            .rev()
            .filter(|one| one.created_ms.saturating_add_signed(one.clock_ms) > created_after_ms)
            .filter(|one| one.new.webhook.as_deref().is_some_and(|url| url.starts_with(webhook)))
            .map(|one| one.at(now))
            .collect())
    }
}
