//! What the gateway is meant to do on this machine, as far as the checks care.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Which SCTP is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SctpBackend {
    /// The kernel's where there is one, raw IP elsewhere.
    Auto,
    /// The kernel's.
    Kernel,
    /// Userspace over raw IP (protocol 132).
    RawIp,
    /// Userspace over UDP, on this port.
    Udp(u16),
}

/// Which packet path is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataPlane {
    /// The best that works.
    Auto,
    /// XDP in the driver.
    XdpNative,
    /// XDP on socket buffers.
    XdpGeneric,
    /// Userspace.
    Software,
}

/// The part of a gateway's configuration that the checks look at. [`Wanted::default`] is a gateway without a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Addresses S1AP is served on; empty if none is configured.
    pub listen: Vec<IpAddr>,
    /// S1AP port.
    pub s1ap_port: u16,
    /// SCTP.
    pub sctp: SctpBackend,
    /// Interface of the base stations; `None` lets the checks take that of `listen`, else that of the default route.
    pub radio_interface: Option<String>,
    /// Interface of the internet; `None` means that of the default route.
    pub internet_interface: Option<String>,
    /// Phones go out behind the gateway's address.
    pub nat: bool,
    /// DNS servers configured for phones; empty means those of the host.
    pub dns: Vec<Ipv4Addr>,
    /// Address pools of phones: network and prefix length.
    pub pools: Vec<(Ipv4Addr, u8)>,
    /// Packet path.
    pub data_plane: DataPlane,
    /// State that survives a restart.
    pub state_dir: PathBuf,
    /// Where programs and maps are pinned.
    pub pin_dir: PathBuf,
    /// The key that seals SIM keys.
    pub key_file: PathBuf,
    /// Where Prometheus text is served.
    pub metrics: SocketAddr,
    /// The gateway runs now: ports in use and pins are its own.
    pub gateway_running: bool,
    /// This process is the gateway: its rights and limits are those that count.
    pub as_gateway: bool,
}

impl Default for Wanted {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            s1ap_port: 36412,
            sctp: SctpBackend::Auto,
            radio_interface: None,
            internet_interface: None,
            nat: true,
            dns: Vec::new(),
            pools: vec![(Ipv4Addr::new(10, 45, 0, 0), 16)],
            data_plane: DataPlane::Auto,
            state_dir: "/var/lib/basalt".into(),
            pin_dir: "/run/basalt/bpf".into(),
            key_file: "/var/lib/basalt/seal.key".into(),
            metrics: SocketAddr::from((Ipv4Addr::LOCALHOST, 9105)),
            gateway_running: false,
            as_gateway: false,
        }
    }
}

impl Wanted {
    /// Reads what it needs from a gateway's configuration, as written or as in force; everything else in it is the gateway's
    /// to check. A value it does not understand counts as not written.
    ///
    /// # Errors
    /// In words, if the text is not TOML.
    pub fn from_toml(text: &str) -> Result<Self, String> {
        let root: toml::Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let mut wanted = Self::default();
        if let Some(dir) = string(&root, &[], "state_dir") {
            wanted.key_file = PathBuf::from(dir).join("seal.key");
            wanted.state_dir = dir.into();
        }
        if let Some(dir) = string(&root, &[], "run_dir") {
            wanted.pin_dir = PathBuf::from(dir).join("bpf");
        }
        wanted.listen = strings(&root, "radio", "listen");
        wanted.radio_interface = string(&root, &["radio"], "interface").map(str::to_owned);
        wanted.sctp = string(&root, &["radio"], "sctp").and_then(sctp).unwrap_or(SctpBackend::Auto);
        wanted.s1ap_port = integer(&root, "radio", "port").unwrap_or(wanted.s1ap_port);
        wanted.internet_interface = string(&root, &["internet"], "interface").map(str::to_owned);
        wanted.nat = string(&root, &["internet"], "mode") != Some("routed");
        wanted.dns = strings(&root, "internet", "dns");
        wanted.data_plane = string(&root, &["dataplane"], "mode").and_then(data_plane).unwrap_or(DataPlane::Auto);
        if let Some(file) = string(&root, &["security"], "key_file") {
            wanted.key_file = file.into();
        }
        if let Some(dir) = string(&root, &["dataplane"], "pin_dir") {
            wanted.pin_dir = dir.into();
        }
        if let Some(listen) = string(&root, &["metrics"], "listen").and_then(|text| text.parse().ok()) {
            wanted.metrics = listen;
        }
        let pools = pools(&root);
        if !pools.is_empty() {
            wanted.pools = pools;
        }
        Ok(wanted)
    }
}

