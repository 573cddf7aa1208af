//! Bearer context procedures of the network (TS 24.301 §8.3.1 to §8.3.6, §8.3.11, §8.3.12, §8.3.16 to §8.3.18).

use crate::codec::table::message;
use crate::ie::{
    AccessPointName, ApnAmbr, EpsQos, EsmCause, ExtendedApnAmbr, ExtendedEpsQos, GprsTimer3, LinkedEbi, PdnAddress,
    ProtocolConfigurationOptions, TrafficFlow,
};

message! {
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST (TS 24.301 §8.3.6).
    pub struct ActivateDefaultEpsBearerContextRequest {
        mandatory {
            /// Quality of service of the default bearer.
            qos: EpsQos => lv,
            /// The access point.
            apn: AccessPointName => lv,
            /// The address given.
            address: PdnAddress => lv,
        }
        optional {
            /// Rates of the access point.
            apn_ambr: ApnAmbr => 0x5e tlv,
            /// Why the PDN type is not the one asked for.
            cause: EsmCause => 0x58 tv(1),
            /// DNS, MTU and others.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
            /// Rates above 65 280 Mbit/s.
            extended_apn_ambr: ExtendedApnAmbr => 0x5f tlv,
        }
        fixed { 0x32: 1 }
    }
}

message! {
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT (TS 24.301 §8.3.4).
    pub struct ActivateDefaultEpsBearerContextAccept {
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// ACTIVATE DEFAULT EPS BEARER CONTEXT REJECT (TS 24.301 §8.3.5).
    pub struct ActivateDefaultEpsBearerContextReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// ACTIVATE DEDICATED EPS BEARER CONTEXT REQUEST (TS 24.301 §8.3.3).
    pub struct ActivateDedicatedEpsBearerContextRequest {
        mandatory {
            /// Default bearer of the PDN connection.
            linked_ebi: LinkedEbi => low_only,
            /// Quality of service.
            qos: EpsQos => lv,
            /// Which traffic goes into the bearer.
            tft: TrafficFlow => lv,
        }
        optional {
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
            /// Rates above 10 Gbit/s.
            extended_qos: ExtendedEpsQos => 0x5c tlv,
        }
        fixed { 0x32: 1 }
    }
}

message! {
    /// ACTIVATE DEDICATED EPS BEARER CONTEXT ACCEPT (TS 24.301 §8.3.1).
    pub struct ActivateDedicatedEpsBearerContextAccept {
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// ACTIVATE DEDICATED EPS BEARER CONTEXT REJECT (TS 24.301 §8.3.2).
    pub struct ActivateDedicatedEpsBearerContextReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// MODIFY EPS BEARER CONTEXT REQUEST (TS 24.301 §8.3.18).
    pub struct ModifyEpsBearerContextRequest {
        optional {
            /// New quality of service.
            new_qos: EpsQos => 0x5b tlv,
            /// Change of the traffic flow template.
            tft: TrafficFlow => 0x36 tlv,
            /// New rates of the access point.
            apn_ambr: ApnAmbr => 0x5e tlv,
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
            /// Rates above 65 280 Mbit/s.
            extended_apn_ambr: ExtendedApnAmbr => 0x5f tlv,
            /// Rates above 10 Gbit/s.
            extended_qos: ExtendedEpsQos => 0x5c tlv,
        }
        fixed { 0x32: 1 }
    }
}

message! {
    /// MODIFY EPS BEARER CONTEXT ACCEPT (TS 24.301 §8.3.16).
    pub struct ModifyEpsBearerContextAccept {
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// MODIFY EPS BEARER CONTEXT REJECT (TS 24.301 §8.3.17).
    pub struct ModifyEpsBearerContextReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// DEACTIVATE EPS BEARER CONTEXT REQUEST (TS 24.301 §8.3.12).
    pub struct DeactivateEpsBearerContextRequest {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Back-off timer T3396.
            t3396: GprsTimer3 => 0x37 tlv,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// DEACTIVATE EPS BEARER CONTEXT ACCEPT (TS 24.301 §8.3.11).
    pub struct DeactivateEpsBearerContextAccept {
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}
