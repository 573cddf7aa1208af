//! Identification, authentication, security mode, status, information and transport (TS 24.301 §8.2.5 to §8.2.22, §8.2.30 ff).

use crate::codec::table::message;
use crate::ie::{
    AuthenticationFailureParameter, Autn, DaylightSaving, EmmCause, IdentityType, ImeisvRequest, KeySetIdentifier,
    MobileIdentity, NasContainer, NetworkName, Nonce, OctetString, Rand, Res, SelectedNasAlgorithms, TaiList, TimeZone,
    UeAdditionalSecurityCapability, UeSecurityCapability, UniversalTime,
};
use basalt_ids::Guti;

message! {
    /// AUTHENTICATION REQUEST (TS 24.301 §8.2.7).
    pub struct AuthenticationRequest {
        mandatory {
            /// Identifier of the key set that the authentication makes.
            ksi: KeySetIdentifier => low_only,
            /// Challenge.
            rand: Rand => v(16),
            /// Token that proves the network.
            autn: Autn => lv,
        }
    }
}

message! {
    /// AUTHENTICATION RESPONSE (TS 24.301 §8.2.8).
    pub struct AuthenticationResponse {
        mandatory {
            /// Response to the challenge.
            res: Res => lv,
        }
    }
}

message! {
    /// AUTHENTICATION REJECT (TS 24.301 §8.2.6).
    pub struct AuthenticationReject {}
}

message! {
    /// AUTHENTICATION FAILURE (TS 24.301 §8.2.5).
    pub struct AuthenticationFailure {
        mandatory {
            /// MAC failure, synch failure, or non-EPS authentication unacceptable.
            cause: EmmCause => v(1),
        }
        optional {
            /// AUTS, with a synch failure.
            auts: AuthenticationFailureParameter => 0x30 tlv,
        }
    }
}

message! {
    /// IDENTITY REQUEST (TS 24.301 §8.2.18).
    pub struct IdentityRequest {
        mandatory {
            /// Which identity is asked for.
            identity_type: IdentityType => low_only,
        }
    }
}

message! {
    /// IDENTITY RESPONSE (TS 24.301 §8.2.19).
    pub struct IdentityResponse {
        mandatory {
            /// The identity.
            identity: MobileIdentity => lv,
        }
    }
}

message! {
    /// SECURITY MODE COMMAND (TS 24.301 §8.2.20).
    pub struct SecurityModeCommand {
        mandatory {
            /// Chosen algorithms.
            algorithms: SelectedNasAlgorithms => v(1),
            /// Key set taken into use.
            ksi: KeySetIdentifier => low_only,
            /// The capabilities as the network received them.
            replayed_capability: UeSecurityCapability => lv,
        }
        optional {
            /// Whether the UE shall tell its IMEISV.
            imeisv_request: ImeisvRequest => 0xc0 tv1,
            /// Replayed nonce of the UE, with a mapped context.
            replayed_nonce_ue: Nonce => 0x55 tv(4),
            /// Nonce of the MME, with a mapped context.
            nonce_mme: Nonce => 0x56 tv(4),
            /// Hash of the initial message, when it came without valid protection.
            hash_mme: OctetString => 0x4f tlv,
            /// Replayed 5G algorithms.
            replayed_additional_capability: UeAdditionalSecurityCapability => 0x6f tlv,
        }
    }
}

message! {
    /// SECURITY MODE COMPLETE (TS 24.301 §8.2.21).
    pub struct SecurityModeComplete {
        optional {
            /// IMEISV, when asked for.
            imeisv: MobileIdentity => 0x23 tlv,
            /// The whole initial message, when its hash did not match.
            replayed_nas_message: OctetString => 0x79 tlve,
        }
    }
}

message! {
    /// SECURITY MODE REJECT (TS 24.301 §8.2.22).
    pub struct SecurityModeReject {
        mandatory {
            /// Why.
            cause: EmmCause => v(1),
        }
    }
}

message! {
    /// GUTI REALLOCATION COMMAND (TS 24.301 §8.2.16).
    pub struct GutiReallocationCommand {
        mandatory {
            /// New temporary identity.
            guti: Guti => lv,
        }
        optional {
            /// New registration area.
            tai_list: TaiList => 0x54 tlv,
        }
    }
}

message! {
    /// GUTI REALLOCATION COMPLETE (TS 24.301 §8.2.17).
    pub struct GutiReallocationComplete {}
}

message! {
    /// EMM STATUS (TS 24.301 §8.2.14).
    pub struct EmmStatus {
        mandatory {
            /// What was wrong.
            cause: EmmCause => v(1),
        }
    }
}

message! {
    /// EMM INFORMATION (TS 24.301 §8.2.13).
    pub struct EmmInformation {
        optional {
            /// Full name of the network.
            full_name: NetworkName => 0x43 tlv,
            /// Short name of the network.
            short_name: NetworkName => 0x45 tlv,
            /// Local time zone.
            local_time_zone: TimeZone => 0x46 tv(1),
            /// Universal time and local time zone.
            universal_time: UniversalTime => 0x47 tv(7),
            /// Daylight saving time.
            daylight_saving: DaylightSaving => 0x49 tlv,
        }
    }
}

message! {
    /// DOWNLINK NAS TRANSPORT (TS 24.301 §8.2.12): SMS to the UE.
    pub struct DownlinkNasTransport {
        mandatory {
            /// CP message of SMS.
            container: NasContainer => lv,
        }
    }
}

message! {
    /// UPLINK NAS TRANSPORT (TS 24.301 §8.2.30): SMS from the UE.
    pub struct UplinkNasTransport {
        mandatory {
            /// CP message of SMS.
            container: NasContainer => lv,
        }
    }
}

message! {
    /// DOWNLINK GENERIC NAS TRANSPORT (TS 24.301 §8.2.31).
    pub struct DownlinkGenericNasTransport {
        mandatory {
            /// What the container holds: 1 LPP, 2 location services.
            container_type: u8 => v(1),
            /// The contained message.
            container: OctetString => lve,
        }
    }
}

message! {
    /// UPLINK GENERIC NAS TRANSPORT (TS 24.301 §8.2.32).
    pub struct UplinkGenericNasTransport {
        mandatory {
            /// What the container holds: 1 LPP, 2 location services.
            container_type: u8 => v(1),
            /// The contained message.
            container: OctetString => lve,
        }
    }
}
