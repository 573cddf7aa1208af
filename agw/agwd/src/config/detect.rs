//! What the machine tells about itself: interfaces, addresses, the default route, DNS servers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// One interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// Name.
    pub name: String,
    /// Addresses.
    pub addresses: Vec<IpAddr>,
    /// IPv4 networks: an address in each, and the length of its prefix.
    pub networks: Vec<(Ipv4Addr, u8)>,
    /// MTU, octets.
    pub mtu: u32,
    /// Speed of its link, bit/s; `None` without a link, and of virtual ones that have none.
    pub speed: Option<u64>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Machine {
    /// Host name.
    pub name: String,
    /// Interfaces.
    pub interfaces: Vec<Interface>,
    /// Other names that were asked for, each with the name of the interface that has it (`ip link property add altname`).
    pub also_called: Vec<(String, String)>,
    /// Interface of the IPv4 default route.
    pub default_route: Option<String>,
    /// DNS servers other phones can use too: no loopback addresses.
    pub dns: Vec<Ipv4Addr>,
    /// Octets of main memory; 0 if the machine does not tell.
    pub memory: u64,
}

impl Machine {
    /// The interface that has an address.
    #[must_use]
    pub fn interface_of(&self, address: IpAddr) -> Option<&Interface> {
        self.interfaces.iter().find(|interface| interface.addresses.contains(&address))
    }

    /// Whether packets for an address stay on this machine, or on a network of it that is not behind `outside`.
    #[must_use]
    pub fn is_inside(&self, address: Ipv4Addr, outside: Option<&str>) -> bool {
        let near = |interface: &Interface| {
            Some(interface.name.as_str()) != outside
                && interface.networks.iter().any(|(network, length)| contains((*network, *length), address))
        };
        self.interface_of(IpAddr::V4(address)).is_some() || self.interfaces.iter().any(near)
    }

    /// An interface by its name, or by another one that it has.
    #[must_use]
    pub fn interface(&self, name: &str) -> Option<&Interface> {
        let named = |name: &str| self.interfaces.iter().find(|interface| interface.name == name);
        let other = || self.also_called.iter().find(|(other, _)| other == name);
        named(name).or_else(|| named(&other()?.1))
    }

    /// Asks which interface has this name among its other names, if none has it as the first.
    pub fn ask_for(&mut self, name: &str) {
        if self.interface(name).is_none() {
            self.also_called.extend(first_name(name).map(|first| (name.to_owned(), first)));
        }
    }

    /// Looks around.
    #[must_use]
    pub fn detect() -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let routes = std::fs::read_to_string("/proc/net/route").unwrap_or_default();
        let read = |path: &str| name_servers(&std::fs::read_to_string(path).unwrap_or_default());
        let mut dns = read("/etc/resolv.conf");
        if dns.is_empty() {
            // systemd-resolved shows programs itself, on loopback; the servers behind it are here.
            dns = read("/run/systemd/resolve/resolv.conf");
        }
        let memory = memory(&std::fs::read_to_string("/proc/meminfo").unwrap_or_default());
        let (interfaces, default_route) = (interfaces(), default_route(&routes));
        Self { name, interfaces, also_called: Vec::new(), default_route, dns, memory }
    }
}

/// Whether a network, given by any address in it and its prefix length, has an address.
#[must_use]
pub fn contains(network: (Ipv4Addr, u8), address: Ipv4Addr) -> bool {
    let mask = u32::MAX.checked_shl(32 - u32::from(network.1.min(32))).unwrap_or(0);
    (network.0.to_bits() ^ address.to_bits()) & mask == 0
}

/// Main memory in the text of `/proc/meminfo`, which counts in KiB.
fn memory(text: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_ascii_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0).saturating_mul(1024)
}

/// The interface of the default route in the text of `/proc/net/route`.
fn default_route(table: &str) -> Option<String> {
    let mut best: Option<(u32, &str)> = None;
    for line in table.lines().skip(1) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (Some(name), Some(&"00000000"), Some(metric), Some(&"00000000")) =
            (fields.first(), fields.get(1), fields.get(6), fields.get(7))
        else {
            continue;
        };
        let metric = metric.parse().unwrap_or(u32::MAX);
        if best.is_none_or(|(lowest, _)| metric < lowest) {
            best = Some((metric, name));
        }
    }
    best.map(|(_, name)| name.to_owned())
}

fn name_servers(resolv_conf: &str) -> Vec<Ipv4Addr> {
    let servers = resolv_conf.lines().filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse::<Ipv4Addr>().ok()).flatten()
    });
    servers.filter(|server| !server.is_loopback() && !server.is_unspecified()).collect()
}

