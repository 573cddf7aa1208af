//! No sequence number of authentication twice: a card that sees every challenge, also those that the phone misses, accepts
//! each of them once.

use std::collections::VecDeque;

use basalt_security::{AkaAlgorithm, Sqn, SqnTracker, Usim, UsimFailure};

/// Challenges remembered: a repeated one is the same message again, not a new use of its number.
const REMEMBERED: usize = 16;

#[derive(Debug)]
pub(super) struct Sequence {
    card: Usim,
    challenges: VecDeque<[u8; 16]>,
}

impl Sequence {
    pub(super) fn new(card: AkaAlgorithm, sqn: Sqn) -> Self {
        Self { card: Usim::new(card, SqnTracker::starting_at(sqn)), challenges: VecDeque::new() }
    }

    pub(super) fn challenged(&mut self, rand: &[u8; 16], autn: &[u8; 16]) -> Option<String> {
        if self.challenges.contains(rand) {
            return None;
        }
        if self.challenges.len() == REMEMBERED {
            self.challenges.pop_front();
        }
        self.challenges.push_back(*rand);
        match self.card.answer(rand, autn) {
            Ok(_) => None,
            Err(UsimFailure::Synch { .. }) => Some("a sequence number of authentication was used twice".to_owned()),
            Err(failure) => Some(format!("a challenge that its card does not believe: {failure:?}")),
        }
    }
}
