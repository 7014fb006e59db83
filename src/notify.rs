//! From the durable outbox to people: chats, pagers, e-mail, webhooks, the console.
//!
//! ```text
//! alerts ──writes──▶ outbox (database) ──▶ worker ──▶ Integration::send ──▶ a person
//!                          ▲                  │
//!                          └── next attempt ──┘   decide(outcome, row, now) -> Done | Retry | GiveUp
//! ```
//!
//! [`config`] reads `global` and `receivers` of an `alertmanager.yml`; [`outbox`] empties the outbox; [`integration`] is
//! the seam between them. What is *not* here: who is told and when (`alerts` has decided that before a row stands in the
//! outbox), and pictures of series.
//!
//! Delivery is at least once: a row is leased before it is sent and closed after the answer. A process killed between
//! the two sends again after the lease is over; webhooks carry `X-Outrigger-Notification-Id` so that a receiver can tell.

pub mod breaker;
pub mod builtin;
pub mod config;
pub mod console;
pub mod cut;
pub mod decide;
pub mod definition_events;
pub mod delivery;
pub mod discord;
pub mod email;
pub mod fallback;
pub mod heartbeat;
pub mod http;
pub mod illustrate;
pub mod incident;
pub mod integration;
pub mod markdown;
pub mod message;
pub mod metrics;
pub mod msteams;
pub mod opsgenie;
pub mod outbox;
pub mod pagerduty;
pub mod render;
pub mod slack;
pub mod telegram;
pub mod tree;
pub mod trial;
pub mod webhook;
pub mod wire;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
