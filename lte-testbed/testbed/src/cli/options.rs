//! Options that several commands have.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use basalt_ids::{Apn, Plmn, Tac};
use basalt_nas::ie::PdnType;
use basalt_sctp::{Backend, UDP_ENCAPSULATION_PORT, port};
use clap::Args;
use testbed_ue::{Capability, Profile};

use crate::gateway;
use crate::lab::{self, Lab, NetNs, unprivileged};
use crate::network::{Network, NetworkPlan};
use crate::radio::RadioOptions;

/// Which lab.
#[derive(Clone, Debug, Args)]
pub struct LabName {
    /// Name of the lab; its namespaces begin with it.
    #[arg(long = "lab", value_name = "NAME", default_value = "basalt", env = "BASALT_LAB")]
    pub name: String,
}

/// With or without root.
#[derive(Clone, Copy, Debug, Args)]
pub struct Rights {
    /// Do without root even as root: a user namespace, SCTP over UDP, the software data plane.
    #[arg(long)]
    rootless: bool,
}

impl Rights {
    /// Whether it goes without root. If it does, this process, which must still have one thread, is root of a user
    /// namespace of its own from now on.
    pub(super) fn settle(self) -> Result<bool> {
        let without = self.rootless || !unprivileged::is_privileged();
        if without {
            unprivileged::become_root_of_own_namespace()?;
        }
        Ok(without)
    }
}

/// Where the gateway is, and how to speak to it.
#[derive(Clone, Debug, Args)]
pub struct GatewayArgs {
    #[command(flatten)]
    pub lab: LabName,
    /// Run here instead of in a lab's radio namespace.
    #[arg(long, requires_all = ["mme", "enb_address"])]
    pub no_lab: bool,
    /// The gateway's S1AP address [default: the lab's gateway].
    #[arg(long, value_name = "ADDRESS")]
    pub mme: Option<IpAddr>,
    /// Its S1AP port.
    #[arg(long, default_value_t = port::S1AP)]
    pub mme_port: u16,
    /// Local address of the base stations [default: the lab's].
    #[arg(long, value_name = "ADDRESS")]
    pub enb_address: Option<Ipv4Addr>,
    /// Number of the first base station, for a second command in the same lab.
    #[arg(long, default_value_t = 1)]
    pub first_enb: u32,
    /// How SCTP travels: auto, kernel, raw-ip, udp, or udp:PORT for the gateway's UDP port.
    #[arg(long, default_value = "auto")]
    pub sctp: SctpArg,
    #[command(flatten)]
    pub rights: Rights,
    /// The network.
    #[arg(long, default_value = "001-01")]
    pub plmn: Plmn,
    /// The network of the phones' subscriptions, which the gateway asks by federation [default: --plmn].
    #[arg(long, value_name = "PLMN")]
    pub home: Option<Plmn>,
    /// The tracking area code.
    #[arg(long, default_value_t = 1)]
    pub tac: u16,
}

impl GatewayArgs {
    /// Finds the gateway: the one of the lab that is up, the one that was named, or, where there is neither, one in a lab
    /// made for this command alone, which knows `phones` subscribers from number `first`.
    pub(super) fn find(&self, first: u32, phones: u32) -> Result<Found> {
        if self.no_lab {
            let mme = self.mme.context("--no-lab needs --mme ADDRESS")?;
            return Ok(Found { network: None, lab: None, radio: self.radio(mme, None) });
        }
        if let Ok(lab) = Lab::open(&self.lab.name) {
            let radio = self.radio(self.mme.unwrap_or(lab::GATEWAY_S1.into()), Some(lab.ran.clone()));
            return Ok(Found { network: None, lab: Some(lab), radio });
        }
        let network = self.own_network(first, phones)?;
        let (lab, radio) = (network.lab.clone(), network.radio_options().clone());
        Ok(Found { network: Some(network), lab: Some(lab), radio })
    }

    fn radio(&self, mme: IpAddr, ns: Option<NetNs>) -> RadioOptions {
        let mme = SocketAddr::new(mme, self.mme_port);
        RadioOptions { ns, backend: self.sctp.backend, mme, remote_udp_port: self.sctp.remote_udp_port }
    }

    fn own_network(&self, first: u32, phones: u32) -> Result<Network> {
        let unprivileged = self.rights.settle()?;
        let mut plan = NetworkPlan { backend: self.sctp.backend, ..NetworkPlan::new(&self.lab.name, unprivileged) };
        gateway::set(&mut plan.settings, "network.plmns", vec![self.plmn.to_string()].into())?;
        gateway::set(&mut plan.settings, "network.tacs", vec![i64::from(self.tac)].into())?;
        let network = Network::start(&plan)?;
        network.gateway.import(&gateway::subscribers(self.plmn, first, phones)?, &[])?;
        eprintln!("no lab {} was up: made one with a gateway and {phones} subscribers for this run", self.lab.name);
        Ok(network)
    }

