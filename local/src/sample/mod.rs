//! Sample data with known answers: realistic in shape, awkward in places, and the same on every machine and every day.
//! It writes the truth alone (ledger, NAVs, funds' investments); what is derived from it is the functions' business.

mod account;
mod awkward;
mod calendar;
mod commitment;
mod entry;
mod fund;
mod generator;
mod growth;
mod load;
mod names;
mod pacing;
mod portfolio;
mod random;
mod rows;
mod size;
#[cfg(test)]
mod tests;

pub use load::{CONNECTIONS, Loaded, load};
pub use size::{Shape, Size};
