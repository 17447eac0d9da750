//! Listeners over server-sent events. They live in memory, and the object does not sleep while there
//! are any.

use std::cell::RefCell;
use std::future::{poll_fn, ready as now};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures::future::{Either, select};
use futures::stream::{self, Stream, StreamExt};
use shared::live::{Backlog, Change, Greeting, Listener, ready, resume, sse};
use worker::{Delay, Response};

/// What is on its way to one reader; the stream holds the other end.
#[derive(Default)]
struct Pipe {
    backlog: Backlog,
    ended: bool,
    reader: Option<Waker>,
}

impl Pipe {
    fn push(&mut self, text: &str, now_ms: u64) {
        self.backlog.push(text, now_ms);
        self.wake();
    }

    fn end(&mut self) {
        self.ended = true;
        self.wake();
    }

    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    /// What waits, or the end once nothing does.
    fn poll(&mut self, context: &Context<'_>) -> Poll<Option<String>> {
        let text = self.backlog.take();
        if text.is_some() || self.ended {
            return Poll::Ready(text);
        }
        self.reader = Some(context.waker().clone());
        Poll::Pending
    }
}

struct Open {
    listener: Listener,
    pipe: Rc<RefCell<Pipe>>,
    /// The greatest number that was told.
    told: i64,
}

impl Open {
    /// Whether the reader has let the stream go.
    fn is_gone(&self) -> bool {
        Rc::strong_count(&self.pipe) == 1
    }

    /// Has the reader connect again: what it has not taken yet stays, and with the number it gets the rest.
    fn ends_with_resume(&self, now_ms: u64) {
        self.pipe.borrow_mut().push(&sse::event(self.told, &resume(self.told)), now_ms);
    }

    /// Whether the stream may stay: its time is not over, and its reader keeps up.
    fn goes_on(&self, now_ms: u64) -> bool {
        if self.listener.over(now_ms).is_some() {
            return false;
        }
        let is_stuck = self.pipe.borrow().backlog.is_stuck(now_ms);
        if is_stuck {
            self.ends_with_resume(now_ms);
        }
        !is_stuck
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.pipe.borrow_mut().end();
    }
}

#[derive(Default)]
pub(super) struct Streams(RefCell<Vec<Open>>);

impl Streams {
    pub(super) fn listeners(&self) -> Vec<Listener> {
        let mut all = self.0.borrow_mut();
        all.retain(|one| !one.is_gone());
        all.iter().map(|one| one.listener).collect()
    }

    /// Ends the oldest stream, where it may be dead: a reader says nothing, and what is sent to one that is
    /// gone without a word disappears in buffers for minutes.
    pub(super) fn make_room(&self, now_ms: u64) -> bool {
        let mut all = self.0.borrow_mut();
        let silent = all
            .iter()
            .enumerate()
            .filter_map(|(index, one)| one.listener.silent_since(None, now_ms).map(|since| (since, index)));
        let Some((_, oldest)) = silent.min() else { return false };
        all.swap_remove(oldest).ends_with_resume(now_ms);
        true
    }

    /// Begins a stream and tells it how things stand.
    pub(super) fn open(&self, listener: &Listener, greeting: &Greeting) -> worker::Result<Response> {
        let mut text = sse::RETRY.to_owned();
        for change in &greeting.states {
            text.push_str(&sse::event(change.seq, &change.message(change.seq)));
        }
        text.push_str(&sse::event(greeting.ready, &ready(greeting.ready)));
        let open = Open { listener: *listener, pipe: Rc::default(), told: greeting.ready };
        let body = body(text, Rc::clone(&open.pipe));
        if !greeting.ended {
            self.0.borrow_mut().push(open);
        }
        Response::from_stream(body)
    }

    pub(super) fn tell(&self, change: &Change, seq: i64, message: &str, now_ms: u64) {
        let event = sse::event(seq, message);
        self.0.borrow_mut().retain_mut(|one| {
            if !one.goes_on(now_ms) {
                return false;
            }
            if !one.listener.hears(change) {
                return true;
            }
            one.pipe.borrow_mut().push(&event, now_ms);
            one.told = one.told.max(seq);
            !one.listener.has_heard_all(change)
        });
    }

    pub(super) fn end_over(&self, now_ms: u64) {
        self.0.borrow_mut().retain(|one| one.goes_on(now_ms));
    }
}

/// The greeting, then what comes, and in a silence a sign of life; it ends with its pipe.
fn body(greeting: String, pipe: Rc<RefCell<Pipe>>) -> impl Stream<Item = Result<Vec<u8>, worker::Error>> {
    let rest = stream::unfold(pipe, |pipe| async move {
        let next = poll_fn(|context| pipe.borrow_mut().poll(context));
        let text = match select(pin!(next), pin!(Delay::from(sse::HEARTBEAT))).await {
            Either::Left((text, _)) => text?,
            Either::Right(_) => sse::COMMENT.to_owned(),
        };
        Some((text, pipe))
    });
    stream::once(now(greeting)).chain(rest).map(|text| Ok(text.into_bytes()))
}
