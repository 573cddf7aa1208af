//! The software plane's own device: what the kernel routes to phones comes out here, what phones send goes in.

use super::{FrameSocket, checked, nonblocking, packet_socket, set_name, uninitialised};
use crate::error::Error;
use crate::host::Link;
use socket2::{Socket, Type};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

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
            // Bursts wait here while the thread is busy; the kernel takes less where it must.
            let _ = socket.set_recv_buffer_size(8 << 20);
            Ok(socket)
        };
        let from_kernel = open().map_err(Error::system("packet socket"))?;
        let to_kernel = FrameSocket::open(far.index, far.mac.unwrap_or_default(), near.mac.unwrap_or_default())?;
        Ok(Self::Pair { from_kernel, to_kernel })
    }

    /// A packet, if there is one.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
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
    pub(crate) fn send(&self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Tun(file) => (&mut &*file).write(packet).map(drop),
            Self::Pair { to_kernel, .. } => to_kernel.send(packet),
        }
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tun(file) => file.as_fd(),
            Self::Pair { from_kernel, .. } => from_kernel.as_fd(),
        }
    }
}
