//! A site in network namespaces: radio, gateway, internet, and one namespace per phone.
//!
//! ```text
//!  NAME-ue1 …            NAME-ran                       NAME-agw                        NAME-internet
//!  [lte0]──(testbed)──[eNBs 10.91.1.0/24]           [gateway]                       [203.0.113.1 server]
//!                     s1 10.91.0.2 ────────── 10.91.0.1 s1   sgi 10.92.0.1 ────────── 10.92.0.2 sgi
//!                        MTU 1600                      phones 10.93.0.0/16             MTU 1500
//! ```
//!
//! The addresses are the same in every lab: labs with different names do not see each other. What is made is written to
//! `/run/basalt-lab/NAME.json` before it is made, so that what a killed lab left behind is removed at the next `up`.

pub mod link;
pub mod netns;
mod state;
pub mod unprivileged;
pub mod vlan;

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::stop;
use link::End;
pub use netns::NetNs;
pub use state::{LabState, Process};

/// MTU of the S1 link: a 1500-octet packet of a phone, 36 octets of tunnel, and room to spare.
pub const S1_MTU: u32 = 1600;
/// MTU of the internet link.
pub const SGI_MTU: u32 = 1500;
/// Interface of the gateway and of the radio towards each other.
pub const S1_INTERFACE: &str = "s1";
/// Interface of the gateway and of the internet towards each other.
pub const SGI_INTERFACE: &str = "sgi";
/// The gateway on the S1 link: S1AP and GTP-U.
pub const GATEWAY_S1: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 1);
/// The radio on the S1 link.
pub const RADIO_S1: Ipv4Addr = Ipv4Addr::new(10, 91, 0, 2);
/// Addresses of base stations; all are local to the radio namespace.
pub const ENB_PREFIX: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 91, 1, 0), 24);
/// The gateway on the internet link.
pub const GATEWAY_SGI: Ipv4Addr = Ipv4Addr::new(10, 92, 0, 1);
/// The internet's router on that link.
pub const INTERNET_SGI: Ipv4Addr = Ipv4Addr::new(10, 92, 0, 2);
/// The server in the internet (TEST-NET-3).
pub const SERVER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The gateway on the internet link, over IPv6.
pub const GATEWAY_SGI6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x5, 1, 0, 0, 0, 1);
/// The internet's router on that link, over IPv6.
pub const INTERNET_SGI6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x5, 1, 0, 0, 0, 2);
/// The server in the internet, over IPv6.
pub const SERVER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0x5, 0, 0, 0, 0, 0x53);
/// Another router of the internet on that link, once a lab has it.
pub const OTHER_SGI: Ipv4Addr = Ipv4Addr::new(10, 92, 0, 3);
/// IPv6 prefixes of phones, and of networks behind them.
pub const PHONES6: (Ipv6Addr, u8) = (Ipv6Addr::new(0x2001, 0xdb8, 0x9300, 0, 0, 0, 0, 0), 40);
/// IPv4 networks behind phones.
pub const BEHIND: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 94, 0, 0), 16);
/// Addresses for phones.
pub const PHONES: (Ipv4Addr, u8) = (Ipv4Addr::new(10, 93, 0, 0), 16);

/// What the gateway is joined by to its neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cable {
    /// To the base stations.
    Radio,
    /// To the internet.
    Internet,
}

impl Cable {
    /// The gateway's interface at its end.
    #[must_use]
    pub const fn interface(self) -> &'static str {
        match self {
            Cable::Radio => S1_INTERFACE,
            Cable::Internet => SGI_INTERFACE,
        }
    }
}

/// A lab that is up.
#[derive(Clone, Debug)]
pub struct Lab {
    name: String,
    /// Where base stations and the phones of a load live.
    pub ran: NetNs,
    /// Where the gateway lives.
    pub agw: NetNs,
    /// Where servers live.
    pub internet: NetNs,
}

impl Lab {
    /// Makes a lab; what an earlier lab of that name left behind is removed first.
    ///
    /// # Errors
    /// A name that cannot be used, a lab of that name in use by another process, or the kernel refuses.
    pub fn up(name: &str) -> Result<Self> {
        check_name(name)?;
        let _making = stop::making();
        if let Some(owner) = Self::owner(name) {
            bail!("lab {name} is in use by process {owner}; choose another --lab name, or end that process");
        }
        Self::down(name).context("removing what an earlier lab left behind")?;
        LabState::new(name).save()?;
        Self::build(name).inspect_err(|_| {
            let _ = Self::down(name);
        })
    }

    fn build(name: &str) -> Result<Self> {
        let lab = Self {
            name: name.to_owned(),
            ran: NetNs::create(&format!("{name}-ran"))?,
            agw: NetNs::create(&format!("{name}-agw"))?,
            internet: NetNs::create(&format!("{name}-internet"))?,
        };
        for ns in [&lab.ran, &lab.agw, &lab.internet] {
            link::prepare(ns)?;
        }
        link::add_local_prefix(&lab.ran, ENB_PREFIX)?;
        link::forward(&lab.agw)?;
        link::add_address(&lab.internet, "lo", SERVER, 32)?;
        link::add_address6(&lab.internet, "lo", SERVER6, 128)?;
        lab.lay(Cable::Radio)?;
        lab.lay(Cable::Internet)?;
        Ok(lab)
    }

