//! Random values of every element, for property tests.

use crate::ie::*;
use basalt_ids::{Ebi, Gummei, Guti, Imsi, MTmsi, MmeCode, MmeGroupId, Plmn, Qci, Tac, Tai};

/// A small generator of random numbers from a seed (SplitMix64).
pub(crate) struct Source {
    state: u64,
    /// Only contents that a reader of contents accepts.
    well_formed: bool,
}

impl Source {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed, well_formed: false }
    }

    /// As [`Source::new`], with access point names, filters and options that are well-formed within.
    pub(crate) fn well_formed(seed: u64) -> Self {
        Self { state: seed, well_formed: true }
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.next() & 1 == 1
    }

    pub(crate) fn octet(&mut self) -> u8 {
        (self.next() & 0xff) as u8
    }

    pub(crate) fn octets(&mut self, min: usize, max: usize) -> Vec<u8> {
        let len = min + self.below(max - min + 1);
        (0..len).map(|_| self.octet()).collect()
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.octet())
    }

    fn digits(&mut self, len: usize) -> String {
        (0..len).map(|_| char::from(b'0' + u8::try_from(self.below(10)).unwrap())).collect()
    }

    pub(crate) fn list<T: Sample>(&mut self, min: usize, max: usize) -> Vec<T> {
        let len = min + self.below(max - min + 1);
        (0..len).map(|_| T::sample(self)).collect()
    }
}

/// A value that can be made at random.
pub(crate) trait Sample {
    fn sample(source: &mut Source) -> Self;
}

macro_rules! sample {
    ($($name:ty: |$source:ident| $value:expr;)*) => {$(
        impl Sample for $name {
            fn sample($source: &mut Source) -> Self {
                $value
            }
        }
    )*};
}

