//! How packets come into a [`Hand`] and go out of it: by calls in which the kernel itself writes down what was done.

use super::{Hand, PACKET, SENDER, Stage};
use crate::sockets::checked;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, BorrowedFd};

/// Octets of the headers of IPv6.
const IPV6_HEADER: usize = 40;

impl Hand {
    /// Takes a datagram, if there is one, and copies it.
    pub(crate) fn receive(&self, socket: BorrowedFd<'_>, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let mut data = libc::iovec { iov_base: self.packet.get().cast(), iov_len: PACKET };
        let mut header = message(std::slice::from_mut(&mut data));
        header.msg_hdr.msg_name = self.sender.get().cast();
        header.msg_hdr.msg_namelen = SENDER as libc::socklen_t;
        self.empty();
        // SAFETY: this thread alone uses the cell, which is aligned for it.
        unsafe { self.incoming.get().cast::<libc::mmsghdr>().write(header) };
        self.enter(Stage::TAKEN);
        // SAFETY: one header in memory of ours, whose parts live across the call; no time.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.incoming.get().cast(),
                1,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        self.taken(checked(received).map(|()| self.announced()), buffer)
    }

    /// Takes a packet out of a TUN device, if there is one, and copies it.
    pub(crate) fn read(&self, mut device: &File, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        self.empty();
        self.enter(Stage::TAKEN);
        // SAFETY: this thread alone uses the cell, and the kernel writes there in this call only.
        let packet = unsafe { &mut *self.packet.get() };
        let read = device.read(packet);
        self.taken(read, buffer)
    }

    /// What a predecessor had taken and not sent.
    pub(crate) fn held(&self, buffer: &mut [u8]) -> Option<usize> {
        let length = match self.announced() {
            0 => self.said(),
            length => Some(length),
        };
        let length = length.filter(|length| self.stage.get() == Stage::TAKEN && *length <= buffer.len());
        let Some(length) = length else {
            self.free();
            return None;
        };
        self.copy(length, buffer);
        Some(length)
    }

    /// Who sent the datagram.
    pub(crate) fn sender(&self) -> Option<SocketAddrV4> {
        // SAFETY: this thread alone uses the cell.
        let octets = unsafe { *self.sender.get() };
        let [f0, f1, p0, p1, a, b, c, d, ..] = octets;
        let ours = i32::from(u16::from_ne_bytes([f0, f1])) == libc::AF_INET;
        ours.then(|| SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), u16::from_be_bytes([p0, p1])))
    }

    /// Sends a message of these parts. Whether it was is known to whoever finds this memory.
    pub(crate) fn send(
        &self,
        socket: BorrowedFd<'_>,
        to: Option<SocketAddrV4>,
        control: &[u8],
        parts: [&[u8]; 2],
    ) -> io::Result<()> {
        let mut data = parts.map(|part| libc::iovec { iov_base: part.as_ptr().cast_mut().cast(), iov_len: part.len() });
        let to = to.map(|to| socket2::SockAddr::from(std::net::SocketAddr::V4(to)));
        let mut header = message(&mut data);
        if let Some(to) = &to {
            header.msg_hdr.msg_name = to.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = to.len();
        }
        if !control.is_empty() {
            header.msg_hdr.msg_control = control.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_controllen = control.len() as _;
        }
        // SAFETY: this thread alone uses the cell, which is aligned for it.
        unsafe { self.outgoing.get().cast::<libc::mmsghdr>().write(header) };
        // SAFETY: one header in memory of ours, whose parts live across the call and are only read.
        checked(unsafe { libc::sendmmsg(socket.as_raw_fd(), self.outgoing.get().cast(), 1, libc::MSG_DONTWAIT as _) })
    }

    /// Nothing was sent, yet.
    pub(super) fn forget_sent(&self) {
        // SAFETY: this thread alone uses the cell.
        unsafe { (&raw mut (*self.outgoing.get().cast::<libc::mmsghdr>()).msg_len).write_volatile(0) };
    }

    /// Whether the kernel has written down that it sent the message.
    pub(super) fn was_sent(&self) -> bool {
        // SAFETY: this thread alone uses the cell; any octets are a number.
        unsafe { (&raw const (*self.outgoing.get().cast::<libc::mmsghdr>()).msg_len).read_volatile() != 0 }
    }

    /// Nothing was taken, yet.
    fn empty(&self) {
        // SAFETY: this thread alone uses the cells.
        unsafe {
            (&raw mut (*self.incoming.get().cast::<libc::mmsghdr>()).msg_len).write_volatile(0);
            self.packet.get().cast::<u8>().write_volatile(0);
        }
    }

    /// Octets that the kernel says it has received.
    fn announced(&self) -> usize {
        // SAFETY: this thread alone uses the cell; any octets are a number.
        unsafe { (&raw const (*self.incoming.get().cast::<libc::mmsghdr>()).msg_len).read_volatile() as usize }
    }

    /// Octets of the IP packet that lies there, by its own header: the kernel has routed it, so it is as long as it says.
    fn said(&self) -> Option<usize> {
        // SAFETY: this thread alone uses the cell.
        let start = unsafe { self.packet.get().cast::<[u8; 6]>().read_volatile() };
        let [first, _, a, b, c, d] = start;
        let length = match first >> 4 {
            4 => usize::from(u16::from_be_bytes([a, b])),
            6 => IPV6_HEADER + usize::from(u16::from_be_bytes([c, d])),
            _ => 0,
        };
        (length > 0 && length <= PACKET).then_some(length)
    }

    fn taken(&self, received: io::Result<usize>, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        match received {
            Ok(length) if length <= buffer.len() => {
                self.copy(length, buffer);
                Ok(Some(length))
            }
            Ok(_) => {
                self.free();
                Err(io::ErrorKind::InvalidData.into())
            }
            Err(error) => {
                self.free();
                if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error) }
            }
        }
    }

    /// Packets are changed on their way, and what lies here must stay as it came.
    fn copy(&self, length: usize, buffer: &mut [u8]) {
        // SAFETY: this thread alone uses the cell.
        let packet = unsafe { &*self.packet.get() };
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), packet.get(..length)) {
            to.copy_from_slice(from);
        }
    }
}

fn message(data: &mut [libc::iovec]) -> libc::mmsghdr {
    // SAFETY: all octets zero is a valid message: without address, data and control messages.
    let mut header: libc::mmsghdr = unsafe { MaybeUninit::zeroed().assume_init() };
    header.msg_hdr.msg_iov = data.as_mut_ptr();
    header.msg_hdr.msg_iovlen = data.len() as _;
    header
}
