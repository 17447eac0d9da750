//! Calls of the JavaScript half, `host.mjs`.
//!
//! What ends later is told to one closure that lives as long as the isolate, under the number of the call. A
//! future of js-sys would make two closures for each promise, and read what it came to piece by piece.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use shared::ports::{HttpError, HttpRequest, HttpResponse};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::{Closure, wasm_bindgen};
use worker::worker_sys::Context as JsContext;

#[wasm_bindgen(module = "/src/host.mjs")]
extern "C" {
    fn connect(told: &JsValue, eager: &str);

    pub(crate) fn variables(env: &JsValue) -> String;
    pub(crate) fn environment(env: &JsValue) -> u32;
    pub(crate) fn note(env: &JsValue, lines: &str);
    #[wasm_bindgen(js_name = isBound)]
    pub(crate) fn is_bound(context: &JsContext) -> bool;
    pub(crate) fn sleep(call: u32, ms: f64) -> JsValue;
    pub(crate) fn wake(timer: &JsValue);
    pub(crate) fn limit(call: u32, env: &JsValue, binding: &str, key: &str) -> bool;
    pub(crate) fn ask(
        call: u32,
        env: &JsValue,
        binding: &str,
        name: Option<&str>,
        url: &str,
        content_type: Option<&str>,
        body: &str,
        wanted: &str,
    ) -> bool;
    pub(crate) fn forward(call: u32, env: &JsValue, binding: &str, request: &web_sys::Request) -> bool;
    pub(crate) fn verify(call: u32, algorithm: &str, jwk: &str, content: &[u8], signature: &[u8]);

    pub(crate) fn head(request: &web_sys::Request, env: &JsValue) -> String;
    pub(crate) fn header(request: &web_sys::Request, name: &str) -> Option<String>;
    pub(crate) fn body(call: u32, request: &web_sys::Request, length: f64, max: f64);
    pub(crate) fn discard(call: u32, request: &web_sys::Request);
    #[wasm_bindgen(catch)]
    pub(crate) fn respond(
        status: u16,
        headers: &str,
        body: Option<&[u8]>,
    ) -> Result<web_sys::Response, JsValue>;

    pub(crate) fn send(call: u32, head: &str, body: Option<&str>, ms: f64, max: f64, peek: f64);

    #[wasm_bindgen(js_name = openAnswer)]
    pub(crate) fn open_answer(call: u32, head: &str, ms: f64, bytes: f64) -> JsValue;
    #[wasm_bindgen(js_name = openRequest)]
    pub(crate) fn open_request(call: u32, request: &web_sys::Request, bytes: f64, max: f64) -> JsValue;
    pub(crate) fn aim(pipe: &JsValue, head: &str, ms: f64, max: f64);
    pub(crate) fn pass(call: u32, pipe: &JsValue);
    pub(crate) fn land(call: u32, pipe: &JsValue, moved: f64);
    pub(crate) fn pour(call: u32, pipe: &JsValue, head: &str, ms: f64, max: f64, max_bytes: f64);
    pub(crate) fn drop(pipe: &JsValue);
}

/// The headers that come with the head of each request, in one crossing: most requests have them. Others are
/// looked up when they are asked for.
pub(crate) const EAGER_HEADERS: &str =
    "origin,authorization,content-length,idempotency-key,cf-connecting-ip,traceparent";

/// What a call came to.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Mostly an HTTP status; negative where the call failed.
    pub(crate) status: i32,
    retry_after: f64,
    length: f64,
    pub(crate) text: Option<String>,
    pub(crate) bytes: Vec<u8>,
}

impl Settled {
    /// A number of bytes, where one is known.
    pub(crate) fn length(&self) -> Option<u64> {
        (self.length >= 0.0).then_some(self.length as u64)
    }

    /// When to ask again, in seconds, where that was told.
    pub(crate) fn retry_after(&self) -> Option<u32> {
        (self.retry_after >= 0.0).then_some(self.retry_after as u32)
    }

    /// The answer to a request.
    pub(crate) fn into_answer(self) -> Result<HttpResponse, HttpError> {
        let Ok(status) = u16::try_from(self.status) else { return Err(error_of(self.status)) };
        Ok(HttpResponse { status, retry_after: self.retry_after(), body: self.bytes })
    }
}

