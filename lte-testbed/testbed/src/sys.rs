//! The few system calls that have no safe wrapper among our dependencies: namespaces, mounts, TUN devices, ethtool.
//!
//! All of this crate's `unsafe` is in this file. Every function is a thin wrapper that turns `errno` into [`io::Error`].

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Moves the calling thread into the network namespace behind `fd`.
///
/// # Errors
/// The descriptor is not a network namespace, or the right (`CAP_SYS_ADMIN` in it) is missing.
pub fn enter_network(fd: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: setns takes a descriptor, which lives as long as the borrow, and a flag; it touches no memory of ours.
    check(unsafe { libc::setns(fd.as_raw_fd(), libc::CLONE_NEWNET) })
}

/// Moves the calling thread into new namespaces of the kinds given (`CLONE_NEW…`).
///
/// # Errors
/// A missing right, or a kernel that has none of these namespaces.
pub fn unshare(flags: libc::c_int) -> io::Result<()> {
    // SAFETY: unshare takes flags only.
    check(unsafe { libc::unshare(flags) })
}

/// Mounts `source` on `target`; `kind` and `source` may be empty for bind mounts and propagation changes.
///
/// # Errors
/// As mount(2).
pub fn mount(source: &Path, target: &Path, kind: &str, flags: libc::c_ulong) -> io::Result<()> {
    let (source, target, kind) = (path(source)?, path(target)?, CString::new(kind)?);
    // SAFETY: three NUL-terminated strings that outlive the call; no data argument.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, std::ptr::null()) })
}

/// Detaches the mount on `target`.
///
/// # Errors
/// As umount2(2); `EINVAL` when nothing is mounted there.
pub fn unmount(target: &Path) -> io::Result<()> {
    let target = path(target)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    check(unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) })
}

/// Has a datagram socket break nothing up: what is too large for the path is an error (IP_PMTUDISC_DO).
///
/// # Errors
/// As setsockopt(2).
pub fn never_fragment(socket: &impl AsRawFd, ipv6: bool) -> io::Result<()> {
    let (level, name) =
        if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) } else { (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER) };
    let value = libc::IP_PMTUDISC_DO;
    let size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the option is an int, which lives until the call returns.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) })
}

/// The path MTU that the kernel knows of a connected socket.
///
/// # Errors
/// As getsockopt(2); `ENOTCONN`.
pub fn path_mtu(socket: &impl AsRawFd, ipv6: bool) -> io::Result<u32> {
    let (level, name) = if ipv6 { (libc::IPPROTO_IPV6, libc::IPV6_MTU) } else { (libc::IPPROTO_IP, libc::IP_MTU) };
    let mut value: libc::c_int = 0;
    let mut size = libc::socklen_t::try_from(size_of_val(&value)).unwrap_or(0);
    // SAFETY: the option is an int, for which there is room.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, name, (&raw mut value).cast(), &raw mut size) })?;
    u32::try_from(value).map_err(io::Error::other)
}

/// The number of an interface of the calling thread's namespace.
///
/// # Errors
/// There is none of this name.
pub fn interface_index(name: &str) -> io::Result<u32> {
    let name = CString::new(name)?;
    // SAFETY: a NUL-terminated string that outlives the call.
    match unsafe { libc::if_nametoindex(name.as_ptr()) } {
        0 => Err(io::Error::last_os_error()),
        index => Ok(index),
    }
}

/// The effective user id.
#[must_use]
pub fn effective_uid() -> u32 {
    // SAFETY: always succeeds, takes nothing.
    unsafe { libc::geteuid() }
}

/// The effective group id.
#[must_use]
pub fn effective_gid() -> u32 {
    // SAFETY: always succeeds, takes nothing.
    unsafe { libc::getegid() }
}

/// Sends a signal to one process.
///
/// # Errors
/// `ESRCH` when it is gone, `EPERM` when it is not ours.
pub fn signal(pid: u32, signal: libc::c_int) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid).map_err(|_| io::ErrorKind::InvalidInput)?;
    if pid <= 1 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: kill takes two numbers; a positive pid means exactly that process.
    check(unsafe { libc::kill(pid, signal) })
}

/// From now on, what a child leaves behind when it ends becomes this process's child.
///
/// # Errors
/// As prctl(2).
pub fn adopt_orphans() -> io::Result<()> {
    // SAFETY: this option takes a number, and none of the other arguments.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })
}

