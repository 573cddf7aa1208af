//! The card in the phone: who the subscriber is, and the answer to a challenge.

use basalt_ids::Imsi;
use basalt_security::{AkaAlgorithm, Sqn, SqnTracker, UsimFailure, UsimResponse};

/// What a card does wrong with a challenge, on purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AkaFault {
    /// It finds the network's MAC wrong.
    MacFailure,
    /// It finds the sequence number used.
    SynchFailure,
    /// It asks for re-synchronisation with a token of its own invention.
    ForgedResync,
}

/// A USIM.
#[derive(Clone, Debug)]
pub struct Usim {
    imsi: Imsi,
    algorithm: AkaAlgorithm,
    card: basalt_security::Usim,
    /// What it does wrong, and how often still; `None` for ever.
    fault: Option<(AkaFault, Option<u32>)>,
}

impl Usim {
    /// A card that has seen sequence numbers up to `sqn`.
    #[must_use]
    pub fn new(imsi: Imsi, algorithm: AkaAlgorithm, sqn: Sqn) -> Self {
        let card = basalt_security::Usim::new(algorithm.clone(), SqnTracker::starting_at(sqn));
        Self { imsi, algorithm, card, fault: None }
    }

    /// Its subscriber.
    #[must_use]
    pub const fn imsi(&self) -> Imsi {
        self.imsi
    }

    /// The highest sequence number it accepted.
    #[must_use]
    pub fn highest_sqn(&self) -> Sqn {
        self.card.highest_sqn()
    }

    /// Moves its memory of sequence numbers, at every index, to `sqn` and a little beyond: what comes next from a network
    /// that is behind is not fresh any more.
    pub fn set_sqn(&mut self, sqn: Sqn) {
        let mut tracker = SqnTracker::starting_at(sqn);
        let mut next = sqn;
        // One number for each of the 32 indices (TS 33.102 §C.3).
        for _ in 0..31 {
            let Some(further) = next.next() else { break };
            next = further;
            let _ = tracker.accept(next);
        }
        self.card = basalt_security::Usim::new(self.algorithm.clone(), tracker);
    }

    /// Lets the next `times` challenges fail (`None`: all).
    pub fn fail(&mut self, fault: AkaFault, times: Option<u32>) {
        self.fault = (times != Some(0)).then_some((fault, times));
    }

    pub(crate) fn answer(&mut self, rand: &[u8; 16], autn: &[u8; 16]) -> Result<UsimResponse, UsimFailure> {
        match self.take_fault() {
            Some(AkaFault::MacFailure) => Err(UsimFailure::Mac),
            Some(AkaFault::SynchFailure) => {
                let auts = self.algorithm.auts(rand, self.card.highest_sqn());
                Err(UsimFailure::Synch { auts })
            }
            Some(AkaFault::ForgedResync) => Err(UsimFailure::Synch { auts: [0x5a; 14] }),
            None => self.card.answer(rand, autn),
        }
    }

    fn take_fault(&mut self) -> Option<AkaFault> {
        let (fault, times) = self.fault?;
        self.fault = match times {
            None => Some((fault, None)),
            Some(1) => None,
            Some(left) => Some((fault, Some(left - 1))),
        };
        Some(fault)
    }
}
