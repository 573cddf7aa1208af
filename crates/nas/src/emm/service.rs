//! Service request procedures (TS 24.301 §8.2.9, §8.2.15, §8.2.24, §8.2.25, §8.2.33, §8.2.34).

use crate::codec::table::message;
use crate::ie::{
    CsfbResponse, DeviceProperties, EmmCause, EpsBearerContextStatus, EsmContainer, GprsTimer, GprsTimer2,
    KeySetIdentifier, MobileIdentity, NasContainer, PagingIdentity, ServiceType,
};

/// SERVICE REQUEST (TS 24.301 §8.2.25): four octets with their own short protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ServiceRequest {
    /// Key set, native, 0 to 6 (7 is not used).
    pub ksi: u8,
    /// The five low bits of the uplink NAS COUNT.
    pub short_sequence: u8,
    /// The two low octets of the MAC over the first two octets.
    pub short_mac: [u8; 2],
}

message! {
    /// EXTENDED SERVICE REQUEST (TS 24.301 §8.2.15).
    pub struct ExtendedServiceRequest {
        mandatory {
            /// CS fallback or packet services.
            service_type: ServiceType => low,
            /// Key set that protects the message.
            ksi: KeySetIdentifier => high,
            /// M-TMSI.
            m_tmsi: MobileIdentity => lv,
        }
        optional {
            /// Answer to a CS paging.
            csfb_response: CsfbResponse => 0xb0 tv1,
            /// Bearers the UE holds.
            bearer_status: EpsBearerContextStatus => 0x57 tlv,
            /// Low access priority.
            device_properties: DeviceProperties => 0xd0 tv1,
        }
    }
}

message! {
    /// CONTROL PLANE SERVICE REQUEST (TS 24.301 §8.2.33).
    pub struct ControlPlaneServiceRequest {
        mandatory {
            /// Control plane service type and active flag: bits 3 to 1 the type, bit 4 the flag.
            service_type: u8 => low,
            /// Key set that protects the message.
            ksi: KeySetIdentifier => high,
        }
        optional {
            /// ESM message.
            esm_container: EsmContainer => 0x78 tlve,
            /// SMS.
            nas_container: NasContainer => 0x67 tlv,
            /// Bearers the UE holds.
            bearer_status: EpsBearerContextStatus => 0x57 tlv,
            /// Low access priority.
            device_properties: DeviceProperties => 0xd0 tv1,
        }
    }
}

message! {
    /// SERVICE REJECT (TS 24.301 §8.2.24).
    pub struct ServiceReject {
        mandatory {
            /// Why.
            cause: EmmCause => v(1),
        }
        optional {
            /// T3442, when CS service is temporarily not available.
            t3442: GprsTimer => 0x5b tv(1),
            /// Back-off when the cause is congestion.
            t3346: GprsTimer2 => 0x5f tlv,
        }
    }
}

message! {
    /// SERVICE ACCEPT (TS 24.301 §8.2.34).
    pub struct ServiceAccept {
        optional {
            /// Bearers the network holds.
            bearer_status: EpsBearerContextStatus => 0x57 tlv,
        }
    }
}

message! {
    /// CS SERVICE NOTIFICATION (TS 24.301 §8.2.9).
    pub struct CsServiceNotification {
        mandatory {
            /// Which identity was paged.
            paging_identity: PagingIdentity => v(1),
        }
        fixed { 0x61: 1, 0x62: 1 }
    }
}
