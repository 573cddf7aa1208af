//! What a phone does wrong, on purpose.

use crate::mutation::Mutation;

/// A message that a phone sends, by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "named as in TS 24.301 §8")]
pub enum Uplink {
    AttachRequest,
    AttachComplete,
    AuthenticationResponse,
    AuthenticationFailure,
    DetachAccept,
    DetachRequest,
    EmmStatus,
    EsmInformationResponse,
    EsmStatus,
    GutiReallocationComplete,
    IdentityResponse,
    PdnConnectivityRequest,
    PdnDisconnectRequest,
    BearerAnswer,
    SecurityModeComplete,
    SecurityModeReject,
    ServiceRequest,
    TrackingAreaUpdateComplete,
    TrackingAreaUpdateRequest,
}

impl Uplink {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::AttachRequest,
        Self::AttachComplete,
        Self::AuthenticationResponse,
        Self::AuthenticationFailure,
        Self::DetachAccept,
        Self::DetachRequest,
        Self::EmmStatus,
        Self::EsmInformationResponse,
        Self::EsmStatus,
        Self::GutiReallocationComplete,
        Self::IdentityResponse,
        Self::PdnConnectivityRequest,
        Self::PdnDisconnectRequest,
        Self::BearerAnswer,
        Self::SecurityModeComplete,
        Self::SecurityModeReject,
        Self::ServiceRequest,
        Self::TrackingAreaUpdateComplete,
        Self::TrackingAreaUpdateRequest,
    ];

    /// Its name in lower-case words joined by hyphens: `attach-request`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AttachRequest => "attach-request",
            Self::AttachComplete => "attach-complete",
            Self::AuthenticationResponse => "authentication-response",
            Self::AuthenticationFailure => "authentication-failure",
            Self::DetachAccept => "detach-accept",
            Self::DetachRequest => "detach-request",
            Self::EmmStatus => "emm-status",
            Self::EsmInformationResponse => "esm-information-response",
            Self::EsmStatus => "esm-status",
            Self::GutiReallocationComplete => "guti-reallocation-complete",
            Self::IdentityResponse => "identity-response",
            Self::PdnConnectivityRequest => "pdn-connectivity-request",
            Self::PdnDisconnectRequest => "pdn-disconnect-request",
            Self::BearerAnswer => "bearer-answer",
            Self::SecurityModeComplete => "security-mode-complete",
            Self::SecurityModeReject => "security-mode-reject",
            Self::ServiceRequest => "service-request",
            Self::TrackingAreaUpdateComplete => "tracking-area-update-complete",
            Self::TrackingAreaUpdateRequest => "tracking-area-update-request",
        }
    }

    /// The message of a name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|message| message.name() == name)
    }
}

/// What happens to a message instead of being sent as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misdeed {
    /// It is not sent.
    Silence,
    /// It is sent without protection where protection is due.
    Plain,
    /// Its MAC is wrong.
    WrongMac,
    /// It is damaged before it is protected: the MAC is right.
    Mutate(Mutation),
    /// It is damaged after it was protected.
    MutateProtected(Mutation),
    /// It is sent twice, octet for octet.
    Twice,
    /// The last protected message is sent again in its place.
    Replay,
    /// AUTHENTICATION RESPONSE only: another RES.
    WrongRes,
}

/// A misdeed and when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// At which message; `None` for the message after `skip` others, whatever it is.
    pub at: Option<Uplink>,
    /// How many messages that fit `at` are sent well first.
    pub skip: u32,
    /// How many are sent badly after that; 0 for all.
    pub times: u32,
    /// What is done.
    pub misdeed: Misdeed,
}

impl Fault {
    /// The next message of this name, once.
    #[must_use]
    pub const fn once(at: Uplink, misdeed: Misdeed) -> Self {
        Self { at: Some(at), skip: 0, times: 1, misdeed }
    }

    /// Every message of this name.
    #[must_use]
    pub const fn always(at: Uplink, misdeed: Misdeed) -> Self {
        Self { at: Some(at), skip: 0, times: 0, misdeed }
    }

    /// The message after `skip` others, once.
    #[must_use]
    pub const fn nth(skip: u32, misdeed: Misdeed) -> Self {
        Self { at: None, skip, times: 1, misdeed }
    }
}

/// Picks the misdeed for a message and forgets faults that are done.
pub(crate) fn next_misdeed(faults: &mut Vec<Fault>, message: Uplink) -> Option<Misdeed> {
    let mut chosen = None;
    faults.retain_mut(|fault| {
        if chosen.is_some() || fault.at.is_some_and(|at| at != message) {
            return true;
        }
        if fault.skip > 0 {
            fault.skip -= 1;
            return true;
        }
        chosen = Some(fault.misdeed);
        match fault.times {
            0 => true,
            1 => false,
            _ => {
                fault.times -= 1;
                true
            }
        }
    });
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_messages() {
        for message in Uplink::ALL {
            assert_eq!(Uplink::from_name(message.name()), Some(message));
        }
        assert_eq!(Uplink::from_name("attach"), None);
    }

    #[test]
    fn faults_come_when_they_are_due_and_go() {
        let mut faults = vec![
            Fault { at: Some(Uplink::AttachRequest), skip: 1, times: 2, misdeed: Misdeed::Silence },
            Fault::always(Uplink::AttachComplete, Misdeed::Twice),
        ];
        let asked: Vec<_> = (0..4).map(|_| next_misdeed(&mut faults, Uplink::AttachRequest)).collect();
        assert_eq!(asked, [None, Some(Misdeed::Silence), Some(Misdeed::Silence), None]);
        assert_eq!(next_misdeed(&mut faults, Uplink::AttachComplete), Some(Misdeed::Twice));
        assert_eq!(faults.len(), 1);
        let mut nth = vec![Fault::nth(2, Misdeed::Plain)];
        let asked: Vec<_> = Uplink::ALL.into_iter().map(|message| next_misdeed(&mut nth, message)).collect();
        assert_eq!(asked.iter().position(Option::is_some), Some(2));
    }
}
