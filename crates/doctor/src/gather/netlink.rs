//! Two questions that only netlink answers: what a driver's XDP can do, and which chains of the firewall drop by default.
//! Messages are made and read by hand: they are few, small, and checked octet by octet.

use crate::{Attempt, Errno, XdpSupport};
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// Length, type, flags, sequence, sender.
const HEADER: usize = 16;

const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;

const NFNL_SUBSYS_NFTABLES: u16 = 10 << 8;
const NFT_MSG_GETCHAIN: u16 = NFNL_SUBSYS_NFTABLES | 4;
const NFT_MSG_GETGEN: u16 = NFNL_SUBSYS_NFTABLES | 16;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NF_INET_FORWARD: u32 = 2;
const NF_DROP: u32 = 0;

/// The number of the `netdev` family (Linux 6.3 and later).
pub(super) fn netdev_family() -> Option<u16> {
    let payload = [&[CTRL_CMD_GETFAMILY, 1, 0, 0], attribute(CTRL_ATTR_FAMILY_NAME, b"netdev\0").as_slice()].concat();
    let answers = ask(libc::NETLINK_GENERIC, GENL_ID_CTRL, NLM_F_REQUEST, &payload).ok()?;
    let id = answers.first().and_then(|answer| find(answer.get(4..)?, CTRL_ATTR_FAMILY_ID))?;
    Some(u16::from_ne_bytes(id.try_into().ok()?))
}

/// What the driver of an interface says about XDP.
pub(super) fn xdp_support(family: u16, index: u32) -> Option<XdpSupport> {
    let payload =
        [&[NETDEV_CMD_DEV_GET, 1, 0, 0], attribute(NETDEV_A_DEV_IFINDEX, &index.to_ne_bytes()).as_slice()].concat();
    let answers = ask(libc::NETLINK_GENERIC, family, NLM_F_REQUEST, &payload).ok()?;
    let bits = answers.first().and_then(|answer| find(answer.get(4..)?, NETDEV_A_DEV_XDP_FEATURES))?;
    let bits = u64::from_ne_bytes(bits.try_into().ok()?);
    Some(XdpSupport { native: bits & 1 != 0, redirect: bits & 2 != 0, target: bits & 4 != 0 })
}

/// Asks nf_tables for its generation: the cheapest question that only it answers.
pub(super) fn try_nf_tables() -> Attempt {
    match ask(libc::NETLINK_NETFILTER, NFT_MSG_GETGEN, NLM_F_REQUEST, &[0, 0, 0, 0]) {
        Ok(_) => Attempt::Worked,
        Err(error) => Attempt::Failed(error),
    }
}

/// Chains at the forward hook that drop what no rule lets through, as "family table chain". Those of the gateway itself
/// (tables named `basalt…`) know phones and are left out.
pub(super) fn dropping_chains() -> Option<Vec<String>> {
    let answers = ask(libc::NETLINK_NETFILTER, NFT_MSG_GETCHAIN, NLM_F_REQUEST | NLM_F_DUMP, &[0, 0, 0, 0]).ok()?;
    Some(answers.iter().filter_map(|answer| dropping_chain(answer)).collect())
}

fn dropping_chain(answer: &[u8]) -> Option<String> {
    let family = match *answer.first()? {
        1 => "inet",
        2 => "ip",
        _ => return None,
    };
    let attributes = answer.get(4..)?;
    let number = |octets: &[u8]| Some(u32::from_be_bytes(octets.try_into().ok()?));
    let hook = number(find(find(attributes, NFTA_CHAIN_HOOK)?, NFTA_HOOK_HOOKNUM)?)?;
    let policy = number(find(attributes, NFTA_CHAIN_POLICY)?)?;
    let table = text(find(attributes, NFTA_CHAIN_TABLE)?);
    let dropping = hook == NF_INET_FORWARD && policy == NF_DROP && !table.starts_with("basalt");
    dropping.then(|| format!("{family} {table} {}", text(find(attributes, NFTA_CHAIN_NAME).unwrap_or_default())))
}

fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets.split(|octet| *octet == 0).next().unwrap_or_default()).into_owned()
}

/// An attribute: length, type, value, filled up to a multiple of four.
fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat();
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

/// The value of the first attribute of a kind.
fn find(mut attributes: &[u8], wanted: u16) -> Option<&[u8]> {
    /// Nested, network byte order.
    const FLAGS: u16 = 0xc000;
    loop {
        let length = usize::from(u16::from_ne_bytes(attributes.get(..2)?.try_into().ok()?));
        let kind = u16::from_ne_bytes(attributes.get(2..4)?.try_into().ok()?) & !FLAGS;
        let value = attributes.get(4..length)?;
        if kind == wanted {
            return Some(value);
        }
        attributes = attributes.get(length.next_multiple_of(4)..)?;
    }
}

/// Sends one request and collects the answers' contents, without their netlink headers.
fn ask(protocol: libc::c_int, kind: u16, flags: u16, payload: &[u8]) -> Result<Vec<Vec<u8>>, Errno> {
    let socket = open(protocol)?;
    let length = u32::try_from(HEADER + payload.len()).unwrap_or(u32::MAX);
    let request =
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &flags.to_ne_bytes(), &1_u32.to_ne_bytes(), &[0; 4], payload]
            .concat();
    // SAFETY: `request` is readable for its length.
    if unsafe { libc::send(socket.as_raw_fd(), request.as_ptr().cast(), request.len(), 0) } < 0 {
        return Err(Errno::last());
    }
    let mut answers = Vec::new();
    let mut buffer = vec![0_u8; 1 << 16];
    loop {
        // SAFETY: `buffer` is writable for its length.
        let count = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
        let count = usize::try_from(count).map_err(|_| Errno::last())?;
        let more = collect(buffer.get(..count).unwrap_or_default(), &mut answers)?;
        if !more || flags & NLM_F_DUMP == 0 {
            return Ok(answers);
        }
    }
}

