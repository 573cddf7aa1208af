//! A recording of a link, in a file that tshark reads.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::NetNs;
use crate::sys;

/// Every protocol (linux/if_ether.h), in network byte order.
const ALL_PROTOCOLS: i32 = (0x0003u16.to_be()) as i32;
/// Octets kept of a frame.
const SNAP: usize = 65536;
/// Ethernet (pcap's list of link types).
const ETHERNET: u32 = 1;

/// What is worth a look beside megabytes of user packets, as classic BPF: IPv4 with SCTP inside, or from or to UDP port
/// 9899, or GTP-U signalling, or GTP-U with ICMP in the tunnel. There are no IP options in a lab, so that everything has its
/// fixed place.
const SIGNALLING: [(u16, u8, u8, u32); 16] = [
    (0x28, 0, 0, 12),          // ldh [12]: EtherType
    (0x15, 0, 13, 0x0800),     // IPv4, else drop
    (0x30, 0, 0, IP + 9),      // ldb: protocol
    (0x15, 10, 0, 132),        // SCTP: keep
    (0x15, 0, 10, 17),         // UDP, else drop
    (0x28, 0, 0, IP + 20),     // ldh: source port
    (0x15, 7, 0, SCTP_IN_UDP), // SCTP in UDP: keep
    (0x28, 0, 0, IP + 22),     // ldh: destination port
    (0x15, 5, 0, SCTP_IN_UDP), // SCTP in UDP: keep
    (0x15, 0, 5, 2152),        // GTP-U, else drop
    (0x30, 0, 0, GTP + 1),     // ldb: message type
    (0x15, 0, 2, 255),         // a packet of a user, else keep
    (0x30, 0, 0, GTP + 8 + 9), // ldb: protocol inside the tunnel
    (0x15, 0, 1, 1),           // ICMP: keep, else drop
    (0x06, 0, 0, SNAP as u32), // keep
    (0x06, 0, 0, 0),           // drop
];
/// IPv4 with TCP from or to Diameter's port (RFC 6733 §11.4).
const DIAMETER: [(u16, u8, u8, u32); 10] = [
    (0x28, 0, 0, 12),          // ldh [12]: EtherType
    (0x15, 0, 7, 0x0800),      // IPv4, else drop
    (0x30, 0, 0, IP + 9),      // ldb: protocol
    (0x15, 0, 5, 6),           // TCP, else drop
    (0x28, 0, 0, IP + 20),     // ldh: source port
    (0x15, 2, 0, PEERS),       // Diameter: keep
    (0x28, 0, 0, IP + 22),     // ldh: destination port
    (0x15, 0, 1, PEERS),       // Diameter: keep, else drop
    (0x06, 0, 0, SNAP as u32), // keep
    (0x06, 0, 0, 0),           // drop
];
/// Diameter's port.
const PEERS: u32 = basalt_diameter::PORT as u32;
/// Where the IP header begins.
const IP: u32 = 14;
/// Where the GTP-U header begins, behind IP and UDP.
const GTP: u32 = IP + 20 + 8;
/// The UDP port of encapsulated SCTP (RFC 6951 §5.1).
const SCTP_IN_UDP: u32 = basalt_sctp::UDP_ENCAPSULATION_PORT as u32;

/// What tshark finds wrong in a recording: malformed packets, and what its experts warn of, whatever the protocol.
/// `None` where there is no tshark. NAS messages are read through their envelopes when `null_ciphered` says that they can be.
///
/// # Errors
/// tshark cannot read the file.
pub fn complaints(path: &Path, null_ciphered: bool) -> Result<Option<Vec<String>>> {
    const WRONG: &str = "_ws.malformed || _ws.expert.severity >= 0x600000";
    let decipher = if null_ciphered { "nas-eps.null_decipher:TRUE" } else { "nas-eps.null_decipher:FALSE" };
    found(path, &["-o", decipher, "-Y", WRONG])
}

