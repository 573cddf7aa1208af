//! Information elements of EPS NAS (TS 24.301 §9.9, TS 24.008 §10.5) as plain values.
//!
//! A value keeps what it does not understand: spare and later bits of capabilities, unknown containers, reserved codes. An
//! enumeration with an `Other` variant stands for a code that this version of the specification does not name.

mod bearer;
mod capability;
mod cause;
mod gsm7;
mod identity;
mod kinds;
mod name;
mod open_enum;
mod pco;
mod pdn;
mod qos;
mod raw;
mod security;
mod tai;
mod tft;
mod timer;

pub use bearer::{EpsBearerContextStatus, LinkedEbi, TrafficFlow};
pub use capability::{
    EpsNetworkFeatureSupport, MsNetworkCapability, UeAdditionalSecurityCapability, UeNetworkCapability,
    UeSecurityCapability,
};
pub use cause::{EmmCause, EsmCause};
pub use identity::{EpsMobileIdentity, Lai, MobileIdentity};
pub use kinds::{
    AdditionalUpdateResult, AdditionalUpdateType, AttachResult, AttachType, CsfbResponse, DetachKindUe,
    DetachTypeNetwork, DetachTypeUe, DeviceProperties, DrxParameter, EsmInformationTransfer, ExtendedDrx, GutiType,
    IdentityType, ImeisvRequest, MsNetworkFeatureSupport, NotificationIndicator, PagingIdentity, PdnType,
    RadioCapabilityUpdateNeeded, RequestType, ServiceType, TauKind, TauResult, TauType, TmsiStatus,
    VoiceDomainPreference,
};
pub use name::{DaylightSaving, NetworkName, TimeZone, UniversalTime};
pub use pco::{IpcpDnsRequest, PcoItem, ProtocolConfigurationOptions};
pub use pdn::{AccessPointName, PdnAddress};
pub use qos::{ApnAmbr, BitRate, EpsQos, ExtendedApnAmbr, ExtendedEpsQos, GbrRates};
pub(crate) use raw::Placed;
pub use raw::{EsmContainer, NasContainer, OctetString, OtherIes, RawIe};
pub use security::{AuthenticationFailureParameter, Autn, KeySetIdentifier, Nonce, Rand, Res, SelectedNasAlgorithms};
pub use tai::{EmergencyNumber, EmergencyNumberList, PlmnList, TaiList, TaiListPart};
pub use tft::{FilterComponent, FilterDirection, PacketFilter, Tft, TftError, TftOperation};
pub use timer::{GprsTimer, GprsTimer2, GprsTimer3};
