//! From the file and the machine to values that are valid by construction, and back to TOML for `--print-config`.

use super::detect::Machine;
use super::file::{self, File};
use super::parse::ConfigError;
use super::values;
use agw_types::{ApnConfig, GatewayConfig, Limits, NetworkName, PagingPolicy, ProcedureTimers, SecurityOrder};
use basalt_ids::{MmeCode, MmeGroupId, Tac, Tai};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Everything the daemon acts on.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// For the core.
    pub gateway: GatewayConfig,
    /// For the core.
    pub limits: Limits,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// Where sockets are.
    pub run_dir: PathBuf,
    /// Addresses S1AP is served on.
    pub listen: Vec<IpAddr>,
    /// S1AP port.
    pub port: u16,
    /// SCTP back end.
    pub sctp: SctpChoice,
    /// Interface base stations are behind.
    pub radio_interface: String,
    /// GTP-U address.
    pub user_plane: Ipv4Addr,
    /// Interface the internet is behind; `None` keeps traffic inside.
    pub internet_interface: Option<String>,
    /// How phones reach the internet.
    pub egress: EgressMode,
    /// Phones may talk to each other.
    pub phone_to_phone: bool,
    /// Networks phones must not reach.
    pub blocked: Vec<(Ipv4Addr, u8)>,
    /// Packet path.
    pub dataplane: DataplaneMode,
    /// Most sessions at a time.
    pub max_sessions: u32,
    /// Where programs and maps are pinned.
    pub pin_dir: PathBuf,
    /// Packets kept for an idle phone.
    pub buffer_packets: u32,
    /// The sealing key's file.
    pub key_file: PathBuf,
    /// Where Prometheus text is served.
    pub metrics: SocketAddr,
}

/// SCTP back end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SctpChoice {
    /// The kernel's where there is one, raw IP elsewhere.
    Auto,
    /// The kernel's.
    Kernel,
    /// Userspace over raw IP.
    RawIp,
    /// Userspace over UDP, on this port.
    Udp(u16),
}

/// How phones reach the internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EgressMode {
    /// Behind the gateway's address.
    Nat,
    /// With their own addresses.
    Routed,
}

/// The packet path wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataplaneMode {
    /// The best that works here; which one is said aloud.
    Auto,
    /// XDP in the driver, or nothing.
    XdpNative,
    /// XDP on socket buffers.
    XdpGeneric,
    /// Userspace.
    Software,
}

/// GTP-U over IPv4: outer IPv4, UDP and GTP-U headers, and room for one extension header (octets).
const TUNNEL_OVERHEAD: u32 = 20 + 8 + 8 + 8;
const S1AP_PORT: u16 = 36412;
const UDP_ENCAPSULATION_PORT: u16 = 9899;

/// Fills in what the file leaves open, and checks it all.
///
/// # Errors
/// The first thing that is wrong, with its line in `text` where it has one, and what to do.
pub fn resolve(file: &File, text: &str, machine: &Machine) -> Result<Effective, ConfigError> {
    let name = file.name.clone().unwrap_or_else(|| machine.name.clone());
    let (listen, radio_interface) = radio_side(file, text, machine)?;
    let user_plane = user_plane(file, &listen, machine).map_err(|error| error.at_key(text, "user_plane"))?;
    let internet_interface = file.internet.interface.clone().or_else(|| machine.default_route.clone());
    if let Some(interface) = &file.internet.interface {
        known_interface(machine, interface).map_err(|error| error.at_key(text, "interface"))?;
    }
    let state_dir = file.state_dir.clone().unwrap_or_else(|| "/var/lib/basalt".into());
    let run_dir = file.run_dir.clone().unwrap_or_else(|| "/run/basalt".into());
    let radio_mtu = machine.interface(&radio_interface).map_or(1500, |interface| interface.mtu);
    let gateway = gateway(file, text, machine, name, user_plane, radio_mtu)?;
    let enbs = file.limits.enbs.unwrap_or(Limits::default().links);
    let ues = file.limits.ues.unwrap_or(Limits::default().ues);
    let half_open = file.limits.attaching.unwrap_or(Limits::default().half_open);
    let blocked = each(&file.internet.blocked, values::prefix).map_err(|e| wrong(e).at_key(text, "blocked"))?;
    Ok(Effective {
        gateway,
        limits: Limits { links: enbs, connections: ues, ues, half_open },
        key_file: file.security.key_file.clone().unwrap_or_else(|| state_dir.join("seal.key")),
        pin_dir: file.dataplane.pin_dir.clone().unwrap_or_else(|| run_dir.join("bpf")),
        state_dir,
        run_dir,
        listen,
        port: file.radio.port.unwrap_or(S1AP_PORT),
        sctp: sctp_choice(file.radio.sctp.as_deref()).map_err(|error| error.at_key(text, "sctp"))?,
        radio_interface,
        user_plane,
        internet_interface,
        egress: match file.internet.mode.as_deref() {
            None | Some("nat") => EgressMode::Nat,
            Some("routed") => EgressMode::Routed,
            Some(other) => return Err(none_of(other, &["nat", "routed"]).at_key(text, "mode")),
        },
        phone_to_phone: file.internet.phone_to_phone.unwrap_or(false),
        blocked,
        dataplane: dataplane_mode(file.dataplane.mode.as_deref()).map_err(|error| error.at_key(text, "mode"))?,
        max_sessions: file.dataplane.max_sessions.unwrap_or(65_536).clamp(1, 1_048_575),
        buffer_packets: file.dataplane.buffer_packets.unwrap_or(64),
        metrics: file.metrics.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 9105))),
    })
}

