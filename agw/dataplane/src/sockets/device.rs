//! The software plane's own device: what the kernel routes to phones comes out here, what phones send goes in.

use super::{FrameSocket, checked, large_receive_buffer, nonblocking, packet_socket, set_name, uninitialised};
use crate::error::Error;
use crate::hand::Hand;
use crate::host::Link;
use socket2::{Socket, Type};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// Asks a TUN device for its name (linux/if_tun.h).
const TUNGETIFF: libc::Ioctl = 0x8004_54d2_u32 as libc::Ioctl;

/// See the [module](self).
pub(crate) enum Device {
    /// A TUN device: IP packets without any header. It is gone when this value is.
    Tun(File),
    /// The far end of a veth pair, for those who may not open `/dev/net/tun`: in user namespaces and containers.
    Pair {
        /// Packets from the kernel.
        from_kernel: Socket,
        /// Packets to the kernel.
        to_kernel: FrameSocket,
    },
}

impl Device {
    /// What lets TUN devices be made.
    ///
    /// # Errors
    /// There is no such file here, or no right to open it.
    pub(crate) fn tun_maker() -> io::Result<File> {
        OpenOptions::new().read(true).write(true).open("/dev/net/tun")
    }

    /// Makes a TUN device of this name.
    pub(crate) fn tun(maker: File, name: &str) -> Result<Self, Error> {
        let make = || {
            // SAFETY: all octets zero is a valid request.
            let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
            set_name(&mut request, name);
            request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
            // SAFETY: the request lives across the call.
            checked(unsafe { libc::ioctl(maker.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
            nonblocking(maker.as_raw_fd())
        };
        make().map_err(Error::system(format!("TUN device {name}")))?;
        Ok(Self::Tun(maker))
    }

    /// Takes the far end of a veth pair whose near end the kernel routes to. What the kernel sends must not be addressed to the
    /// far end, whose own IP layer would take it for its business.
    pub(crate) fn pair(near: &Link, far: &Link) -> Result<Self, Error> {
        let open = || {
            let socket = packet_socket(Type::DGRAM, libc::ETH_P_ALL as u16, far.index)?;
            super::ignore_outgoing(&socket)?;
            socket.set_nonblocking(true)?;
            // Bursts wait here while the thread is busy.
            large_receive_buffer(&socket);
            Ok(socket)
        };
        let from_kernel = open().map_err(Error::system("packet socket"))?;
        Self::of_pair(from_kernel, near, far)
    }

    fn of_pair(from_kernel: Socket, near: &Link, far: &Link) -> Result<Self, Error> {
        let to_kernel = FrameSocket::open(far.index, far.mac.unwrap_or_default(), near.mac.unwrap_or_default())?;
        Ok(Self::Pair { from_kernel, to_kernel })
    }

    /// The TUN device of this name that a predecessor made, with all that waits in it.
    pub(crate) fn tun_again(device: OwnedFd, name: &str) -> Option<Self> {
        // SAFETY: all octets zero is a valid request.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        // SAFETY: the request lives across the call. What is no TUN device, or is one that was removed, refuses.
        checked(unsafe { libc::ioctl(device.as_raw_fd(), TUNGETIFF, &raw mut request) }).ok()?;
        let found = request.ifr_name.iter().take_while(|octet| **octet != 0).map(|octet| *octet as u8);
        found.eq(name.bytes()).then(|| Self::Tun(File::from(device)))
    }

    /// The far end of this pair as a predecessor took it, with all that waits there.
    pub(crate) fn pair_again(socket: OwnedFd, near: &Link, far: &Link) -> Option<Self> {
        let socket = Socket::from(socket);
        let address = socket.local_addr().ok()?;
        if i32::from(address.family()) != libc::AF_PACKET {
            return None;
        }
        // SAFETY: an address of this family, of the length that the kernel gave it.
        let at = unsafe { (*address.as_ptr().cast::<libc::sockaddr_ll>()).sll_ifindex };
        (u32::try_from(at).ok()? == far.index).then_some(())?;
        Self::of_pair(socket, near, far).ok()
    }

    /// What a successor goes on with.
    pub(crate) fn kept(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    /// A packet, if there is one.
    pub(crate) fn receive(&self, buffer: &mut [u8], hand: Option<&Hand>) -> io::Result<Option<usize>> {
        if let Some(hand) = hand {
            return match self {
                Self::Tun(file) => hand.read(file, buffer),
                Self::Pair { from_kernel, .. } => hand.receive(from_kernel.as_fd(), buffer),
            };
        }
        let received = match self {
            Self::Tun(file) => (&mut &*file).read(buffer),
            Self::Pair { from_kernel, .. } => from_kernel.recv(uninitialised(buffer)),
        };
        match received {
            Ok(length) => Ok(Some(length)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Hands a packet to the kernel.
    pub(crate) fn send(&self, packet: &[u8], hand: Option<&Hand>) -> io::Result<()> {
        match self {
            // The device counts it.
            Self::Tun(file) => (&mut &*file).write(packet).map(drop),
            Self::Pair { to_kernel, .. } => to_kernel.send(packet, hand),
        }
    }

    /// How many packets were handed to the kernel by this device since it was made, if it counts them. It must have this name.
    pub(crate) fn written(&self, name: &str) -> Option<u64> {
        match self {
            Self::Tun(_) => received(&std::fs::read_to_string("/proc/thread-self/net/dev").ok()?, name),
            Self::Pair { .. } => None,
        }
    }
}

/// Packets that an interface has received, of the table of them (proc_net_dev(5): octets first, then packets).
fn received(table: &str, name: &str) -> Option<u64> {
    let line = table.lines().find_map(|line| line.trim_start().strip_prefix(name)?.strip_prefix(':'))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tun(file) => file.as_fd(),
            Self::Pair { from_kernel, .. } => from_kernel.as_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_an_interface_are_found_in_the_table() {
        let table = "Inter-|   Receive                 |  Transmit\n face |bytes    packets errs drop\n    lo:  800      8    0\n\
                     bslt01: 70 7 0\nbslt0:123456 42 0 0\n";
        assert_eq!(received(table, "bslt0"), Some(42));
        assert_eq!(received(table, "bslt01"), Some(7));
        assert_eq!(received(table, "lo"), Some(8));
        assert_eq!(received(table, "bslt"), None);
    }
}
