//! Packet sockets: raw IP (protocol 132) or UDP, many packets per system call.

mod control;

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll, ready};

use socket2::{Domain, Protocol, SockAddr, SockAddrStorage, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use control::{Control, local_address, write_local_address};

use crate::error::Error;

/// Packets moved by one system call.
pub(crate) const BATCH: usize = 64;
/// Longest packet: what an IP length field can say.
const SLOT: usize = 65536;
const PROTOCOL_SCTP: u8 = 132;
const SOCKET_BUFFER: usize = 4 << 20;

/// How packets travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encapsulation {
    /// Directly over IP.
    RawIp,
    /// In UDP from this local port (0: any).
    Udp(u16),
}

/// Where a packet came from or goes to, on one socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The peer's address.
    pub peer: IpAddr,
    /// The peer's UDP port; 0 over raw IP.
    pub udp: u16,
    /// Our address, where the socket is not bound to a single one.
    pub local: Option<IpAddr>,
}

/// A socket bound to one local address (or the unspecified one).
#[derive(Debug)]
pub(crate) struct PacketSocket {
    fd: AsyncFd<OwnedFd>,
    encapsulation: Encapsulation,
    local: SocketAddr,
}

/// A packet on its way out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub data: Vec<u8>,
    pub hop: Hop,
}

/// Memory for one batch of received packets; pages are touched only as packets need them.
pub(crate) struct ReceiveBuffer {
    data: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    received: Vec<(usize, usize, Hop)>,
}

impl ReceiveBuffer {
    pub(crate) fn new() -> Self {
        // SAFETY: all zeroes are a valid `sockaddr_storage`.
        let name = unsafe { mem::zeroed() };
        Self {
            data: vec![0; SLOT * BATCH],
            names: vec![name; BATCH],
            controls: vec![Control::EMPTY; BATCH],
            received: Vec::with_capacity(BATCH),
        }
    }

    /// The packets of the last batch: common header first.
    pub(crate) fn packets(&self) -> impl Iterator<Item = (&[u8], Hop)> {
        self.received.iter().map(|(start, end, hop)| (&self.data[*start..*end], *hop))
    }
}

