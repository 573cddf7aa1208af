//! Makes any message out of octets, so that a property test that fails shrinks to a small message.

use basalt_ids::{
    Ebi, Ecgi, Eci, EnbId, EnbUeS1apId, GlobalEnbId, Gummei, Imsi, MTmsi, MmeCode, MmeGroupId, MmeUeS1apId, Plmn, Qci,
    STmsi, Tac, Tai, Teid,
};
use basalt_s1ap::*;
use core::net::{Ipv4Addr, Ipv6Addr};
use oxirush_s1ap::s1ap::{
    BearersSubjectToStatusTransferItem, BearersSubjectToStatusTransferList, COUNTvalue,
    ENBStatusTransferTransparentContainer, ERABID, HFN, PDCPSN, ProtocolIEField, encode_open_type,
};

/// Takes its choices from octets; when they run out, from zeros.
pub struct Source<'o>(&'o [u8]);

impl<'o> Source<'o> {
    /// A source of choices.
    pub fn new(octets: &'o [u8]) -> Self {
        Self(octets)
    }

    fn octet(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().map_or((0, self.0), |(first, rest)| (*first, rest));
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u64 {
        (0..8).fold(0, |word, _| word << 8 | u64::from(self.octet()))
    }

    /// A number of `lower` to `upper`.
    fn within(&mut self, lower: u64, upper: u64) -> u64 {
        let word = if upper - lower < 256 { u64::from(self.octet()) } else { self.word() };
        lower + word % (upper - lower + 1).max(1)
    }

    fn any<T: Arbitrary>(&mut self) -> T {
        T::arbitrary(self)
    }

    fn optional<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.octet() & 1 == 1).then(|| make(self))
    }

    /// `least` to five values.
    fn list<T: Arbitrary>(&mut self, least: u64) -> Vec<T> {
        let count = self.within(least, 5);
        (0..count).map(|_| self.any()).collect()
    }
}

