//! Listeners over WebSockets. The runtime keeps them, with whose they are, while the object sleeps:
//! <https://developers.cloudflare.com/durable-objects/best-practices/websockets/>.

use shared::live::{Change, Ending, Greeting, Listener, ready};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use worker::js_sys::Date;
use worker::worker_sys::{DurableObjectState, ext::WebSocketExt};
use worker::{Response, State, WebSocket, WebSocketPair, WebSocketRequestResponsePair, console_warn};

/// `readyState` of a WebSocket that is neither closed nor about to be.
const OPEN: u16 = 1;

/// The close code of an end that was wanted, RFC 6455, section 7.4.1.
const NORMAL: u16 = 1000;

#[wasm_bindgen]
extern "C" {
    /// A Durable Object's state, with a method that the crate `worker` does not know.
    type Pinged;

    /// When the runtime answered a ping last; it does so while the object sleeps too.
    /// <https://developers.cloudflare.com/durable-objects/api/state/#getwebsocketautoresponsetimestamp>
    #[wasm_bindgen(method, js_name = getWebSocketAutoResponseTimestamp)]
    fn answered_at(this: &Pinged, socket: &JsValue) -> Option<Date>;
}

pub(super) struct Sockets(DurableObjectState);

impl Sockets {
    pub(super) fn new(state: &State) -> Self {
        // The runtime answers this one itself, and does not wake the object for it.
        let answered = WebSocketRequestResponsePair::new("ping", "pong")
            .and_then(|pair| state.as_raw().set_websocket_auto_response(&pair));
        if answered.is_err() {
            console_warn!("the live channel does not answer pings");
        }
        let state: &JsValue = state.as_raw().as_ref();
        Self(state.clone().unchecked_into())
    }

    /// Those that are open, with who listens.
    fn all(&self) -> impl Iterator<Item = (WebSocket, Listener)> {
        let sockets = self.0.get_websockets().unwrap_or_default().into_iter();
        sockets.filter(|socket| socket.ready_state() == OPEN).map(WebSocket::from).filter_map(|socket| {
            let text = socket.as_ref().deserialize_attachment().ok()?.as_string()?;
            Some((socket, Listener::from_text(&text)?))
        })
    }

    pub(super) fn listeners(&self) -> Vec<Listener> {
        self.all().map(|(_, listener)| listener).collect()
    }

    /// Ends the connection that has been silent for longest, where one may be dead.
    pub(super) fn make_room(&self, now_ms: u64) -> bool {
        let state: &Pinged = self.0.unchecked_ref();
        let silent = self.all().filter_map(|(socket, listener)| {
            let answered = state.answered_at(socket.as_ref());
            let answered_at_ms = answered.map(|at| at.get_time() as u64);
            Some((listener.silent_since(answered_at_ms, now_ms)?, socket))
        });
        let first = silent.min_by_key(|(since, _)| *since);
        if let Some((_, socket)) = &first {
            close(socket, Ending::Silent);
        }
        first.is_some()
    }

    /// Accepts a connection and tells it how things stand.
    pub(super) fn open(&self, listener: &Listener, greeting: &Greeting) -> worker::Result<Response> {
        let pair = WebSocketPair::new()?;
        self.0.accept_websocket(pair.server.as_ref())?;
        let text = JsValue::from_str(&listener.to_text());
        pair.server.as_ref().serialize_attachment(text)?;
        for change in &greeting.states {
            pair.server.send_with_str(change.message(change.seq))?;
        }
        pair.server.send_with_str(ready(greeting.ready))?;
        if greeting.ended {
            close(&pair.server, Ending::Ended);
        }
        Response::from_websocket(pair.client)
    }

    pub(super) fn tell(&self, change: &Change, message: &str, now_ms: u64) {
        for (socket, listener) in self.all() {
            if let Some(ending) = listener.over(now_ms) {
                close(&socket, ending);
            } else if listener.hears(change) {
                // One that cannot be sent to is about to be closed.
                let sent = socket.send_with_str(message);
                if sent.is_ok() && listener.has_heard_all(change) {
                    close(&socket, Ending::Ended);
                }
            }
        }
    }

    pub(super) fn end_over(&self, now_ms: u64) {
        for (socket, listener) in self.all() {
            if let Some(ending) = listener.over(now_ms) {
                close(&socket, ending);
            }
        }
    }
}

/// Ends a connection; one that has ended already is left alone.
pub(super) fn close(socket: &WebSocket, ending: Ending) {
    let (code, reason) = ending.close();
    if let Err(error) = socket.close(Some(code), Some(reason)) {
        console_warn!("a live connection could not be closed: {error}");
    }
}

/// Completes the closing handshake.
pub(super) fn agree_to_close(socket: &WebSocket) {
    // Where we were the first to close there is nothing left to say, which counts as an error.
    let _ = socket.close(Some(NORMAL), Some(""));
}
