//! Who looked: every look is recorded once, after its answer and before the next event, in the database or in the function's log.
//! What is recorded stays, and an LP is shown its own.

mod looks;
mod months;
mod pages;
mod world;
