//! Why packets are dropped, in words with advice. The names are those of the data plane's counters.

/// What a drop reason means to an operator.
pub(super) struct Meaning {
    /// The counter's name.
    pub reason: &'static str,
    /// Why it happens.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

/// Reasons that an operator can do something about. Others are the data plane doing its duty against what phones and the
/// internet send, and are shown by `basalt status` only.
const MEANINGS: &[Meaning] = &[
    Meaning {
        reason: "wrong_peer",
        cause: "tunnelled packets come from another address than the base station told in S1AP",
        fix: "look for NAT between base station and gateway, or a base station with two user plane addresses",
    },
    Meaning {
        reason: "spoofed_source",
        cause: "phones send with other source addresses than they were given",
        fix: "routers behind a phone must NAT to its address; a single phone that does this all the time may be infected",
    },
    Meaning {
        reason: "idle_tunnel",
        cause: "base stations send for phones that the gateway believes to be idle",
        fix: "compare `basalt describe ue` with the base station; `basalt reset enb ID` brings both to one view",
    },
    Meaning {
        reason: "buffer_full",
        cause: "more packets come for idle phones than are kept until they answer a page",
        fix: "if phones lose the start of downloads: raise [dataplane] buffer_packets; if they do not answer pages: check coverage",
    },
    Meaning {
        reason: "buffer_total",
        cause: "packets for idle phones fill the gateway's buffer",
        fix: "somebody on the internet may be scanning the phones' addresses: use NAT, or filter at the border",
    },
    Meaning {
        reason: "buffer_expired",
        cause: "phones do not answer pages in time",
        fix: "check coverage, and that base stations serve the tracking areas they announce",
    },
    Meaning {
        reason: "no_room",
        cause: "frames could not be changed in place or sent",
        fix: "set the MTU of the radio side to 1600; for a veth, switch GRO on at its peer",
    },
    Meaning {
        reason: "send_failed",
        cause: "packets could not be sent towards base stations",
        fix: "check the route and the neighbour entries of the radio side (ip route, ip neighbour)",
    },
    Meaning {
        reason: "handover_full",
        cause: "more packets need the slow path than user space can take",
        fix: "look at agwd's CPU; a flood of unknown tunnels or fragments at the radio side is the usual reason",
    },
    Meaning {
        reason: "slow_path_rate",
        cause: "echoes or packets of unknown tunnels come faster than is answered",
        fix: "look for base stations that were not told of a restart (`basalt reset enb ID`), or for an attack",
    },
    Meaning {
        reason: "malformed",
        cause: "tunnelled packets are cut short or contradict themselves",
        fix: "look for a wrong MTU between base station and gateway",
    },
    Meaning {
        reason: "inner_version",
        cause: "phones send what is not IPv4 (such as IPv6) in sessions of IPv4",
        fix: "harmless unless a phone's own traffic stalls; set the phone's APN type to IPv4",
    },
];

/// What a reason means, if something can be done about it.
pub(super) fn meaning(reason: &str) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| meaning.reason == reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn each_reason_has_one_meaning() {
        let reasons: BTreeSet<_> = MEANINGS.iter().map(|meaning| meaning.reason).collect();
        assert_eq!(reasons.len(), MEANINGS.len());
        assert!(MEANINGS.iter().all(|meaning| !meaning.cause.is_empty() && !meaning.fix.is_empty()));
        assert!(meaning("wrong_peer").is_some_and(|meaning| meaning.fix.contains("NAT")));
        assert!(meaning("phone_to_phone").is_none());
    }
}
