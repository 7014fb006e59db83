//! What end-to-end tests stand on: the program as its users start it, and the world around it.
//!
//! Nothing here sleeps for time to pass. Where a test waits for something to happen, it asks again and again in
//! [`wait::wait_for`], the only place that pauses, and gives up at a deadline.

pub(crate) mod http;
pub(crate) mod outrigger;
pub(crate) mod peers;
pub(crate) mod place;
pub(crate) mod postgres;
pub(crate) mod process;
pub(crate) mod recorder;
pub(crate) mod redis;
pub(crate) mod scene;
pub(crate) mod server;
pub(crate) mod service;
pub(crate) mod smtp;
pub(crate) mod wait;
