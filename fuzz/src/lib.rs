//! What the targets share: how bytes become messages, what holds of every value and every refusal, and an allocator that counts.

#![allow(missing_docs, reason = "nobody but the targets beside it uses it")]

pub mod check;
pub mod counting;
pub mod input;
pub mod shapes;
pub mod value;
