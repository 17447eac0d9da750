//! The adapters to Supabase: PostgREST functions and Storage.

mod generations;
mod live;
mod maintenance;
mod monitoring;
mod outbox;
pub mod persist;
mod queue;
mod rpc;
mod sources;
mod storage;
mod wire;
mod write_answer;

pub use generations::{Generations, Prices};
pub use queue::Queue;
pub use rpc::Rpc;
pub use sources::Sources;
pub use storage::Storage;
