//! Packet capture: one phone's packets as the data plane sees them, or all of an interface; bounded in time and octets, as pcapng.

use super::{Reporter, ask};
use crate::gateway::Job;
use crate::packets;
use basalt_cloud_sync::CommandState;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Seconds that it takes, unless it is said, and at most.
const SECONDS: u64 = 10;
const MOST_SECONDS: u64 = 600;
/// Octets of the file, unless it is said, and at most.
const OCTETS: u64 = 1 << 20;
const MOST_OCTETS: u64 = 8 << 20;
/// Octets of a frame.
const FRAME: u32 = 2_000;
/// What was recorded goes to the orchestrator so often.
const FLUSH: Duration = Duration::from_secs(1);

struct Bounds {
    until: Instant,
    octets: usize,
    snap: u32,
}

pub(super) async fn run(jobs: &mpsc::Sender<Job>, arguments: &Value, report: &Reporter) -> (CommandState, String) {
    let number = |field: &str, usual: u64, most: u64| {
        arguments.get(field).and_then(Value::as_u64).unwrap_or(usual).clamp(1, most)
    };
    let seconds = number("seconds", SECONDS, MOST_SECONDS);
    let mut bounds = Bounds {
        until: Instant::now() + Duration::from_secs(seconds),
        octets: usize::try_from(number("octets", OCTETS, MOST_OCTETS)).unwrap_or(1 << 20),
        snap: u32::try_from(number("snap", FRAME.into(), 65_535)).unwrap_or(FRAME),
    };
    let text = |field: &str| arguments.get(field).and_then(Value::as_str);
    let frames = match (text("imsi"), text("interface")) {
        (Some(imsi), None) => {
            let frames = of_phone(jobs, imsi, bounds.snap).await;
            // The kernel may have taken seconds to verify the programs that watch.
            bounds.until = Instant::now() + Duration::from_secs(seconds);
            frames
        }
        (None, Some(interface)) => of_interface(interface, &bounds),
        _ => Err("say `imsi` or `interface`".to_owned()),
    };
    match frames {
        Ok(frames) => record(frames, bounds, seconds, report).await,
        Err(reason) => (CommandState::Failed, reason),
    }
}

/// A frame on its way into the file.
struct Frame {
    nanos: u64,
    interface: String,
    length: u32,
    octets: Vec<u8>,
    comment: String,
}

async fn of_phone(jobs: &mpsc::Sender<Job>, imsi: &str, snap: u32) -> Result<mpsc::Receiver<Frame>, String> {
    let imsi = crate::subscribers::imsi(imsi)?;
    let begin = ask(jobs, move |gateway| packets::watch(gateway, imsi, snap)).await.ok_or("agwd is stopping")?;
    let begin = begin.map_err(|status| status.message().to_owned())?;
    let begun = tokio::task::spawn_blocking(begin).await.map_err(|error| error.to_string())?;
    let mut seen = begun.map_err(|status| status.message().to_owned())?;
    let (sender, frames) = mpsc::channel(1024);
    tokio::spawn(async move {
        while let Some(packet) = seen.recv().await {
            let (nanos, interface, length, octets) = (packet.unix_nanos, packet.interface, packet.length, packet.frame);
            let comment = match packet.reason {
                Some(reason) => format!("{:?}: {reason}", packet.point),
                None => format!("{:?}", packet.point),
            };
            if sender.send(Frame { nanos, interface, length, octets, comment }).await.is_err() {
                return;
            }
        }
    });
    Ok(frames)
}

fn of_interface(name: &str, bounds: &Bounds) -> Result<mpsc::Receiver<Frame>, String> {
    let socket = packet_socket(name).map_err(|error| format!("cannot listen on `{}`: {error}", name.escape_debug()))?;
    let (sender, frames) = mpsc::channel(1024);
    let (until, snap, interface) = (bounds.until, bounds.snap as usize, name.to_owned());
    std::thread::spawn(move || {
        let mut buffer = vec![0_u8; 65_535];
        while Instant::now() < until && !sender.is_closed() {
            // SAFETY: the descriptor is open and the buffer as long as is said.
            let read = unsafe { libc::recv(socket.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len(), 0) };
            let Ok(length) = usize::try_from(read) else { continue };
            let octets = buffer.get(..length.min(snap)).unwrap_or_default().to_vec();
            let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
            let frame = Frame {
                nanos: u64::try_from(nanos).unwrap_or(u64::MAX),
                interface: interface.clone(),
                length: u32::try_from(length).unwrap_or(u32::MAX),
                octets,
                comment: String::new(),
            };
            // A reader that is behind misses some.
            if matches!(sender.try_send(frame), Err(mpsc::error::TrySendError::Closed(_))) {
                return;
            }
        }
    });
    Ok(frames)
}