/// What a negative status means: the numbers are those of host.mjs.
pub(crate) fn error_of(status: i32) -> HttpError {
    match status {
        -1 => HttpError::Timeout,
        -3 => HttpError::TooLarge,
        _ => HttpError::Connection,
    }
}

/// A request of ours on one string: method, URL, then names and values of headers, a line each.
pub(crate) fn head_of(request: &HttpRequest) -> Result<String, HttpError> {
    let mut head = format!("{}\n{}", request.method, request.url);
    for (name, value) in &request.headers {
        for part in [name, value] {
            head.push('\n');
            head.push_str(part);
        }
    }
    // A line's end in one of them would shift the others; `fetch` takes none either.
    let lines = head.bytes().filter(|byte| *byte == b'\n').count();
    if lines == 1 + 2 * request.headers.len() { Ok(head) } else { Err(HttpError::Connection) }
}

/// The time limit of a request, in milliseconds.
pub(crate) fn ms_of(request: &HttpRequest) -> f64 {
    request.timeout.as_millis() as f64
}

enum Slot {
    Open(Option<Waker>),
    Ended(Settled),
}

/// The calls that somebody waits for. Those of a request that the runtime broke off stay: nobody ends them.
type Slots = Rc<RefCell<BTreeMap<u32, Slot>>>;

struct Calls {
    slots: Slots,
    last: Cell<u32>,
}

type Told = dyn Fn(u32, i32, f64, f64, Option<String>, Option<Vec<u8>>);

impl Calls {
    fn connected() -> Self {
        let slots = Slots::default();
        let known = Rc::clone(&slots);
        let told = move |call, status, retry_after, length, text, bytes: Option<Vec<u8>>| {
            let bytes = bytes.unwrap_or_default();
            end(&known, call, Settled { status, retry_after, length, text, bytes });
        };
        let told: Box<Told> = Box::new(told);
        connect(&Closure::wrap(told).into_js_value(), EAGER_HEADERS);
        Self { slots, last: Cell::new(0) }
    }
}

thread_local! {
    static CALLS: Calls = Calls::connected();
}

/// Connects the two halves before the first call, where that is not done by a call.
pub(crate) fn ensure_connected() {
    CALLS.with(|_| ());
}

/// Makes what waits for it go on. Nobody may wait any more.
fn end(slots: &Slots, call: u32, settled: Settled) {
    let waker = match slots.borrow_mut().get_mut(&call) {
        Some(slot) => match std::mem::replace(slot, Slot::Ended(settled)) {
            Slot::Open(waker) => waker,
            Slot::Ended(_) => None,
        },
        None => None,
    };
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// A call that has begun.
pub(crate) struct Call(u32);

/// Begins a call, whose number it is given.
pub(crate) fn call<T>(begin: impl FnOnce(u32) -> T) -> (Call, T) {
    let id = CALLS.with(|calls| {
        let id = calls.last.get().wrapping_add(1);
        calls.last.set(id);
        calls.slots.borrow_mut().insert(id, Slot::Open(None));
        id
    });
    let call = Call(id);
    let begun = begin(id);
    (call, begun)
}

impl Future for Call {
    type Output = Settled;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Settled> {
        CALLS.with(|calls| {
            let mut slots = calls.slots.borrow_mut();
            match slots.remove(&self.0) {
                Some(Slot::Ended(settled)) => Poll::Ready(settled),
                Some(Slot::Open(_)) => {
                    slots.insert(self.0, Slot::Open(Some(context.waker().clone())));
                    Poll::Pending
                }
                None => Poll::Pending,
            }
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let forgotten = CALLS.with(|calls| calls.slots.borrow_mut().remove(&self.0));
        // Dropped here, while nothing is borrowed: a waker may hold the last of a task.
        std::mem::drop(forgotten);
    }
}

/// A timer, stopped when nobody waits for it any more.
pub(crate) struct Sleep {
    call: Call,
    timer: JsValue,
    over: bool,
}

impl Sleep {
    pub(crate) fn of(time: std::time::Duration) -> Self {
        let (call, timer) = call(|id| sleep(id, time.as_millis() as f64));
        Self { call, timer, over: false }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let poll = Pin::new(&mut self.call).poll(context);
        self.over = poll.is_ready();
        poll.map(|_| ())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if !self.over {
            wake(&self.timer);
        }
    }
}