fn value<'a>(root: &'a toml::Table, tables: &[&str], key: &str) -> Option<&'a toml::Value> {
    let mut table = root;
    for name in tables {
        table = table.get(*name)?.as_table()?;
    }
    table.get(key)
}

fn string<'a>(root: &'a toml::Table, tables: &[&str], key: &str) -> Option<&'a str> {
    value(root, tables, key)?.as_str()
}

fn integer<T: TryFrom<i64>>(root: &toml::Table, table: &str, key: &str) -> Option<T> {
    T::try_from(value(root, &[table], key)?.as_integer()?).ok()
}

fn strings<T: std::str::FromStr>(root: &toml::Table, table: &str, key: &str) -> Vec<T> {
    let items = value(root, &[table], key).and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| item.as_str()?.parse().ok()).collect()
}

fn pools(root: &toml::Table) -> Vec<(Ipv4Addr, u8)> {
    let apns = root.get("apn").and_then(toml::Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let lists = apns.iter().filter_map(|apn| apn.get("pools")?.as_array());
    lists.flatten().filter_map(|pool| prefix(pool.as_str()?)).collect()
}

fn prefix(text: &str) -> Option<(Ipv4Addr, u8)> {
    let (network, length) = text.split_once('/')?;
    let length = length.parse().ok().filter(|length| *length <= 32)?;
    Some((network.parse().ok()?, length))
}

fn sctp(text: &str) -> Option<SctpBackend> {
    Some(match text {
        "auto" => SctpBackend::Auto,
        "kernel" => SctpBackend::Kernel,
        "raw-ip" => SctpBackend::RawIp,
        // RFC 6951 §5.1: the registered port.
        "udp" => SctpBackend::Udp(9899),
        _ => SctpBackend::Udp(text.strip_prefix("udp:")?.parse().ok()?),
    })
}

fn data_plane(text: &str) -> Option<DataPlane> {
    Some(match text {
        "auto" => DataPlane::Auto,
        "xdp-native" => DataPlane::XdpNative,
        "xdp-generic" => DataPlane::XdpGeneric,
        "software" => DataPlane::Software,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_is_the_default() {
        assert_eq!(Wanted::from_toml("").unwrap(), Wanted::default());
    }

    #[test]
    fn what_is_written_is_wanted() {
        let wanted = Wanted::from_toml(
            r#"
            state_dir = "/srv/basalt"
            run_dir = "/run/site"
            [network]
            plmns = ["001-01"]
            [radio]
            listen = ["10.1.0.1", "fd00::1"]
            sctp = "udp:9000"
            port = 36413
            interface = "s1"
            [internet]
            interface = "wan"
            mode = "routed"
            dns = ["192.0.2.53"]
            [[apn]]
            name = "internet"
            pools = ["10.46.0.0/16", "10.47.0.0/16"]
            [dataplane]
            mode = "software"
            [metrics]
            listen = "127.0.0.1:9200"
            "#,
        )
        .unwrap();
        assert_eq!(wanted.listen, ["10.1.0.1".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
        assert_eq!((wanted.sctp, wanted.s1ap_port), (SctpBackend::Udp(9000), 36413));
        assert_eq!(wanted.radio_interface.as_deref(), Some("s1"));
        assert_eq!(wanted.internet_interface.as_deref(), Some("wan"));
        assert!(!wanted.nat);
        assert_eq!(wanted.dns, [Ipv4Addr::new(192, 0, 2, 53)]);
        assert_eq!(wanted.pools, [(Ipv4Addr::new(10, 46, 0, 0), 16), (Ipv4Addr::new(10, 47, 0, 0), 16)]);
        assert_eq!(wanted.data_plane, DataPlane::Software);
        assert_eq!(wanted.state_dir, PathBuf::from("/srv/basalt"));
        assert_eq!(wanted.key_file, PathBuf::from("/srv/basalt/seal.key"));
        assert_eq!(wanted.pin_dir, PathBuf::from("/run/site/bpf"));
        assert_eq!(wanted.metrics, "127.0.0.1:9200".parse().unwrap());
    }

    #[test]
    fn nonsense_counts_as_not_written() {
        let text = "[radio]\nport = 99999999\nsctp = \"carrier pigeon\"\nlisten = [1, \"x\"]\n[[apn]]\npools = [\"10.0.0.0/77\"]\n";
        assert_eq!(Wanted::from_toml(text).unwrap(), Wanted::default());
        assert_eq!(Wanted::from_toml("radio = 3").unwrap(), Wanted::default());
        assert!(Wanted::from_toml("[radio").is_err());
    }
}
