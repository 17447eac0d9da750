//! The way to the users' live channels: one Durable Object each.

use std::cell::RefCell;
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, LocalBoxFuture, select};
use serde_json::Value;
use shared::live::{Ask, Change, Outgoing};
use shared::ports::LiveChannel;
use shared::problem::{Code, Problem};
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Context, Delay, Env, Headers, Method, ObjectNamespace, Request, RequestInit, Response, ScheduleContext,
    console_warn,
};

use crate::environment::variables;

/// The name in wrangler.toml, `durable_objects`.
const BINDING: &str = "LIVE_CHANNEL";

/// The paths of a channel. The host is not looked up: the binding leads to the object, and nothing
/// else does.
pub const LISTEN_PATH: &str = "/listen";
/// See [`LISTEN_PATH`].
pub const PUBLISH_PATH: &str = "/publish";

/// A channel that does not answer must not keep an invocation.
const PUBLISH_TIME: Duration = Duration::from_secs(2);
/// A channel asks the database first, which may take 10 s.
const LISTEN_TIME: Duration = Duration::from_secs(12);

/// One call of a channel for so many jobs that an invocation may run: together they stay below its
/// subrequests, see `Variables::max_jobs_per_invocation`.
const JOBS_PER_CALL: u32 = 3;

/// The channels, where this deployment has them.
fn namespace(env: &Env) -> Option<ObjectNamespace> {
    js_sys::Reflect::has(env, &BINDING.into())
        .unwrap_or(false)
        .then(|| env.durable_object(BINDING).ok())
        .flatten()
}

/// Connects a listener with the user's channel: an upgraded connection, a stream, or nothing where
/// there is nothing more to hear.
pub async fn listen(env: &Env, ask: &Ask) -> Result<Response, Problem> {
    let Some(namespace) = namespace(env) else {
        return Err(Problem::new(
            Code::Unavailable,
            "Live updates are not available here. Please poll urls.self.",
        ));
    };
    let failed = |error: String| {
        console_warn!("the live channel was not reached: {error}");
        Problem::unavailable()
    };
    let call = async {
        let headers = Headers::new();
        for (name, value) in ask.to_headers() {
            headers.set(name, &value)?;
        }
        let mut init = RequestInit::new();
        init.with_headers(headers);
        call(&namespace, ask.user_id, LISTEN_PATH, &init).await
    };
    let response = within(LISTEN_TIME, call).await.map_err(failed)?;
    match response.status_code() {
        101 | 200 | 204 => Ok(response),
        404 => Err(Problem::new(Code::NotFound, "There is no generation with this id.")),
        429 => {
            let mut problem = Problem::new(
                Code::RateLimited,
                "Too many live connections. Please close one before you open another.",
            );
            problem.retry_after = Some(10);
            Err(problem)
        }
        status => Err(failed(format!("status {status}"))),
    }
}

async fn call(
    namespace: &ObjectNamespace,
    user_id: Uuid,
    path: &str,
    init: &RequestInit,
) -> worker::Result<Response> {
    let channel = namespace.get_by_name(&user_id.to_string())?;
    let request = Request::new_with_init(&format!("https://live-channel{path}"), init)?;
    channel.fetch_with_request(request).await
}

async fn within<T>(time: Duration, call: impl Future<Output = worker::Result<T>>) -> Result<T, String> {
    match select(pin!(call), pin!(Delay::from(time))).await {
        Either::Left((result, _)) => result.map_err(|error| error.to_string()),
        Either::Right(_) => Err(format!("no answer within {} s", time.as_secs())),
    }
}

/// Keeps an invocation alive until a future has ended.
type WaitUntil = Box<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// An invocation that goes on after its answer, until all that it was given has been done.
pub trait Invocation {
    /// A handle of its own.
    fn handle(&self) -> WaitUntil;
}

impl Invocation for Context {
    fn handle(&self) -> WaitUntil {
        let context: &JsValue = self.as_ref().as_ref();
        let context = Self::new(context.clone().unchecked_into());
        Box::new(move |work| context.wait_until(work))
    }
}

impl Invocation for ScheduleContext {
    fn handle(&self) -> WaitUntil {
        let context = self.clone();
        Box::new(move |work| context.wait_until(work))
    }
}

/// The live channel as one invocation sees it. Without the binding it is silent.
pub struct LiveUpdates(Option<Publisher>);

struct Publisher {
    namespace: ObjectNamespace,
    outgoing: Rc<RefCell<Outgoing>>,
    wait_until: WaitUntil,
}

impl LiveUpdates {
    /// For one invocation, which it keeps alive while it hands changes on.
    pub fn new(env: &Env, invocation: &impl Invocation) -> Self {
        let calls = variables(env).max_jobs_per_invocation().div_ceil(JOBS_PER_CALL);
        Self(namespace(env).map(|namespace| Publisher {
            namespace,
            outgoing: Rc::new(RefCell::new(Outgoing::new(calls))),
            wait_until: invocation.handle(),
        }))
    }
}

impl LiveChannel for LiveUpdates {
    fn publish(&self, changes: Vec<Change>) {
        let Some(publisher) = &self.0 else { return };
        let idle = publisher.outgoing.borrow_mut().add(changes);
        for user_id in idle {
            let (namespace, outgoing) = (publisher.namespace.clone(), publisher.outgoing.clone());
            (publisher.wait_until)(Box::pin(async move {
                loop {
                    let changes = outgoing.borrow_mut().next(user_id);
                    let Some(changes) = changes else { break };
                    if let Err(error) = within(PUBLISH_TIME, hand_on(&namespace, user_id, &changes)).await {
                        console_warn!("a change was not told to the live channel: {error}");
                    }
                }
            }));
        }
    }
}

async fn hand_on(namespace: &ObjectNamespace, user_id: Uuid, changes: &[Change]) -> worker::Result<()> {
    let body: Value = changes.iter().map(Change::to_json).collect();
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_body(Some(body.to_string().into()));
    match call(namespace, user_id, PUBLISH_PATH, &init).await?.status_code() {
        204 => Ok(()),
        status => Err(worker::Error::RustError(format!("status {status}"))),
    }
}

impl fmt::Debug for LiveUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveUpdates").field(&self.0.is_some()).finish()
    }
}
