//! The documents are true: their links lead somewhere, the files that they name are there, their commands run, their statements
//! apply, and their lists are complete. How a document says what may be done with a command stands in docs/guide/README.md.

mod commands;
mod lists;
mod page;
mod references;
mod statements;
mod workplace;