/// Takes the answers out of one datagram. False when the last one was among them.
fn collect(mut datagram: &[u8], answers: &mut Vec<Vec<u8>>) -> Result<bool, Errno> {
    while let Some((header, _)) = datagram.split_first_chunk::<HEADER>() {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let Some(payload) = datagram.get(HEADER..length) else { return Err(Errno(libc::EBADMSG)) };
        match u16::from_ne_bytes([header[4], header[5]]) {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let code = payload.first_chunk::<4>().map_or(-libc::EBADMSG, |code| i32::from_ne_bytes(*code));
                return if code == 0 { Ok(false) } else { Err(Errno(code.wrapping_neg())) };
            }
            _ => answers.push(payload.to_vec()),
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

/// A netlink socket that gives up after a second: a doctor does not hang.
fn open(protocol: libc::c_int) -> Result<OwnedFd, Errno> {
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(Errno::last());
    }
    // SAFETY: the kernel has just given this descriptor to us alone.
    let socket = unsafe { OwnedFd::from_raw_fd(fd) };
    let patience = libc::timeval { tv_sec: 1, tv_usec: 0 };
    let size = libc::socklen_t::try_from(size_of::<libc::timeval>()).unwrap_or(0);
    // SAFETY: `patience` is a timeval of the size said.
    let set = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const patience).cast(), size) };
    if set == 0 { Ok(socket) } else { Err(Errno(io::Error::last_os_error().raw_os_error().unwrap_or(0))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(HEADER + payload.len()).unwrap();
        let mut octets = [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), &[0; 10], payload].concat();
        octets.resize(octets.len().next_multiple_of(4), 0);
        octets
    }

    #[test]
    fn attributes_are_found_behind_others() {
        let list = [attribute(1, b"odd"), attribute(0x8000 | 4, &attribute(1, &[9])), attribute(7, &[])].concat();
        assert_eq!(find(&list, 1), Some(&b"odd"[..]));
        assert_eq!(find(find(&list, 4).unwrap(), 1), Some(&[9_u8][..]));
        assert_eq!(find(&list, 7), Some(&[][..]));
        assert_eq!(find(&list, 8), None);
        for cut in 0..list.len() {
            let _ = find(&list[..cut], 8);
        }
        assert_eq!(find(&[0, 0, 0, 0, 0, 0, 0, 0], 5), None, "a length of nothing does not loop");
    }

    #[test]
    fn datagrams_end_with_done_or_an_error() {
        let mut answers = Vec::new();
        let datagram = [message(99, b"first"), message(99, b"second!!"), message(NLMSG_DONE, &[0; 4])].concat();
        assert_eq!(collect(&datagram, &mut answers), Ok(false));
        assert_eq!(answers, [b"first".to_vec(), b"second!!".to_vec()]);
        assert_eq!(collect(&message(99, b"x"), &mut answers), Ok(true));
        let refused = message(NLMSG_ERROR, &(-libc::EPERM).to_ne_bytes());
        assert_eq!(collect(&refused, &mut answers), Err(Errno(libc::EPERM)));
        assert_eq!(collect(&message(NLMSG_ERROR, &0_i32.to_ne_bytes()), &mut answers), Ok(false));
        let lying = [&1000_u32.to_ne_bytes()[..], &[0; 12]].concat();
        assert_eq!(collect(&lying, &mut answers), Err(Errno(libc::EBADMSG)));
        assert_eq!(collect(&[0; 16], &mut answers), Err(Errno(libc::EBADMSG)));
    }

    fn chain(family: u8, table: &str, hook: u32, policy: u32) -> Vec<u8> {
        let zero = |text: &str| [text.as_bytes(), &[0]].concat();
        [
            vec![family, 0, 0, 0],
            attribute(NFTA_CHAIN_TABLE, &zero(table)),
            attribute(NFTA_CHAIN_NAME, &zero("FORWARD")),
            attribute(0x8000 | NFTA_CHAIN_HOOK, &attribute(NFTA_HOOK_HOOKNUM, &hook.to_be_bytes())),
            attribute(NFTA_CHAIN_POLICY, &policy.to_be_bytes()),
        ]
        .concat()
    }

    #[test]
    fn only_chains_that_drop_forwarded_packets_matter() {
        assert_eq!(dropping_chain(&chain(2, "filter", 2, 0)).as_deref(), Some("ip filter FORWARD"));
        assert_eq!(dropping_chain(&chain(1, "fw", 2, 0)).as_deref(), Some("inet fw FORWARD"));
        assert_eq!(dropping_chain(&chain(2, "filter", 2, 1)), None, "accepts");
        assert_eq!(dropping_chain(&chain(2, "filter", 1, 0)), None, "another hook");
        assert_eq!(dropping_chain(&chain(10, "filter", 2, 0)), None, "IPv6");
        assert_eq!(dropping_chain(&chain(1, "basalt", 2, 0)), None, "our own");
        assert_eq!(dropping_chain(&[2, 0, 0, 0]), None, "not a base chain");
    }

    #[test]
    fn the_kernel_answers_or_refuses() {
        if let Some(family) = netdev_family() {
            assert!(xdp_support(family, 1).is_some(), "interface 1 is lo");
            assert_eq!(xdp_support(family, 0x7fff_fff0), None);
        }
        assert_ne!(try_nf_tables(), Attempt::NotTried);
    }
}
