//! How a UE proves who it is: identification, authentication, security mode control (TS 24.301 §5.4).
//!
//! ```text
//!   UE                                        MME                           subscriber side
//!    │ (who are you?)   IDENTITY REQUEST       │                                 │
//!    │◄────────────────────────────────────────┤  T3470                          │   identify.rs
//!    │ IDENTITY RESPONSE (IMSI)                │                                 │
//!    ├────────────────────────────────────────►│  a vector for this IMSI         │
//!    │                                         ├────────────────────────────────►│
//!    │               AUTHENTICATION REQUEST    │◄────────────────────────────────┤
//!    │◄────────────────────────────────────────┤  T3460                          │   authenticate.rs
//!    │ AUTHENTICATION RESPONSE (RES)           │                                 │
//!    ├────────────────────────────────────────►│  RES = XRES?                    │
//!    │               SECURITY MODE COMMAND     │                                 │
//!    │◄────────────────────────────────────────┤  T3460, first message with keys │   secure.rs
//!    │ SECURITY MODE COMPLETE                  │                                 │
//!    ├────────────────────────────────────────►│  proven                         │
//! ```
//!
//! A [`Proof`] is generic over the [`Generation`]: it runs the same for a 5G UE, whose messages have other octets.

mod authenticate;
mod identify;
mod secure;

pub(crate) use authenticate::NO_ANSWER;

use crate::cx::Cx;
use crate::generation::Generation;
use crate::line::Line;
use agw_types::{AuthFailure, AuthMaterial, Procedure, TimerName};
use basalt_ids::{Imeisv, Imsi, Plmn};
use basalt_nas::ie::EmmCause;
use basalt_sansio::Time;
use basalt_security::NasSecurityContext;

/// How often a message is sent before the UE counts as silent: once, and again at four expiries of its timer.
pub(crate) const TRANSMISSIONS: u8 = 5;

/// Vectors asked for in one proof at most: one, one after a wrong identity, one after re-synchronisation, and one to spare. A UE
/// that finds fault with all of them is refused, so it cannot make the subscriber side work without end.
const VECTORS: u8 = 4;

/// One UE's way from a claim to a proof.
#[derive(Debug, Clone)]
pub(crate) struct Proof<G: Generation> {
    /// Whom the UE claims to be.
    pub(crate) imsi: Option<Imsi>,
    /// What it says of its algorithms.
    pub(crate) capability: G::Capability,
    pub(crate) started: Time,
    serving: Plmn,
    /// Identifier that new keys get: not that of keys the UE has.
    ksi: u8,
    step: Step,
    /// How often the message that waits for an answer was sent.
    sent: u8,
    vectors: u8,
    /// The claim is the UE's own word (an IMSI in its request or answer), not what our table says of a GUTI.
    identified: bool,
    /// The re-synchronisation token that was acted on last: the same again is an echo of it, not a second failure.
    resynchronised_with: Option<[u8; 14]>,
}

/// Whom a UE claims to be, and on whose word.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Claimed {
    /// A temporary identity that nobody has here.
    Nobody,
    /// The owner of a temporary identity, as our table says; the UE may be another.
    ByGuti(Imsi),
    /// The UE said its IMSI, or a MAC showed whose it is.
    ByImsi(Imsi),
}

impl Claimed {
    pub(crate) const fn imsi(self) -> Option<Imsi> {
        match self {
            Claimed::Nobody => None,
            Claimed::ByGuti(imsi) | Claimed::ByImsi(imsi) => Some(imsi),
        }
    }

    /// What is known of whom the table says.
    pub(crate) fn by_guti(imsi: Option<Imsi>) -> Self {
        imsi.map_or(Claimed::Nobody, Claimed::ByGuti)
    }

    pub(crate) fn by_imsi(imsi: Option<Imsi>) -> Self {
        imsi.map_or(Claimed::Nobody, Claimed::ByImsi)
    }
}

/// Where a proof stands.
#[derive(Debug, Clone)]
enum Step {
    /// Nothing was sent yet.
    Begin,
    /// IDENTITY REQUEST is out.
    Identify {
        /// The challenge that went wrong before, if the request was made to see whether the identity was wrong.
        doubt: Option<Doubt>,
    },
    /// A vector was asked for.
    Vector {
        /// Number of the question.
        asked: u16,
        /// It was asked for with a re-synchronisation token.
        resynchronised: bool,
    },
    /// AUTHENTICATION REQUEST is out.
    Authenticate { vector: Box<AuthMaterial>, resynchronised: bool },
    /// SECURITY MODE COMMAND is out.
    Secure { keys: Box<NasSecurityContext>, command: Vec<u8> },
}

