//! The way to the users' live channels: one Durable Object each.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures::future::{Either, LocalBoxFuture, select};
use serde_json::Value;
use shared::http::problem::{Code, Problem};
use shared::live::{Change, Outgoing, Subscription};
use shared::ports::LiveChannel;
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue};
use worker::{
    Context, Headers, ObjectNamespace, Request, RequestInit, Response, ScheduleContext, console_warn,
};

use crate::environment::{Environment, variables};
use crate::host::{self, Sleep, call};

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

/// An invocation may call live channels once for so many of the jobs that it may run: so jobs and calls together stay
/// below its subrequests, see `Variables::max_jobs_per_invocation`.
const JOBS_PER_CALL: u32 = 3;

/// The channels, where this deployment has them.
fn namespace(env: &Environment) -> Option<ObjectNamespace> {
    js_sys::Reflect::has(&env.bindings, &BINDING.into())
        .unwrap_or(false)
        .then(|| env.bindings.durable_object(BINDING).ok())
        .flatten()
}

/// Connects a listener with the user's channel: an upgraded connection, a stream, or nothing where
/// there is nothing more to hear.
pub async fn listen(env: &Environment, subscription: &Subscription) -> Result<Response, Problem> {
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
        for (name, value) in subscription.to_headers() {
            headers.set(name, &value)?;
        }
        let mut init = RequestInit::new();
        init.with_headers(headers);
        let channel = namespace.get_by_name(&subscription.user_id.to_string())?;
        let request = Request::new_with_init(&format!("https://live-channel{LISTEN_PATH}"), &init)?;
        channel.fetch_with_request(request).await
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

async fn within<T>(time: Duration, call: impl Future<Output = worker::Result<T>>) -> Result<T, String> {
    match select(pin!(call), pin!(Sleep::of(time))).await {
        Either::Left((result, _)) => result.map_err(|error| error.to_string()),
        Either::Right(_) => Err(format!("no answer within {} s", time.as_secs())),
    }
}

/// Keeps an invocation alive until a future has ended.
type WaitUntil = Box<dyn Fn(LocalBoxFuture<'static, ()>)>;

/// An invocation of a Worker, which the runtime keeps alive after its answer until every future that was handed to it
/// has ended.
pub trait Invocation {
    /// What hands futures over; it outlives the borrow of the invocation.
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
pub struct LiveUpdates {
    env: Environment,
    wait_until: WaitUntil,
    /// Most invocations change nothing that anybody listens to.
    outgoing: OnceCell<Rc<RefCell<Outgoing>>>,
}

impl LiveUpdates {
    /// For one invocation, which it keeps alive while it hands changes on.
    pub fn new(env: &Environment, invocation: &impl Invocation) -> Self {
        Self { env: env.clone(), wait_until: invocation.handle(), outgoing: OnceCell::new() }
    }

    fn outgoing(&self) -> &Rc<RefCell<Outgoing>> {
        self.outgoing.get_or_init(|| {
            let calls = variables(&self.env).max_jobs_per_invocation().div_ceil(JOBS_PER_CALL);
            Rc::new(RefCell::new(Outgoing::new(calls)))
        })
    }
}

impl LiveChannel for LiveUpdates {
    fn publish(&self, changes: Vec<Change>) {
        let outgoing = self.outgoing();
        let idle = outgoing.borrow_mut().add(changes);
        for user_id in idle {
            let (env, outgoing) = (self.env.clone(), outgoing.clone());
            (self.wait_until)(Box::pin(async move {
                loop {
                    let changes = outgoing.borrow_mut().next(user_id);
                    let Some(changes) = changes else { break };
                    if let Err(error) = within(PUBLISH_TIME, hand_on(&env, user_id, &changes)).await {
                        console_warn!("a change was not told to the live channel: {error}");
                    }
                }
            }));
        }
    }
}

async fn hand_on(env: &Environment, user_id: Uuid, changes: &[Change]) -> worker::Result<()> {
    let body = changes.iter().map(Change::to_json).collect::<Value>().to_string();
    let (name, url) = (user_id.to_string(), format!("https://live-channel{PUBLISH_PATH}"));
    let (answer, is_bound) =
        call(|id| host::ask(id, &env.bindings, BINDING, Some(&name), &url, None, &body, ""));
    if !is_bound {
        return Ok(());
    }
    let answer = answer.await;
    match answer.status {
        204 => Ok(()),
        status if status < 0 => Err(worker::Error::RustError(answer.text.unwrap_or_default())),
        status => Err(worker::Error::RustError(format!("status {status}"))),
    }
}

impl fmt::Debug for LiveUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveUpdates").finish_non_exhaustive()
    }
}
