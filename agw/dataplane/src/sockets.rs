//! File descriptors that the standard library has no type for. All the system calls of the slow path are here.

mod arp;
mod device;

use crate::error::Error;
use crate::hand::Hand;
pub(crate) use arp::ArpSocket;
use basalt_ebpf_abi::{Mac, NextHop};
pub(crate) use device::Device;
use socket2::{Domain, MsgHdr, Protocol, SockAddr, Socket, Type};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

/// The GTP-U socket.
pub(crate) struct GtpSocket(Socket);

impl GtpSocket {
    /// Bound to our GTP-U address.
    pub(crate) fn bind(address: Ipv4Addr) -> Result<Self, Error> {
        let local = SocketAddrV4::new(address, basalt_gtp::PORT);
        let open = || {
            let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
            socket.set_nonblocking(true)?;
            // A gateway that restarts may meet its predecessor for a moment.
            socket.set_reuse_address(true)?;
            // Bursts wait here while a thread is busy.
            large_receive_buffer(&socket);
            let _ = socket.set_send_buffer_size(4 << 20);
            // What is too large is fragmented on the way, as TS 29.281 §4.4.1 allows, instead of being refused.
            set_option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_DONT)?;
            socket.bind(&SockAddr::from(local))?;
            Ok(socket)
        };
        open().map(Self).map_err(Error::system(format!("GTP-U socket on {local}")))
    }

    /// The one that a predecessor has bound to this address, with all that waits in it.
    pub(crate) fn again(socket: OwnedFd, address: Ipv4Addr) -> Option<Self> {
        let socket = Socket::from(socket);
        let local = socket.local_addr().ok()?.as_socket_ipv4()?;
        (local == SocketAddrV4::new(address, basalt_gtp::PORT)).then_some(Self(socket))
    }

    /// A datagram, if there is one, and who sent it.
    pub(crate) fn receive(
        &self,
        buffer: &mut [u8],
        hand: Option<&Hand>,
    ) -> io::Result<Option<(usize, Option<SocketAddrV4>)>> {
        if let Some(hand) = hand {
            return Ok(hand.receive(self.as_fd(), buffer)?.map(|length| (length, hand.sender())));
        }
        match self.0.recv_from(uninitialised(buffer)) {
            Ok((length, from)) => Ok(Some((length, from.as_socket_ipv4()))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a datagram made of two parts. Waits a moment when the queue is full.
    pub(crate) fn send(&self, to: SocketAddrV4, parts: [&[u8]; 2]) -> io::Result<()> {
        self.send_marked(to, 0, parts, None)
    }

    /// The same with this ToS octet in the IP header.
    pub(crate) fn send_marked(
        &self,
        to: SocketAddrV4,
        tos: u8,
        parts: [&[u8]; 2],
        hand: Option<&Hand>,
    ) -> io::Result<()> {
        let control = if tos == 0 { Vec::new() } else { ancillary(libc::IPPROTO_IP, libc::IP_TOS, tos.into()) };
        let send = || match hand {
            Some(hand) => hand.send(self.as_fd(), Some(to), &control, parts),
            None => self.send_once(to, &control, parts),
        };
        match send() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait(&[(self.0.as_fd(), libc::POLLOUT)], Some(Duration::from_millis(5)))?;
                send()
            }
            other => other,
        }
    }

    fn send_once(&self, to: SocketAddrV4, control: &[u8], parts: [&[u8]; 2]) -> io::Result<()> {
        let parts = parts.map(IoSlice::new);
        let to = SockAddr::from(SocketAddr::V4(to));
        let message = MsgHdr::new().with_addr(&to).with_buffers(&parts);
        let message = if control.is_empty() { message } else { message.with_control(control) };
        self.0.sendmsg(&message, 0).map(drop)
    }
}

impl AsFd for GtpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Puts whole frames on an interface.
pub(crate) struct FrameSocket {
    socket: Socket,
    header: [u8; 14],
}

impl FrameSocket {
    /// Sends IP out of interface `index`, from and to these addresses.
    pub(crate) fn open(index: u32, source: Mac, destination: Mac) -> Result<Self, Error> {
        // Protocol 0: it receives nothing.
        let socket = packet_socket(Type::RAW, 0, index).map_err(Error::system("packet socket"))?;
        let mut header = [0; 14];
        for (octet, value) in header.iter_mut().zip(destination.0.into_iter().chain(source.0).chain([8, 0])) {
            *octet = value;
        }
        Ok(Self { socket, header })
    }

    /// Sends an IPv4 or IPv6 packet.
    pub(crate) fn send(&self, packet: &[u8], hand: Option<&Hand>) -> io::Result<()> {
        let mut header = self.header;
        if packet.first().is_some_and(|octet| octet >> 4 == 6)
            && let [.., high, low] = &mut header
        {
            [*high, *low] = [0x86, 0xdd];
        }
        match hand {
            Some(hand) => hand.send(self.socket.as_fd(), None, &[], [&header, packet]),
            None => self.socket.send_vectored(&[IoSlice::new(&header), IoSlice::new(packet)]).map(drop),
        }
    }
}

