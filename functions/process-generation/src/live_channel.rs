//! The live channel of one user, as a Durable Object: who listens, and what they are told.
//!
//! It keeps nothing that matters. The database is the truth; this object asks it when somebody
//! connects, and again and again while something is under way, and in between the other Workers tell
//! it what they have changed. Nobody reaches it but over the bindings of our own Workers.

mod sockets;
mod streams;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use edge::{EdgeRuntime, Environment, FetchClient, LISTEN_PATH, PUBLISH_PATH, variables};
use serde_json::Value;
use shared::adapters::supabase::{Queue, Rpc};
use shared::live::{
    Change, Ending, FIRST_LOOK, LOOK_AFTER_FAILURE, Listener, MAX_FRAME_BYTES, MAX_LIFE, MAX_LISTENERS,
    Memory, NEXT_LOOK, Snapshot, Subscription, Transport, greet, read_changes,
};
use shared::ports::{Clock, LiveSnapshots, SnapshotQuery};
use uuid::Uuid;
use worker::{
    DurableObject, Env, Request, Response, Socket, State, WebSocket, WebSocketIncomingMessage, console_error,
    console_warn, durable_object,
};

use sockets::{Sockets, agree_to_close, close};
use streams::Streams;

/// What was published while somebody connects.
type Meanwhile = Rc<RefCell<Vec<Change>>>;

/// The live channel of one user.
#[durable_object]
pub struct LiveChannel {
    env: Environment,
    state: State,
    sockets: Sockets,
    streams: Streams,
    memory: RefCell<Memory>,
    connecting: RefCell<Vec<Meanwhile>>,
    /// When the database was asked last, in milliseconds since 1970.
    looked_at: Cell<u64>,
    wakes_at: Cell<Option<u64>>,
}

impl DurableObject for LiveChannel {
    fn new(state: State, env: Env) -> Self {
        Self {
            sockets: Sockets::new(&state),
            streams: Streams::default(),
            memory: RefCell::default(),
            connecting: RefCell::default(),
            looked_at: Cell::new(EdgeRuntime.now_ms()),
            wakes_at: Cell::new(None),
            env: Environment::new(env),
            state,
        }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        let answer = match request.path().as_str() {
            LISTEN_PATH => self.listen(&request).await,
            PUBLISH_PATH => self.publish(request).await,
            _ => Err(404),
        };
        answer.or_else(|status| Ok(Response::empty()?.with_status(status)))
    }

    /// Looks at the database: what was lost is told now, and positions in the queue have moved.
    async fn alarm(&self) -> worker::Result<Response> {
        self.wakes_at.set(None);
        let now = EdgeRuntime.now_ms();
        self.end_over(now);
        if let Some(user_id) = self.user() {
            let query = SnapshotQuery {
                user_id,
                generation_id: None,
                since: Some(self.looked_at.get() as i64),
                listen: Duration::ZERO,
            };
            let wait = match self.look(&query).await {
                Some(snapshot) => {
                    self.looked_at.set(now);
                    for change in &snapshot.states {
                        self.tell_news(change);
                    }
                    (snapshot.open > 0).then_some(NEXT_LOOK)
                }
                None => Some(LOOK_AFTER_FAILURE),
            };
            self.wake(wait).await;
        }
        Response::empty()
    }

    async fn websocket_message(
        &self,
        socket: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> worker::Result<()> {
        let bytes = match message {
            WebSocketIncomingMessage::String(text) => text.len(),
            WebSocketIncomingMessage::Binary(bytes) => bytes.len(),
        };
        if bytes > MAX_FRAME_BYTES {
            close(&socket, Ending::FrameTooLarge);
        }
        Ok(())
    }

    /// The client has closed, or has agreed to our closing: without an answer it would wait for one.
    async fn websocket_close(&self, socket: WebSocket, _: usize, _: String, _: bool) -> worker::Result<()> {
        agree_to_close(&socket);
        Ok(())
    }

    async fn websocket_error(&self, _: WebSocket, _: worker::Error) -> worker::Result<()> {
        Ok(())
    }

    async fn connect(&self, _: Socket) -> worker::Result<()> {
        Err(worker::Error::RustError("there is no TCP here".into()))
    }
}

impl LiveChannel {
    /// Somebody wants to listen. The error is an HTTP status.
    async fn listen(&self, request: &Request) -> Result<Response, u16> {
        let header = |name: &str| request.headers().get(name).ok().flatten();
        let subscription = Subscription::from_headers(header).ok_or(400_u16)?;
        let asked_at = EdgeRuntime.now_ms();
        self.end_over(asked_at);
        let connecting = self.begin_to_connect(asked_at).ok_or(429_u16)?;
        let query = SnapshotQuery {
            user_id: subscription.user_id,
            generation_id: subscription.generation_id,
            since: subscription.since,
            listen: MAX_LIFE,
        };
        let snapshot = self.look(&query).await.ok_or(503_u16)?;
        let listener = Listener::new(&subscription, EdgeRuntime.now_ms());
        let greeting =
            greet(&listener, snapshot.states.clone(), connecting.end(), asked_at).ok_or(404_u16)?;
        for change in &snapshot.states {
            self.tell_others(change);
        }
        let response = match subscription.transport {
            Transport::WebSocket => self.sockets.open(&listener, &greeting),
            // Without a body `EventSource` connects again, except after a 204.
            Transport::ServerSentEvents if greeting.ended && subscription.since >= Some(greeting.ready) => {
                return Err(204);
            }
            Transport::ServerSentEvents => self.streams.open(&listener, &greeting),
        };
        let response = response.map_err(|error| {
            console_error!("a live connection could not be opened: {error}");
            500_u16
        })?;
        self.wake((snapshot.open > 0).then_some(FIRST_LOOK)).await;
        Ok(response)
    }

