//! What is claimed for one integration of one receiver, and how much more it may take.

use std::collections::VecDeque;

use super::{CLAIMED_AT_ONCE, PLACES_PER_INTEGRATION};
use crate::clock::Stopwatch;
use crate::db::outbox::Claimed;

/// What is claimed for one integration of one receiver.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) waiting: VecDeque<Claimed>,
    pub(super) under_way: u32,
    /// How many the next claim takes.
    pub(super) claim: u32,
    /// Since the last claim.
    pub(super) claimed: Stopwatch,
    /// Whether the last attempt was accepted within [`super::QUICK`].
    pub(super) quick: bool,
}

impl Lane {
    pub(super) fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
            under_way: 0,
            claim: CLAIMED_AT_ONCE,
            claimed: Stopwatch::start(),
            quick: false,
        }
    }

    /// Whether it can take more at once, or so soon that it is better there before.
    pub(super) fn has_room(&self) -> bool {
        let waiting = u32::try_from(self.waiting.len()).unwrap_or(u32::MAX);
        match waiting {
            0 => self.quick || self.under_way < PLACES_PER_INTEGRATION,
            waiting => self.quick && waiting < CLAIMED_AT_ONCE,
        }
    }
}
