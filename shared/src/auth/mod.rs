//! Who is calling: tokens of users, the project's keys, and signatures of webhooks, ours and the provider's.

pub mod service_key;
pub mod token;
pub mod webhook_signature;
