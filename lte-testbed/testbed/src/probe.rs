//! Programs of a namespace: ping, download, upload, numbered datagrams. What a user would do with `ping` and `curl`.

pub mod delegation;
pub mod path;

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::NetNs;
use crate::radio::packet;
use crate::sys;

/// What came of pings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pings {
    /// Sent.
    pub sent: u32,
    /// Answered, each counted once.
    pub received: u32,
    /// Round-trip times in milliseconds, in the order of the answers.
    pub round_trip_ms: Vec<f64>,
    /// The longest time between two answers, in milliseconds.
    pub longest_gap_ms: f64,
}

impl Pings {
    /// Sent and not answered.
    #[must_use]
    pub fn lost(&self) -> u32 {
        self.sent - self.received
    }

    /// Half took at most this long; 0 without answers.
    #[must_use]
    pub fn median_ms(&self) -> f64 {
        let mut sorted = self.round_trip_ms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
    }
}

/// Pings from a namespace: `count` of them, each sent `interval` after the one before, with `patience` after the last.
///
/// # Errors
/// No raw socket.
pub fn ping(ns: &NetNs, target: Ipv4Addr, count: u32, interval: Duration, patience: Duration) -> Result<Pings> {
    ns.run(move || run_pings(target, Some(count), interval, patience, &AtomicBool::new(false)))
}

/// Pings that go on until they are stopped.
#[derive(Debug)]
pub struct Canary {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Pings>>,
}

impl Canary {
    /// Starts to ping `target` from a namespace.
    ///
    /// # Errors
    /// No thread.
    pub fn start(ns: &NetNs, target: Ipv4Addr, interval: Duration) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let patience = Duration::from_secs(1);
        let thread = ns.spawn("canary", move || run_pings(target, None, interval, patience, &told))?;
        Ok(Self { stop, thread })
    }

    /// Stops and says what came of it.
    ///
    /// # Errors
    /// No raw socket.
    pub fn stop(self) -> Result<Pings> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().map_err(|_| anyhow!("the canary died of a panic"))?
    }
}

fn run_pings(
    target: Ipv4Addr,
    count: Option<u32>,
    interval: Duration,
    patience: Duration,
    stop: &AtomicBool,
) -> Result<Pings> {
    const STEP: Duration = Duration::from_millis(5);
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).context("opening a raw ICMP socket")?;
    let destination = SocketAddrV4::new(target, 0).into();
    // Tells this pinger's echoes from others' in the namespace.
    let id = std::process::id() as u16 ^ fresh_id();
    let mut pings = Pings::default();
    let mut waiting: Vec<Option<Instant>> = Vec::new();
    let (mut next, mut last_answer) = (Instant::now(), Instant::now());
    let mut end = None;
    loop {
        let now = Instant::now();
        let more = count.is_none_or(|count| pings.sent < count) && !stop.load(Ordering::Relaxed);
        if more && now >= next {
            // An error is a missing route at the moment: a lost ping.
            let _ = socket.send_to(&icmp_echo(id, pings.sent as u16), &destination);
            waiting.push(Some(now));
            pings.sent += 1;
            next += interval;
        }
        if !more {
            let end = *end.get_or_insert(now + patience);
            if now >= end || pings.received == pings.sent {
                return Ok(pings);
            }
        }
        let until = if more { next.saturating_duration_since(now).min(STEP) } else { STEP };
        socket.set_read_timeout(Some(until.max(Duration::from_micros(100))))?;
        if let Some(sequence) = receive_reply(&socket, id)? {
            // Sequence numbers are 16 bits; the newest ping with that number is meant.
            let index = (0..waiting.len()).rev().find(|index| *index as u16 == sequence);
            if let Some(sent) = index.and_then(|index| waiting[index].take()) {
                let now = Instant::now();
                pings.received += 1;
                pings.round_trip_ms.push(millis(now - sent));
                pings.longest_gap_ms = pings.longest_gap_ms.max(millis(now - last_answer));
                last_answer = now;
            }
        }
    }
}

