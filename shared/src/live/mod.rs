//! The live channel: what happens to a user's generations, told at once to whoever listens.
//!
//! The database is the truth and says with each step which listened-to generations it changed. The
//! Workers hand these changes to the user's own channel, which tells them to its listeners: a
//! WebSocket or a stream of server-sent events. A change that gets lost on the way is harmless: the
//! channel looks at the database again, and a client that reconnects is told how things stand.

mod backlog;
mod change;
mod greeting;
mod listener;
mod memory;
mod outgoing;
pub mod protocol;
pub mod sse;
mod subscription;

pub use backlog::Backlog;
pub use change::{Change, Reason, Snapshot, Status, read_changes, ready, resume, take_changes};
pub use greeting::{Greeting, greet};
pub use listener::{Ending, Listener};
pub use memory::{Memory, News};
pub use outgoing::Outgoing;
pub use subscription::{MAX_SEQ, NoSeq, Subscription, Transport, heard};

use std::time::Duration;

/// Listeners of one user, of both kinds together.
pub const MAX_LISTENERS: usize = 20;
/// A listener that has said nothing for so long may be dead, and makes room for a new one where there are
/// [`MAX_LISTENERS`]. A client that sends `ping` every 10 seconds keeps its place.
pub const MAX_SILENCE: Duration = Duration::from_secs(25);
/// As many bytes may wait for a reader of server-sent events: more than the longest look at the database.
pub const MAX_WAITING_BYTES: usize = 1024 * 1024;
/// As long may something wait for such a reader.
pub const MAX_WAIT: Duration = Duration::from_secs(30);
/// The longest message of a client that is taken, in bytes; there is none but `ping`.
pub const MAX_FRAME_BYTES: usize = 256;
/// The longest life of a connection.
pub const MAX_LIFE: Duration = Duration::from_secs(60 * 60);
/// The first look at the database after somebody has connected, and each further one while something
/// is under way.
pub const FIRST_LOOK: Duration = Duration::from_secs(2);
/// See [`FIRST_LOOK`].
pub const NEXT_LOOK: Duration = Duration::from_secs(5);
/// The next look when the database has not answered.
pub const LOOK_AFTER_FAILURE: Duration = Duration::from_secs(15);