    pub(super) fn home(&self) -> Plmn {
        self.home.unwrap_or(self.plmn)
    }

    pub(super) fn tac(&self) -> Tac {
        Tac(self.tac)
    }
}

/// A gateway that was found or made.
#[derive(Debug)]
pub(super) struct Found {
    /// The network made for this command; to be dropped last.
    pub network: Option<Network>,
    /// The lab, if it is in one.
    pub lab: Option<Lab>,
    /// Where and how its radio runs.
    pub radio: RadioOptions,
}

/// Reads a number of seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    Duration::try_from_secs_f64(not_negative(text)?).map_err(|error| error.to_string())
}

/// Reads a number that is not negative.
pub(super) fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    number.ok_or_else(|| "use a number that is not negative, such as 0.5 or 10".to_owned())
}

/// `--sctp`.
#[derive(Clone, Copy, Debug)]
pub struct SctpArg {
    backend: Backend,
    remote_udp_port: u16,
}

impl FromStr for SctpArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |backend| Self { backend, remote_udp_port: UDP_ENCAPSULATION_PORT };
        match text {
            "auto" => Ok(plain(Backend::Auto)),
            "kernel" => Ok(plain(Backend::Kernel)),
            "raw-ip" => Ok(plain(Backend::RawIp)),
            "udp" => Ok(plain(Backend::Udp { port: 0 })),
            _ => match text.strip_prefix("udp:").and_then(|port| port.parse().ok()) {
                Some(remote_udp_port) => Ok(Self { backend: Backend::Udp { port: 0 }, remote_udp_port }),
                None => Err("use auto, kernel, raw-ip, udp or udp:PORT".to_owned()),
            },
        }
    }
}

/// Reads a PDN type.
fn pdn_type(text: &str) -> Result<PdnType, String> {
    match text {
        "ipv4" => Ok(PdnType::Ipv4),
        "ipv6" => Ok(PdnType::Ipv6),
        "ipv4v6" => Ok(PdnType::Ipv4v6),
        _ => Err("use ipv4, ipv6 or ipv4v6".to_owned()),
    }
}

/// What kind of phones.
#[derive(Clone, Debug, Args)]
pub struct PhoneArgs {
    /// The access point they ask for [default: the subscription's].
    #[arg(long)]
    pub apn: Option<Apn>,
    /// The kind of address they ask for: ipv4, ipv6 or ipv4v6.
    #[arg(long, default_value = "ipv4", value_parser = pdn_type)]
    pub pdn_type: PdnType,
    /// Ciphering algorithms they have, such as 0123.
    #[arg(long, default_value = "0123", value_name = "DIGITS")]
    pub eea: AlgorithmDigits,
    /// Integrity algorithms they have, such as 123.
    #[arg(long, default_value = "123", value_name = "DIGITS")]
    pub eia: AlgorithmDigits,
    /// Attach for EPS and non-EPS services.
    #[arg(long)]
    pub combined: bool,
    /// Keep access point and options secret until security stands.
    #[arg(long)]
    pub conceal: bool,
}

impl PhoneArgs {
    pub(super) fn profile(&self) -> Arc<Profile> {
        let capability = Capability { eea: self.eea.0, eia: self.eia.0, ..Capability::default() };
        Arc::new(Profile {
            capability,
            apn: self.apn.clone(),
            pdn_type: self.pdn_type,
            combined: self.combined,
            conceals_esm_information: self.conceal,
            ..Profile::default()
        })
    }
}

/// Algorithm numbers, as capability bits.
#[derive(Clone, Copy, Debug)]
pub struct AlgorithmDigits(u8);

impl FromStr for AlgorithmDigits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bit = |digit: char| digit.to_digit(8).map(|number| 0x80u8 >> number);
        let bits = text.chars().try_fold(0, |bits, digit| Some(bits | bit(digit)?));
        bits.filter(|bits| *bits != 0).map(Self).ok_or_else(|| "use digits of 0 to 7, such as 012".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_not_negative() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for wrong in ["-1", "NaN", "inf", "1e300", "x", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn algorithms_are_digits() {
        assert_eq!("0123".parse::<AlgorithmDigits>().unwrap().0, 0xf0);
        assert_eq!("2".parse::<AlgorithmDigits>().unwrap().0, 0x20);
        assert!("".parse::<AlgorithmDigits>().is_err());
        assert!("9".parse::<AlgorithmDigits>().is_err());
    }

    #[test]
    fn back_ends_have_names() {
        assert!(matches!("auto".parse::<SctpArg>().unwrap().backend, Backend::Auto));
        let udp: SctpArg = "udp:9900".parse().unwrap();
        assert_eq!((udp.backend, udp.remote_udp_port), (Backend::Udp { port: 0 }, 9900));
        assert!("tcp".parse::<SctpArg>().is_err());
    }
}
