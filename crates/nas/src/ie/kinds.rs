//! Small enumerations and flag elements.

use super::open_enum::{half_elements, half_flags, octet_elements, open_enum};
use crate::codec::{Element, HalfOctet};
use serde::{Deserialize, Serialize};

open_enum! {
    /// EPS attach type (TS 24.301 §9.9.3.11). The network takes unused codes for an EPS attach.
    pub enum AttachType {
        Eps = 1 => "EPS attach",
        Combined = 2 => "combined EPS/IMSI attach",
        Rlos = 3 => "EPS RLOS attach",
        Emergency = 6 => "EPS emergency attach",
        Reserved = 7 => "reserved",
    }
}

open_enum! {
    /// EPS attach result (TS 24.301 §9.9.3.10).
    pub enum AttachResult {
        EpsOnly = 1 => "EPS only",
        Combined = 2 => "combined EPS/IMSI attach",
    }
}

open_enum! {
    /// EPS update type without the active flag (TS 24.301 §9.9.3.14). The network takes unused codes for TA updating.
    pub enum TauKind {
        Ta = 0 => "TA updating",
        CombinedTaLa = 1 => "combined TA/LA updating",
        CombinedTaLaWithImsiAttach = 2 => "combined TA/LA updating with IMSI attach",
        Periodic = 3 => "periodic updating",
    }
}

/// EPS update type (TS 24.301 §9.9.3.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TauType {
    /// What is updated.
    pub kind: TauKind,
    /// "Active" flag: bearers shall be established with the update.
    pub active: bool,
}

open_enum! {
    /// EPS update result (TS 24.301 §9.9.3.13).
    pub enum TauResult {
        TaUpdated = 0 => "TA updated",
        CombinedUpdated = 1 => "combined TA/LA updated",
        TaUpdatedIsrActivated = 4 => "TA updated and ISR activated",
        CombinedUpdatedIsrActivated = 5 => "combined TA/LA updated and ISR activated",
    }
}

open_enum! {
    /// What the UE detaches from (TS 24.301 §9.9.3.7, UE to network). The network takes unused codes for a combined detach.
    pub enum DetachKindUe {
        Eps = 1 => "EPS detach",
        Imsi = 2 => "IMSI detach",
        Combined = 3 => "combined EPS/IMSI detach",
    }
}

/// Detach type sent by a UE (TS 24.301 §9.9.3.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DetachTypeUe {
    /// What it detaches from.
    pub kind: DetachKindUe,
    /// True when the UE is switched off and waits for no answer.
    pub switch_off: bool,
}

open_enum! {
    /// Detach type sent by the network (TS 24.301 §9.9.3.7). The UE takes unused codes for "re-attach not required".
    pub enum DetachTypeNetwork {
        ReattachRequired = 1 => "re-attach required",
        ReattachNotRequired = 2 => "re-attach not required",
        Imsi = 3 => "IMSI detach",
    }
}

open_enum! {
    /// Which identity the network asks for (identity type 2, TS 24.008 §10.5.5.9).
    pub enum IdentityType {
        Imsi = 1 => "IMSI",
        Imei = 2 => "IMEI",
        Imeisv = 3 => "IMEISV",
        Tmsi = 4 => "TMSI",
    }
}

open_enum! {
    /// Service type of EXTENDED SERVICE REQUEST (TS 24.301 §9.9.3.27).
    pub enum ServiceType {
        MobileOriginatingCsFallback = 0 => "mobile originating CS fallback or 1xCS fallback",
        MobileTerminatingCsFallback = 1 => "mobile terminating CS fallback or 1xCS fallback",
        MobileOriginatingCsFallbackEmergency = 2 => "mobile originating CS fallback emergency call or 1xCS fallback emergency call",
        PacketServicesViaS1 = 8 => "packet services via S1",
        PagingOrNasSignallingRelease = 11 => "rejection of paging or NAS signalling connection release (multi-USIM)",
    }
}

open_enum! {
    /// Answer to a paging for CS fallback (TS 24.301 §9.9.3.5).
    pub enum CsfbResponse {
        RejectedByUe = 0 => "CS fallback rejected by the UE",
        AcceptedByUe = 1 => "CS fallback accepted by the UE",
    }
}

open_enum! {
    /// Additional update result (TS 24.301 §9.9.3.0A), bits 2 and 1.
    pub enum AdditionalUpdateResult {
        None = 0 => "no additional information",
        CsFallbackNotPreferred = 1 => "CS Fallback not preferred",
        SmsOnly = 2 => "SMS only",
    }
}

/// Additional update type (TS 24.301 §9.9.3.0B).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct AdditionalUpdateType {
    /// AUTV: the UE asks for SMS only.
    pub sms_only: bool,
    /// SAF: keep the NAS signalling connection after the update.
    pub keep_signalling: bool,
    /// PNB-CIoT, two bits: preferred CIoT network behaviour (0 none, 1 control plane, 2 user plane).
    pub preferred_ciot: u8,
}

open_enum! {
    /// Paging identity of CS SERVICE NOTIFICATION (TS 24.301 §9.9.3.25A).
    pub enum PagingIdentity {
        Imsi = 0 => "IMSI",
        Tmsi = 1 => "TMSI",
    }
}

