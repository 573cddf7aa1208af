//! Interfaces: addresses by getifaddrs(3), the rest by ioctl, both of this process's network namespace (unlike sysfs).

use crate::{Interface, Link};
use std::ffi::{CStr, CString};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd as _;

/// All interfaces, in the kernel's order.
pub(super) fn interfaces() -> Vec<Interface> {
    let mut found: Vec<Interface> = Vec::new();
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes one pointer; the list it points to is freed below and not used after.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return found;
    }
    let mut entry = list;
    while !entry.is_null() {
        // SAFETY: `entry` is an element of the list that getifaddrs made.
        let item = unsafe { &*entry };
        entry = item.ifa_next;
        // SAFETY: ifa_name is a NUL-terminated string for as long as the list lives.
        let name = unsafe { CStr::from_ptr(item.ifa_name) }.to_string_lossy().into_owned();
        // SAFETY: ifa_addr and ifa_netmask are null or point to socket addresses of the family they name.
        let (address, mask) = unsafe { (address_of(item.ifa_addr), address_of(item.ifa_netmask)) };
        let flag = |flag: libc::c_int| item.ifa_flags & flag.cast_unsigned() != 0;
        let position = found.iter().position(|interface| interface.name == name).unwrap_or_else(|| {
            let (up, running) = (flag(libc::IFF_UP), flag(libc::IFF_RUNNING));
            found.push(Interface { up, running, mtu: mtu(&name).unwrap_or(1500), name, ..Interface::default() });
            found.len() - 1
        });
        if let (Some(address), Some(interface)) = (address, found.get_mut(position)) {
            interface.addresses.push((address, mask.map_or(0, prefix_length)));
        }
    }
    // SAFETY: the list came from getifaddrs and is freed once.
    unsafe { libc::freeifaddrs(list) };
    found
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

/// 24 for 255.255.255.0.
fn prefix_length(mask: IpAddr) -> u8 {
    let ones = match mask {
        IpAddr::V4(mask) => mask.to_bits().count_ones(),
        IpAddr::V6(mask) => mask.to_bits().count_ones(),
    };
    u8::try_from(ones).unwrap_or(128)
}

/// The kernel's number of an interface.
pub(super) fn index(name: &str) -> Option<u32> {
    let name = CString::new(name).ok()?;
    // SAFETY: a NUL-terminated string that lives until the call returns.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    (index != 0).then_some(index)
}

/// An ioctl request about an interface; `None` if the name is too long for one.
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

fn mtu(name: &str) -> Option<u32> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).ok()?;
    let mut request = request(name)?;
    // SAFETY: the descriptor is open, `request` is a valid ifreq with a NUL-terminated name.
    if unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCGIFMTU, &raw mut request) } != 0 {
        return None;
    }
    // SAFETY: a successful SIOCGIFMTU fills this member of the union.
    u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).ok()
}

const ETHTOOL_GDRVINFO: u32 = 0x03;
const ETHTOOL_GFLAGS: u32 = 0x25;
const ETHTOOL_GGRO: u32 = 0x2b;
const ETH_FLAG_LRO: u32 = 1 << 15;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    rest: [u8; 160],
}

/// `struct ethtool_value`.
#[repr(C)]
struct EthtoolValue {
    command: u32,
    value: u32,
}

/// Driver and offloads; XDP is asked elsewhere.
pub(super) fn ethtool(name: &str) -> Link {
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)) else { return Link::default() };
    let mut info = DriverInfo { command: ETHTOOL_GDRVINFO, driver: [0; 32], rest: [0; 160] };
    // SAFETY: ETHTOOL_GDRVINFO writes a `struct ethtool_drvinfo` of 196 octets, which `info` is.
    let has_driver = unsafe { ask(&socket, name, (&raw mut info).cast()) };
    let driver = CStr::from_bytes_until_nul(&info.driver).ok().map(|text| text.to_string_lossy().into_owned());
    Link {
        driver: driver.filter(|driver| has_driver && !driver.is_empty()),
        lro: value(&socket, name, ETHTOOL_GFLAGS).map(|flags| flags & ETH_FLAG_LRO != 0),
        gro: value(&socket, name, ETHTOOL_GGRO).map(|on| on != 0),
        xdp: None,
    }
}

fn value(socket: &UdpSocket, name: &str, command: u32) -> Option<u32> {
    let mut answer = EthtoolValue { command, value: 0 };
    // SAFETY: the commands used here write a `struct ethtool_value`, which `answer` is.
    unsafe { ask(socket, name, (&raw mut answer).cast()) }.then_some(answer.value)
}

/// # Safety
/// `data` points to the structure that the command in its first word reads and writes.
unsafe fn ask(socket: &UdpSocket, name: &str, data: *mut libc::c_char) -> bool {
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    let Some(mut request) = request(name) else { return false };
    request.ifr_ifru.ifru_data = data;
    // SAFETY: the descriptor is open, `request` has a NUL-terminated name, and the caller vouches for `data`.
    unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) == 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_known() {
        let all = interfaces();
        let lo = all.iter().find(|interface| interface.name == "lo").unwrap();
        assert!(lo.up && lo.mtu >= 1500);
        assert!(lo.addresses.contains(&(IpAddr::V4(Ipv4Addr::LOCALHOST), 8)));
        assert!(index("lo").is_some());
    }

    #[test]
    fn names_that_no_interface_can_have() {
        assert_eq!(mtu("a name that is longer than an interface may have"), None);
        assert_eq!(index("no\0zero"), None);
        assert_eq!(ethtool("nonexistent0"), Link::default());
    }

    #[test]
    fn masks_have_lengths() {
        assert_eq!(prefix_length("255.255.255.0".parse().unwrap()), 24);
        assert_eq!(prefix_length("ffff:ffff:ffff:ffff::".parse().unwrap()), 64);
        assert_eq!(size_of::<DriverInfo>(), 196);
    }
}