sample! {
    u8: |s| s.octet() & 0x0f;
    AttachType: |s| Self::from_code(s.octet() & 7);
    AttachResult: |s| Self::from_code(s.octet() & 7);
    TauResult: |s| Self::from_code(s.octet() & 7);
    DetachTypeNetwork: |s| Self::from_code(s.octet() & 7);
    IdentityType: |s| Self::from_code(s.octet() & 7);
    ServiceType: |s| Self::from_code(s.octet() & 15);
    CsfbResponse: |s| Self::from_code(s.octet() & 7);
    AdditionalUpdateResult: |s| Self::from_code(s.octet() & 3);
    PdnType: |s| Self::from_code(s.octet() & 7);
    RequestType: |s| Self::from_code(s.octet() & 7);
    PagingIdentity: |s| Self::from_code(s.octet());
    NotificationIndicator: |s| Self::from_code(s.octet());
    EmmCause: |s| Self::from_code(s.octet());
    EsmCause: |s| Self::from_code(s.octet());
    TauType: |s| Self { kind: TauKind::from_code(s.octet() & 7), active: s.coin() };
    DetachTypeUe: |s| Self { kind: DetachKindUe::from_code(s.octet() & 7), switch_off: s.coin() };
    AdditionalUpdateType: |s| Self {
        sms_only: s.coin(),
        keep_signalling: s.coin(),
        preferred_ciot: s.octet() & 3,
    };
    TmsiStatus: |s| Self(s.coin());
    ImeisvRequest: |s| Self(s.coin());
    RadioCapabilityUpdateNeeded: |s| Self(s.coin());
    EsmInformationTransfer: |s| Self(s.coin());
    DeviceProperties: |s| Self { low_priority: s.coin() };
    MsNetworkFeatureSupport: |s| Self { extended_periodic_timers: s.coin() };
    GutiType: |s| if s.coin() { Self::Native } else { Self::Mapped };
    DrxParameter: |s| Self(s.array());
    ExtendedDrx: |s| Self { paging_time_window: s.octet() & 15, cycle: s.octet() & 15 };
    VoiceDomainPreference: |s| Self { data_centric: s.coin(), preference: s.octet() & 3 };
    KeySetIdentifier: |s| Self { mapped: s.coin(), value: s.octet() & 7 };
    SelectedNasAlgorithms: |s| Self { ciphering: s.octet() & 7, integrity: s.octet() & 7 };
    Rand: |s| Self(s.array());
    Autn: |s| Self(s.array());
    AuthenticationFailureParameter: |s| Self(s.array());
    Res: |s| Self(s.octets(4, 16));
    Nonce: |s| Self(u32::from_be_bytes(s.array()));
    GprsTimer: |s| Self(s.octet());
    GprsTimer2: |s| Self(s.octet());
    GprsTimer3: |s| Self(s.octet());
    OctetString: |s| Self(s.octets(8, 40));
    EsmContainer: |s| Self(s.octets(3, 300));
    NasContainer: |s| Self(s.octets(2, 250));
    UeNetworkCapability: |s| Self::from_octets(&s.octets(2, 13)).unwrap();
    MsNetworkCapability: |s| Self::from_octets(&s.octets(2, 8)).unwrap();
    UeSecurityCapability: |s| {
        let len = [2, 4, 5][s.below(3)];
        Self::from_octets(&s.octets(len, len)).unwrap()
    };
    UeAdditionalSecurityCapability: |s| Self::from_octets(&s.octets(4, 4)).unwrap();
    EpsNetworkFeatureSupport: |s| Self::from_octets(&s.octets(1, 3)).unwrap();
    Plmn: |s| {
        let (mcc, mnc) = (s.below(1000) as u16, s.below(1000) as u16);
        if s.coin() { Self::new(mcc, mnc, 3) } else { Self::new(mcc, mnc % 100, 2) }.unwrap()
    };
    Tac: |s| Self(u16::from_be_bytes(s.array()));
    Tai: |s| Self { plmn: Plmn::sample(s), tac: Tac::sample(s) };
    Lai: |s| Self { plmn: Plmn::sample(s), lac: u16::from_be_bytes(s.array()) };
    PlmnList: |s| Self(s.list(1, 15));
    TaiList: |s| Self(s.list(1, 2));
    TaiListPart: |s| match s.below(3) {
        0 => Self::SamePlmn(Plmn::sample(s), s.list(1, 16)),
        1 => Self::Consecutive { first: Tai::sample(s), count: 1 + s.below(16) as u8 },
        _ => Self::Any(s.list(1, 8)),
    };
    EmergencyNumber: |s| {
        let len = 1 + s.below(8);
        Self { category: s.octet() & 0x1f, digits: s.digits(len) }
    };
    EmergencyNumberList: |s| Self(s.list(1, 4));
    Guti: |s| Self {
        gummei: Gummei {
            plmn: Plmn::sample(s),
            group: MmeGroupId(u16::from_be_bytes(s.array())),
            code: MmeCode(s.octet()),
        },
        m_tmsi: MTmsi(u32::from_be_bytes(s.array())),
    };
    Imsi: |s| {
        let len = if s.well_formed { 15 } else { 6 + s.below(10) };
        s.digits(len).parse().unwrap()
    };
    EpsMobileIdentity: |s| match s.below(3) {
        0 => Self::Imsi(Imsi::sample(s)),
        1 => Self::Guti(Guti::sample(s)),
        _ => Self::Imei(s.digits(15).parse().unwrap()),
    };
    MobileIdentity: |s| match if s.well_formed { 3 } else { s.below(5) } {
        0 => Self::Imsi(Imsi::sample(s)),
        1 => Self::Imei(s.digits(15).parse().unwrap()),
        2 => Self::Imeisv(s.digits(16).parse().unwrap()),
        3 => Self::Tmsi(MTmsi(u32::from_be_bytes(s.array()))),
        _ => Self::None,
    };
    EpsBearerContextStatus: |s| (5..16).filter(|_| s.coin()).map(|n| Ebi::new(n).unwrap()).collect();
    LinkedEbi: |s| Self(s.octet() & 15);
    TrafficFlow: |s| {
        if s.well_formed {
            // Create a template of one filter, both directions: remote port 53.
            return Self(vec![0x21, 0x31, s.octet(), 3, 0x50, 0, 53]);
        }
        Self(s.octets(1, 60))
    };
    AccessPointName: |s| {
        let names = ["internet", "ims", "a.b.c", "x-1.mnc001.mcc001.gprs"];
        if s.well_formed || s.coin() {
            Self::from(&names[s.below(names.len())].parse().unwrap())
        } else {
            Self::from_octets(s.octets(1, 100))
        }
    };
    PdnAddress: |s| match s.below(5) {
        0 => Self::Ipv4(s.array::<4>().into()),
        1 => Self::Ipv6 { interface_id: s.array() },
        2 => Self::Ipv4v6 { interface_id: s.array(), ipv4: s.array::<4>().into() },
        3 => Self::NonIp,
        _ => Self::Ethernet,
    };
    ApnAmbr: |s| Self::new(s.below(65_000_000) as u64, s.below(9_000) as u64);
    ExtendedApnAmbr: |s| Self(s.array());
    ExtendedEpsQos: |s| Self(s.array());
    EpsQos: |s| {
        let qci = Qci(s.octet());
        if s.coin() {
            return Self::non_gbr(qci);
        }
        Self::gbr(qci, &GbrRates {
            max_uplink: s.below(10_000_000) as u64,
            max_downlink: s.below(200_000) as u64,
            guaranteed_uplink: s.below(9_000) as u64,
            guaranteed_downlink: s.below(100) as u64,
        })
    };
    ProtocolConfigurationOptions: |s| Self { items: s.list(0, 6), trailing: s.octets(0, 2) };
    PcoItem: |s| match s.below(18) {
        0 => Self::Ipcp(s.octets(0, 20)),
        1 => Self::Pap(s.octets(0, 20)),
        2 => Self::Chap(s.octets(0, 20)),
        3 => Self::PcscfIpv6Request,
        4 => Self::PcscfIpv6(s.array::<16>().into()),
        5 => Self::DnsIpv6Request,
        6 => Self::DnsIpv6(s.array::<16>().into()),
        7 => Self::BearerControlSupport,
        8 => Self::BearerControlMode(s.octet()),
        9 => Self::AddressViaNas,
        10 => Self::AddressViaDhcp,
        11 => Self::PcscfIpv4Request,
        12 => Self::PcscfIpv4(s.array::<4>().into()),
        13 => Self::DnsIpv4Request,
        14 => Self::DnsIpv4(s.array::<4>().into()),
        15 => Self::Ipv4MtuRequest,
        16 => Self::Ipv4Mtu(u16::from_be_bytes(s.array())),
        _ => Self::Other { id: 0xff00 | u16::from(s.octet()), octets: s.octets(0, 20) },
    };
    NetworkName: |s| {
        let names = ["Basalt", "Open Network 5", "Ελλάδα", "a"];
        Self::new(names[s.below(names.len())]).unwrap()
    };
    TimeZone: |s| Self { quarters: i8::try_from(s.below(159)).map_or(79, |n| n - 79) };
    UniversalTime: |s| Self::from_unix(s.next() % 4_000_000_000, TimeZone::sample(s));
    DaylightSaving: |s| [Self::None, Self::OneHour, Self::TwoHours, Self::Reserved][s.below(4)];
}
