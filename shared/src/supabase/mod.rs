//! The adapters to Supabase: PostgREST functions, Storage, and user tokens.

mod generations;
mod maintenance;
mod outbox;
mod queue;
mod rpc;
mod sources;
mod storage;
pub mod token;
pub mod wire;
mod written;

pub use generations::Generations;
pub use queue::Queue;
pub use rpc::{Rpc, RpcError};
pub use sources::Sources;
pub use storage::Storage;
