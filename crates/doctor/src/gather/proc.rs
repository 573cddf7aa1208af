//! Files of /proc and their like. Parsers take text, so that they can be tested with what other machines print.

use crate::Memory;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// State of a listening socket in /proc/net/tcp.
pub(super) const TCP_LISTEN: u8 = 0x0a;

/// A file as text; empty if it cannot be read.
pub(super) fn read(path: &str) -> String {
    std::fs::read(path).map(|octets| String::from_utf8_lossy(&octets).into_owned()).unwrap_or_default()
}

/// A file that holds one number.
pub(super) fn number<T: FromStr>(path: &str) -> Option<T> {
    read(path).trim().parse().ok()
}

/// Effective capabilities in /proc/self/status.
pub(super) fn capabilities(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    u64::from_str_radix(line.trim(), 16).ok()
}

/// /proc/meminfo, which counts in KiB.
pub(super) fn memory(meminfo: &str) -> Option<Memory> {
    let field = |name: &str| -> Option<u64> {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(Memory { total: field("MemTotal:")?, available: field("MemAvailable:")? })
}

/// The interface of the default route with the lowest metric in /proc/net/route.
pub(super) fn default_route(table: &str) -> Option<String> {
    let routes = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (name, destination, metric, mask) = (fields.first()?, fields.get(1)?, fields.get(6)?, fields.get(7)?);
        (*destination == "00000000" && *mask == "00000000").then(|| (metric.parse().unwrap_or(u32::MAX), *name))
    });
    routes.min_by_key(|(metric, _)| *metric).map(|(_, name)| name.to_owned())
}

/// Name servers of a resolv.conf(5).
pub(super) fn name_servers(resolv_conf: &str) -> Vec<IpAddr> {
    let servers = resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok()).flatten()
    });
    servers.collect()
}

/// Local addresses in /proc/net/{udp,tcp,raw} and their IPv6 sisters, of sockets in `state` if one is given.
pub(super) fn sockets(table: &str, state: Option<u8>) -> Vec<SocketAddr> {
    let sockets = table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let local = fields.next()?;
        let in_state = u8::from_str_radix(fields.nth(1)?, 16).ok()?;
        if state.is_some_and(|state| state != in_state) {
            return None;
        }
        let (address, port) = local.split_once(':')?;
        Some(SocketAddr::new(hex_address(address)?, u16::from_str_radix(port, 16).ok()?))
    });
    sockets.collect()
}

/// An address as the kernel prints it there: words of 32 bits in the machine's own order.
fn hex_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| Some(u32::from_str_radix(text.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let octets = [word(0)?, word(8)?, word(16)?, word(24)?].concat();
            Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(octets).ok()?)))
        }
        _ => None,
    }
}

/// Ports in /proc/net/sctp/eps: ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS.
pub(super) fn sctp_ports(table: &str) -> Vec<u16> {
    let ports = table.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(5)?.parse().ok());
    ports.filter(|port| *port != 0).collect()
}

/// Whether ordinary users may not make user namespaces: Debian's and Ubuntu's switches.
pub(super) fn user_namespaces_restricted() -> bool {
    number::<u8>("/proc/sys/kernel/unprivileged_userns_clone") == Some(0)
        || number::<u8>("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_and_memory_are_read() {
        assert_eq!(capabilities("Name:\tx\nCapEff:\t000001ffffffffff\n"), Some(0x1ff_ffff_ffff));
        assert_eq!(capabilities("CapEff:\tnonsense\n"), None);
        let found = memory("MemTotal:        1000 kB\nMemFree: 1 kB\nMemAvailable:     600 kB\n");
        assert_eq!(found, Some(Memory { total: 1_024_000, available: 614_400 }));
        assert_eq!(memory(""), None);
    }

    #[test]
    fn the_route_with_the_lowest_metric_is_the_default() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                     eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                     eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n\
                     cut\t00000000\n";
        assert_eq!(default_route(table).as_deref(), Some("eth0"));
        assert_eq!(default_route(""), None);
    }

    #[test]
    fn name_servers_of_both_families() {
        let text = "# comment\nnameserver 127.0.0.53\nnameserver  fd00::1\nnameserver\nnameserver x\nsearch y\n";
        assert_eq!(name_servers(text), ["127.0.0.53".parse::<IpAddr>().unwrap(), "fd00::1".parse().unwrap()]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn socket_tables_are_read() {
        let udp =
            "  sl  local_address rem_address   st tx_queue\n  77: 0100007F:0868 00000000:0000 07 00000000:00000000\n";
        assert_eq!(sockets(udp, None), ["127.0.0.1:2152".parse().unwrap()]);
        assert_eq!(sockets(udp, Some(TCP_LISTEN)), []);
        let tcp6 =
            "  sl  local\n   0: 00000000000000000000000001000000:2391 00000000000000000000000000000000:0000 0A 0:0\n";
        assert_eq!(sockets(tcp6, Some(TCP_LISTEN)), ["[::1]:9105".parse().unwrap()]);
        assert_eq!(sockets("head\n 1: zz:zz 0:0 07\n 2: 00\n\n", None), []);
    }

    #[test]
    fn sctp_endpoints_are_read() {
        let table = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS\n \
                     f00 f01 2   10  44   36412      0 12345 10.0.0.1\n f02 f03 2 7 0 0 0 1 0.0.0.0\n";
        assert_eq!(sctp_ports(table), [36412]);
        assert_eq!(sctp_ports(""), [0_u16; 0]);
    }
}
