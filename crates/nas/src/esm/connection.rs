//! Procedures that a UE asks for, information and status (TS 24.301 §8.3.7 to §8.3.10, §8.3.12A to §8.3.15, §8.3.18A to §8.3.22).

use crate::codec::table::message;
use crate::ie::{
    AccessPointName, DeviceProperties, EpsQos, EsmCause, EsmInformationTransfer, ExtendedEpsQos, GprsTimer3, LinkedEbi,
    NotificationIndicator, PdnType, ProtocolConfigurationOptions, RequestType, TrafficFlow,
};

message! {
    /// PDN CONNECTIVITY REQUEST (TS 24.301 §8.3.20).
    pub struct PdnConnectivityRequest {
        mandatory {
            /// New connection, handover or emergency.
            request_type: RequestType => low,
            /// IPv4, IPv6 or both.
            pdn_type: PdnType => high,
        }
        optional {
            /// The UE has more to tell once security is active.
            information_transfer: EsmInformationTransfer => 0xd0 tv1,
            /// The access point.
            apn: AccessPointName => 0x28 tlv,
            /// DNS requests and others.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Low access priority.
            device_properties: DeviceProperties => 0xc0 tv1,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// PDN CONNECTIVITY REJECT (TS 24.301 §8.3.19).
    pub struct PdnConnectivityReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Back-off timer.
            back_off: GprsTimer3 => 0x37 tlv,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// PDN DISCONNECT REQUEST (TS 24.301 §8.3.22).
    pub struct PdnDisconnectRequest {
        mandatory {
            /// Default bearer of the PDN connection.
            linked_ebi: LinkedEbi => low_only,
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
    /// PDN DISCONNECT REJECT (TS 24.301 §8.3.21).
    pub struct PdnDisconnectReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The same, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// BEARER RESOURCE ALLOCATION REQUEST (TS 24.301 §8.3.8).
    pub struct BearerResourceAllocationRequest {
        mandatory {
            /// Default bearer of the PDN connection.
            linked_ebi: LinkedEbi => low_only,
            /// The traffic it is about.
            traffic_flow: TrafficFlow => lv,
            /// Quality of service asked for.
            qos: EpsQos => lv,
        }
        optional {
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Low access priority.
            device_properties: DeviceProperties => 0xc0 tv1,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
            /// Rates above 10 Gbit/s.
            extended_qos: ExtendedEpsQos => 0x5c tlv,
        }
    }
}

message! {
    /// BEARER RESOURCE ALLOCATION REJECT (TS 24.301 §8.3.7).
    pub struct BearerResourceAllocationReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Back-off timer.
            back_off: GprsTimer3 => 0x37 tlv,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// BEARER RESOURCE MODIFICATION REQUEST (TS 24.301 §8.3.10).
    pub struct BearerResourceModificationRequest {
        mandatory {
            /// The bearer whose packet filters are meant.
            ebi_for_packet_filter: LinkedEbi => low_only,
            /// The traffic it is about.
            traffic_flow: TrafficFlow => lv,
        }
        optional {
            /// Quality of service asked for.
            qos: EpsQos => 0x5b tlv,
            /// Why, when resources are released.
            cause: EsmCause => 0x58 tv(1),
            /// Options from the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Low access priority.
            device_properties: DeviceProperties => 0xc0 tv1,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
            /// Rates above 10 Gbit/s.
            extended_qos: ExtendedEpsQos => 0x5c tlv,
        }
    }
}

message! {
    /// BEARER RESOURCE MODIFICATION REJECT (TS 24.301 §8.3.9).
    pub struct BearerResourceModificationReject {
        mandatory {
            /// Why.
            cause: EsmCause => v(1),
        }
        optional {
            /// Options to the UE.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// Back-off timer.
            back_off: GprsTimer3 => 0x37 tlv,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// ESM INFORMATION REQUEST (TS 24.301 §8.3.13).
    pub struct EsmInformationRequest {}
}

message! {
    /// ESM INFORMATION RESPONSE (TS 24.301 §8.3.14).
    pub struct EsmInformationResponse {
        optional {
            /// The access point.
            apn: AccessPointName => 0x28 tlv,
            /// DNS requests and others.
            pco: ProtocolConfigurationOptions => 0x27 tlv,
            /// The options, extended form.
            extended_pco: ProtocolConfigurationOptions => 0x7b tlve,
        }
    }
}

message! {
    /// NOTIFICATION (TS 24.301 §8.3.18A).
    pub struct Notification {
        mandatory {
            /// What the UE is told.
            indicator: NotificationIndicator => lv,
        }
    }
}

message! {
    /// ESM DUMMY MESSAGE (TS 24.301 §8.3.12A): fills the container of an attach without PDN connection.
    pub struct EsmDummyMessage {}
}

message! {
    /// ESM STATUS (TS 24.301 §8.3.15).
    pub struct EsmStatus {
        mandatory {
            /// What was wrong.
            cause: EsmCause => v(1),
        }
    }
}
