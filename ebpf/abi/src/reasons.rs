//! Why a packet was dropped or left the fast path. The names are label values of metrics: they never change their meaning.

/// Number of counters in [`crate::maps::REASONS`]: drops first, then punts.
pub const REASON_SLOTS: u32 = 128;

/// Counter of the first punt reason.
const PUNTS: u32 = 80;

macro_rules! reasons {
    ($(#[$doc:meta])* $type:ident from $base:expr; $($(#[$variant_doc:meta])* $variant:ident = $number:literal $name:literal,)*) => {
        $(#[$doc])*
        #[repr(u32)]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $type { $($(#[$variant_doc])* $variant = $number,)* }

        impl $type {
            /// Every reason, in order of number.
            pub const ALL: &'static [$type] = &[$($type::$variant,)*];

            /// The stable name: lower case and underscores.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($type::$variant => $name,)* }
            }

            /// The counter in [`crate::maps::REASONS`].
            #[must_use]
            #[inline(always)]
            pub const fn slot(self) -> u32 {
                self as u32 + $base
            }
        }
    };
}

reasons! {
    /// Why a packet was dropped.
    DropReason from 0;
    /// Outer or GTP-U header cut short, or lengths that do not agree (TS 29.281 §5.1).
    Malformed = 0 "malformed",
    /// Not GTP version 1, or GTP' (protocol type 0).
    GtpVersion = 1 "gtp_version",
    /// A message type that does not belong on the user plane.
    GtpMessageType = 2 "gtp_message_type",
    /// Extension header of length 0, reaching beyond the packet, or a chain that is too long (TS 29.281 §5.2).
    ExtensionHeader = 3 "extension_header",
    /// Slow path messages (echo, unknown TEID, …) beyond the rate limit.
    SlowPathRate = 4 "slow_path_rate",
    /// A known TEID, but the sender did not become the tunnel's base station in time.
    WrongPeer = 5 "wrong_peer",
    /// A tunnel whose phone is idle and did not return in time.
    IdleTunnel = 6 "idle_tunnel",
    /// Inner packet neither IPv4 nor of the session's type.
    InnerVersion = 7 "inner_version",
    /// Inner header cut short or its lengths lie.
    InnerLength = 8 "inner_length",
    /// Inner IPv4 options: source routing, route recording and the like (RFC 7126; TS 33.117 §4.2.4.1.1.3).
    InnerOptions = 9 "inner_options",
    /// A first fragment too short to hold the ports, or fragments that overlap it (RFC 1858).
    InnerFragment = 10 "inner_fragment",
    /// Inner source is not the phone's address (TS 33.117 §4.3.3.1.1).
    SpoofedSource = 11 "spoofed_source",
    /// GTP-U inside a phone's packet.
    GtpInGtp = 12 "gtp_in_gtp",
    /// A control protocol of the core (GTP-C, PFCP, Diameter, S1AP, NGAP) inside a phone's packet.
    CorePort = 13 "core_port",
    /// A phone acting as a DHCP server.
    RogueServer = 14 "rogue_server",
    /// A phone sending to another phone without permission (TS 33.250 §4.2.6.4).
    PhoneToPhone = 15 "phone_to_phone",
    /// A phone sending to the gateway, its networks, loopback, link-local or multicast addresses.
    ForbiddenDestination = 16 "forbidden_destination",
    /// Downlink to an address of a pool that no phone has.
    UnknownPhone = 17 "unknown_phone",
    /// Downlink to an idle phone whose buffer is full.
    BufferFull = 18 "buffer_full",
    /// The ring to user space was full.
    HandoverFull = 19 "handover_full",
    /// The frame could not be moved or sent (no headroom).
    NoRoom = 20 "no_room",
    /// Buffered for a phone that did not come back in time or left.
    BufferExpired = 21 "buffer_expired",
    /// The gateway's buffer for idle phones was full.
    BufferTotal = 22 "buffer_total",
    /// Sending towards a base station failed.
    SendFailed = 23 "send_failed",
    /// Answers of the slow path withheld by its own limit per peer.
    PeerRate = 24 "peer_rate",
    /// An Error Indication or End Marker that does not match peer and TEID of a tunnel.
    ForgedControl = 25 "forged_control",
    /// A packet on the gateway's internal interface that is no IPv4.
    NotIpv4 = 26 "not_ipv4",
    /// Beyond the session's limit (APN-AMBR, session AMBR).
    SessionRate = 27 "session_rate",
    /// Beyond the UE's limit over all its sessions (UE-AMBR).
    UeRate = 28 "ue_rate",
    /// Beyond the limit of its rule (MBR).
    RuleRate = 29 "rule_rate",
    /// The rule's gate is closed in this direction (TS 29.212 §5.3.20).
    GateClosed = 30 "gate_closed",
    /// From a phone by another bearer than its rule's (TS 23.401 §4.7.2.2), or no rule's.
    WrongBearer = 31 "wrong_bearer",
    /// Of no rule, in a session that has rules for all it may have.
    NoRule = 32 "no_rule",
    /// The session's or the rule's quota is used up.
    QuotaExhausted = 33 "quota_exhausted",
    /// From a base station without the QoS flow identifier of the session, or with another one (TS 38.415 §5.5.3.3).
    WrongQfi = 34 "wrong_qfi",
    /// From the internet to an external address, and no phone has asked for it (RFC 4787 §5).
    NatUnsolicited = 40 "nat_unsolicited",
    /// All ports that the phone may have are taken (RFC 6888 REQ-8).
    NatPorts = 41 "nat_ports",
    /// A protocol, an ICMP message or a header that cannot be translated.
    NatProtocol = 42 "nat_protocol",
    /// A later fragment from the internet whose first one did not come in time, or one of too many that wait for theirs, or one that waited
    /// when the gateway's daemon ended.
    NatFragment = 43 "nat_fragment",
    /// From the internet through a mapping by which the phone has not sent to the sender.
    NatFiltered = 44 "nat_filtered",
    /// From the internet with another VLAN tag than that of the phone's access point.
    WrongVlan = 45 "wrong_vlan",
    /// From a phone whose access point has a VLAN of its own, while the router there does not answer.
    NoRouter = 46 "no_router",
}

reasons! {
    /// Why a packet left the fast path for user space or the kernel, which then handled it.
    PuntReason from PUNTS;
    /// GTP-U to our address that is not a plain G-PDU: Echo, Error Indication, End Marker, Supported Extension Headers.
    GtpControl = 0 "gtp_control",
    /// A G-PDU whose TEID is not known.
    UnknownTeid = 1 "unknown_teid",
    /// An outer packet with IPv4 options or in fragments: the kernel reassembles.
    OuterFragment = 2 "outer_fragment",
    /// A G-PDU with an extension header that must be understood, but is not (TS 29.281 §5.2.1).
    UnknownExtension = 3 "unknown_extension",
    /// Downlink to an idle phone.
    IdlePhone = 4 "idle_phone",
    /// Downlink behind packets that user space still holds.
    Flushing = 5 "flushing",
    /// Downlink while the base station's neighbour is not resolved.
    NextHop = 6 "next_hop",
    /// Downlink too large for the tunnel: fragmented or answered on the slow path.
    TooBig = 7 "too_big",
    /// Time to live at its end on a direct path: the kernel answers.
    TimeToLive = 8 "time_to_live",
    /// A tunnel record that user space was changing at that moment.
    Changing = 9 "changing",
    /// A G-PDU for an idle phone: held for a moment, since it may have overtaken the signalling that makes the phone active.
    IdleUplink = 10 "idle_uplink",
    /// A G-PDU from another base station than the tunnel's: held for a moment, since a handover may be on its way.
    OtherPeer = 11 "other_peer",
    /// A phone asks its router: for its prefix, whether it is there, or by DHCPv6.
    RouterSolicitation = 12 "router_solicitation",
    /// From a phone that needs a port for it and has none left: user space gives it more, if it may have more.
    NatPorts = 13 "nat_more_ports",
    /// From a phone to another phone's external address, where phones may reach each other.
    Hairpin = 14 "nat_hairpin",
    /// A G-PDU that a base station forwards for a phone that is handed over: user space sends it on.
    Forwarding = 15 "forwarding",
    /// A later fragment from the internet that has come before its first one: user space holds it for a moment.
    EarlyFragment = 16 "early_fragment",
}

impl PuntReason {
    /// Which token bucket limits it: known peers' control messages and unknown tunnels do not starve each other.
    /// `None` where the limit is the buffer per phone, or what a base station has left to forward.
    #[must_use]
    #[inline(always)]
    pub const fn bucket(self) -> Option<u32> {
        match self {
            PuntReason::GtpControl => Some(0),
            PuntReason::UnknownTeid | PuntReason::UnknownExtension | PuntReason::IdleUplink | PuntReason::OtherPeer => {
                Some(1)
            }
            PuntReason::RouterSolicitation => Some(0),
            PuntReason::NatPorts | PuntReason::Hairpin => Some(1),
            PuntReason::OuterFragment => Some(2),
            _ => None,
        }
    }

    /// Number of token buckets.
    pub const BUCKETS: u32 = 3;

    /// The reason with this number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.get(number as usize).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn slots_and_names_are_unique() {
        let slots: Vec<u32> =
            DropReason::ALL.iter().map(|r| r.slot()).chain(PuntReason::ALL.iter().map(|r| r.slot())).collect();
        let names: BTreeSet<&str> =
            DropReason::ALL.iter().map(|r| r.name()).chain(PuntReason::ALL.iter().map(|r| r.name())).collect();
        assert_eq!(slots.iter().collect::<BTreeSet<_>>().len(), slots.len(), "slots overlap");
        assert_eq!(names.len(), slots.len(), "names repeat");
        assert!(slots.iter().all(|slot| *slot < REASON_SLOTS));
        assert!(DropReason::ALL.iter().all(|r| r.slot() < PUNTS));
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')));
    }

    #[test]
    fn numbers_are_indices() {
        for (i, reason) in PuntReason::ALL.iter().enumerate() {
            assert_eq!(PuntReason::from_number(i as u32), Some(*reason));
        }
    }
}
