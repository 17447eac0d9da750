//! Listeners over server-sent events. They live in memory, and the object does not sleep while there
//! are any.

use std::cell::RefCell;
use std::future::ready as now;
use std::pin::pin;

use futures::channel::mpsc::{self, Receiver, Sender};
use futures::future::{Either, select};
use futures::stream::{self, Stream, StreamExt};
use shared::live::{Change, Greeting, Listener, ready, sse};
use worker::{Delay, Response};

struct Open {
    listener: Listener,
    sender: Sender<String>,
}

#[derive(Default)]
pub(super) struct Streams(RefCell<Vec<Open>>);

impl Streams {
    pub(super) fn listeners(&self) -> Vec<Listener> {
        let mut all = self.0.borrow_mut();
        all.retain(|one| !one.sender.is_closed());
        all.iter().map(|one| one.listener).collect()
    }

    /// Begins a stream and tells it how things stand.
    pub(super) fn open(&self, listener: &Listener, greeting: &Greeting) -> worker::Result<Response> {
        let mut text = sse::RETRY.to_owned();
        for change in &greeting.states {
            text.push_str(&sse::event(change.seq, &change.message(change.seq)));
        }
        text.push_str(&sse::event(greeting.ready, &ready(greeting.ready)));
        let (sender, receiver) = mpsc::channel(sse::MAX_WAITING);
        if !greeting.ended {
            self.0.borrow_mut().push(Open { listener: *listener, sender });
        }
        Response::from_stream(body(text, receiver))
    }

    /// Who reads too slowly is let go: they connect again and are told how things stand then.
    pub(super) fn tell(&self, change: &Change, event: &str, now_ms: u64) {
        self.0.borrow_mut().retain_mut(|one| {
            if one.listener.over(now_ms).is_some() {
                return false;
            }
            !one.listener.hears(change)
                || (one.sender.try_send(event.to_owned()).is_ok() && !one.listener.has_heard_all(change))
        });
    }

    pub(super) fn end_over(&self, now_ms: u64) {
        self.0.borrow_mut().retain(|one| one.listener.over(now_ms).is_none());
    }
}

/// The greeting, then what comes, and in a silence a sign of life; it ends with its sender.
fn body(greeting: String, receiver: Receiver<String>) -> impl Stream<Item = Result<Vec<u8>, worker::Error>> {
    let rest = stream::unfold(receiver, |mut receiver| async move {
        let text = match select(pin!(receiver.next()), pin!(Delay::from(sse::HEARTBEAT))).await {
            Either::Left((text, _)) => text?,
            Either::Right(_) => sse::COMMENT.to_owned(),
        };
        Some((text, receiver))
    });
    stream::once(now(greeting)).chain(rest).map(|text| Ok(text.into_bytes()))
}