    /// Joins the gateway to its neighbour on one side, with addresses and routes, as it is in a new lab.
    ///
    /// # Errors
    /// The cable is there already, or the kernel refuses.
    pub fn lay(&self, cable: Cable) -> Result<()> {
        let end = |ns: &NetNs, address| End { ns: ns.clone(), name: cable.interface(), address: (address, 24) };
        match cable {
            Cable::Radio => link::join(&end(&self.ran, RADIO_S1), &end(&self.agw, GATEWAY_S1), S1_MTU)?,
            Cable::Internet => {
                link::join(&end(&self.agw, GATEWAY_SGI), &end(&self.internet, INTERNET_SGI), SGI_MTU)?;
                link::add_address6(&self.internet, SGI_INTERFACE, INTERNET_SGI6, 64)?;
                link::add_route(&self.internet, PHONES, GATEWAY_SGI)?;
                link::add_route(&self.internet, BEHIND, GATEWAY_SGI)?;
                link::add_route6(&self.internet, PHONES6, GATEWAY_SGI6)?;
            }
        }
        self.route(cable, cable.interface())
    }

    /// What the gateway has by one side and what goes when its interface is down: routes, and the IPv6 address. `name` is the interface's.
    ///
    /// # Errors
    /// They are there already, or the interface is down.
    pub fn route(&self, cable: Cable, name: &str) -> Result<()> {
        match cable {
            Cable::Radio => link::add_route(&self.agw, ENB_PREFIX, RADIO_S1),
            Cable::Internet => {
                link::add_route(&self.agw, (Ipv4Addr::UNSPECIFIED, 0), INTERNET_SGI)?;
                link::add_address6(&self.agw, name, GATEWAY_SGI6, 64)?;
                link::add_route6(&self.agw, (Ipv6Addr::UNSPECIFIED, 0), INTERNET_SGI6)
            }
        }
    }

    /// The lab of that name, which must be up.
    ///
    /// # Errors
    /// It is not.
    pub fn open(name: &str) -> Result<Self> {
        check_name(name)?;
        let ns = |part| NetNs::open(&format!("{name}-{part}"));
        let all = || -> Result<Self> {
            Ok(Self { name: name.to_owned(), ran: ns("ran")?, agw: ns("agw")?, internet: ns("internet")? })
        };
        all().with_context(|| format!("lab {name} is not up: `testbed lab up --lab {name}` makes it"))
    }

    /// Removes a lab: processes started for it, namespaces with all that is in them, files. Not an error if there is none.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub fn down(name: &str) -> Result<()> {
        check_name(name)?;
        let state = LabState::load(name);
        if let Some(state) = &state {
            state.end_processes();
        }
        end_gateways(name);
        state::reap("agwd");
        // What cannot be removed keeps nothing else from it.
        let deleted: Vec<Result<()>> = namespaces(name).iter().map(|ns| NetNs::delete(ns)).collect();
        if let Some(state) = &state {
            state.remove_directories();
        }
        state::remove_directory(&LabState::directory(name));
        deleted.into_iter().collect::<Result<()>>()?;
        LabState::remove(name)
    }

    /// The other process that works with the lab of this name.
    #[must_use]
    pub fn owner(name: &str) -> Option<u32> {
        LabState::load(name)?.living_owner()
    }

    /// Makes both cables fit for packets of so many octets.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn resize(&self, mtu: u32) -> Result<()> {
        link::resize(&self.ran, S1_INTERFACE, mtu)?;
        link::resize(&self.agw, S1_INTERFACE, mtu)?;
        link::resize(&self.agw, SGI_INTERFACE, mtu)?;
        link::resize(&self.internet, SGI_INTERFACE, mtu)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where files of its gateway are; removed with the lab.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        LabState::directory(&self.name)
    }

    /// Makes (or finds) the namespace of phone `number`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn phone(&self, number: u32) -> Result<NetNs> {
        self.fresh(&format!("{}-ue{number}", self.name))
    }

    fn fresh(&self, name: &str) -> Result<NetNs> {
        if let Ok(ns) = NetNs::open(name) {
            return Ok(ns);
        }
        let _making = stop::making();
        let ns = NetNs::create(name)?;
        link::prepare(&ns)?;
        Ok(ns)
    }

    /// Makes (or finds) the namespace of a host behind phone `number`.
    ///
    /// # Errors
    /// The kernel refuses.
    pub fn behind(&self, number: u32) -> Result<NetNs> {
        self.fresh(&format!("{}-lan{number}", self.name))
    }

    /// Removes the namespace of phone `number`.
    ///
    /// # Errors
    /// Its name cannot be removed.
    pub fn remove_phone(&self, number: u32) -> Result<()> {
        NetNs::delete(&format!("{}-ue{number}", self.name))
    }

    /// Remembers a process that was started for this lab, so that `down` ends it.
    ///
    /// # Errors
    /// The state file cannot be written.
    pub fn remember(&self, process: Process) -> Result<()> {
        let mut state = LabState::load(&self.name).unwrap_or_else(|| LabState::new(&self.name));
        state.processes.retain(Process::lives);
        state.processes.push(process);
        state.save()
    }

    /// Says that this process works with the lab from now on; a second one is then refused by [`Lab::up`].
    ///
    /// # Errors
    /// The state file cannot be written.
    pub fn occupy(&self) -> Result<()> {
        let _making = stop::making();
        let mut state = LabState::load(&self.name).unwrap_or_else(|| LabState::new(&self.name));
        state.owner = Some(Process::current("testbed"));
        state.save()
    }

    /// Remembers a directory that goes with the lab (pinned BPF objects, a gateway's scratch data).
    ///
    /// # Errors
    /// The state file cannot be written.
    pub fn remember_directory(&self, directory: PathBuf) -> Result<()> {
        let mut state = LabState::load(&self.name).unwrap_or_else(|| LabState::new(&self.name));
        if !state.directories.contains(&directory) {
            state.directories.push(directory);
        }
        state.save()
    }

    /// The address of base station `index` (0 and up); a lab with more than 254 shares addresses.
    #[must_use]
    pub fn enb_address(index: u32) -> Ipv4Addr {
        let host = (index % 254) as u8 + 1;
        let [a, b, c, _] = ENB_PREFIX.0.octets();
        Ipv4Addr::new(a, b, c, host)
    }
}

