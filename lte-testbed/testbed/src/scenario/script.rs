//! What a scenario can say.

mod actions;
mod expectation;
mod step;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use basalt_ids::{Apn, Plmn, Tac};
use basalt_nas::ie::PdnType;

pub use self::actions::{EnbAction, GatewayAction, HandedOver, HomeAction, PhoneAction};
pub use self::expectation::{Comparison, Expectation, PhoneState};
pub use self::step::{Mishap, Step, Tampering};

/// A scenario: what is set up, and what is done and expected, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Script {
    /// Its name: that of its file.
    pub name: String,
    /// Its first comment line: what it shows.
    pub title: String,
    /// What is set up before the gateway starts.
    pub setup: Vec<Setup>,
    /// What is done and expected, with the line it stands in.
    pub steps: Vec<(usize, Step)>,
    /// The lines themselves, for reports.
    pub lines: Vec<String>,
}

impl Script {
    /// Whether it measures what the machine gives it: neighbours would take of it.
    #[must_use]
    pub fn measures(&self) -> bool {
        self.steps.iter().any(|(_, step)| {
            matches!(
                step,
                Step::Flood(..)
                    | Step::Rates(..)
                    | Step::RateOver(..)
                    | Step::RateOfAccessPoints(..)
                    | Step::Kills(..)
                    | Step::Upgrades(_)
            )
        })
    }

    /// Whether every packet counts: what is lost or miscounted once is a fault, however often it goes well.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Kills(..) | Step::Upgrades(_)))
    }
}

/// Something that is set up before the gateway starts.
#[derive(Clone, Debug, PartialEq)]
pub enum Setup {
    /// A setting of the gateway's configuration, as TOML: `paging.attempts = 2`.
    Setting(String),
    /// How many subscribers the gateway knows.
    Subscribers(u32),
    /// An access point that all subscribers may use; the first one named is their default.
    AccessPoint(Apn),
    /// What the internet may send each subscriber, bit/s: its AMBR.
    DownlinkRate(u64),
    /// A base station stands in another area, or another network.
    EnbArea(usize, Option<Plmn>, Tac),
    /// A phone is of another kind.
    Phone(usize, Trait),
    /// There is a home network whose subscribers are authenticated by it, through a federation gateway.
    Home(Plmn),
    /// In what the home network heard and said, tshark has to find these commands of Diameter, asked and answered.
    Commands(Vec<u32>),
    /// There is a collector of OpenTelemetry, which gateway and federation gateway tell.
    Collector,
    /// Cables to the base stations and to the internet carry packets of so many octets.
    Cables(u32),
    /// There is a server on this VLAN of the internet link.
    Vlan(u16),
    /// The scenario needs the right to load BPF programs, or something else that only root has.
    NeedsRoot,
}

/// In what a phone differs from the usual one.
#[derive(Clone, Debug, PartialEq)]
pub enum Trait {
    /// Its card has another key than the gateway's list.
    WrongKey,
    /// The gateway does not know it.
    Unknown,
    /// Its subscription is of another network.
    Network(Plmn),
    /// That network lets it be served in this zone.
    Zone(u16),
    /// It has these algorithms only (capability bits).
    Algorithms(u8, u8),
    /// It attaches for EPS and non-EPS services.
    Combined,
    /// It keeps access point and options secret until security stands.
    Conceals,
    /// It asks for this access point.
    AccessPoint(Apn),
    /// It asks for a session of this type.
    PdnType(PdnType),
    /// It is a network device in a namespace, where real programs run.
    Device,
    /// Its subscription has this IPv4 address at the default access point.
    Address(Ipv4Addr),
    /// There is this network behind it (first address, length), and it is a network device.
    Behind(IpAddr, u8),
    /// It does not try again by itself.
    Once,
    /// It waits so long for answers instead of the specification's time.
    Timer(testbed_ue::Timer, Duration),
}

/// One or several phones, counted from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phones {
    /// The first.
    pub first: usize,
    /// The last.
    pub last: usize,
}

impl Phones {
    /// Their indices, counted from 0.
    pub fn indices(self) -> impl Iterator<Item = usize> {
        self.first - 1..self.last
    }
}

/// Where programs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The server in the internet.
    Internet,
    /// A phone that is a network device.
    Phone(usize),
    /// The network behind it.
    Behind(usize),
    /// The server on the VLAN.
    Vlan,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Internet => f.write_str("internet"),
            Place::Phone(phone) => write!(f, "ue {phone}"),
            Place::Behind(phone) => write!(f, "behind ue {phone}"),
            Place::Vlan => f.write_str("vlan"),
        }
    }
}