fn wrong(what: impl Into<String>) -> ConfigError {
    ConfigError::new(what)
}

fn none_of(what: &str, valid: &[&str]) -> ConfigError {
    let nearest = valid.iter().max_by(|a, b| strsim::jaro_winkler(what, a).total_cmp(&strsim::jaro_winkler(what, b)));
    let fix = match nearest {
        Some(name) if strsim::jaro_winkler(what, name) > 0.7 => format!("did you mean \"{name}\"?"),
        _ => format!("one of: {}", valid.join(", ")),
    };
    wrong(format!("`{what}` is not a value of this key")).fix(fix)
}

fn each<T>(texts: &[String], read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    texts.iter().map(|text| read(text)).collect()
}

fn known_interface(machine: &Machine, name: &str) -> Result<(), ConfigError> {
    if machine.interface(name).is_some() {
        return Ok(());
    }
    let names: Vec<&str> = machine.interfaces.iter().map(|interface| interface.name.as_str()).collect();
    Err(wrong(format!("there is no interface `{name}`")).fix(format!("interfaces here: {}", names.join(", "))))
}

/// The addresses S1AP is served on, and the interface they are on.
fn radio_side(file: &File, text: &str, machine: &Machine) -> Result<(Vec<IpAddr>, String), ConfigError> {
    if let Some(first) = file.radio.listen.first() {
        for address in &file.radio.listen {
            if machine.interface_of(*address).is_none() {
                return Err(wrong(format!("no interface has the address {address}"))
                    .fix(format!("give it to one (ip address add {address}/24 dev INTERFACE), or correct it"))
                    .at_key(text, "listen"));
            }
        }
        let interface = match &file.radio.interface {
            Some(name) => name.clone(),
            None => machine.interface_of(*first).map(|interface| interface.name.clone()).unwrap_or_default(),
        };
        known_interface(machine, &interface).map_err(|error| error.at_key(text, "interface"))?;
        return Ok((file.radio.listen.clone(), interface));
    }
    let name = file.radio.interface.clone().or_else(|| machine.default_route.clone()).ok_or_else(|| {
        wrong("it is not said where base stations are, and there is no default route to guess from")
            .fix("set radio.listen to the address that base stations connect to")
    })?;
    known_interface(machine, &name).map_err(|error| error.at_key(text, "interface"))?;
    let addresses = machine.interface(&name).map(|interface| interface.addresses.clone()).unwrap_or_default();
    let usable: Vec<IpAddr> = addresses
        .into_iter()
        .filter(|address| match address {
            IpAddr::V4(_) => true,
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        })
        .collect();
    if usable.is_empty() {
        return Err(wrong(format!("interface `{name}` has no address to serve S1AP on"))
            .fix(format!("give it one (ip address add ADDRESS/24 dev {name}), or set radio.listen")));
    }
    Ok((usable, name))
}