impl FrameSocket {
    /// Sends an IPv4 packet out of another interface, with the addresses and the VLAN, if it has one, of a next hop.
    pub(crate) fn send_straight(&self, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        let (destination, source) = hop.macs();
        let [_, _, high, low] = hop.vlan.get().to_be_bytes();
        let tag = if hop.vlan.get() == 0 { &[][..] } else { &[0x81, 0, high, low] };
        let frame = [&destination.0[..], &source.0, tag, &[8, 0], packet].concat();
        // SAFETY: all octets zero is a valid address of this family.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = libc::AF_PACKET as u16;
        address.sll_ifindex = i32::try_from(hop.ifindex.get()).map_err(io::Error::other)?;
        let length = u32::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
        // SAFETY: frame and address live across the call and have the lengths given.
        let sent = unsafe {
            libc::sendto(
                self.socket.as_raw_fd(),
                frame.as_ptr().cast(),
                frame.len(),
                libc::MSG_DONTWAIT,
                (&raw const address).cast(),
                length,
            )
        };
        if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// A packet socket on interface `index` that receives frames of this EtherType; of none with 0.
fn packet_socket(kind: Type, protocol: u16, index: u32) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, kind, None)?;
    // SAFETY: all octets zero is a valid address of this family.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = i32::try_from(index).map_err(io::Error::other)?;
    let length = u32::try_from(size_of::<libc::sockaddr_ll>()).map_err(io::Error::other)?;
    // SAFETY: the address lives across the call and has the length given.
    checked(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })?;
    Ok(socket)
}

/// What is sent from the same interface is not received.
fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = u32::try_from(size_of::<libc::c_int>()).map_err(io::Error::other)?;
    // SAFETY: the value lives across the call and has the length given.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            length,
        )
    };
    checked(set)
}

/// Wakes threads that wait, for good: once called, nobody waits again.
pub(crate) struct Waker(OwnedFd);

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        checked(fd)?;
        // SAFETY: a new descriptor that nobody else owns.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Wakes whoever waits now or later.
    pub(crate) fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight octets, as an eventfd wants. A full counter wakes just as well.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Room for 8 MiB in a socket, whatever the machine's limit is; where that is not allowed, what the limit leaves.
fn large_receive_buffer(socket: &Socket) {
    const OCTETS: i32 = 8 << 20;
    if set_option(socket, libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, OCTETS).is_err() {
        // The kernel takes less where it must.
        let _ = socket.set_recv_buffer_size(OCTETS as usize);
    }
}

/// Waits until one of the descriptors is ready for what is asked (`POLLIN`, `POLLOUT`), or the time is over.
pub(crate) fn wait(descriptors: &[(BorrowedFd<'_>, i16)], time: Option<Duration>) -> io::Result<()> {
    let mut list: Vec<libc::pollfd> = descriptors
        .iter()
        .map(|(fd, events)| libc::pollfd { fd: fd.as_raw_fd(), events: *events, revents: 0 })
        .collect();
    // Rounded up: an early return would find nothing due.
    let millis = time.map_or(-1, |time| i32::try_from(time.as_micros().div_ceil(1000)).unwrap_or(i32::MAX));
    // SAFETY: the list lives across the call and has the length given.
    let result = unsafe { libc::poll(list.as_mut_ptr(), list.len() as libc::nfds_t, millis) };
    match checked(result) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        other => other,
    }
}

/// Switches an offload of an interface: `command` is one of `ETHTOOL_S*` that take a number.
pub(crate) fn ethtool(interface: &str, command: u32, value: u32) -> io::Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut argument = [command, value];
    // SAFETY: all octets zero is a valid request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    set_name(&mut request, interface);
    request.ifr_ifru.ifru_data = argument.as_mut_ptr().cast();
    const SIOCETHTOOL: libc::Ioctl = 0x8946;
    // SAFETY: the request points to the two words of `struct ethtool_value`, both alive.
    checked(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) })
}

fn uninitialised(buffer: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: octets are valid as possibly uninitialised ones, and what receives into them writes octets only.
    unsafe { &mut *(std::ptr::from_mut(buffer) as *mut [MaybeUninit<u8>]) }
}

fn set_name(request: &mut libc::ifreq, name: &str) {
    // One octet stays zero.
    for (target, octet) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
        *target = octet as libc::c_char;
    }
}

fn set_option(socket: &Socket, level: i32, name: i32, value: i32) -> io::Result<()> {
    let length = size_of::<i32>() as libc::socklen_t;
    // SAFETY: the value lives across the call and has the length given.
    checked(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) })
}

/// One control message of an integer (cmsg(3)).
fn ancillary(level: i32, kind: i32, value: i32) -> Vec<u8> {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let length = HEADER + size_of::<i32>();
    let mut octets = length.to_ne_bytes().to_vec();
    octets.extend([level, kind, value].into_iter().flat_map(i32::to_ne_bytes));
    octets.resize(length.next_multiple_of(size_of::<usize>()), 0);
    octets
}

fn nonblocking(fd: i32) -> io::Result<()> {
    // SAFETY: no pointers.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    checked(flags)?;
    // SAFETY: no pointers.
    checked(unsafe { libc::fcntl(fd, libc::F_SETFL, flags | libc::O_NONBLOCK) })
}

pub(crate) fn checked(result: i32) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