/// Why an identity is doubted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// AUTHENTICATION FAILURE, MAC failure.
    Mac,
    /// AUTHENTICATION FAILURE, non-EPS authentication unacceptable.
    NonEps,
    /// The response was wrong.
    Response,
}

/// What came of an event.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The proof goes on.
    Wait,
    /// The UE is who it claims to be, and these are its keys.
    Proven { imsi: Imsi, keys: Box<NasSecurityContext>, imeisv: Option<Imeisv> },
    /// The UE is refused.
    Refused(ProofFailure),
}

/// Why a proof failed.
#[derive(Debug)]
pub(crate) enum ProofFailure {
    /// The subscriber side gives no vector.
    Subscriber(AuthFailure),
    /// The UE failed; it was told so with AUTHENTICATION REJECT.
    Authentication(&'static str),
    /// The UE has none of the operator's algorithms.
    NoAlgorithm,
    /// The UE refused the security mode.
    SecurityMode(EmmCause),
    /// The UE proved who it is, in equipment that is not let in.
    Equipment,
    /// The UE did not answer.
    Silence(Procedure),
}

impl<G: Generation> Proof<G> {
    /// The proof of a UE that has keys with identifier `ksi` in use (7: none).
    pub(crate) fn new(claimed: Claimed, capability: G::Capability, serving: Plmn, ksi: u8, now: Time) -> Self {
        let (imsi, identified) = match claimed {
            Claimed::Nobody => (None, false),
            Claimed::ByGuti(imsi) => (Some(imsi), false),
            Claimed::ByImsi(imsi) => (Some(imsi), true),
        };
        Self {
            imsi,
            capability,
            started: now,
            serving,
            ksi: if ksi < 6 { ksi + 1 } else { 0 },
            step: Step::Begin,
            sent: 0,
            vectors: 0,
            identified,
            resynchronised_with: None,
        }
    }

    /// Starts with what is known of the UE.
    pub(crate) fn begin(&mut self, line: &mut Line<'_>, cx: &mut Cx<'_>) -> Verdict {
        match self.imsi {
            Some(imsi) => self.ask_vector(imsi, None, cx),
            None => self.ask_identity(None, line, cx),
        }
    }

    /// T3460 or T3470: the message is sent again, or the UE is silent (§5.4.2.7 b, §5.4.3.7 b, §5.4.4.6 b).
    pub(crate) fn expired(&mut self, timer: TimerName, line: &mut Line<'_>, cx: &mut Cx<'_>) -> Verdict {
        let (procedure, own) = match &self.step {
            Step::Identify { .. } => (Procedure::Identification, TimerName::T3470),
            Step::Authenticate { .. } => (Procedure::Authentication, TimerName::T3460),
            Step::Secure { .. } => (Procedure::SecurityMode, TimerName::T3460),
            Step::Begin | Step::Vector { .. } => return Verdict::Wait,
        };
        if timer != own {
            return Verdict::Wait;
        }
        if self.sent >= TRANSMISSIONS {
            cx.ended(procedure, agw_types::Outcome::Timeout);
            return Verdict::Refused(ProofFailure::Silence(procedure));
        }
        self.sent += 1;
        match procedure {
            Procedure::Identification => self.resend_identity(line, cx),
            Procedure::Authentication => self.resend_challenge(line, cx),
            _ => self.resend_command(line, cx),
        }
        Verdict::Wait
    }

    /// Stops whatever waits.
    pub(crate) fn abort(&self, cx: &mut Cx<'_>) {
        match self.step {
            Step::Begin => {}
            Step::Identify { .. } => cx.stop(TimerName::T3470),
            Step::Vector { .. } => cx.stop(TimerName::Question),
            Step::Authenticate { .. } | Step::Secure { .. } => cx.stop(TimerName::T3460),
        }
    }

    /// What it waits for, in words.
    pub(crate) const fn waiting_for(&self) -> &'static str {
        match self.step {
            Step::Begin => "nothing",
            Step::Identify { .. } => "the phone's identity",
            Step::Vector { .. } => "an authentication vector",
            Step::Authenticate { .. } => "the phone's authentication response",
            Step::Secure { .. } => "the phone's security mode complete",
        }
    }
}
