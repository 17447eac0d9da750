//! The live channel: what happens to a user's generations, told at once to whoever listens.
//!
//! The database is the truth and says with each step which listened-to generations it changed. The
//! Workers hand these changes to the user's own channel, which tells them to its listeners: a
//! WebSocket or a stream of server-sent events. A change that gets lost on the way is harmless: the
//! channel looks at the database again, and a client that reconnects is told how things stand.

mod ask;
mod change;
mod greeting;
mod listener;
mod memory;
mod outgoing;
pub mod protocol;
pub mod sse;

pub use ask::{Ask, Transport, since};
pub use change::{Change, Fault, Snapshot, Status, read_changes, ready, take_changes};
pub use greeting::{Greeting, greet};
pub use listener::{Ending, Listener};
pub use memory::{Memory, News};
pub use outgoing::Outgoing;

use std::time::Duration;

/// Listeners of one user, of both kinds together.
pub const MAX_LISTENERS: usize = 20;
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