impl PacketSocket {
    /// Opens and binds; a runtime with I/O must be entered.
    pub(crate) fn open(encapsulation: Encapsulation, local: IpAddr, dscp: u8) -> Result<Self, Error> {
        let domain = Domain::for_address(SocketAddr::new(local, 0));
        let (kind, protocol, port) = match encapsulation {
            Encapsulation::RawIp => (Type::RAW, Protocol::SCTP, 0),
            Encapsulation::Udp(port) => (Type::DGRAM, Protocol::UDP, port),
        };
        let socket = Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol))
            .map_err(Error::io("opening a packet socket"))?;
        configure(&socket, encapsulation, local, dscp).map_err(Error::io("configuring a packet socket"))?;
        socket.bind(&SocketAddr::new(local, port).into()).map_err(Error::io("binding a packet socket"))?;
        let bound = socket.local_addr().ok().and_then(|address| address.as_socket());
        // SAFETY: the descriptor is owned by the `AsyncFd` and given to nobody, so it stays open until dropped.
        let fd = unsafe { AsyncFd::register_with_interest(OwnedFd::from(socket), Interest::READABLE) }
            .map_err(|error| Error::io("watching a packet socket")(error.into()))?;
        let port = match encapsulation {
            Encapsulation::RawIp => 0,
            Encapsulation::Udp(_) => bound.map_or(port, |address| address.port()),
        };
        Ok(Self { fd, encapsulation, local: SocketAddr::new(local, port) })
    }

    pub(crate) fn local(&self) -> IpAddr {
        self.local.ip()
    }

    /// Our UDP port; `None` over raw IP.
    pub(crate) fn udp_port(&self) -> Option<u16> {
        (self.encapsulation != Encapsulation::RawIp).then_some(self.local.port())
    }

    /// Whether packets to `peer` can leave here.
    pub(crate) fn reaches(&self, peer: IpAddr) -> bool {
        self.local.is_ipv4() == peer.is_ipv4()
    }

    /// Receives a batch. True when there may be more.
    pub(crate) fn poll_receive(&self, cx: &mut Context<'_>, buffer: &mut ReceiveBuffer) -> Poll<io::Result<bool>> {
        loop {
            let mut guard = ready!(self.fd.poll_read_ready(cx))?;
            match guard.try_io(|_| self.receive(buffer)) {
                Ok(Ok(count)) => {
                    if count < BATCH {
                        // The queue was emptied; the next packet makes the descriptor ready anew.
                        guard.clear_ready();
                    }
                    return Poll::Ready(Ok(count == BATCH));
                }
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Err(error)) => return Poll::Ready(Err(error)),
                Err(_would_block) => {}
            }
        }
    }

    fn receive(&self, buffer: &mut ReceiveBuffer) -> io::Result<usize> {
        buffer.received.clear();
        let mut slots = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::zeroed() }; BATCH];
        let base = buffer.data.as_mut_ptr();
        for (index, header) in headers.iter_mut().enumerate() {
            let slot = slots[index].write(libc::iovec {
                // SAFETY: `data` holds BATCH slots of SLOT octets.
                iov_base: unsafe { base.add(index * SLOT) }.cast(),
                iov_len: SLOT,
            });
            // SAFETY: all zeroes are a valid `mmsghdr`.
            let header = unsafe { header.assume_init_mut() };
            header.msg_hdr.msg_name = (&raw mut buffer.names[index]).cast();
            header.msg_hdr.msg_namelen = size_of_u32::<libc::sockaddr_storage>();
            header.msg_hdr.msg_iov = slot;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = (&raw mut buffer.controls[index]).cast();
            header.msg_hdr.msg_controllen = size_of::<Control>();
        }
        // SAFETY: every header points to memory that is live and not otherwise used during the call.
        let count = unsafe {
            libc::recvmmsg(
                self.fd.get_ref().as_raw_fd(),
                headers[0].as_mut_ptr(),
                BATCH as libc::c_uint,
                0,
                std::ptr::null_mut(),
            )
        };
        let count = usize::try_from(count).map_err(|_| io::Error::last_os_error())?;
        for (index, header) in headers[..count].iter().enumerate() {
            // SAFETY: initialised above and filled by the call.
            let header = unsafe { header.assume_init_ref() };
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                continue;
            }
            let start = index * SLOT;
            let octets = &buffer.data[start..start + header.msg_len as usize];
            let from = address(&buffer.names[index]);
            let told = local_address(&header.msg_hdr);
            if let Some((offset, hop)) = self.unwrap(octets, from, told) {
                let end = start + octets.len();
                buffer.received.push((start + offset, end, hop));
            }
        }
        Ok(count)
    }

    /// Where SCTP begins, and between whom it travelled.
    fn unwrap(&self, octets: &[u8], from: Option<SocketAddr>, told: Option<IpAddr>) -> Option<(usize, Hop)> {
        let from = from?;
        let (offset, udp, to) = match self.encapsulation {
            Encapsulation::Udp(_) => (0, from.port(), told),
            Encapsulation::RawIp if from.is_ipv6() => (0, 0, told),
            Encapsulation::RawIp => {
                let (offset, to) = ipv4_payload(octets)?;
                (offset, 0, Some(to))
            }
        };
        let local = if self.local.ip().is_unspecified() { to } else { None };
        let peer = from.ip();
        Some((offset, Hop { peer, udp, local }))
    }

    /// Sends packets, as many per system call as it takes. What the network refuses is lost, as on any network:
    /// SCTP sends it again.
    pub(crate) fn send(&self, packets: &[Outgoing]) {
        for batch in packets.chunks(BATCH) {
            let mut rest = batch;
            while !rest.is_empty() {
                // The count is of those sent before the first that failed, which is given up.
                let done = match self.send_batch(rest) {
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
                    Err(error) => {
                        tracing::trace!(%error, "packet not sent");
                        1
                    }
                };
                rest = &rest[done.min(rest.len())..];
            }
        }
    }

    fn send_batch(&self, packets: &[Outgoing]) -> io::Result<usize> {
        let mut names = [const { MaybeUninit::<SockAddr>::uninit() }; BATCH];
        let mut slots = [const { MaybeUninit::<libc::iovec>::uninit() }; BATCH];
        let mut controls = [const { MaybeUninit::<Control>::uninit() }; BATCH];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::zeroed() }; BATCH];
        for (index, packet) in packets.iter().enumerate() {
            // `SockAddr` is plain memory: leaving it without dropping leaks nothing.
            let name = names[index].write(SocketAddr::new(packet.hop.peer, packet.hop.udp).into());
            let slot = slots[index]
                .write(libc::iovec { iov_base: packet.data.as_ptr().cast_mut().cast(), iov_len: packet.data.len() });
            // SAFETY: all zeroes are a valid `mmsghdr`.
            let header = &mut unsafe { headers[index].assume_init_mut() }.msg_hdr;
            header.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_namelen = name.len();
            header.msg_iov = slot;
            header.msg_iovlen = 1;
            if let Some(local) = packet.hop.local {
                let control = controls[index].write(Control::EMPTY);
                write_local_address(header, control, local);
            }
        }
        let count = libc::c_uint::try_from(packets.len()).unwrap_or_default();
        // SAFETY: `count` headers were filled; they point to memory that is live during the call.
        let sent = unsafe {
            libc::sendmmsg(self.fd.get_ref().as_raw_fd(), headers[0].as_mut_ptr(), count, libc::MSG_NOSIGNAL)
        };
        usize::try_from(sent).map_err(|_| io::Error::last_os_error())
    }
}