    /// Changes that the other Workers have made.
    async fn publish(&self, mut request: Request) -> Result<Response, u16> {
        let body = request.text().await.unwrap_or_default();
        let body: Value = serde_json::from_str(&body).map_err(|error| {
            console_error!("changes could not be read: {error}");
            400_u16
        })?;
        let changes = read_changes(&body);
        for change in &changes {
            for meanwhile in self.connecting.borrow().iter() {
                meanwhile.borrow_mut().push(change.clone());
            }
            self.tell_news(change);
        }
        if self.user().is_some() && changes.iter().any(|change| !change.is_over()) {
            self.wake(Some(NEXT_LOOK)).await;
        }
        Err(204)
    }

    /// Tells a change to all who have not heard it.
    fn tell_news(&self, change: &Change) {
        let news = self.memory.borrow_mut().note(change);
        if let Some(news) = news {
            self.tell(change, news.seq);
        }
    }

    /// What the database said to somebody who connects may be news for those who listen already: a
    /// change that was lost. What has ended long ago is none.
    fn tell_others(&self, change: &Change) {
        let news = self.memory.borrow_mut().note(change);
        if let Some(news) = news
            && (news.known || !change.is_over())
        {
            self.tell(change, news.seq);
        }
    }

    fn tell(&self, change: &Change, seq: i64) {
        let now = EdgeRuntime.now_ms();
        let message = change.message(seq);
        self.sockets.tell(change, &message, now);
        self.streams.tell(change, seq, &message, now);
    }

    /// Lets go whose time is over.
    fn end_over(&self, now_ms: u64) {
        self.sockets.end_over(now_ms);
        self.streams.end_over(now_ms);
    }

    /// Whose channel this is; `None`: nobody listens.
    fn user(&self) -> Option<Uuid> {
        let sockets = self.sockets.listeners().into_iter().next();
        sockets.or_else(|| self.streams.listeners().into_iter().next()).map(|listener| listener.user_id)
    }

    /// Makes sure that the alarm rings within `wait`, or else when the first listener's time is over.
    async fn wake(&self, wait: Option<Duration>) {
        let now = EdgeRuntime.now_ms();
        let listeners = self.sockets.listeners().into_iter().chain(self.streams.listeners());
        let first_end = listeners.map(|listener| listener.ends_at_ms()).min();
        let Some(first_end) = first_end else { return };
        let wait = wait.map_or(u64::MAX, |wait| wait.as_millis() as u64);
        let wait = wait.min(first_end.saturating_sub(now));
        let at = now.saturating_add(wait);
        if self.wakes_at.get().is_some_and(|set| set <= at) {
            return;
        }
        self.wakes_at.set(Some(at));
        if let Err(error) = self.state.storage().set_alarm(Duration::from_millis(wait)).await {
            console_warn!("the live channel's alarm was not set: {error}");
            self.wakes_at.set(None);
        }
    }

    /// Asks the database.
    async fn look(&self, query: &SnapshotQuery) -> Option<Snapshot> {
        let supabase = variables(&self.env).supabase_for_service();
        let supabase = supabase.map_err(|error| console_error!("configuration: {error}")).ok()?;
        let rpc = Rpc::new(&FetchClient, &supabase.url, &supabase.key, supabase.bearer());
        let snapshot = Queue::new(rpc, &EdgeRuntime).snapshot(query).await;
        snapshot.map_err(|error| console_warn!("the live channel could not look: {error}")).ok()
    }

    /// `None`: there are enough already, and none of them may be dead.
    fn begin_to_connect(&self, now_ms: u64) -> Option<Connecting<'_>> {
        let listening = self.sockets.listeners().len() + self.streams.listeners().len();
        let mut connecting = self.connecting.borrow_mut();
        let is_full = listening + connecting.len() >= MAX_LISTENERS;
        if is_full && !self.sockets.make_room(now_ms) && !self.streams.make_room(now_ms) {
            return None;
        }
        let meanwhile = Meanwhile::default();
        connecting.push(meanwhile.clone());
        Some(Connecting { channel: self, meanwhile })
    }
}

/// Somebody for whom the database is being asked.
struct Connecting<'a> {
    channel: &'a LiveChannel,
    meanwhile: Meanwhile,
}

impl Connecting<'_> {
    /// What was published meanwhile.
    fn end(self) -> Vec<Change> {
        self.meanwhile.take()
    }
}

impl Drop for Connecting<'_> {
    fn drop(&mut self) {
        self.channel.connecting.borrow_mut().retain(|one| !Rc::ptr_eq(one, &self.meanwhile));
    }
}
