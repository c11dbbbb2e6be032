//! Faults of the functions' instances: killed at every step of recording, frozen and thawed, overtaken by the redelivery of what
//! they are still at, with clocks that differ, and at midnight. Whatever happens, answers are right, and nothing is lost or doubled.

mod clocks;
mod freeze;
mod instance;
mod kill;
mod midnight;
mod proxy;
mod redelivery;
mod visibility;
mod world;