/// All interfaces of this network namespace, by getifaddrs(3).
fn interfaces() -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer; the list it points to is freed below and not used after.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return found;
    }
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` is a non-null element of the list that getifaddrs made.
        let item = unsafe { &*entry };
        entry = item.ifa_next;
        // SAFETY: ifa_name is a NUL-terminated string for as long as the list lives.
        let name = unsafe { std::ffi::CStr::from_ptr(item.ifa_name) }.to_string_lossy().into_owned();
        let index = found.iter().position(|interface| interface.name == name).unwrap_or_else(|| {
            let (mtu, speed) = (mtu_of(&name), speed_of(&name));
            found.push(Interface { name, addresses: Vec::new(), networks: Vec::new(), mtu, speed });
            found.len() - 1
        });
        // SAFETY: ifa_addr is null or points to a socket address of the family it names.
        if let (Some(address), Some(interface)) = (unsafe { address_of(item.ifa_addr) }, found.get_mut(index)) {
            interface.addresses.push(address);
            // SAFETY: ifa_netmask is null or points to a socket address of the family it names.
            if let (IpAddr::V4(address), Some(IpAddr::V4(mask))) = (address, unsafe { address_of(item.ifa_netmask) }) {
                // A mask has at most 32 ones.
                interface.networks.push((address, mask.to_bits().leading_ones() as u8));
            }
        }
    }
    // SAFETY: the list came from getifaddrs and is freed once.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// The name by which an interface is listed that has this one, too.
fn first_name(name: &str) -> Option<String> {
    let name = std::ffi::CString::new(name).ok()?;
    let mut first = [0; libc::IF_NAMESIZE];
    // SAFETY: a NUL-terminated string; and room for the longest name of an interface.
    let found = unsafe { libc::if_indextoname(libc::if_nametoindex(name.as_ptr()), first.as_mut_ptr()) };
    if found.is_null() {
        return None;
    }
    // SAFETY: if_indextoname has written a NUL-terminated name.
    Some(unsafe { std::ffi::CStr::from_ptr(first.as_ptr()) }.to_string_lossy().into_owned())
}

/// # Safety
/// `address` is null or points to a socket address that is as long as its family says.
unsafe fn address_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    if address.is_null() {
        return None;
    }
    // SAFETY: not null, and every socket address begins with its family; see above.
    match i32::from(unsafe { (*address).sa_family }) {
        libc::AF_INET => {
            // SAFETY: the family says it is a sockaddr_in; read without demanding its alignment.
            let inet = unsafe { std::ptr::read_unaligned(address.cast::<libc::sockaddr_in>()) };
            Some(IpAddr::V4(Ipv4Addr::from(u32::from_be(inet.sin_addr.s_addr))))
        }
        libc::AF_INET6 => {
            // SAFETY: the family says it is a sockaddr_in6; read without demanding its alignment.
            let inet6 = unsafe { std::ptr::read_unaligned(address.cast::<libc::sockaddr_in6>()) };
            Some(IpAddr::V6(Ipv6Addr::from(inet6.sin6_addr.s6_addr)))
        }
        _ => None,
    }
}

/// MTU by ioctl(SIOCGIFMTU): unlike sysfs, it is that of this process's network namespace.
fn mtu_of(name: &str) -> u32 {
    const ETHERNET: u32 = 1500;
    let Some(mut request) = request(name) else { return ETHERNET };
    if !ask(libc::SIOCGIFMTU, &mut request) {
        return ETHERNET;
    }
    // SAFETY: a successful SIOCGIFMTU fills this member of the union.
    u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(ETHERNET)
}

/// Speed of a link by ioctl(SIOCETHTOOL), bit/s.
fn speed_of(name: &str) -> Option<u64> {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    const ETHTOOL_GSET: u32 = 1;
    let mut request = request(name)?;
    // `struct ethtool_cmd`, as words of the machine's order.
    let mut settings = [0_u32; 11];
    settings[0] = ETHTOOL_GSET;
    request.ifr_ifru.ifru_data = settings.as_mut_ptr().cast();
    if !ask(SIOCETHTOOL, &mut request) {
        return None;
    }
    // Its speed in Mbit/s: the lower half beside what the link's mode is, the upper half beside its crossing.
    let half = |[first, second, ..]: [u8; 4]| u16::from_ne_bytes([first, second]);
    megabits(half(settings[3].to_ne_bytes()), half(settings[7].to_ne_bytes()))
}

/// bit/s of a speed in Mbit/s in two halves. All ones, of the lower half too, say that nobody knows.
fn megabits(low: u16, high: u16) -> Option<u64> {
    let speed = u32::from(high) << 16 | u32::from(low);
    (low != u16::MAX && speed != 0).then(|| u64::from(speed) * 1_000_000)
}

/// An ioctl's question about an interface.
fn request(name: &str) -> Option<libc::ifreq> {
    // SAFETY: ifreq is plain data for which all zeroes are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.len() >= request.ifr_name.len() {
        return None;
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Some(request)
}

fn ask(what: libc::Ioctl, request: &mut libc::ifreq) -> bool {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { return false };
    // SAFETY: the descriptor is open, `request` has a NUL-terminated name, and what it points to is as long as `what` asks.
    unsafe { libc::ioctl(socket.as_raw_fd(), what, std::ptr::from_mut(request)) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_lowest_metric_wins() {
        let table = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n\
                     wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
                     eth0\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                     eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n";
        assert_eq!(default_route(table), Some("eth0".to_owned()));
        assert_eq!(default_route(""), None);
    }

    #[test]
    fn loopback_resolvers_are_of_no_use_to_phones() {
        let text = "nameserver 127.0.0.53\nnameserver 192.0.2.53\nsearch x\nnameserver ::1\n";
        assert_eq!(name_servers(text), [Ipv4Addr::new(192, 0, 2, 53)]);
    }

    #[test]
    fn the_speed_of_a_link_is_two_halves_or_unknown() {
        assert_eq!(megabits(1_000, 0), Some(1_000_000_000));
        assert_eq!(megabits((100_000_u32 & 0xffff) as u16, 1), Some(100_000_000_000));
        assert_eq!(megabits(u16::MAX, u16::MAX), None);
        assert_eq!((megabits(u16::MAX, 0), megabits(0, 0)), (None, None));
    }

    #[test]
    fn this_machine_has_a_loopback_interface() {
        let machine = Machine::detect();
        let loopback = machine.interface("lo").unwrap();
        assert!(loopback.mtu > 1000);
        assert_eq!(loopback.speed, None);
        assert!(loopback.networks.contains(&(Ipv4Addr::LOCALHOST, 8)));
    }
}
