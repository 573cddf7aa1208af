//! ARP frames with the VLAN that they came by, which the kernel takes out of them (PACKET_AUXDATA).

use super::{checked, nonblocking, packet_socket, set_option};
use socket2::{Socket, Type};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

/// A socket for ARP on one interface.
pub(crate) struct ArpSocket(Socket);

/// EtherType of ARP (RFC 826).
const ARP: u32 = 0x0806;
/// ETH_P_ALL.
const ALL: u16 = 3;
const PACKET_IGNORE_OUTGOING: i32 = 23;
const PACKET_AUXDATA: i32 = 8;
const TP_STATUS_VLAN_VALID: u32 = 1 << 4;

/// `struct tpacket_auxdata`.
#[repr(C)]
struct Auxiliary {
    status: u32,
    lengths: [u32; 2],
    offsets: [u16; 2],
    tag: u16,
    protocol: u16,
}

/// Lets a socket receive ARP only.
fn only_arp(socket: &Socket) -> io::Result<()> {
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut program = [
        step(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 0, 0, 12),
        step(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, ARP),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 256),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, 0),
    ];
    let filter = libc::sock_fprog { len: 4, filter: program.as_mut_ptr() };
    let length = size_of::<libc::sock_fprog>() as libc::socklen_t;
    let (fd, option) = (socket.as_raw_fd(), (libc::SOL_SOCKET, libc::SO_ATTACH_FILTER));
    // SAFETY: filter and program live across the call, which copies them.
    checked(unsafe { libc::setsockopt(fd, option.0, option.1, (&raw const filter).cast(), length) })
}

impl ArpSocket {
    pub(crate) fn open(index: u32) -> io::Result<Self> {
        // The kernel has lost a tag that it does not know by the time it delivers by EtherType: of everything, ARP is picked here.
        let socket = packet_socket(Type::RAW, ALL, index)?;
        only_arp(&socket)?;
        set_option(&socket, libc::SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)?;
        set_option(&socket, libc::SOL_PACKET, PACKET_AUXDATA, 1)?;
        nonblocking(socket.as_raw_fd())?;
        Ok(Self(socket))
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(drop)
    }

    /// A frame without its tag, and its VLAN, if there is a frame; VLAN 0 for none.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<(usize, u16)>> {
        let mut control = [0u64; 16];
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // SAFETY: all octets zero is a valid header.
        let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
        header.msg_iov = &raw mut part;
        header.msg_iovlen = 1;
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control);
        // SAFETY: buffer and control live across the call and have the lengths given.
        let length = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, 0) };
        let Ok(length) = usize::try_from(length) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) };
        };
        let mut vlan = 0;
        // SAFETY: the kernel has filled the control part in; the macros walk it.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(&raw const header);
            while !message.is_null() {
                if (*message).cmsg_level == libc::SOL_PACKET && (*message).cmsg_type == PACKET_AUXDATA {
                    let auxiliary = std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<Auxiliary>());
                    if auxiliary.status & TP_STATUS_VLAN_VALID != 0 {
                        vlan = auxiliary.tag & 0xfff;
                    }
                }
                message = libc::CMSG_NXTHDR(&raw const header, message);
            }
        }
        Ok(Some((length, vlan)))
    }
}
