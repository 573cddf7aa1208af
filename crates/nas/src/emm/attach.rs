//! Attach and detach (TS 24.301 §8.2.1 to §8.2.4, §8.2.10, §8.2.11).

use crate::codec::table::message;
use crate::ie::{
    AdditionalUpdateResult, AdditionalUpdateType, AttachResult, AttachType, DetachTypeNetwork, DetachTypeUe,
    DeviceProperties, DrxParameter, EmergencyNumberList, EmmCause, EpsMobileIdentity, EpsNetworkFeatureSupport,
    EsmContainer, ExtendedDrx, GprsTimer, GprsTimer2, GprsTimer3, GutiType, KeySetIdentifier, Lai, MobileIdentity,
    MsNetworkCapability, MsNetworkFeatureSupport, PlmnList, TaiList, TmsiStatus, UeAdditionalSecurityCapability,
    UeNetworkCapability, VoiceDomainPreference,
};
use basalt_ids::{Guti, Tai};

message! {
    /// ATTACH REQUEST (TS 24.301 §8.2.4): a UE asks to be registered.
    pub struct AttachRequest {
        mandatory {
            /// EPS attach type.
            attach_type: AttachType => low,
            /// Key set that protects the message, or "no key".
            ksi: KeySetIdentifier => high,
            /// Who the UE says it is.
            identity: EpsMobileIdentity => lv,
            /// Algorithms and features of the UE.
            ue_network_capability: UeNetworkCapability => lv,
            /// PDN CONNECTIVITY REQUEST, or an ESM DUMMY MESSAGE.
            esm_container: EsmContainer => lve,
        }
        optional {
            /// Another identity when the first is a mapped one.
            additional_guti: Guti => 0x50 tlv,
            /// Where the UE was registered last.
            last_visited_tai: Tai => 0x52 tv(5),
            /// Requested DRX.
            drx: DrxParameter => 0x5c tv(2),
            /// GEA algorithms and 2G/3G features.
            ms_network_capability: MsNetworkCapability => 0x31 tlv,
            /// Old location area, for a combined attach.
            old_lai: Lai => 0x13 tv(5),
            /// Whether the UE has a TMSI.
            tmsi_status: TmsiStatus => 0x90 tv1,
            /// SMS only, CIoT.
            additional_update_type: AdditionalUpdateType => 0xf0 tv1,
            /// Voice or data centric.
            voice_domain: VoiceDomainPreference => 0x5d tlv,
            /// Low access priority.
            device_properties: DeviceProperties => 0xd0 tv1,
            /// Whether the GUTI is native or mapped.
            old_guti_type: GutiType => 0xe0 tv1,
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
    /// ATTACH ACCEPT (TS 24.301 §8.2.1).
    pub struct AttachAccept {
        mandatory {
            /// What the UE is attached for.
            result: AttachResult => low_only,
            /// Periodic tracking area update timer.
            t3412: GprsTimer => v(1),
            /// Registration area.
            tai_list: TaiList => lv,
            /// ACTIVATE DEFAULT EPS BEARER CONTEXT REQUEST, or an ESM DUMMY MESSAGE.
            esm_container: EsmContainer => lve,
        }
        optional {
            /// New temporary identity.
            guti: Guti => 0x50 tlv,
            /// Location area, for a combined attach.
            lai: Lai => 0x13 tv(5),
            /// TMSI, for a combined attach.
            ms_identity: MobileIdentity => 0x23 tlv,
            /// Why the attach is for EPS only.
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
    /// ATTACH COMPLETE (TS 24.301 §8.2.2).
    pub struct AttachComplete {
        mandatory {
            /// ACTIVATE DEFAULT EPS BEARER CONTEXT ACCEPT, or an ESM DUMMY MESSAGE.
            esm_container: EsmContainer => lve,
        }
    }
}

message! {
    /// ATTACH REJECT (TS 24.301 §8.2.3).
    pub struct AttachReject {
        mandatory {
            /// Why.
            cause: EmmCause => v(1),
        }
        optional {
            /// PDN CONNECTIVITY REJECT when the cause is ESM failure.
            esm_container: EsmContainer => 0x78 tlve,
            /// Back-off when the cause is congestion.
            t3346: GprsTimer2 => 0x5f tlv,
            /// T3402.
            t3402: GprsTimer2 => 0x16 tlv,
        }
    }
}

message! {
    /// DETACH REQUEST sent by a UE (TS 24.301 §8.2.11.1).
    pub struct DetachRequestUe {
        mandatory {
            /// What it detaches from, and whether it is switched off.
            detach_type: DetachTypeUe => low,
            /// Key set that protects the message.
            ksi: KeySetIdentifier => high,
            /// Who it is.
            identity: EpsMobileIdentity => lv,
        }
    }
}

message! {
    /// DETACH REQUEST sent by the network (TS 24.301 §8.2.11.2).
    pub struct DetachRequestNetwork {
        mandatory {
            /// Whether the UE shall attach again.
            detach_type: DetachTypeNetwork => low_only,
        }
        optional {
            /// Why.
            cause: EmmCause => 0x53 tv(1),
        }
    }
}

message! {
    /// DETACH ACCEPT, in either direction (TS 24.301 §8.2.10).
    pub struct DetachAccept {}
}
