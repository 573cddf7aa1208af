//! Tracking area update (TS 24.301 §8.2.26 to §8.2.29).

use crate::codec::table::message;
use crate::ie::{
    AdditionalUpdateResult, AdditionalUpdateType, DeviceProperties, DrxParameter, EmergencyNumberList, EmmCause,
    EpsBearerContextStatus, EpsMobileIdentity, EpsNetworkFeatureSupport, ExtendedDrx, GprsTimer, GprsTimer2,
    GprsTimer3, GutiType, KeySetIdentifier, Lai, MobileIdentity, MsNetworkCapability, MsNetworkFeatureSupport, Nonce,
    PlmnList, RadioCapabilityUpdateNeeded, TaiList, TauResult, TauType, TmsiStatus, UeAdditionalSecurityCapability,
    UeNetworkCapability, VoiceDomainPreference,
};
use basalt_ids::{Guti, Tai};

message! {
    /// TRACKING AREA UPDATE REQUEST (TS 24.301 §8.2.29).
    pub struct TrackingAreaUpdateRequest {
        mandatory {
            /// Kind of update and active flag.
            update_type: TauType => low,
            /// Key set that protects the message.
            ksi: KeySetIdentifier => high,
            /// Temporary identity; any identity is read, since the answer depends on it.
            old_guti: EpsMobileIdentity => lv,
        }
        optional {
            /// Native key set that is not the current one.
            non_current_ksi: KeySetIdentifier => 0xb0 tv1,
            /// GPRS ciphering key sequence number.
            gprs_ksi: KeySetIdentifier => 0x80 tv1,
            /// Another identity when the first is a mapped one.
            additional_guti: Guti => 0x50 tlv,
            /// Nonce of the UE, with a mapped context.
            nonce_ue: Nonce => 0x55 tv(4),
            /// Algorithms and features of the UE.
            ue_network_capability: UeNetworkCapability => 0x58 tlv,
            /// Where the UE was registered last.
            last_visited_tai: Tai => 0x52 tv(5),
            /// Requested DRX.
            drx: DrxParameter => 0x5c tv(2),
            /// The stored radio capability shall be deleted.
            radio_capability_update: RadioCapabilityUpdateNeeded => 0xa0 tv1,
            /// Bearers the UE holds.
            bearer_status: EpsBearerContextStatus => 0x57 tlv,
            /// GEA algorithms and 2G/3G features.
            ms_network_capability: MsNetworkCapability => 0x31 tlv,
            /// Old location area.
            old_lai: Lai => 0x13 tv(5),
            /// Whether the UE has a TMSI.
            tmsi_status: TmsiStatus => 0x90 tv1,
            /// SMS only, CIoT.
            additional_update_type: AdditionalUpdateType => 0xf0 tv1,
            /// Voice or data centric.
            voice_domain: VoiceDomainPreference => 0x5d tlv,
            /// Whether the GUTI is native or mapped.
            old_guti_type: GutiType => 0xe0 tv1,
            /// Low access priority.
            device_properties: DeviceProperties => 0xd0 tv1,
            /// Extended periodic timers.
            ms_network_feature_support: MsNetworkFeatureSupport => 0xc0 tv1,
            /// Requested active time (power saving mode).
            t3324: GprsTimer2 => 0x6a tlv,
            /// Requested periodic timer (power saving mode).
            t3412_extended: GprsTimer3 => 0x5e tlv,
            /// Requested extended DRX.
            extended_drx: ExtendedDrx => 0x6e tlv,
            /// 5G algorithms for dual connectivity.
            ue_additional_security_capability: UeAdditionalSecurityCapability => 0x6f tlv,
        }
        fixed { 0x19: 3, 0x17: 1 }
    }
}

message! {
    /// TRACKING AREA UPDATE ACCEPT (TS 24.301 §8.2.26).
    pub struct TrackingAreaUpdateAccept {
        mandatory {
            /// What was updated.
            result: TauResult => low_only,
        }
        optional {
            /// Periodic tracking area update timer.
            t3412: GprsTimer => 0x5a tv(1),
            /// New temporary identity.
            guti: Guti => 0x50 tlv,
            /// Registration area.
            tai_list: TaiList => 0x54 tlv,
            /// Bearers the network holds.
            bearer_status: EpsBearerContextStatus => 0x57 tlv,
            /// Location area, for a combined update.
            lai: Lai => 0x13 tv(5),
            /// TMSI, for a combined update.
            ms_identity: MobileIdentity => 0x23 tlv,
            /// Why the update is for EPS only.
            cause: EmmCause => 0x53 tv(1),
            /// T3402.
            t3402: GprsTimer => 0x17 tv(1),
            /// T3423.
            t3423: GprsTimer => 0x59 tv(1),
            /// Equivalent networks.
            equivalent_plmns: PlmnList => 0x4a tlv,
            /// Local emergency numbers.
            emergency_numbers: EmergencyNumberList => 0x34 tlv,
            /// Features of the network.
            network_features: EpsNetworkFeatureSupport => 0x64 tlv,
            /// SMS only, CS fallback not preferred.
            additional_update_result: AdditionalUpdateResult => 0xf0 tv1,
            /// Extended periodic timer.
            t3412_extended: GprsTimer3 => 0x5e tlv,
            /// Active time (power saving mode).
            t3324: GprsTimer2 => 0x6a tlv,
            /// Extended DRX.
            extended_drx: ExtendedDrx => 0x6e tlv,
        }
    }
}

message! {
    /// TRACKING AREA UPDATE COMPLETE (TS 24.301 §8.2.27).
    pub struct TrackingAreaUpdateComplete {}
}

message! {
    /// TRACKING AREA UPDATE REJECT (TS 24.301 §8.2.28).
    pub struct TrackingAreaUpdateReject {
        mandatory {
            /// Why.
            cause: EmmCause => v(1),
        }
        optional {
            /// Back-off when the cause is congestion.
            t3346: GprsTimer2 => 0x5f tlv,
        }
    }
}