/// What tshark finds wrong in Diameter messages of a recording; in those of the side that connects only, if the other one lies. A process
/// that is killed resets its connections: what TCP says is no complaint. `None` where there is no tshark.
///
/// # Errors
/// tshark cannot read the file, or finds no Diameter in it.
pub fn diameter_complaints(path: &Path, listener_lies: bool) -> Result<Option<Vec<String>>> {
    const WRONG: &str =
        "(_ws.malformed || (_ws.expert.severity >= 0x600000 && !tcp.analysis.flags && !tcp.connection.rst))";
    let whose = if listener_lies { format!("tcp.dstport == {PEERS} && ") } else { String::new() };
    match found(path, &["-Y", "diameter", "-c", "100"])? {
        None => return Ok(None),
        Some(messages) if messages.is_empty() => bail!("tshark finds no Diameter in {}", path.display()),
        Some(_) => {}
    }
    // A message that does not end where it says is no Diameter to tshark: what it cannot call anything is asked for, too.
    found(path, &["-Y", &format!("{whose}(diameter || data) && {WRONG}")])
}

/// Commands of Diameter in a recording, by code, and whether as requests; `None` where there is no tshark.
///
/// # Errors
/// tshark cannot read the file.
pub fn diameter_commands(path: &Path) -> Result<Option<BTreeSet<(u32, bool)>>> {
    let fields = ["-Y", "diameter", "-T", "fields", "-e", "diameter.cmd.code", "-e", "diameter.flags.request"];
    let Some(lines) = found(path, &fields)? else { return Ok(None) };
    // Several messages in a frame are told in a list each.
    let messages = lines.iter().filter_map(|line| line.split_once('\t')).flat_map(|(codes, requests)| {
        let requests = requests.split(',').map(|flag| flag.starts_with(['1', 'T']));
        codes.split(',').filter_map(|code| code.parse().ok()).zip(requests).collect::<Vec<_>>()
    });
    Ok(Some(messages.collect()))
}

/// The frames of a recording that tshark shows with such options; `None` where there is no tshark.
fn found(path: &Path, options: &[&str]) -> Result<Option<Vec<String>>> {
    let mut command = Command::new("tshark");
    command.args(options).arg("-r").arg(path);
    let output = match command.stdin(Stdio::null()).output() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        output => output.context("running tshark")?,
    };
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(Some(String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()))
}

/// A recording that goes on until it is stopped.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Capture {
    /// Records signalling and tunnelled pings that a namespace sends and receives.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn start(ns: &NetNs, path: &Path) -> Result<Self> {
        Self::of(ns, path, &SIGNALLING, false)
    }

    /// Records Diameter within a namespace, by its loopback interface.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn diameter(ns: &NetNs, path: &Path) -> Result<Self> {
        Self::of(ns, path, &DIAMETER, true)
    }

    fn of(ns: &NetNs, path: &Path, what: &'static [(u16, u8, u8, u32)], loopback: bool) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        // Open before anybody speaks.
        let socket = ns.run(move || open(what, loopback))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = ns.spawn("capture", move || record(&socket, BufWriter::new(file), loopback, &told))?;
        Ok(Self { stop, thread })
    }

    /// Stops; how many frames were recorded.
    ///
    /// # Errors
    /// The recording failed on the way.
    pub fn stop(self) -> Result<u64> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the capture died of a panic"))?
    }
}

fn open(what: &[(u16, u8, u8, u32)], loopback: bool) -> Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ALL_PROTOCOLS)))
        .context("opening a packet socket")?;
    sys::filter(&socket, what)?;
    // What leaves by the loopback interface also comes by it.
    if loopback {
        sys::ignore_outgoing(&socket)?;
    }
    socket.set_recv_buffer_size(16 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

fn record(socket: &Socket, mut out: impl Write, loopback: bool, stop: &AtomicBool) -> Result<u64> {
    out.write_all(&file_header())?;
    let mut buffer = vec![0; SNAP];
    let mut frames = 0;
    loop {
        match sys::receive(socket, &mut buffer) {
            Ok(length) if is_loopback(&buffer[..length]) != loopback => {}
            Ok(length) => {
                out.write_all(&frame_header(length, SystemTime::now()))?;
                out.write_all(&buffer[..length])?;
                frames += 1;
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    out.flush()?;
                    return Ok(frames);
                }
            }
            Err(error) => return Err(error).context("recording"),
        }
    }
}

