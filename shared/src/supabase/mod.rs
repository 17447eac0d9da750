//! The adapters to Supabase: PostgREST functions, Storage, and user tokens.

mod generations;
mod outbox;
mod queue;
mod rpc;
mod storage;
pub mod token;

pub use generations::Generations;
pub use queue::Queue;
pub use rpc::{Rpc, RpcError};
pub use storage::{BUCKET, Storage};