fn fresh_id() -> u16 {
    use std::sync::atomic::AtomicU16;
    static NEXT: AtomicU16 = AtomicU16::new(1);
    NEXT.fetch_add(0x101, Ordering::Relaxed)
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// An ICMP echo request without its IP header, which the kernel makes.
fn icmp_echo(id: u16, sequence: u16) -> Vec<u8> {
    let any = Ipv4Addr::UNSPECIFIED;
    packet::echo_request(any, any, id, sequence, &[0x42; 48])[20..].to_vec()
}

fn receive_reply(socket: &Socket, id: u16) -> Result<Option<u16>> {
    let mut buffer = [0; 2048];
    let length = match sys::receive(socket, &mut buffer) {
        Ok(length) => length,
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => return Ok(None),
        Err(error) => return Err(error).context("receiving pings"),
    };
    match packet::parse(&buffer[..length]) {
        Some(packet::Parsed::EchoReply(echo)) if echo.id == id => Ok(Some(echo.sequence)),
        _ => Ok(None),
    }
}

/// A transfer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Transfer {
    /// Octets of content.
    pub octets: u64,
    /// How long it took.
    pub seconds: f64,
}

impl Transfer {
    /// Megabits per second.
    #[must_use]
    pub fn mbit_s(&self) -> f64 {
        self.octets as f64 * 8.0 / 1e6 / self.seconds.max(1e-9)
    }
}

/// Downloads `length` octets by HTTP in a namespace.
///
/// # Errors
/// The server is not reached, or the answer is not what was asked for.
pub fn download(ns: &NetNs, server: Ipv4Addr, length: u64) -> Result<Transfer> {
    download_patiently(ns, server.into(), length, CONNECT)
}

/// How long a server may take to answer.
pub const CONNECT: Duration = Duration::from_secs(5);

/// As [`download`], of either IP version, from a server that may take so long to be reached and to go on.
///
/// # Errors
/// The server is not reached, or the answer is not what was asked for.
pub fn download_patiently(ns: &NetNs, server: IpAddr, length: u64, patience: Duration) -> Result<Transfer> {
    ns.run(move || {
        let begin = Instant::now();
        let mut stream = connect(server, 80, patience)?;
        let host = SocketAddr::new(server, 80);
        write!(stream, "GET /bytes/{length} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
        stream.shutdown(std::net::Shutdown::Write)?;
        let mut buffer = vec![0; 65536];
        let (mut head, mut content) = (Vec::new(), 0u64);
        loop {
            let count = stream.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            if content > 0 {
                content += count as u64;
                continue;
            }
            head.extend_from_slice(&buffer[..count]);
            if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                content += (head.len() - end - 4) as u64;
            }
        }
        if !head.starts_with(b"HTTP/1.1 200") || content != length {
            bail!("{content} of {length} octets came from {server}");
        }
        Ok(Transfer { octets: content, seconds: begin.elapsed().as_secs_f64() })
    })
}

/// Sends for `period` to the server's sink, or receives from its source.
///
/// # Errors
/// The server is not reached.
pub fn throughput(ns: &NetNs, server: Ipv4Addr, period: Duration, uplink: bool) -> Result<Transfer> {
    ns.run(move || {
        let mut stream = connect(server.into(), if uplink { 9 } else { 19 }, CONNECT)?;
        let mut block = vec![0x55; 65536];
        let begin = Instant::now();
        let mut octets = 0;
        while begin.elapsed() < period {
            octets += if uplink { stream.write(&block)? } else { stream.read(&mut block)? } as u64;
        }
        if uplink {
            // What is still in the socket's buffer has not arrived.
            stream.shutdown(std::net::Shutdown::Write)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            let _ = stream.read(&mut block)?;
        }
        Ok(Transfer { octets, seconds: begin.elapsed().as_secs_f64() })
    })
}

fn connect(server: IpAddr, port: u16, limit: Duration) -> Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&SocketAddr::from((server, port)), limit)
        .with_context(|| format!("connecting to {server} port {port}"))?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    Ok(stream)
}

/// The ToS octets of GTP-U packets with user data of at least so many octets that reach a namespace while `work` is done, and until
/// there is one or `limit` is over.
///
/// # Errors
/// No raw socket, or those of `work`.
pub fn tos_of_tunnels(ns: &NetNs, least: usize, limit: Duration, work: impl FnOnce() -> Result<()>) -> Result<Vec<u8>> {
    let (ready, is_ready) = std::sync::mpsc::channel();
    let sniffer = ns.spawn("sniffer", move || {
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::UDP)).context("opening a raw UDP socket")?;
        socket.set_read_timeout(Some(Duration::from_millis(20)))?;
        let _ = ready.send(());
        let (end, mut seen, mut buffer) = (Instant::now() + limit, Vec::new(), vec![0; 65536]);
        while Instant::now() < end && seen.is_empty() {
            let Ok(length) = sys::receive(&socket, &mut buffer) else { continue };
            let to_gtpu = buffer.get(22..24) == Some(&[8, 104]) && buffer.get(29) == Some(&255);
            if to_gtpu && length >= least {
                seen.extend(buffer.get(1));
            }
        }
        Ok(seen)
    })?;
    is_ready.recv()?;
    work()?;
    sniffer.join().map_err(|_| anyhow!("the sniffer died of a panic"))?
}