/// The loopback interface has no addresses; its frames come twice.
fn is_loopback(frame: &[u8]) -> bool {
    frame.get(..12).is_some_and(|addresses| addresses.iter().all(|octet| *octet == 0))
}

fn file_header() -> [u8; 24] {
    let mut header = [0; 24];
    header[..4].copy_from_slice(&0xa1b2_c3d4u32.to_le_bytes());
    header[4..6].copy_from_slice(&2u16.to_le_bytes());
    header[6..8].copy_from_slice(&4u16.to_le_bytes());
    header[16..20].copy_from_slice(&(SNAP as u32).to_le_bytes());
    header[20..].copy_from_slice(&ETHERNET.to_le_bytes());
    header
}

fn frame_header(length: usize, at: SystemTime) -> [u8; 16] {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let words = [since.as_secs() as u32, since.subsec_micros(), length as u32, length as u32];
    let mut header = [0; 16];
    for (place, word) in header.as_chunks_mut::<4>().0.iter_mut().zip(words) {
        *place = word.to_le_bytes();
    }
    header
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording of one Diameter message, that of `octets`, from a listener.
    fn recording(octets: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([0x08, 0]);
        let total = u16::try_from(40 + octets.len()).unwrap().to_be_bytes();
        frame.extend([0x45, 0, total[0], total[1], 0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        let [from, to] = [basalt_diameter::PORT.to_be_bytes(), 40_000u16.to_be_bytes()];
        frame.extend([from[0], from[1], to[0], to[1], 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(octets);
        [&file_header()[..], &frame_header(frame.len(), SystemTime::now()), &frame].concat()
    }

    #[test]
    fn tshark_tells_a_diameter_message_from_a_wrong_one() {
        let folder = std::env::temp_dir().join(format!("basalt-capture-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let judge = |name: &str, octets: &[u8], lies: bool| {
            let path = folder.join(name);
            std::fs::write(&path, recording(octets)).unwrap();
            diameter_complaints(&path, lies)
        };
        // Device-Watchdog-Answer with Result-Code and Origin-Host; then one whose AVP is longer than the message.
        let mut answer = vec![1, 0, 0, 44, 0, 0, 1, 0x18, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1];
        answer.extend([0, 0, 1, 0x0c, 0x40, 0, 0, 12, 0, 0, 0x07, 0xd1]);
        answer.extend([0, 0, 1, 0x08, 0x40, 0, 0, 11, b'a', b'.', b'b', 0]);
        let right = judge("right.pcap", &answer, false);
        answer[27] = 200;
        let wrong = judge("wrong.pcap", &answer, false);
        let lie = judge("lie.pcap", &answer, true);
        let commands = diameter_commands(&folder.join("right.pcap"));
        std::fs::remove_dir_all(&folder).unwrap();
        let (Some(right), Some(wrong), Some(lie)) = (right.unwrap(), wrong.unwrap(), lie.unwrap()) else {
            eprintln!("skipped: there is no tshark; `cargo xtask setup` installs it");
            return;
        };
        assert_eq!((right.len(), wrong.len(), lie.len()), (0, 1, 0), "{right:?} {wrong:?} {lie:?}");
        assert_eq!(commands.unwrap(), Some(BTreeSet::from([(280, false)])));
    }

    #[test]
    fn headers_are_those_of_pcap() {
        assert_eq!(file_header()[..8], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        let at = UNIX_EPOCH + Duration::from_micros(5_000_007);
        assert_eq!(frame_header(9, at)[..13], [5, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 9]);
    }
}
