//! Control messages: our own address of a packet, where a socket is bound to any.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::size_of_u32;

/// Room for one `in6_pktinfo` with its header, aligned as a control message must be.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Control([u8; SIZE]);

const SIZE: usize = 64;

impl Control {
    pub(super) const EMPTY: Self = Self([0; SIZE]);
}

/// The destination address of a received packet, where the socket asked for it.
pub(super) fn local_address(header: &libc::msghdr) -> Option<IpAddr> {
    if header.msg_controllen == 0 {
        return None;
    }
    // SAFETY: the kernel filled the control buffer that `header` describes.
    let first = unsafe { libc::CMSG_FIRSTHDR(header).as_ref() }?;
    // SAFETY: `first` lies in the control buffer.
    let data = unsafe { libc::CMSG_DATA(first) };
    match (first.cmsg_level, first.cmsg_type) {
        (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
            // SAFETY: a message of this type holds an `in_pktinfo`, not necessarily aligned.
            let info = unsafe { data.cast::<libc::in_pktinfo>().read_unaligned() };
            Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes()).into())
        }
        (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
            // SAFETY: a message of this type holds an `in6_pktinfo`, not necessarily aligned.
            let info = unsafe { data.cast::<libc::in6_pktinfo>().read_unaligned() };
            Some(Ipv6Addr::from(info.ipi6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// Asks for a source address.
pub(super) fn write_local_address(header: &mut libc::msghdr, control: &mut Control, local: IpAddr) {
    header.msg_control = (&raw mut *control).cast();
    header.msg_controllen = SIZE;
    match local {
        IpAddr::V4(v4) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(v4.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            write_control(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
        }
        IpAddr::V6(v6) => {
            let info = libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: v6.octets() }, ipi6_ifindex: 0 };
            write_control(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
        }
    }
}

fn write_control<T>(header: &mut libc::msghdr, level: libc::c_int, kind: libc::c_int, data: T) {
    const { assert!(size_of::<T>() + size_of::<libc::cmsghdr>() <= SIZE) };
    // SAFETY: the control buffer of SIZE octets is aligned and holds a header and a `T`, as asserted.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        if first.is_null() {
            return;
        }
        (*first).cmsg_level = level;
        (*first).cmsg_type = kind;
        (*first).cmsg_len = libc::CMSG_LEN(size_of_u32::<T>()) as usize;
        libc::CMSG_DATA(first).cast::<T>().write_unaligned(data);
        header.msg_controllen = libc::CMSG_SPACE(size_of_u32::<T>()) as usize;
    }
}