/// Forgets a child that has ended. Nothing happens if it lives, or is somebody else's.
pub fn reap(pid: u32) {
    if let Ok(pid) = libc::pid_t::try_from(pid) {
        // SAFETY: no status is asked for; a positive number means exactly that child.
        unsafe { libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) };
    }
}

/// What lets TUN devices be made.
///
/// # Errors
/// There is no `/dev/net/tun` here, or no right to open it.
pub fn tun_maker() -> io::Result<OwnedFd> {
    let device = CString::new("/dev/net/tun")?;
    // SAFETY: a NUL-terminated path; the returned descriptor is checked before it is owned.
    let fd = unsafe { libc::open(device.as_ptr(), libc::O_RDWR | libc::O_NONBLOCK | libc::O_CLOEXEC) };
    check(fd)?;
    // SAFETY: `fd` was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Makes a TUN device of the calling thread's network namespace: one IP packet per read and write, no header.
///
/// # Errors
/// No `CAP_NET_ADMIN`, a name in use.
pub fn open_tun(maker: OwnedFd, name: &str) -> io::Result<OwnedFd> {
    open_device(maker, name, libc::IFF_TUN)
}

/// Makes a TAP device of the calling thread's network namespace: one Ethernet frame per read and write.
///
/// # Errors
/// No `CAP_NET_ADMIN`, a name in use.
pub fn open_tap(maker: OwnedFd, name: &str) -> io::Result<OwnedFd> {
    open_device(maker, name, libc::IFF_TAP)
}

fn open_device(maker: OwnedFd, name: &str, kind: libc::c_int) -> io::Result<OwnedFd> {
    const TUNSETIFF: libc::c_ulong = 0x4004_54ca;
    let mut request = Interface::named(name)?;
    request.ifr_ifru.ifru_flags = (kind | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: `request` is a complete ifreq that outlives the call.
    check(unsafe { libc::ioctl(maker.as_raw_fd(), TUNSETIFF, &raw mut request) })?;
    Ok(maker)
}

/// Opens an interface of the calling thread's network namespace for IPv4: one Ethernet frame per read and write.
///
/// # Errors
/// No `CAP_NET_RAW`, no such interface.
pub fn open_frames(index: u32) -> io::Result<OwnedFd> {
    let socket = packet_socket()?;
    bind_frames(&socket, index, libc::ETH_P_IP)?;
    Ok(socket.into())
}

/// Opens a VLAN of an interface of the calling thread's network namespace: one Ethernet frame per read, its tag taken off; one with its
/// tag per write.
///
/// # Errors
/// No `CAP_NET_RAW`, no such interface.
pub fn open_vlan(index: u32, id: u16) -> io::Result<OwnedFd> {
    /// What the kernel knows besides the octets (`SKF_AD_OFF`): the tag, and whether there is one (linux/filter.h).
    const KNOWN: u32 = 0xffff_f000;
    const TAG: u32 = KNOWN + 44;
    const TAG_PRESENT: u32 = KNOWN + 48;
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let program = [
        (load, 0, 0, TAG_PRESENT),
        (equal, 4, 0, 0),
        (load, 0, 0, TAG),
        ((libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16, 0, 0, 0xfff),
        (equal, 0, 1, u32::from(id)),
        ((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0x4_0000),
        NOTHING,
    ];
    let socket = packet_socket()?;
    filter(&socket, &program)?;
    bind_frames(&socket, index, libc::ETH_P_ALL)?;
    Ok(socket.into())
}

fn packet_socket() -> io::Result<socket2::Socket> {
    let socket = socket2::Socket::new(socket2::Domain::PACKET, socket2::Type::RAW, None)?;
    socket.set_nonblocking(true)?;
    // A phone may be sent a burst; the kernel takes less where it must.
    let _ = socket.set_recv_buffer_size(4 << 20);
    Ok(socket)
}

/// Lets a packet socket take the frames of an EtherType that come to an interface.
fn bind_frames(socket: &socket2::Socket, index: u32, protocol: libc::c_int) -> io::Result<()> {
    // SAFETY: sockaddr_ll is plain old data; all zero is a valid value of it.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as libc::c_ushort;
    address.sll_protocol = (protocol as u16).to_be();
    address.sll_ifindex = index.cast_signed();
    let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` outlives the call and has that length.
    check(unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) })
}

/// Makes a device's descriptor known to the calling runtime.
///
/// # Errors
/// The runtime cannot watch it.
pub fn watch(device: std::fs::File) -> io::Result<tokio::io::unix::AsyncFd<std::fs::File>> {
    // SAFETY: the file is owned by the AsyncFd from here on, stays open as long as it, and always has one descriptor.
    unsafe { tokio::io::unix::AsyncFd::register(device) }.map_err(Into::into)
}

/// Switches one offload of an interface of the calling thread's network namespace (`ETHTOOL_S…`).
///
/// # Errors
/// No such interface, or a device that does not let this offload be changed.
pub fn set_offload(interface: &str, command: u32, on: bool) -> io::Result<()> {
    #[repr(C)]
    struct EthtoolValue {
        cmd: u32,
        data: u32,
    }
    const SIOCETHTOOL: libc::c_ulong = 0x8946;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let mut value = EthtoolValue { cmd: command, data: u32::from(on) };
    let mut request = Interface::named(interface)?;
    request.ifr_ifru.ifru_data = (&raw mut value).cast();
    // SAFETY: `request` is a complete ifreq whose data points to an ethtool_value; both outlive the call.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) })
}

/// `ETHTOOL_STXCSUM`: the sender leaves checksums to the device.
pub const TX_CHECKSUM: u32 = 0x17;
/// `ETHTOOL_SGRO`: the receiver joins packets; on veth it also gives the peer the NAPI that XDP redirects need.
pub const GRO: u32 = 0x2c;

/// Lets what a socket sends be fragmented, on the way and here, instead of being refused.
///
/// # Errors
/// As setsockopt(2).
pub fn let_fragment(socket: &socket2::Socket) -> io::Result<()> {
    let value = libc::IP_PMTUDISC_DONT;
    // SAFETY: the option's value is one C integer of ours.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            std::ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
}

/// Lets a socket receive only what a classic BPF program keeps: code, jump if true, jump if false, operand.
///
/// # Errors
/// As setsockopt(2).
pub fn filter(socket: &socket2::Socket, program: &[(u16, u8, u8, u32)]) -> io::Result<()> {
    let mut code: Vec<libc::sock_filter> =
        program.iter().map(|&(code, jt, jf, k)| libc::sock_filter { code, jt, jf, k }).collect();
    let len = u16::try_from(code.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len, filter: code.as_mut_ptr() };
    // SAFETY: `program` points to `len` instructions; both outlive the call, which copies them.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as libc::socklen_t,
        )
    })
}

/// `BPF_MAP_LOOKUP_ELEM`, `BPF_MAP_UPDATE_ELEM`, `BPF_OBJ_GET` of bpf(2).
const BPF_LOOKUP: libc::c_long = 1;
const BPF_UPDATE: libc::c_long = 2;
const BPF_OPEN: libc::c_long = 7;

fn bpf(command: libc::c_long, attributes: &[u64]) -> io::Result<libc::c_int> {
    // SAFETY: bpf(2) reads so many octets of the attributes, which live across the call; what they point to is its callers' care.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, attributes.as_ptr(), size_of_val(attributes)) };
    let result = libc::c_int::try_from(result).map_err(io::Error::other)?;
    check(result).map(|()| result)
}

/// Opens a BPF map that is pinned in a file.
///
/// # Errors
/// There is none, or the right to open it is missing.
pub fn open_map(file: &Path) -> io::Result<OwnedFd> {
    let file = path(file)?;
    let fd = bpf(BPF_OPEN, &[file.as_ptr() as u64, 0])?;
    // SAFETY: `fd` was just opened and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Reads a value of a BPF array whose values have no more octets than `value`.
///
/// # Errors
/// No such entry.
pub fn read_map(map: BorrowedFd<'_>, index: u32, value: &mut [u8; 4096]) -> io::Result<()> {
    element(BPF_LOOKUP, map, index, value.as_mut_ptr() as u64)
}

/// Writes a value of a BPF array, as [`read_map`] has read it.
///
/// # Errors
/// No such entry.
pub fn write_map(map: BorrowedFd<'_>, index: u32, value: &[u8; 4096]) -> io::Result<()> {
    element(BPF_UPDATE, map, index, value.as_ptr() as u64)
}

fn element(command: libc::c_long, map: BorrowedFd<'_>, index: u32, value: u64) -> io::Result<()> {
    // The descriptor stands in the lower half of its word on little-endian machines, which is what BPF objects are made for here.
    let map = u64::try_from(map.as_raw_fd()).map_err(io::Error::other)?;
    bpf(command, &[map, (&raw const index) as u64, value, 0]).map(drop)
}

/// Has a packet socket receive only what comes in.
///
/// # Errors
/// The kernel does not know the option.
pub fn ignore_outgoing(socket: &socket2::Socket) -> io::Result<()> {
    /// PACKET_IGNORE_OUTGOING (linux/if_packet.h).
    const OPTION: libc::c_int = 23;
    let on: libc::c_int = 1;
    // SAFETY: `on` is a live integer of the length that is said.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            OPTION,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    })
}

/// Gives a socket a receive buffer of so many octets, whatever the system's usual bound, where the right to is there.
///
/// # Errors
/// The socket takes none at all.
pub fn large_receive_buffer<S: std::os::fd::AsFd>(socket: &S, octets: usize) -> io::Result<()> {
    let value = libc::c_int::try_from(octets).unwrap_or(libc::c_int::MAX);
    // SAFETY: the option's value is one C integer of ours.
    let forced = unsafe {
        libc::setsockopt(
            std::os::fd::AsRawFd::as_raw_fd(&socket.as_fd()),
            libc::SOL_SOCKET,
            libc::SO_RCVBUFFORCE,
            std::ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if forced == 0 {
        return Ok(());
    }
    socket2::SockRef::from(socket).set_recv_buffer_size(octets)
}

/// The filter that keeps nothing.
pub const NOTHING: (u16, u8, u8, u32) = ((libc::BPF_RET | libc::BPF_K) as u16, 0, 0, 0);

/// Sends datagrams through a connected socket, all of them, in as few calls as the kernel takes.
///
/// # Errors
/// As sendmmsg(2); what an earlier datagram was answered by ICMP is no error.
pub fn send_all(socket: &std::net::UdpSocket, datagrams: &[&[u8]]) -> io::Result<()> {
    let mut pieces: Vec<libc::iovec> = datagrams
        .iter()
        .map(|datagram| libc::iovec { iov_base: datagram.as_ptr().cast_mut().cast(), iov_len: datagram.len() })
        .collect();
    // SAFETY: mmsghdr is plain old data; all zero is a valid value of it.
    let empty: libc::mmsghdr = unsafe { std::mem::zeroed() };
    let mut messages: Vec<libc::mmsghdr> = pieces
        .iter_mut()
        .map(|piece| {
            let mut message = empty;
            (message.msg_hdr.msg_iov, message.msg_hdr.msg_iovlen) = (piece, 1);
            message
        })
        .collect();
    let mut done = 0;
    while let Some(rest) = messages.get_mut(done..).filter(|rest| !rest.is_empty()) {
        let count = libc::c_uint::try_from(rest.len()).unwrap_or(libc::c_uint::MAX);
        // SAFETY: `rest` has that many headers, whose pieces and datagrams outlive the call; nothing is written but their lengths.
        let sent = unsafe { libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), count, 0) };
        match usize::try_from(sent) {
            Ok(sent) => done += sent,
            Err(_) => match io::Error::last_os_error() {
                error if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused) => {}
                error => return Err(error),
            },
        }
    }
    Ok(())
}

/// Receives into `buffer` through a raw or datagram socket.
///
/// # Errors
/// As recv(2).
pub fn receive(socket: &socket2::Socket, buffer: &mut [u8]) -> io::Result<usize> {
    // SAFETY: u8 and MaybeUninit<u8> have the same layout, and recv(2) writes initialised octets only.
    let uninit = unsafe { &mut *(std::ptr::from_mut::<[u8]>(buffer) as *mut [std::mem::MaybeUninit<u8>]) };
    socket.recv(uninit)
}

/// Reads the CPU time a thread or process has used, in microseconds: the calling thread's.
#[must_use]
pub fn thread_cpu_micros() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `now` is a timespec that outlives the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) } != 0 {
        return 0;
    }
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1_000
}

/// `struct ifreq` with its name filled in.
struct Interface;

impl Interface {
    fn named(name: &str) -> io::Result<libc::ifreq> {
        // SAFETY: ifreq is plain old data; all zero is a valid value of it.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        if name.is_empty() || name.len() >= request.ifr_name.len() || name.contains('\0') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
            *to = from.cast_signed();
        }
        Ok(request)
    }
}

fn path(path: &Path) -> io::Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
