//! Whether a peer is there (RFC 3539 §3.4.1).
//!
//! ```text
//!            DWA                    silence              silence
//!   OKAY ◄──────── SUSPECT ◄─────────────── OKAY   SUSPECT ──────► connection closed
//!     ▲                                              (requests have gone elsewhere)
//!     │ three DWAs
//!   REOPEN ◄── connected again, after a silence
//! ```

/// How far a peer is trusted to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// It answers.
    Okay,
    /// It did not answer the last time.
    Suspect,
    /// It is back and has answered so often.
    Reopen(u8),
}

/// What is to be done about a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Ask whether it is there.
    Ask,
    /// Requests that it has not answered go elsewhere.
    FailOver,
    /// The connection ends.
    GiveUp,
}

/// The watchdog of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Watchdog {
    pub(crate) trust: Trust,
    asked: bool,
}

/// Answers that a peer owes after it was silent, before it is trusted.
const PROOFS: u8 = 3;

impl Watchdog {
    /// Of a new connection; `failed`: the one before ended in silence.
    pub(crate) const fn new(failed: bool) -> Self {
        Self { trust: if failed { Trust::Reopen(0) } else { Trust::Okay }, asked: false }
    }

    /// Whether requests may go there like to any other.
    pub(crate) fn is_okay(&self) -> bool {
        self.trust == Trust::Okay
    }

    /// A DWR was sent.
    pub(crate) fn asked(&mut self) {
        self.asked = true;
    }

    /// Any message came. True when the peer is trusted from now on and was not before.
    pub(crate) fn heard(&mut self, answer: bool) -> bool {
        if answer {
            self.asked = false;
        }
        match self.trust {
            Trust::Okay => false,
            Trust::Suspect => {
                self.trust = Trust::Okay;
                true
            }
            Trust::Reopen(proofs) if answer && proofs + 1 >= PROOFS => {
                self.trust = Trust::Okay;
                true
            }
            Trust::Reopen(proofs) => {
                self.trust = Trust::Reopen(proofs + u8::from(answer));
                false
            }
        }
    }

    /// Nothing came for Tw.
    pub(crate) fn silent(&mut self) -> Verdict {
        match (self.trust, self.asked) {
            (Trust::Okay | Trust::Reopen(_), false) => Verdict::Ask,
            (Trust::Okay, true) => {
                self.trust = Trust::Suspect;
                Verdict::FailOver
            }
            (Trust::Suspect | Trust::Reopen(_), _) => Verdict::GiveUp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_silences_are_the_end_and_any_message_is_life() {
        let mut dog = Watchdog::new(false);
        assert_eq!(dog.silent(), Verdict::Ask);
        dog.asked();
        assert_eq!(dog.silent(), Verdict::FailOver);
        assert!(!dog.is_okay());
        assert!(dog.heard(false), "a request of the peer's shows as well that it is there");
        assert!(dog.is_okay() && !dog.heard(true));
        assert_eq!(dog.silent(), Verdict::Ask);
        dog.asked();
        assert_eq!((dog.silent(), dog.silent()), (Verdict::FailOver, Verdict::GiveUp));
    }

    #[test]
    fn who_was_silent_has_to_answer_three_times() {
        let mut dog = Watchdog::new(true);
        assert!(!dog.heard(false) && !dog.heard(true) && !dog.heard(true) && !dog.is_okay());
        assert!(dog.heard(true) && dog.is_okay());
        let mut dog = Watchdog::new(true);
        assert_eq!(dog.silent(), Verdict::Ask);
        dog.asked();
        assert_eq!(dog.silent(), Verdict::GiveUp);
    }
}