/// Ends the daemon, the keeper of its associations, which outlives a daemon that was killed, and commands on their way: they
/// are known by the lab's directory in their command lines.
fn end_gateways(name: &str) {
    let directory = format!("{}/", LabState::directory(name).display());
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    for entry in processes.filter_map(Result::ok) {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let text = |file: &str| std::fs::read(entry.path().join(file)).unwrap_or_default();
        let is_gateway = [&b"agwd"[..], b"basalt"].contains(&text("comm").trim_ascii());
        let is_gateway = is_gateway && String::from_utf8_lossy(&text("cmdline")).contains(&directory);
        if let Some(process) = Process::find(pid, "agwd").filter(|_| is_gateway) {
            process.end();
        }
    }
}

/// The namespaces of a lab that exist, phones included.
fn namespaces(name: &str) -> Vec<String> {
    let prefix = format!("{name}-");
    let own = |ns: &String| {
        ns.strip_prefix(&prefix).is_some_and(|part| {
            let numbered = |kind: &str| {
                part.strip_prefix(kind).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            };
            numbered("ue") || numbered("lan") || matches!(part, "ran" | "agw" | "internet" | "vlan")
        })
    };
    NetNs::list(&prefix).into_iter().filter(own).collect()
}

/// What is there, in words.
///
/// # Errors
/// A name that cannot be used.
pub fn status(name: &str) -> Result<String> {
    use std::fmt::Write as _;
    check_name(name)?;
    let found = namespaces(name);
    let mut text = String::new();
    if found.is_empty() {
        let _ = write!(text, "lab {name} is down");
        return Ok(text);
    }
    let _ = writeln!(text, "lab {name} is up: {}", found.join(" "));
    let _ = writeln!(text, "  gateway   {GATEWAY_S1} on {S1_INTERFACE}, {GATEWAY_SGI} on {SGI_INTERFACE}");
    let _ = writeln!(text, "  eNodeBs   {}/{}", ENB_PREFIX.0, ENB_PREFIX.1);
    let _ = writeln!(text, "  phones    {}/{}", PHONES.0, PHONES.1);
    let _ = write!(text, "  server    {SERVER} (HTTP 80, echo 7, sink 9, who 17, source 19)");
    if let Some(state) = LabState::load(name) {
        for process in state.processes.iter().chain(&state.owner).filter(|process| process.lives()) {
            let _ = write!(text, "\n  process   {} {}", process.pid, process.what);
        }
    }
    Ok(text)
}

/// A lab's name is part of namespace and file names.
fn check_name(name: &str) -> Result<()> {
    let fits = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_lowercase());
    if !fits {
        bail!("{name:?} cannot name a lab: 1 to 32 of a-z, 0-9 and -, a letter first");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_escape_a_directory_are_refused() {
        for name in ["", "../x", "A", "1a", "a b", &"a".repeat(33)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("basalt").is_ok());
    }

    #[test]
    fn base_stations_have_addresses_of_the_prefix() {
        assert_eq!(Lab::enb_address(0), Ipv4Addr::new(10, 91, 1, 1));
        assert_eq!(Lab::enb_address(253), Ipv4Addr::new(10, 91, 1, 254));
        assert_eq!(Lab::enb_address(254), Lab::enb_address(0));
    }
}