/// A socket that hears all frames of an interface, and gives up waiting four times a second.
fn packet_socket(interface: &str) -> io::Result<OwnedFd> {
    let name = std::ffi::CString::new(interface)?;
    // SAFETY: the name is terminated.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 {
        return Err(io::Error::last_os_error());
    }
    let all = (libc::ETH_P_ALL as u16).to_be();
    // SAFETY: socket takes plain numbers.
    let socket = unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, all.into()) };
    if socket < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it was opened just now, and nobody else has it.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    // SAFETY: all octets zero is a valid address of this family.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = all;
    address.sll_ifindex = i32::try_from(index).unwrap_or(0);
    let size = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: the address is a sockaddr_ll of that size.
    if unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), size) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let wait = libc::timeval { tv_sec: 0, tv_usec: 250_000 };
    let size = size_of::<libc::timeval>() as libc::socklen_t;
    // SAFETY: the value is a timeval of that size.
    let set = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVTIMEO, (&raw const wait).cast(), size)
    };
    if set == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

async fn record(
    mut frames: mpsc::Receiver<Frame>,
    bounds: Bounds,
    seconds: u64,
    report: &Reporter,
) -> (CommandState, String) {
    let mut file = PcapNg::new(bounds.snap);
    let (mut count, mut written, mut flushed) = (0_u64, 0_usize, Instant::now());
    let full = loop {
        let frame = tokio::time::timeout_at((flushed + FLUSH).min(bounds.until).into(), frames.recv()).await;
        if let Ok(Some(frame)) = &frame {
            file.frame(frame);
            count += 1;
        }
        let over = Instant::now() >= bounds.until || matches!(frame, Ok(None));
        let full = written + file.octets.len() >= bounds.octets;
        if over || full || flushed.elapsed() >= FLUSH {
            flushed = Instant::now();
            let left = bounds.until.saturating_duration_since(flushed).as_secs();
            let percent = u32::try_from(100 * seconds.saturating_sub(left) / seconds).unwrap_or(0).min(99);
            let octets = std::mem::take(&mut file.octets);
            written += octets.len();
            report.data(percent, octets).await;
        }
        if over || full {
            break full;
        }
    };
    let why = if full { "it has all the octets that it may have" } else { "its time is over" };
    (CommandState::Done, format!("{count} packets, {written} octets of pcapng; {why}\n"))
}

/// A file of the PCAP next generation capture format (draft-ietf-opsawg-pcapng): section header, interfaces as they come, enhanced
/// packets with times of nanoseconds.
struct PcapNg {
    octets: Vec<u8>,
    interfaces: BTreeMap<String, u32>,
    snap: u32,
}

impl PcapNg {
    fn new(snap: u32) -> Self {
        let mut file = Self { octets: Vec::new(), interfaces: BTreeMap::new(), snap };
        let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
        body.extend([1, 0, 0, 0]);
        // Of a length that is not known.
        body.extend([0xff; 8]);
        file.block(0x0a0d_0d0a, &body);
        file
    }

    fn frame(&mut self, frame: &Frame) {
        let interface = self.interface(&frame.interface);
        let mut body = interface.to_le_bytes().to_vec();
        body.extend(((frame.nanos >> 32) as u32).to_le_bytes());
        body.extend((frame.nanos as u32).to_le_bytes());
        body.extend(u32::try_from(frame.octets.len()).unwrap_or(0).to_le_bytes());
        body.extend(frame.length.to_le_bytes());
        body.extend(&frame.octets);
        pad(&mut body);
        if !frame.comment.is_empty() {
            option(&mut body, 1, frame.comment.as_bytes());
            option(&mut body, 0, &[]);
        }
        self.block(6, &body);
    }

    fn interface(&mut self, name: &str) -> u32 {
        if let Some(number) = self.interfaces.get(name) {
            return *number;
        }
        let number = u32::try_from(self.interfaces.len()).unwrap_or(u32::MAX);
        // LINKTYPE_ETHERNET.
        let mut body = vec![1, 0, 0, 0];
        body.extend(self.snap.to_le_bytes());
        option(&mut body, 2, name.as_bytes());
        // if_tsresol: 10^-9 s.
        option(&mut body, 9, &[9]);
        option(&mut body, 0, &[]);
        self.block(1, &body);
        self.interfaces.insert(name.to_owned(), number);
        number
    }

    fn block(&mut self, kind: u32, body: &[u8]) {
        let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
        self.octets.extend(kind.to_le_bytes());
        self.octets.extend(length);
        self.octets.extend(body);
        self.octets.extend(length);
    }
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(0).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_and_interfaces_come_before_their_packets() {
        let mut file = PcapNg::new(100);
        for interface in ["s1", "sgi", "s1"] {
            let (interface, comment) = (interface.to_owned(), "RadioIn".to_owned());
            file.frame(&Frame { nanos: 1, interface, length: 5, octets: vec![1, 2, 3, 4, 5], comment });
        }
        let (mut rest, mut kinds) = (file.octets.as_slice(), Vec::new());
        while let Some((kind, tail)) = rest.split_first_chunk::<4>() {
            let length = u32::from_le_bytes(tail[..4].try_into().unwrap()) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(rest[length - 4..length], tail[..4], "the length is said twice");
            kinds.push(u32::from_le_bytes(*kind));
            rest = &rest[length..];
        }
        assert_eq!(kinds, [0x0a0d_0d0a, 1, 6, 1, 6, 6]);
    }
}
