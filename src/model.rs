//! The words everything else is built from: label sets, matchers, timestamps, durations, samples, alerts.
//!
//! No I/O and no clock here: these are values. A value that exists is valid; parsing happens at the border, once.

pub mod ack;
pub mod action_link;
pub mod alert;
pub mod circuit;
pub mod duration;
pub mod go_float;
pub mod labels;
pub mod matcher;
pub mod notification;
pub mod re2;
pub mod recurring_silence;
pub mod runbook_link;
pub mod sample;
pub mod secret;
pub mod signature;
pub mod silence;
pub mod timestamp;
pub mod words;
