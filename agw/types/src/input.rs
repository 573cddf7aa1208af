//! Everything that can happen to the core.

use crate::{Answer, GatewayConfig, LinkId, PolicyRule, Profile, SubscribedRule, Ticket, Traffic};
use basalt_ids::{Apn, Ebi, GlobalEnbId, Imsi};
use core::net::IpAddr;
use serde::{Deserialize, Serialize};

/// One input of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A base station's association came up, or was alive already when the gateway started (`resumed`).
    LinkUp {
        /// Its number.
        link: LinkId,
        /// The peer.
        info: LinkInfo,
    },
    /// The association is gone.
    LinkDown {
        /// Its number.
        link: LinkId,
    },
    /// The peer restarted the association: whatever it knew is forgotten (TS 36.412 §7 leaves S1 to be set up again).
    LinkRestarted {
        /// Its number.
        link: LinkId,
    },
    /// An S1AP message.
    S1ap {
        /// From which base station.
        link: LinkId,
        /// SCTP stream it came on.
        stream: u16,
        /// The octets.
        pdu: Vec<u8>,
    },
    /// The subscriber side answered.
    Answer {
        /// Which question.
        ticket: Ticket,
        /// The answer.
        answer: Answer,
    },
    /// The data plane has something to tell.
    Traffic(Traffic),
    /// The configuration changed.
    Config(Box<ConfigDelta>),
    /// The operator wants something.
    Operator {
        /// Given back with the reply.
        token: u64,
        /// What.
        command: Command,
    },
    /// A timer may be due.
    Wakeup,
}

/// What is known of an association.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkInfo {
    /// Addresses of the base station, the first one primary.
    pub peers: Vec<IpAddr>,
    /// Outbound SCTP streams: stream 0 is for signalling that concerns no UE, the rest for UEs (TS 36.412 §7).
    pub streams: u16,
    /// The association outlived a restart of the gateway daemon.
    pub resumed: bool,
}

/// A change of configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "it travels in a box")]
pub enum ConfigDelta {
    /// A whole new gateway configuration.
    Gateway(GatewayConfig),
    /// A subscriber was added or changed: the rates of its live sessions change, all else holds from its next attach on.
    Subscriber {
        /// Who.
        imsi: Imsi,
    },
    /// The rules that a subscriber has besides those of its access points; those of its live sessions change.
    Rules {
        /// Who.
        imsi: Imsi,
        /// By access point.
        rules: Vec<(Apn, SubscribedRule)>,
    },
    /// Look once more at who may be here, as the configuration is: after a restart.
    Admission,
    /// A subscriber was removed or suspended: a live one is detached.
    SubscriberGone {
        /// Who.
        imsi: Imsi,
    },
    /// The home network cancelled a location (TS 29.272 §5.2.1.2).
    Cancelled {
        /// Whose.
        imsi: Imsi,
        /// How the UE goes.
        how: Cancelled,
    },
    /// The home network changed a subscription (TS 29.272 §5.2.2): live sessions get their new rates.
    Subscription(Box<Profile>),
}

/// How a UE goes whose location was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cancelled {
    /// It is elsewhere: nothing is said to it.
    Moved,
    /// Its subscription is withdrawn: it is detached.
    Withdrawn,
    /// It is detached and shall attach again.
    Reattach,
}

/// What an operator can ask for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Detach one UE.
    Detach {
        /// Who.
        imsi: Imsi,
        /// Ask it to attach again.
        reattach: bool,
    },
    /// End one session of a UE.
    Deactivate {
        /// Whose.
        imsi: Imsi,
        /// Default bearer of the session.
        ebi: Ebi,
    },
    /// Give a session a rule, in place of one of the same name.
    SetRule {
        /// Whose.
        imsi: Imsi,
        /// Which session; `None` for the first.
        apn: Option<Apn>,
        /// The rule.
        rule: Box<PolicyRule>,
    },
    /// Take a rule from a session.
    RemoveRule {
        /// Whose.
        imsi: Imsi,
        /// Which session; `None` for the first.
        apn: Option<Apn>,
        /// Its name.
        name: String,
    },
    /// Page one UE, whether or not packets wait.
    Page {
        /// Who.
        imsi: Imsi,
    },
    /// Reset one base station (S1AP RESET of the whole interface).
    ResetEnb {
        /// Which.
        enb: GlobalEnbId,
    },
    /// Take no new UEs and tell base stations so, or take them again.
    Drain {
        /// Begin, or end.
        on: bool,
    },
    /// Let a connected UE become idle.
    Release {
        /// Who.
        imsi: Imsi,
    },
}