fn configure(socket: &Socket, encapsulation: Encapsulation, local: IpAddr, dscp: u8) -> io::Result<()> {
    // Beyond the system's limit only with CAP_NET_ADMIN; what is granted is enough.
    let _ = force_buffer(socket, libc::SO_RCVBUFFORCE).or_else(|_| socket.set_recv_buffer_size(SOCKET_BUFFER));
    let _ = force_buffer(socket, libc::SO_SNDBUFFORCE).or_else(|_| socket.set_send_buffer_size(SOCKET_BUFFER));
    let traffic_class = u32::from(dscp) << 2;
    if local.is_ipv4() {
        set_option(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
        if traffic_class != 0 {
            socket.set_tos_v4(traffic_class)?;
        }
        if local.is_unspecified() {
            set_option(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
        }
    } else {
        if encapsulation != Encapsulation::RawIp {
            socket.set_only_v6(true)?;
        }
        set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_DONT)?;
        if traffic_class != 0 {
            socket.set_tclass_v6(traffic_class)?;
        }
        if local.is_unspecified() {
            set_option(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
        }
    }
    Ok(())
}

fn force_buffer(socket: &Socket, option: libc::c_int) -> io::Result<()> {
    let size = libc::c_int::try_from(SOCKET_BUFFER).unwrap_or(libc::c_int::MAX);
    set_option(socket, libc::SOL_SOCKET, option, size)
}

fn set_option(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the option takes an `int`, and one is given.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size_of_u32::<libc::c_int>())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn size_of_u32<T>() -> u32 {
    const { assert!(size_of::<T>() <= u32::MAX as usize) };
    size_of::<T>() as u32
}

/// Offset of the payload of an IPv4 packet of protocol SCTP, and its destination (RFC 791 §3.1).
fn ipv4_payload(octets: &[u8]) -> Option<(usize, IpAddr)> {
    let header = octets.get(..20)?;
    let length = usize::from(header[0] & 0x0f) * 4;
    if header[0] >> 4 != 4 || length < 20 || header[9] != PROTOCOL_SCTP || octets.len() < length {
        return None;
    }
    let to: [u8; 4] = header[16..20].try_into().ok()?;
    Some((length, Ipv4Addr::from(to).into()))
}

fn address(name: &libc::sockaddr_storage) -> Option<SocketAddr> {
    let family = libc::c_int::from(name.ss_family);
    let length = match family {
        libc::AF_INET => size_of_u32::<libc::sockaddr_in>(),
        libc::AF_INET6 => size_of_u32::<libc::sockaddr_in6>(),
        _ => return None,
    };
    let mut storage = SockAddrStorage::zeroed();
    // SAFETY: the storage is one `sockaddr_storage` by definition.
    *unsafe { storage.view_as::<libc::sockaddr_storage>() } = *name;
    // SAFETY: the kernel wrote an address of the family checked above, of that length.
    unsafe { SockAddr::new(storage, length) }.as_socket()
}

/// The address this host would use towards `peer`.
pub(crate) fn source_towards(peer: IpAddr) -> Result<IpAddr, Error> {
    let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    // Connecting a UDP socket looks the route up and sends nothing.
    let probe = std::net::UdpSocket::bind((any, 0)).map_err(Error::io("looking up a route"))?;
    probe
        .connect((peer, 9))
        .and_then(|()| probe.local_addr())
        .map(|address| address.ip())
        .map_err(Error::io("looking up a route"))
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::net::UdpSocket;

    use super::*;

    async fn receive(socket: &PacketSocket) -> Vec<(Vec<u8>, Hop)> {
        let mut buffer = ReceiveBuffer::new();
        let mut out = Vec::new();
        while out.is_empty() {
            poll_fn(|cx| socket.poll_receive(cx, &mut buffer)).await.unwrap();
            out.extend(buffer.packets().map(|(data, hop)| (data.to_vec(), hop)));
        }
        out
    }

    #[tokio::test]
    async fn batches_travel_both_ways() {
        let peer = UdpSocket::bind("127.0.0.1:0").unwrap();
        let ours = PacketSocket::open(Encapsulation::Udp(0), Ipv4Addr::LOCALHOST.into(), 46).unwrap();
        let hop = Hop { peer: Ipv4Addr::LOCALHOST.into(), udp: peer.local_addr().unwrap().port(), local: None };
        let packets: Vec<_> = (0..100u8).map(|n| Outgoing { data: vec![n; 30], hop }).collect();
        ours.send(&packets);
        let mut octets = [0; 100];
        for n in 0..100 {
            let (len, from) = peer.recv_from(&mut octets).unwrap();
            assert_eq!((len, octets[0], Some(from.port())), (30, n, ours.udp_port()));
        }
        peer.send_to(&[1, 2, 3], ("127.0.0.1", ours.udp_port().unwrap())).unwrap();
        assert_eq!(receive(&ours).await, [(vec![1, 2, 3], hop)]);
    }

    #[tokio::test]
    async fn the_unspecified_address_answers_from_where_it_was_asked() {
        for (any, asked) in [("0.0.0.0", "127.0.0.3"), ("::", "::1")] {
            let ours = PacketSocket::open(Encapsulation::Udp(0), any.parse().unwrap(), 0).unwrap();
            let peer = UdpSocket::bind((asked, 0)).unwrap();
            peer.send_to(&[9], (asked, ours.udp_port().unwrap())).unwrap();
            let (data, hop) = receive(&ours).await.remove(0);
            assert_eq!(hop.local, Some(asked.parse().unwrap()));
            ours.send(&[Outgoing { data, hop }]);
            let (_, from) = peer.recv_from(&mut [0; 9]).unwrap();
            assert_eq!(from.ip(), asked.parse::<IpAddr>().unwrap());
        }
    }

    #[test]
    fn ipv4_headers() {
        let mut octets = vec![0; 40];
        octets[0] = 0x46;
        octets[9] = 132;
        octets[16..20].copy_from_slice(&[10, 0, 0, 1]);
        assert_eq!(ipv4_payload(&octets), Some((24, [10, 0, 0, 1].into())));
        assert_eq!(ipv4_payload(&octets[..22]), None);
        octets[9] = 17;
        assert_eq!(ipv4_payload(&octets), None);
        octets[0] = 0x44;
        assert_eq!(ipv4_payload(&octets), None);
    }

    #[test]
    fn route_lookup() {
        let source = source_towards(Ipv4Addr::LOCALHOST.into()).unwrap();
        assert_eq!(source, IpAddr::from(Ipv4Addr::LOCALHOST));
    }
}
