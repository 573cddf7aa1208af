//! What can be listed.

use clap::ValueEnum;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum What {
    /// Phones known
    #[value(alias = "ue", alias = "phones")]
    Ues,
    /// Base stations connected
    #[value(alias = "enb")]
    Enbs,
    /// Sessions with their counters
    #[value(alias = "session")]
    Sessions,
    /// Subscribers
    #[value(alias = "subscriber", alias = "sub")]
    Subscribers,
    /// What subscribers used, also in sessions that have ended
    Usage,
    /// Address pools
    #[value(alias = "pool")]
    Pools,
    /// The gateway itself
    Status,
    /// Of a federation gateway, or all of an orchestrator's: Diameter peers
    #[value(alias = "peer")]
    Peers,
    /// Of an orchestrator: organisations
    #[value(alias = "tenant")]
    Tenants,
    /// Of an orchestrator: networks
    #[value(alias = "network")]
    Networks,
    /// Of an orchestrator: groups of gateways that run one version
    #[value(alias = "tier")]
    Tiers,
    /// Of an orchestrator: gateways
    #[value(alias = "gateway")]
    Gateways,
    /// Of an orchestrator: gateways that stand in for each other
    #[value(alias = "gateway-pool")]
    GatewayPools,
    /// Of an orchestrator: access points
    #[value(alias = "apn", alias = "dnn")]
    Apns,
    /// Of an orchestrator: policy rules
    #[value(alias = "policy-rule")]
    PolicyRules,
    /// Of an orchestrator: named sets of policy rules
    #[value(alias = "base-name")]
    BaseNames,
    /// Of an orchestrator: QoS profiles
    #[value(alias = "qos-profile")]
    QosProfiles,
    /// Of an orchestrator: rating groups
    #[value(alias = "rating-group")]
    RatingGroups,
    /// Of an orchestrator: data plans
    #[value(alias = "data-plan")]
    DataPlans,
    /// Of an orchestrator: LTE base stations
    #[value(alias = "enodeb")]
    Enodebs,
    /// Of an orchestrator: NR base stations
    #[value(alias = "gnodeb")]
    Gnodebs,
    /// Of an orchestrator: tracking areas
    #[value(alias = "tracking-area")]
    TrackingAreas,
    /// Of an orchestrator: ways to partners' cores
    #[value(alias = "federation")]
    Federations,
    /// Of an orchestrator: conditions that raise an alarm
    #[value(alias = "alert-rule")]
    AlertRules,
    /// Of an orchestrator: where alarms are told
    #[value(alias = "alert-receiver")]
    AlertReceivers,
    /// Of an orchestrator: where events are posted
    #[value(alias = "webhook")]
    Webhooks,
}

impl What {
    /// Its name on the command line: that of the collection, for an orchestrator's objects.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}