/// A value of any octets.
pub trait Arbitrary: Sized {
    /// Makes it.
    fn arbitrary(source: &mut Source<'_>) -> Self;
}

impl<T: Arbitrary> Arbitrary for Option<T> {
    fn arbitrary(source: &mut Source<'_>) -> Self {
        source.optional(T::arbitrary)
    }
}

impl<T: Arbitrary> Arbitrary for Box<T> {
    fn arbitrary(source: &mut Source<'_>) -> Self {
        Box::new(T::arbitrary(source))
    }
}

/// Values that are written as an expression of the source.
macro_rules! arbitrary {
    ($($type:ty => |$source:ident| $value:expr;)*) => {$(
        impl Arbitrary for $type {
            fn arbitrary($source: &mut Source<'_>) -> Self {
                $value
            }
        }
    )*};
}

/// Enumerations: a known value, or one of a later release.
macro_rules! enumerations {
    ($($type:ty: $known:literal,)*) => {
        arbitrary! {$(
            $type => |s| {
                let beyond = if s.octet() & 7 == 7 { 300 } else { 0 };
                <$type>::from_index((s.within(0, $known - 1) + beyond) as u16)
            };
        )*}
    };
}

enumerations! {
    RadioNetworkCause: 45, TransportCause: 2, NasCause: 7, ProtocolCause: 7, MiscCause: 6, TypeOfError: 2, TimeToWait: 6,
    PagingDrx: 4, RrcEstablishmentCause: 8, GummeiType: 3, CsFallbackIndicator: 2, PagingPriority: 8, OverloadAction: 7,
    ForbiddenInterRats: 6, HandoverType: 7, DirectForwardingPath: 1,
}

arbitrary! {
    Criticality => |s| Criticality::from_index(s.within(0, 2) as u16).unwrap();
    TriggeringMessage => |s| TriggeringMessage::from_index(s.within(0, 2) as u16).unwrap();
    CnDomain => |s| CnDomain::from_index(s.within(0, 1) as u16).unwrap();
    Plmn => |s| {
        let digits = s.within(2, 3) as u8;
        let mnc = s.within(0, if digits == 2 { 99 } else { 999 });
        Plmn::new(s.within(0, 999) as u16, mnc as u16, digits).unwrap()
    };
    Tac => |s| Tac(s.word() as u16);
    MmeGroupId => |s| MmeGroupId(s.word() as u16);
    MmeCode => |s| MmeCode(s.octet());
    MTmsi => |s| MTmsi(s.word() as u32);
    Teid => |s| Teid(s.word() as u32);
    Qci => |s| Qci(s.octet());
    MmeUeS1apId => |s| MmeUeS1apId(s.word() as u32 >> s.within(0, 31));
    EnbUeS1apId => |s| EnbUeS1apId::new((s.word() as u32 & 0xff_ffff) >> s.within(0, 23)).unwrap();
    Ebi => |s| Ebi::new(s.within(1, 15) as u8).unwrap();
    Imsi => |s| {
        let length = s.within(6, 15) as u8;
        Imsi::new(s.word() % 10u64.pow(u32::from(length)), length).unwrap()
    };
    Tai => |s| Tai { plmn: s.any(), tac: s.any() };
    Ecgi => |s| Ecgi { plmn: s.any(), eci: Eci::new(s.word() as u32 >> 4).unwrap() };
    Gummei => |s| Gummei { plmn: s.any(), group: s.any(), code: s.any() };
    STmsi => |s| STmsi { mme_code: s.any(), m_tmsi: s.any() };
    GlobalEnbId => |s| {
        let (plmn, value) = (s.any(), s.word() as u32);
        let enb = match s.within(0, 3) {
            0 => EnbId::Macro(value >> 12),
            1 => EnbId::Home(value >> 4),
            2 => EnbId::ShortMacro(value >> 14),
            _ => EnbId::LongMacro(value >> 11),
        };
        GlobalEnbId { plmn, enb }
    };
    u8 => |s| s.octet();
    Cause => |s| match s.within(0, 4) {
        0 => Cause::RadioNetwork(s.any()),
        1 => Cause::Transport(s.any()),
        2 => Cause::Nas(s.any()),
        3 => Cause::Protocol(s.any()),
        _ => Cause::Misc(s.any()),
    };
    Extension => |s| Extension { id: 1000 + s.word() as u16 % 64, criticality: s.any(), value: s.list(1) };
    Name => |s| {
        let characters = b"basalt enb-1(3) A:/?=.,+'";
        let name: Vec<u8> = s.list::<u8>(1).into_iter().map(|octet| characters[usize::from(octet) % characters.len()]).collect();
        Name::new(String::from_utf8(name).unwrap()).unwrap()
    };
    SupportedTa => |s| SupportedTa { tac: s.any(), broadcast_plmns: s.list(1), extensions: s.list(0) };
    ServedGummeis => |s| ServedGummeis { plmns: s.list(1), groups: s.list(1), codes: s.list(1), extensions: s.list(0) };
    IeCriticalityDiagnostics => |s| {
        IeCriticalityDiagnostics { criticality: s.any(), id: s.word() as u16, type_of_error: s.any() }
    };
    CriticalityDiagnostics => |s| CriticalityDiagnostics {
        procedure_code: s.any(),
        triggering_message: s.any(),
        procedure_criticality: s.any(),
        ies: s.list(0),
    };
    UeIds => |s| UeIds { mme: s.any(), enb: s.any() };
    UeS1apIds => |s| if s.octet() & 1 == 0 { UeS1apIds::Mme(s.any()) } else { UeS1apIds::Pair(s.any(), s.any()) };
    ResetType => |s| if s.octet() & 1 == 0 { ResetType::Full } else { ResetType::Partial(s.list(1)) };
    PagingIdentity => |s| if s.octet() & 1 == 0 { PagingIdentity::STmsi(s.any()) } else { PagingIdentity::Imsi(s.any()) };
    TransportAddress => |s| {
        let (v4, v6) = (Ipv4Addr::from(s.word() as u32), Ipv6Addr::from(u128::from(s.word()) << 64 | u128::from(s.word())));
        match s.within(0, 2) {
            0 => v4.into(),
            1 => v6.into(),
            _ => TransportAddress::Both(v4, v6),
        }
    };
    UeAmbr => |s| {
        let mut rate = || s.word() % 4_000_000_000_001;
        let (downlink, uplink) = if rate() & 1 == 0 { (rate() % 10_000_000_001, rate() % 10_000_000_001) } else { (rate(), rate()) };
        UeAmbr { downlink, uplink, extensions: s.list(0) }
    };
    Arp => |s| Arp { priority_level: s.within(0, 15) as u8, may_pre_empt: s.octet() & 1 == 1, pre_emptable: s.octet() & 1 == 1 };
    GbrQos => |s| {
        let mut rate = || s.word() % 10_000_000_001;
        let (mbr_downlink, mbr_uplink, gbr_downlink, gbr_uplink) = (rate(), rate(), rate(), rate());
        GbrQos { mbr_downlink, mbr_uplink, gbr_downlink, gbr_uplink, extensions: s.list(0) }
    };
    ErabQos => |s| ErabQos { qci: s.any(), arp: s.any(), gbr: s.any(), extensions: s.list(0) };
    ErabToBeSetup => |s| ErabToBeSetup {
        ebi: s.any(),
        qos: s.any(),
        address: s.any(),
        teid: s.any(),
        nas_pdu: s.optional(|s| s.list(0)),
        extensions: s.list(0),
    };
    ErabTunnel => |s| ErabTunnel { ebi: s.any(), address: s.any(), teid: s.any(), extensions: s.list(0) };
    ErabItem => |s| ErabItem { ebi: s.any(), cause: s.any(), extensions: s.list(0) };
    ErabDone => |s| ErabDone { ebi: s.any(), extensions: s.list(0) };
    ErabToBeModified => |s| ErabToBeModified { ebi: s.any(), qos: s.any(), nas_pdu: s.list(0), extensions: s.list(0) };
    ForwardingTunnels => |s| ForwardingTunnels {
        downlink_address: s.any(),
        downlink_teid: s.any(),
        uplink_address: s.any(),
        uplink_teid: s.any(),
    };
    ErabAdmitted => |s| ErabAdmitted {
        ebi: s.any(),
        address: s.any(),
        teid: s.any(),
        forwarding: s.any(),
        extensions: s.list(0),
    };
    ErabForwarding => |s| ErabForwarding { ebi: s.any(), forwarding: s.any(), extensions: s.list(0) };
    TargetEnb => |s| TargetEnb { global_enb_id: s.any(), selected_tai: s.any(), extensions: s.list(0) };
    TargetId => |s| {
        let mut target = TargetId::Enb(s.any());
        if s.octet() & 7 == 7 {
            // A cell of GERAN: the third alternative.
            target = TargetId::Other(vec![0x40, 0x00, 0xf1, 0x10, 0x12, 0x34, 0x56, 0x78]);
        }
        target
    };
    StatusTransfer => |s| {
        let bearer = BearersSubjectToStatusTransferItem::new(
            ERABID(s.any::<Ebi>().value().into()),
            COUNTvalue::new(PDCPSN((s.word() % 4096) as _), HFN((s.word() % 1_048_576) as _), None),
            COUNTvalue::new(PDCPSN((s.word() % 4096) as _), HFN((s.word() % 1_048_576) as _), None),
            None,
            None,
        );
        let field = ProtocolIEField::new(89u16, oxirush_s1ap::s1ap::Criticality::ignore, encode_open_type(&bearer).unwrap());
        let list = BearersSubjectToStatusTransferList(vec![field]);
        StatusTransfer(oxirush_s1ap::aper::encode(&ENBStatusTransferTransparentContainer::new(list, None)).unwrap())
    };
    UeSecurityCapabilities => |s| UeSecurityCapabilities { encryption: s.word() as u16, integrity: s.word() as u16 };
    NrUeSecurityCapabilities => |s| NrUeSecurityCapabilities { encryption: s.word() as u16, integrity: s.word() as u16 };
    SecurityKey => |s| SecurityKey(core::array::from_fn(|_| s.octet()));
    SecurityContext => |s| SecurityContext { next_hop_chaining_count: s.within(0, 7) as u8, next_hop: s.any() };
    HandoverRestrictionList => |s| HandoverRestrictionList {
        serving_plmn: s.any(),
        equivalent_plmns: s.list(0),
        forbidden_tas: s.list(0),
        forbidden_las: s.list(0),
        forbidden_inter_rats: s.any(),
        extensions: s.list(0),
    };
    ForbiddenTas => |s| ForbiddenTas { plmn: s.any(), tacs: s.list(1) };
    ForbiddenLas => |s| ForbiddenLas { plmn: s.any(), lacs: s.list::<Tac>(1).into_iter().map(|tac| tac.0).collect() };
}

/// How a field gets its value: any of its type, unless the form says otherwise.
macro_rules! field {
    ($s:ident) => {
        $s.any()
    };
    ($s:ident some) => {
        $s.list(1)
    };
    ($s:ident list) => {
        $s.list(0)
    };
    ($s:ident octets) => {
        $s.optional(|s| s.list(0))
    };
    ($s:ident [$lower:literal, $upper:literal]) => {
        $s.optional(|s| s.within($lower, $upper) as _)
    };
    ($s:ident some_optional) => {
        $s.optional(|s| s.list(1))
    };
}

/// Messages by their fields, in any of which the source chooses.
macro_rules! messages {
    ($($name:ident { $($field:ident $(: $form:tt)?),* })*) => {
        arbitrary! {
            Pdu => |s| {
                let makers: &[fn(&mut Source<'_>) -> Pdu] = &[$(|s| <$name>::arbitrary(s).into(),)* |s| OtherPdu::arbitrary(s).into()];
                let maker = usize::from(s.octet()) % makers.len();
                let mut pdu = makers[maker](s);
                if let Pdu::ErabSetupRequest(request) = &mut pdu {
                    request.erabs.iter_mut().for_each(|erab| erab.nas_pdu = Some(erab.nas_pdu.take().unwrap_or_default()));
                }
                if let Pdu::HandoverRequest(request) = &mut pdu {
                    request.erabs.iter_mut().for_each(|erab| erab.nas_pdu = None);
                }
                pdu
            };
            $($name => |s| $name {
                $($field: field!(s $($form)?),)*
                other_ies: Vec::new(),
                received_criticalities: Vec::new(),
            };)*
        }
    };
}

arbitrary! {
    OtherPdu => |s| OtherPdu {
        kind: s.any(),
        procedure_code: 100 + s.octet() % 100,
        criticality: s.any(),
        raw: s.list(1),
    };
}

messages! {
    S1SetupRequest { global_enb_id, enb_name, supported_tas: some, default_paging_drx }
    S1SetupResponse { mme_name, served_gummeis: some, relative_mme_capacity, criticality_diagnostics }
    S1SetupFailure { cause, time_to_wait, criticality_diagnostics }
    EnbConfigurationUpdate { enb_name, supported_tas: some_optional, default_paging_drx }
    EnbConfigurationUpdateAcknowledge { criticality_diagnostics }
    EnbConfigurationUpdateFailure { cause, time_to_wait, criticality_diagnostics }
    MmeConfigurationUpdate { mme_name, served_gummeis: some_optional, relative_mme_capacity }
    MmeConfigurationUpdateAcknowledge { criticality_diagnostics }
    MmeConfigurationUpdateFailure { cause, time_to_wait, criticality_diagnostics }
    Reset { cause, reset_type }
    ResetAcknowledge { connections: list, criticality_diagnostics }
    ErrorIndication { mme_ue_id, enb_ue_id, cause, criticality_diagnostics, s_tmsi }
    OverloadStart { action, gummeis: some_optional, traffic_load_reduction: [1, 99] }
    OverloadStop { gummeis: some_optional }
    InitialUeMessage { enb_ue_id, nas_pdu: list, tai, ecgi, rrc_establishment_cause, s_tmsi, gummei, gummei_type }
    DownlinkNasTransport { mme_ue_id, enb_ue_id, nas_pdu: list, handover_restriction_list, subscriber_profile_id: [1, 256] }
    UplinkNasTransport { mme_ue_id, enb_ue_id, nas_pdu: list, ecgi, tai }
    NasNonDeliveryIndication { mme_ue_id, enb_ue_id, nas_pdu: octets, cause }
    InitialContextSetupRequest {
        mme_ue_id, enb_ue_id, ue_ambr, erabs: some, ue_security_capabilities, security_key, handover_restriction_list,
        ue_radio_capability: octets, subscriber_profile_id: [1, 256], cs_fallback_indicator, gummei,
        masked_imeisv: [0, 0xffff_ffff_ffff_fffe], nr_ue_security_capabilities
    }
    InitialContextSetupResponse { mme_ue_id, enb_ue_id, erabs: list, failed_erabs: list, criticality_diagnostics }
    InitialContextSetupFailure { mme_ue_id, enb_ue_id, cause, criticality_diagnostics }
    UeContextReleaseRequest { mme_ue_id, enb_ue_id, cause }
    UeContextReleaseCommand { ue_s1ap_ids, cause }
    UeContextReleaseComplete { mme_ue_id, enb_ue_id, criticality_diagnostics }
    UeContextModificationRequest {
        mme_ue_id, enb_ue_id, security_key, subscriber_profile_id: [1, 256], ue_ambr, cs_fallback_indicator,
        ue_security_capabilities, nr_ue_security_capabilities
    }
    UeContextModificationResponse { mme_ue_id, enb_ue_id, criticality_diagnostics }
    UeContextModificationFailure { mme_ue_id, enb_ue_id, cause, criticality_diagnostics }
    UeCapabilityInfoIndication { mme_ue_id, enb_ue_id, ue_radio_capability: octets, ue_radio_capability_for_paging: octets }
    Paging {
        ue_identity_index: [0, 1023], identity, paging_drx, cn_domain, tais: list, priority,
        ue_radio_capability_for_paging: octets
    }
    ErabSetupRequest { mme_ue_id, enb_ue_id, ue_ambr, erabs: some }
    ErabSetupResponse { mme_ue_id, enb_ue_id, erabs: list, failed_erabs: list, criticality_diagnostics }
    ErabModifyRequest { mme_ue_id, enb_ue_id, ue_ambr, erabs: some }
    ErabModifyResponse { mme_ue_id, enb_ue_id, erabs: list, failed_erabs: list, criticality_diagnostics }
    ErabReleaseCommand { mme_ue_id, enb_ue_id, ue_ambr, erabs: list, nas_pdu: octets }
    ErabReleaseResponse { mme_ue_id, enb_ue_id, erabs: list, failed_erabs: list, criticality_diagnostics }
    ErabReleaseIndication { mme_ue_id, enb_ue_id, erabs: list }
    PathSwitchRequest {
        enb_ue_id, erabs: some, source_mme_ue_id, ecgi, tai, ue_security_capabilities, source_mme_gummei,
        nr_ue_security_capabilities
    }
    PathSwitchRequestAcknowledge {
        mme_ue_id, enb_ue_id, ue_ambr, switched_uplink: list, to_be_released: list, security_context,
        criticality_diagnostics, nr_ue_security_capabilities, handover_restriction_list, ue_security_capabilities
    }
    PathSwitchRequestFailure { mme_ue_id, enb_ue_id, cause, criticality_diagnostics }
    HandoverPreparationFailure { mme_ue_id, enb_ue_id, cause, criticality_diagnostics }
    HandoverFailure { mme_ue_id, cause, criticality_diagnostics }
    HandoverRequired {
        mme_ue_id, enb_ue_id, handover_type, cause, target_id, direct_forwarding_path, container: list
    }
    HandoverCommand {
        mme_ue_id, enb_ue_id, handover_type, forwarding: list, to_be_released: list, container: list,
        criticality_diagnostics
    }
    HandoverRequest {
        mme_ue_id, handover_type, cause, ue_ambr, erabs: some, container: list, ue_security_capabilities,
        handover_restriction_list, security_context, gummei, nr_ue_security_capabilities
    }
    HandoverRequestAcknowledge {
        mme_ue_id, enb_ue_id, admitted: list, failed_erabs: list, container: list, criticality_diagnostics
    }
    HandoverNotify { mme_ue_id, enb_ue_id, ecgi, tai }
    HandoverCancel { mme_ue_id, enb_ue_id, cause }
    HandoverCancelAcknowledge { mme_ue_id, enb_ue_id, criticality_diagnostics }
    EnbStatusTransfer { mme_ue_id, enb_ue_id, container }
    MmeStatusTransfer { mme_ue_id, enb_ue_id, container }
    ErabModificationIndication { mme_ue_id, enb_ue_id, erabs: some, unchanged_erabs: list }
    ErabModificationConfirm {
        mme_ue_id, enb_ue_id, erabs: list, failed_erabs: list, to_be_released: list, criticality_diagnostics
    }
    UeContextResumeFailure { mme_ue_id, enb_ue_id, cause, criticality_diagnostics }
}