/// Asks a server by which address and port it sees a program of a namespace.
///
/// # Errors
/// The server is not reached, or says something else.
pub fn seen_as(ns: &NetNs, server: IpAddr) -> Result<SocketAddr> {
    ns.run(move || {
        let mut text = String::new();
        connect(server, 17, CONNECT)?.read_to_string(&mut text)?;
        text.parse().with_context(|| format!("{text:?} is no address"))
    })
}

/// Has a server echo one datagram of so many octets of content, which must come back whole.
///
/// # Errors
/// It does not, within some tries.
pub fn echo(ns: &NetNs, server: IpAddr, octets: usize) -> Result<()> {
    const TRIES: u8 = 5;
    ns.run(move || {
        let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        socket.connect((server, 7))?;
        socket.set_read_timeout(Some(CONNECT))?;
        let mut buffer = vec![0; 65536];
        for number in 0..TRIES {
            // No two parts alike, so that none may stand in another's place.
            let content: Vec<u8> =
                (0..octets).map(|at| number.wrapping_add((at / 251) as u8).wrapping_add(at as u8)).collect();
            socket.send(&content)?;
            match socket.recv(&mut buffer) {
                Ok(length) if buffer.get(..length) == Some(&content[..]) => return Ok(()),
                Ok(length) => bail!("{length} octets came back of {octets}, or others"),
                Err(_) => {}
            }
        }
        bail!("a datagram of {octets} octets does not come back from {server}")
    })
}

/// Sends `count` numbered datagrams (0, 1, 2, …) to a phone's built-in receiver, `interval` apart.
///
/// # Errors
/// No socket, or no route.
pub fn send_numbered(ns: &NetNs, phone: IpAddr, count: u32, interval: Duration) -> Result<()> {
    ns.run(move || {
        let any: IpAddr = if phone.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0))?;
        for number in 0..count {
            socket.send_to(&number.to_be_bytes(), (phone, crate::radio::app::NUMBERED_PORT))?;
            std::thread::sleep(interval);
        }
        Ok(())
    })
}

/// Sends a phone datagrams of `FLOOD_DATAGRAM` octets for so long, about ten thousand each second. Gives the octets of IP packets sent.
///
/// # Errors
/// No socket, or no route.
pub fn flood(ns: &NetNs, phone: Ipv4Addr, time: Duration) -> Result<u64> {
    ns.run(move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let payload = [0; FLOOD_DATAGRAM - 28];
        let end = Instant::now() + time;
        let mut sent = 0;
        while Instant::now() < end {
            for _ in 0..10 {
                socket.send_to(&payload, (phone, FLOOD_PORT))?;
                sent += FLOOD_DATAGRAM as u64;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(sent)
    })
}

/// Octets of a flood's packets, with headers of IPv4 and UDP.
const FLOOD_DATAGRAM: usize = 500;
/// Where nobody at the phone listens.
const FLOOD_PORT: u16 = 9;

/// Resolves a name at the server the way a phone would.
///
/// # Errors
/// No answer, or none with an address.
pub fn resolve(ns: &NetNs, server: Ipv4Addr, name: &str) -> Result<Ipv4Addr> {
    let mut query = vec![0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len())?);
        query.extend_from_slice(label.as_bytes());
    }
    query.extend_from_slice(&[0, 0, 1, 0, 1]);
    ns.run(move || {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        socket.send_to(&query, (server, 53))?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).context("no answer from the name server")?;
        let address = answer[..length].last_chunk::<4>().filter(|_| length > query.len());
        address.map(|octets| Ipv4Addr::from(*octets)).context("the name has no address")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_and_medians_are_counted() {
        let pings = Pings { sent: 5, received: 3, round_trip_ms: vec![3.0, 1.0, 2.0], longest_gap_ms: 0.0 };
        assert_eq!((pings.lost(), pings.median_ms()), (2, 2.0));
        assert_eq!(Pings::default().median_ms(), 0.0);
    }

    #[test]
    fn an_echo_request_is_whole() {
        let echo = icmp_echo(7, 9);
        assert_eq!((echo[0], echo.len(), &echo[4..8]), (8, 56, &[0, 7, 0, 9][..]));
    }
}
