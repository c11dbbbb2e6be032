//! Poison and limits: the largest batches, bodies, histories and portfolios, amounts and dates at their ends, every kind of text,
//! and messages from the future. All of it is recorded exactly, or refused with its reason and kept word for word.

mod amounts;
mod asking;
mod batches;
mod dates;
mod funds;
mod histories;
mod names;
mod overflows;
mod pages;
mod texts;
mod versions;
