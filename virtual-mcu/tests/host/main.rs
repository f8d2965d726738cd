//! The virtual micro-controller as a host sees it: every test goes over the wire and looks at the pins.

mod common;
mod conformance;
mod devices;
mod link;
mod motion;
mod outputs;
mod storm;
