//! Questions to the subscriber side and their answers. The local list answers within the step; a federation gateway later
//! answers by [`crate::Input::Answer`].

use crate::{Ambr, BearerQos, IpPrefix, PdnTypes, Prefix64, UeAddress};
use basalt_ids::{Apn, Imeisv, Imsi, Msisdn, Plmn, Tac};
use basalt_security::Secret;
use core::net::Ipv4Addr;
use serde::{Deserialize, Serialize};

/// What mobility wants to know about a subscriber.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Question {
    /// One authentication vector for use in `serving` (TS 33.401 §6.1.2).
    Authenticate {
        /// Whom.
        imsi: Imsi,
        /// Serving network: part of K_ASME.
        serving: Plmn,
        /// Set when the UE found the sequence number out of range.
        resync: Option<Resync>,
    },
    /// The profile, at location update.
    Profile {
        /// Whose.
        imsi: Imsi,
        /// Where the UE is served.
        serving: Plmn,
        /// The tracking area that it is in.
        area: Tac,
        /// The UE attaches: its home network is told that it is here.
        attach: bool,
        /// The phone itself, where it told.
        imeisv: Option<Imeisv>,
    },
}

impl Question {
    /// Whom it is about.
    #[must_use]
    pub const fn imsi(&self) -> Imsi {
        match self {
            Self::Authenticate { imsi, .. } | Self::Profile { imsi, .. } => *imsi,
        }
    }
}

/// What the UE sent to re-synchronise (TS 33.102 §6.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// The challenge that was refused.
    pub rand: [u8; 16],
    /// The UE's token.
    pub auts: [u8; 14],
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A vector.
    Vector(Box<AuthMaterial>),
    /// No vector.
    NoVector(AuthFailure),
    /// A profile, and areas of this gateway in which its subscriber is not served.
    Profile(Box<Profile>, Vec<Tac>),
    /// No profile.
    NoProfile(AuthFailure),
}

/// An EPS authentication vector (TS 33.401 §6.1.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthMaterial {
    /// Challenge.
    pub rand: [u8; 16],
    /// Network's token.
    pub autn: [u8; 16],
    /// Expected response: 4 to 16 octets.
    pub xres: Secret<Vec<u8>>,
    /// K_ASME.
    pub kasme: Secret<[u8; 32]>,
}

/// Why a subscriber cannot be served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthFailure {
    /// Not in the list.
    Unknown,
    /// In the list but suspended by the operator.
    Suspended,
    /// Not allowed in the serving network.
    RoamingNotAllowed,
    /// The re-synchronisation token is wrong.
    ResyncRefused,
    /// The home network refuses, with this EMM cause (TS 29.272 annex A).
    Refused(u8),
    /// The subscriber side cannot answer now.
    Unavailable(Unavailable),
}

/// Why the subscriber side cannot answer now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Unavailable {
    /// No answer in time.
    Timeout,
    /// Too many questions are on their way.
    Overload,
    /// The home network cannot be reached, and nothing is remembered that could stand for its answer.
    Unreachable,
    /// The sealed key could not be opened.
    KeyUnreadable,
}

/// Whether a subscriber may use the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum SubscriberState {
    /// May attach.
    #[default]
    Active,
    /// Known, but refused.
    Suspended,
}

/// What a subscriber may have (the part of TS 29.272 §7.3.2 that a gateway acts on).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Whose.
    pub imsi: Imsi,
    /// Telephone number.
    pub msisdn: Option<Msisdn>,
    /// Aggregate maximum bit rate over all sessions.
    pub ambr: Ambr,
    /// Access points, at least one; the first is the default.
    pub apns: Vec<ApnProfile>,
}

/// One access point of a profile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApnProfile {
    /// Name.
    pub apn: Apn,
    /// QoS of the default bearer.
    pub qos: BearerQos,
    /// Aggregate maximum bit rate of a session.
    pub ambr: Ambr,
    /// The address this subscriber always gets.
    pub static_ipv4: Option<Ipv4Addr>,
    /// The /64 this subscriber always gets.
    pub static_ipv6: Option<Prefix64>,
    /// What a session may be.
    pub pdn_types: PdnTypes,
    /// Networks behind the phone: packets for them go to it, packets from them are accepted from it (TS 29.061 §16.4.7.2,
    /// Framed-Route and Framed-IPv6-Route).
    pub framed_routes: Vec<IpPrefix>,
}

impl ApnProfile {
    /// What is static of its sessions' addresses.
    #[must_use]
    pub const fn static_address(&self) -> Option<UeAddress> {
        UeAddress::new(self.static_ipv4, self.static_ipv6)
    }

    /// An access point with addresses from the pools, of whatever kind it has.
    #[must_use]
    pub const fn new(apn: Apn, qos: BearerQos, ambr: Ambr) -> Self {
        let (static_ipv4, static_ipv6, pdn_types) = (None, None, PdnTypes::Ipv4v6);
        Self { apn, qos, ambr, static_ipv4, static_ipv6, pdn_types, framed_routes: Vec::new() }
    }
}