fn user_plane(file: &File, listen: &[IpAddr], machine: &Machine) -> Result<Ipv4Addr, ConfigError> {
    if let Some(address) = file.radio.user_plane {
        if machine.interface_of(IpAddr::V4(address)).is_none() {
            return Err(wrong(format!("no interface has the address {address}"))
                .fix("set radio.user_plane to an address of the radio interface"));
        }
        return Ok(address);
    }
    let first = listen.iter().find_map(|address| match address {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    first.ok_or_else(|| {
        wrong("GTP-U needs an IPv4 address on the radio side and there is none")
            .fix("set radio.user_plane to an IPv4 address of the radio interface")
    })
}

fn sctp_choice(text: Option<&str>) -> Result<SctpChoice, ConfigError> {
    match text {
        None | Some("auto") => Ok(SctpChoice::Auto),
        Some("kernel") => Ok(SctpChoice::Kernel),
        Some("raw-ip" | "raw") => Ok(SctpChoice::RawIp),
        Some("udp") => Ok(SctpChoice::Udp(UDP_ENCAPSULATION_PORT)),
        Some(other) => match other.strip_prefix("udp:").map(str::parse) {
            Some(Ok(port)) => Ok(SctpChoice::Udp(port)),
            _ => Err(none_of(other, &["auto", "kernel", "raw-ip", "udp", "udp:9899"])),
        },
    }
}

fn dataplane_mode(text: Option<&str>) -> Result<DataplaneMode, ConfigError> {
    match text {
        None | Some("auto") => Ok(DataplaneMode::Auto),
        Some("xdp-native") => Ok(DataplaneMode::XdpNative),
        Some("xdp-generic") => Ok(DataplaneMode::XdpGeneric),
        Some("software") => Ok(DataplaneMode::Software),
        Some(other) => Err(none_of(other, &["auto", "xdp-native", "xdp-generic", "software"])),
    }
}

fn gateway(
    file: &File,
    text: &str,
    machine: &Machine,
    name: String,
    user_plane: Ipv4Addr,
    radio_mtu: u32,
) -> Result<GatewayConfig, ConfigError> {
    let network = &file.network;
    if network.plmns.is_empty() {
        return Err(wrong("it is not said which network this is").fix(
            "add:\n    [network]\n    plmns = [\"001-01\"]   # your PLMN: country code and network code\n    tacs = [1]",
        ));
    }
    let plmns = each(&network.plmns, values::plmn).map_err(|error| wrong(error).at_key(text, "plmns"))?;
    let tacs = if network.tacs.is_empty() { vec![1] } else { network.tacs.clone() };
    if let Some(tac) = tacs.iter().find(|tac| matches!(tac, 0 | 0xfffe)) {
        return Err(wrong(format!("tracking area code {tac} is reserved"))
            .fix("use 1 to 65533 or 65535 (TS 23.003 §19.4.2.3)")
            .at_key(text, "tacs"));
    }
    let areas = plmns.iter().flat_map(|plmn| tacs.iter().map(|tac| Tai { plmn: *plmn, tac: Tac(*tac) })).collect();
    let mtu = file
        .internet
        .mtu
        .unwrap_or_else(|| u16::try_from(radio_mtu.saturating_sub(TUNNEL_OVERHEAD).min(1500)).unwrap_or(1400));
    if !(1280..=9000).contains(&mtu) {
        return Err(wrong(format!("an MTU of {mtu} octets for phones is out of range"))
            .fix("use 1280 to 9000, or raise the MTU of the radio interface to 1600")
            .at_key(text, "mtu"));
    }
    let dns = if !file.internet.dns.is_empty() {
        file.internet.dns.clone()
    } else if !machine.dns.is_empty() {
        machine.dns.clone()
    } else {
        vec![Ipv4Addr::new(1, 1, 1, 1), Ipv4Addr::new(8, 8, 8, 8)]
    };
    let minutes = network.utc_offset_minutes.unwrap_or(0);
    let time_zone_quarters = i8::try_from(minutes / 15).ok().filter(|q| minutes % 15 == 0 && (-48..=56).contains(q));
    Ok(GatewayConfig {
        name,
        plmns,
        group: MmeGroupId(network.mme_group.unwrap_or(1)),
        code: MmeCode(network.mme_code.unwrap_or(1)),
        relative_capacity: network.relative_capacity.unwrap_or(255),
        areas,
        whole_network_area_list: true,
        user_plane: IpAddr::V4(user_plane),
        apns: apns(file, text)?,
        dns,
        mtu,
        security: security(file, text)?,
        timers: timers(&file.timers, text)?,
        paging: paging(&file.paging, text)?,
        network_name: network.full_name.clone().map(|full| NetworkName { full, short: network.short_name.clone() }),
        time_zone_quarters: time_zone_quarters.ok_or_else(|| {
            wrong(format!("{minutes} minutes is no offset from UTC"))
                .fix("use a multiple of 15 from -720 to 840")
                .at_key(text, "utc_offset_minutes")
        })?,
        request_imeisv: true,
        home_only: network.home_only.unwrap_or(false),
    })
}

fn apns(file: &File, text: &str) -> Result<Vec<ApnConfig>, ConfigError> {
    let default = [file::Apn { name: "internet".to_owned(), pools: vec!["10.45.0.0/16".to_owned()] }];
    let written: &[file::Apn] = if file.apn.is_empty() { &default } else { &file.apn };
    let mut apns: Vec<ApnConfig> = Vec::new();
    for apn in written {
        let name = apn.name.parse().map_err(|error| {
            wrong(format!("`{}` is not an access point name: {error}", apn.name)).at_key(text, "name")
        })?;
        let pools = each(&apn.pools, values::pool).map_err(|error| wrong(error).at_key(text, "pools"))?;
        if pools.is_empty() {
            return Err(
                wrong(format!("access point `{}` has no addresses", apn.name)).fix("add: pools = [\"10.45.0.0/16\"]")
            );
        }
        if apns.iter().any(|other| other.apn == name) {
            return Err(wrong(format!("access point `{}` is there twice", apn.name)));
        }
        apns.push(ApnConfig { apn: name, pools });
    }
    let mut all: Vec<(u32, u32)> = Vec::new();
    for pool in apns.iter().flat_map(|apn| &apn.pools) {
        let first = pool.network.to_bits();
        let last = first | (u32::MAX >> pool.prefix);
        if all.iter().any(|(from, to)| first <= *to && last >= *from) {
            return Err(wrong(format!("pool {}/{} overlaps another one", pool.network, pool.prefix))
                .fix("every address belongs to one pool only")
                .at_key(text, "pools"));
        }
        all.push((first, last));
    }
    Ok(apns)
}

fn security(file: &File, text: &str) -> Result<SecurityOrder, ConfigError> {
    let read = |texts: &[String], kind: &str, key: &str, default: &[u8]| {
        if texts.is_empty() {
            return Ok(default.to_vec());
        }
        each(texts, |name| values::algorithm(kind, name)).map_err(|error| wrong(error).at_key(text, key))
    };
    Ok(SecurityOrder {
        ciphering: read(&file.security.ciphering, "EEA", "ciphering", &[2, 1, 3, 0])?,
        integrity: read(&file.security.integrity, "EIA", "integrity", &[2, 1, 3])?,
    })
}

fn set(
    value: &mut Duration,
    text: &str,
    key: &str,
    written: Option<&String>,
    max: Duration,
) -> Result<(), ConfigError> {
    let Some(written) = written else { return Ok(()) };
    let duration = values::duration(written).map_err(|error| wrong(error).at_key(text, key))?;
    if duration > max {
        return Err(wrong(format!("`{key}` of {written} is too long"))
            .fix(format!("at most {}", values::show_duration(max)))
            .at_key(text, key));
    }
    *value = duration;
    Ok(())
}

fn timers(written: &file::Timers, text: &str) -> Result<ProcedureTimers, ConfigError> {
    let mut timers = ProcedureTimers::default();
    // The largest value of GPRS timer (TS 24.008 §10.5.7.3): 31 decihours; and what is sensible for guard timers.
    let (told, guard) = (Duration::from_secs(31 * 360), Duration::from_secs(60));
    let long = Duration::from_secs(24 * 3600);
    set(&mut timers.t3412, text, "t3412", written.t3412.as_ref(), told)?;
    set(&mut timers.t3402, text, "t3402", written.t3402.as_ref(), told)?;
    set(&mut timers.t3413, text, "t3413", written.t3413.as_ref(), guard)?;
    set(&mut timers.t3422, text, "t3422", written.t3422.as_ref(), guard)?;
    set(&mut timers.t3450, text, "t3450", written.t3450.as_ref(), guard)?;
    set(&mut timers.t3460, text, "t3460", written.t3460.as_ref(), guard)?;
    set(&mut timers.t3470, text, "t3470", written.t3470.as_ref(), guard)?;
    set(&mut timers.t3485, text, "t3485", written.t3485.as_ref(), guard)?;
    set(&mut timers.t3489, text, "t3489", written.t3489.as_ref(), guard)?;
    set(&mut timers.t3495, text, "t3495", written.t3495.as_ref(), guard)?;
    let margin = written.mobile_reachable_margin.as_ref();
    set(&mut timers.mobile_reachable_margin, text, "mobile_reachable_margin", margin, long)?;
    set(&mut timers.implicit_detach, text, "implicit_detach", written.implicit_detach.as_ref(), long)?;
    set(&mut timers.quarantine, text, "quarantine", written.quarantine.as_ref(), long)?;
    set(&mut timers.backoff, text, "backoff", written.backoff.as_ref(), long)?;
    Ok(timers)
}

fn paging(written: &file::Paging, text: &str) -> Result<PagingPolicy, ConfigError> {
    let attempts = written.attempts.unwrap_or(3);
    if !(1..=10).contains(&attempts) {
        return Err(wrong(format!("{attempts} pages are out of range")).fix("use 1 to 10").at_key(text, "attempts"));
    }
    let mut backoff = Duration::from_secs(10);
    set(&mut backoff, text, "backoff", written.backoff.as_ref(), Duration::from_secs(3600))?;
    Ok(PagingPolicy { attempts, backoff })
}

impl Effective {
    /// The same with all paths absolute.
    ///
    /// # Errors
    /// When there is no current folder.
    pub fn absolute(mut self) -> std::io::Result<Self> {
        let paths = [&mut self.state_dir, &mut self.run_dir, &mut self.pin_dir, &mut self.key_file];
        for path in paths {
            *path = std::path::absolute(&*path)?;
        }
        Ok(self)
    }

    /// Where the control socket is.
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        self.run_dir.join("agwd.sock")
    }

    /// Where the keeper's socket is.
    #[must_use]
    pub fn keeper_socket(&self) -> PathBuf {
        self.run_dir.join("keeper.sock")
    }
}

#[cfg(test)]
mod tests {
    use super::super::detect::Interface;
    use super::super::parse;
    use super::*;

    fn machine() -> Machine {
        Machine {
            name: "site".to_owned(),
            interfaces: vec![
                Interface { name: "s1".to_owned(), addresses: vec!["10.1.0.1".parse().unwrap()], mtu: 1600 },
                Interface { name: "wan".to_owned(), addresses: vec!["192.0.2.2".parse().unwrap()], mtu: 1500 },
            ],
            default_route: Some("wan".to_owned()),
            dns: vec![Ipv4Addr::new(192, 0, 2, 53)],
        }
    }

    fn effective(text: &str) -> Result<Effective, ConfigError> {
        resolve(&parse(text).unwrap(), text, &machine())
    }

    #[test]
    fn a_network_is_all_that_must_be_said() {
        let found = effective("[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"10.1.0.1\"]\n").unwrap();
        assert_eq!(found.radio_interface, "s1");
        assert_eq!(found.internet_interface.as_deref(), Some("wan"));
        assert_eq!(found.gateway.mtu, 1500);
        assert_eq!(found.gateway.dns, [Ipv4Addr::new(192, 0, 2, 53)]);
        assert_eq!(found.gateway.security.ciphering, [2, 1, 3, 0]);
        assert_eq!(found.gateway.security.integrity, [2, 1, 3]);
    }

    #[test]
    fn what_is_printed_gives_the_same_again() {
        let text = "[network]\nplmns = [\"310-410\", \"001-01\"]\ntacs = [7, 9]\nutc_offset_minutes = -330\n";
        let first = effective(text).unwrap();
        let printed = first.to_toml();
        assert_eq!(effective(&printed).unwrap(), first, "{printed}");
    }

    #[test]
    fn the_example_file_works_as_it_is_and_with_everything_said() {
        let example = include_str!("../../agwd.example.toml");
        let plain = effective(example).unwrap();
        let said: String = example
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest) if rest.starts_with('[') || rest.contains(" = ") => format!("{rest}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let said = said.replace("10.0.1.1", "10.1.0.1").replace("\"eth0\"", "\"wan\"");
        let full = effective(&said).unwrap_or_else(|error| panic!("{error}\n{said}"));
        assert_eq!(plain.gateway.apns, full.gateway.apns);
        assert_eq!(plain.gateway.security, full.gateway.security);
        assert_eq!(plain.max_sessions, full.max_sessions);
    }

    #[test]
    fn mistakes_name_line_and_fix() {
        let cases = [
            ("", "which network this is"),
            ("[network]\nplmns = [\"1\"]\n", "line 2: `1` is not a PLMN"),
            ("[network]\nplmns = [\"001-01\"]\ntacs = [0]\n", "line 3: tracking area code 0 is reserved"),
            (
                "[network]\nplmns = [\"001-01\"]\n[radio]\nlisten = [\"10.9.9.9\"]\n",
                "line 4: no interface has the address",
            ),
            ("[network]\nplmns = [\"001-01\"]\n[radio]\nsctp = \"kernal\"\n", "did you mean \"kernel\"?"),
            ("[network]\nplmns = [\"001-01\"]\n[security]\nintegrity = [\"EIA0\"]\n", "never accepted"),
            ("[network]\nplmns = [\"001-01\"]\n[timers]\nt3412 = \"soon\"\n", "is not a duration"),
            (
                "[network]\nplmns = [\"001-01\"]\n[[apn]]\nname = \"a\"\npools = [\"10.0.0.0/8\", \"10.1.0.0/16\"]\n",
                "overlaps",
            ),
        ];
        for (text, expected) in cases {
            let message = effective(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text:?} gave {message}");
        }
    }
}
