//! What the numbers mean: money, multiples, internal rates of return, and the series they form.
//!
//! Everything here is a pure function of its arguments. Nothing reads a clock, a database or the network, and nothing
//! knows how an answer is written down, so every rule can be tested as a table of inputs and outputs.

pub mod allocation;
pub mod effects;
mod equation;
pub mod flags;
pub mod gross;
pub mod money;
pub mod multiples;
pub mod performance;
pub mod periods;
pub mod pooling;
pub mod xirr;
