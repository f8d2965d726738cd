//! The MCU client against a scripted micro-controller: what goes over the line, when, and what happens when it breaks.

mod bench;
mod config;
mod faults;
mod life;
mod pacing;
