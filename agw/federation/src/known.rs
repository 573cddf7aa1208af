//! What is remembered of a phone.

use crate::subscription::Subscription;
use agw_types::AuthMaterial;
use basalt_ids::Plmn;
use basalt_sansio::{Duration, Time};
use std::collections::VecDeque;

/// Challenges remembered, so that one that comes again is noticed.
const CHALLENGES: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// Vectors in the order of use, with the network they are for and when they came.
    vectors: VecDeque<(Plmn, Time, AuthMaterial)>,
    /// Challenges that were used.
    used: VecDeque<[u8; 16]>,
    /// The subscription, and when it was told last.
    pub(crate) subscription: Option<(Subscription, Time)>,
    /// Where the phone is served.
    pub(crate) serving: Option<Plmn>,
    /// The HSS that has the phone.
    pub(crate) hss: String,
    /// The home network knows that the phone is here.
    pub(crate) confirmed: bool,
    /// It is here, as far as is known.
    pub(crate) present: bool,
}

impl Known {
    /// The next vector for a network that is not too old. It is gone from here.
    pub(crate) fn take(&mut self, serving: Plmn, now: Time, age: Duration) -> Option<AuthMaterial> {
        self.vectors.retain(|(network, came, _)| *network == serving && now.since(*came) <= age);
        let (_, _, vector) = self.vectors.pop_front()?;
        self.use_up(vector.rand);
        Some(vector)
    }

    /// Keeps vectors, but those that were here before: a home network that gives one twice is wrong, and nobody uses it.
    pub(crate) fn keep(&mut self, serving: Plmn, now: Time, vectors: Vec<AuthMaterial>) {
        for vector in vectors {
            let seen = self.used.contains(&vector.rand) || self.vectors.iter().any(|(.., had)| had.rand == vector.rand);
            if !seen && self.vectors.len() < 5 {
                self.vectors.push_back((serving, now, vector));
            }
        }
    }

    /// Vectors at hand.
    pub(crate) fn at_hand(&self) -> usize {
        self.vectors.len()
    }

    /// The USIM has another idea of sequence numbers: what was made before is worth nothing.
    pub(crate) fn discard(&mut self) {
        self.vectors.clear();
    }

    fn use_up(&mut self, rand: [u8; 16]) {
        self.used.push_back(rand);
        if self.used.len() > CHALLENGES {
            self.used.pop_front();
        }
    }
}