open_enum! {
    /// PDN type (TS 24.301 §9.9.4.10). The network takes 4 and 7 for IPv6 in a UE's request.
    pub enum PdnType {
        Ipv4 = 1 => "IPv4",
        Ipv6 = 2 => "IPv6",
        Ipv4v6 = 3 => "IPv4v6",
        Unused4 = 4 => "unused, taken for IPv6",
        NonIp = 5 => "non-IP",
        Ethernet = 6 => "Ethernet",
    }
}

open_enum! {
    /// Request type of PDN CONNECTIVITY REQUEST (TS 24.008 §10.5.6.17).
    pub enum RequestType {
        Initial = 1 => "initial request",
        Handover = 2 => "handover",
        Unused = 3 => "unused, taken for an initial request",
        Emergency = 4 => "emergency",
        HandoverOfEmergency = 6 => "handover of emergency bearer services",
    }
}

open_enum! {
    /// Notification indicator of the ESM NOTIFICATION message (TS 24.301 §9.9.4.7A).
    pub enum NotificationIndicator {
        SrvccHandoverCancelled = 1 => "SRVCC handover cancelled, IMS session re-establishment required",
    }
}

/// TMSI status (TS 24.008 §10.5.5.4): whether the UE has a valid TMSI.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TmsiStatus(pub bool);

/// IMEISV request (TS 24.008 §10.5.5.10): whether the network asks for the IMEISV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImeisvRequest(pub bool);

/// Device properties (TS 24.008 §10.5.7.8): whether the UE is set for low access priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DeviceProperties {
    /// NAS signalling low priority.
    pub low_priority: bool,
}

/// GUTI type (TS 24.301 §9.9.3.45).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum GutiType {
    /// The GUTI was given by an MME.
    Native,
    /// The GUTI was made from a P-TMSI and RAI.
    Mapped,
}

/// MS network feature support (TS 24.008 §10.5.1.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MsNetworkFeatureSupport {
    /// The MS supports the extended periodic timer in this domain.
    pub extended_periodic_timers: bool,
}

/// UE radio capability information update needed (TS 24.301 §9.9.3.35): the stored capability shall be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RadioCapabilityUpdateNeeded(pub bool);

/// ESM information transfer flag (TS 24.301 §9.9.4.5): the UE has ESM information to send once security is active.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EsmInformationTransfer(pub bool);

/// DRX parameter (TS 24.008 §10.5.5.6), two octets as they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DrxParameter(pub [u8; 2]);

/// Extended DRX parameters (TS 24.008 §10.5.5.32).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ExtendedDrx {
    /// Paging time window code, four bits.
    pub paging_time_window: u8,
    /// eDRX cycle code, four bits.
    pub cycle: u8,
}

/// Voice domain preference and UE's usage setting (TS 24.008 §10.5.5.28).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VoiceDomainPreference {
    /// True for a data centric UE, false for a voice centric one.
    pub data_centric: bool,
    /// Preference code, two bits: 0 CS only, 1 PS only, 2 CS preferred, 3 PS preferred.
    pub preference: u8,
}

half_elements!(
    AttachType: 0x07,
    AttachResult: 0x07,
    TauResult: 0x07,
    DetachTypeNetwork: 0x07,
    IdentityType: 0x07,
    ServiceType: 0x0f,
    CsfbResponse: 0x07,
    AdditionalUpdateResult: 0x03,
    PdnType: 0x07,
    RequestType: 0x07,
);
octet_elements!(PagingIdentity, NotificationIndicator);
half_flags!(
    TmsiStatus 0,
    RadioCapabilityUpdateNeeded 0,
    EsmInformationTransfer 0,
    ImeisvRequest 0,
    DeviceProperties low_priority,
    MsNetworkFeatureSupport extended_periodic_timers,
);

impl HalfOctet for TauType {
    fn from_half(bits: u8) -> Self {
        Self { kind: TauKind::from_code(bits & 7), active: bits & 8 != 0 }
    }

    fn half(&self) -> u8 {
        self.kind.code() & 7 | u8::from(self.active) << 3
    }
}

impl HalfOctet for DetachTypeUe {
    fn from_half(bits: u8) -> Self {
        Self { kind: DetachKindUe::from_code(bits & 7), switch_off: bits & 8 != 0 }
    }

    fn half(&self) -> u8 {
        self.kind.code() & 7 | u8::from(self.switch_off) << 3
    }
}

impl HalfOctet for AdditionalUpdateType {
    fn from_half(bits: u8) -> Self {
        Self { sms_only: bits & 1 != 0, keep_signalling: bits & 2 != 0, preferred_ciot: bits >> 2 & 3 }
    }

    fn half(&self) -> u8 {
        u8::from(self.sms_only) | u8::from(self.keep_signalling) << 1 | (self.preferred_ciot & 3) << 2
    }
}

impl HalfOctet for GutiType {
    fn from_half(bits: u8) -> Self {
        if bits & 1 == 0 { Self::Native } else { Self::Mapped }
    }

    fn half(&self) -> u8 {
        u8::from(*self == Self::Mapped)
    }
}

impl Element for DrxParameter {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.0);
    }
}

impl Element for ExtendedDrx {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.first().map(|octet| Self { paging_time_window: octet >> 4, cycle: octet & 0x0f })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.paging_time_window << 4 | self.cycle & 0x0f);
    }
}

impl Element for VoiceDomainPreference {
    fn read(octets: &[u8]) -> Option<Self> {
        octets.first().map(|octet| Self { data_centric: octet & 4 != 0, preference: octet & 3 })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.preference & 3 | u8::from(self.data_centric) << 2);
    }
}
