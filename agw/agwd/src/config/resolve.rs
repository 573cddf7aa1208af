//! From the file and the machine to values that are valid by construction, and back to TOML for `--print-config`.

mod egress;
mod federation;
mod network;
mod qos;
mod radio;
#[cfg(test)]
mod tests;
mod timers;

use super::detect::{Machine, contains};
use super::effective::{DataplaneMode, Effective, SctpChoice};
use super::file::File;
use super::parse::ConfigError;
use super::values;
use agw_types::Limits;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const S1AP_PORT: u16 = 36412;
const UDP_ENCAPSULATION_PORT: u16 = 9899;

/// Fills in what the file leaves open, and checks it all.
///
/// # Errors
/// The first thing that is wrong, with its line in `text` where it has one, and what to do.
pub fn resolve(file: &File, text: &str, machine: &Machine) -> Result<Effective, ConfigError> {
    let name = file.name.clone().unwrap_or_else(|| machine.name.clone());
    let (listen, radio_interface) = radio::radio_side(file, text, machine)?;
    let user_plane = radio::user_plane(file, &listen, machine).map_err(|error| error.at_key(text, "user_plane"))?;
    let own = file.internet.interface.as_deref().map(|name| known_interface(machine, name)).transpose();
    let own = own.map_err(|error| error.at_key(text, "interface"))?;
    let internet_interface = own.or_else(|| machine.default_route.clone());
    let state_dir = file.state_dir.clone().unwrap_or_else(|| super::parse::STATE_DIR.into());
    let run_dir = file.run_dir.clone().unwrap_or_else(|| "/run/basalt".into());
    let radio_link = machine.interface(&radio_interface);
    let links = qos::of_links(radio_link, internet_interface.as_deref().and_then(|name| machine.interface(name)));
    let radio_mtu = radio_link.map_or(1500, |interface| interface.mtu);
    let gateway = network::gateway(file, text, machine, name, user_plane, radio_mtu, links)?;
    let enbs = file.limits.enbs.unwrap_or(Limits::default().links);
    let ues = file.limits.ues.unwrap_or(Limits::default().ues);
    let half_open = file.limits.attaching.unwrap_or(Limits::default().half_open);
    let blocked = each(&file.internet.blocked, values::prefix).map_err(|e| wrong(e).at_key(text, "blocked"))?;
    let closed = |server: &Ipv4Addr| {
        let pools = gateway.apns.iter().flat_map(|apn| &apn.pools).map(|pool| (pool.network, pool.prefix));
        machine.is_inside(*server, internet_interface.as_deref())
            || blocked.iter().copied().chain(pools).any(|network| contains(network, *server))
    };
    let egress = egress::mode(file.internet.mode.as_deref()).map_err(|error| error.at_key(text, "mode"))?;
    let apn_egress = egress::apns(file, text, egress)?;
    let state_for_log = state_dir.clone();
    let own = gateway.apns.iter().flat_map(|apn| &apn.dns).filter_map(|server| match server {
        IpAddr::V4(server) => Some(*server),
        IpAddr::V6(_) => None,
    });
    let told: BTreeSet<Ipv4Addr> = gateway.dns.iter().copied().chain(own).collect();
    let dns_inside = told.into_iter().filter(closed).collect();
    federation::check(file).map_err(|error| error.at_key(text, "federation"))?;
    if let Some(otlp) = &file.otlp {
        otlp.check().map_err(|words| wrong(words).at_key(text, "otlp"))?;
    }
    let effective = Effective {
        dns_inside,
        otlp: file.otlp.clone(),
        federation: file.federation.clone(),
        release_keys: each(&file.upgrade.keys, release_key).map_err(|e| wrong(e).at_key(text, "keys"))?,
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
        egress,
        translation: egress::translation(file, text, &state_for_log)?,
        apn_egress,
        phone_to_phone: file.internet.phone_to_phone.unwrap_or(false),
        blocked,
        dataplane: dataplane_mode(file.dataplane.mode.as_deref()).map_err(|error| error.at_key(text, "mode"))?,
        max_sessions: file.dataplane.max_sessions.unwrap_or_else(|| sessions_for(machine.memory)).clamp(1, 1_048_575),
        buffer_packets: file.dataplane.buffer_packets.unwrap_or(64),
        burst_ms: burst_ms(file).map_err(|error| error.at_key(text, "burst"))?,
        quotas: qos::quotas(file, text)?,
        usage_interval: usage_interval(file).map_err(|error| error.at_key(text, "interval"))?,
        usage_retention: Duration::from_secs(86_400 * u64::from(file.usage.retention_days.unwrap_or(30).max(1))),
        metrics: file.metrics.listen.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 9105))),
    };
    // What would keep the gateway from starting is to be told by `--check`, and refused of an orchestrator.
    crate::start::dataplane_config(&effective).check().map_err(|error| wrong(error.to_string()))?;
    Ok(effective)
}

/// Most sessions of a machine with so many octets of memory. A session's tables and state take a small part of what is reckoned here for
/// each: other programs want to live, too. A power of two, as tables are: 65,536 with 16 GB, less what the kernel keeps for itself. A
/// machine that does not tell gets what most sites need.
fn sessions_for(memory: u64) -> u32 {
    const EACH: u64 = 224 << 10;
    const USUAL: u32 = 65_536;
    match u32::try_from(memory / EACH).unwrap_or(u32::MAX) {
        0 => USUAL,
        most => (1 << most.ilog2()).clamp(4_096, 1 << 20),
    }
}

fn release_key(text: &str) -> Result<[u8; 32], String> {
    basalt_release::key(text)
        .map_err(|_| "a key of releases has 64 hexadecimal digits: `basalt release key` prints it".to_owned())
}

fn burst_ms(file: &File) -> Result<u64, ConfigError> {
    let usual = Duration::from_millis(agw_dataplane::Rate::BURST_MS);
    let burst = file.dataplane.burst.as_deref().map_or(Ok(usual), values::duration).map_err(wrong)?;
    let least = Duration::from_millis(agw_dataplane::Rate::LEAST_BURST_MS);
    if (least..=Duration::from_secs(10)).contains(&burst) {
        return Ok(u64::try_from(burst.as_millis()).unwrap_or(u64::MAX));
    }
    Err(wrong("a burst is what a rate carries in \"25ms\" to \"10s\""))
}

/// Records are made seldom enough to be few, and often enough that software planes, whose counters die with them, lose little.
fn usage_interval(file: &File) -> Result<Duration, ConfigError> {
    let interval =
        file.usage.interval.as_deref().map_or(Ok(Duration::from_secs(30)), values::duration).map_err(wrong)?;
    if (Duration::from_secs(1)..=Duration::from_secs(86_400)).contains(&interval) {
        return Ok(interval);
    }
    Err(wrong("a usage record is made every \"1s\" to \"24h\""))
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

/// The first name of the interface that has this name.
fn known_interface(machine: &Machine, name: &str) -> Result<String, ConfigError> {
    let found = machine.interface(name).map(|interface| interface.name.clone());
    found.ok_or_else(|| {
        let names: Vec<&str> = machine.interfaces.iter().map(|interface| interface.name.as_str()).collect();
        let here = format!("interfaces here: {}", names.join(", "));
        let renamed = format!("if one was renamed: ip link property add dev ITS-NAME altname {name}");
        wrong(format!("there is no interface `{name}`")).fix(format!("{here}; {renamed}"))
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
