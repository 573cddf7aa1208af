//! Numbered packets at a steady pace in both directions, and how long one that was sent had to wait.
//!
//! Who sends writes down when; the kernel of who receives stamps what comes, by the same clock, while it takes it from the interface. So
//! neither a sender that was held up nor a receiver that was scheduled late counts as a gap of what lies between them.

use crate::closed_loop::tunnel;
use crate::lab::{Gateway, Lab, SERVER, Station, TEID, UE, eventually, g_pdu, udp_packet};
use agw_dataplane::{Egress, Plane};
use agw_types::DataplaneChange;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Replacements of the programs.
const UPGRADES: usize = 10;
/// Between two packets of a direction.
const PACE: Duration = Duration::from_micros(100);
const PORT: u16 = 7001;
/// How long what is on its way may take.
const PATIENCE: Duration = Duration::from_secs(1);
/// Where a phone's number stands in what its base station gets: behind the headers of GTP-U, IPv4 and UDP.
const NUMBER_DOWN: usize = 8 + 20 + 8;

/// What replacing the programs did to packets of either direction.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gaps {
    /// The longest times that a packet which had been sent was waited for, microseconds, a value for each replacement, in order.
    pub(crate) upgrades: Vec<f64>,
    /// And while nothing was done for as long.
    pub(crate) quiet: Vec<f64>,
    /// Packets sent.
    pub(crate) sent: usize,
    /// Those that never came.
    pub(crate) lost: usize,
    /// Those that came after a later one.
    pub(crate) reordered: usize,
}

/// Replaces the programs behind their links under paced packets, again and again.
pub(crate) fn upgrades() -> Result<Gaps> {
    let lab = Lab::new();
    let mut gateway = Some(open(&lab));
    gateway.as_ref().map(|gateway| gateway.plane().apply(&DataplaneChange::Set(tunnel(TEID, UE, 0)))).transpose()?;
    let (station, server) = (Station::new(&lab), lab.udp("i", SERVER, PORT));
    for socket in [&station.0, &server] {
        stamp(socket)?;
        socket.set_read_timeout(Some(Duration::from_millis(50)))?;
    }
    resolve(gateway.as_ref().ok_or("no gateway")?, &station, &server);
    let stop = Arc::new(AtomicBool::new(false));
    let streams = [uplink(&station, &server, &stop)?, downlink(&station, &server, &stop)?];
    sleep(PATIENCE);
    let (mut upgrades, mut quiet) = (Vec::new(), Vec::new());
    for _ in 0..UPGRADES {
        let (from, began) = (now(), Instant::now());
        drop(gateway.take());
        gateway = Some(open(&lab));
        let (until, took) = (now(), began.elapsed());
        sleep(took);
        upgrades.push((from, until));
        quiet.push((until, now()));
    }
    stop.store(true, Ordering::Relaxed);
    let mut gaps = Gaps::default();
    let mut seen = Vec::new();
    for stream in streams {
        seen.push(stream.end(&mut gaps)?);
    }
    let most = |(from, until): &(u64, u64)| seen.iter().map(|waits| longest(waits, *from, *until)).fold(0.0, f64::max);
    gaps.upgrades = upgrades.iter().map(most).collect();
    gaps.quiet = quiet.iter().map(most).collect();
    gaps.upgrades.sort_by(f64::total_cmp);
    gaps.quiet.sort_by(f64::total_cmp);
    Ok(gaps)
}

fn open(lab: &Lab) -> Gateway {
    lab.open(lab.config(Plane::XdpNative, Egress::Routed))
}

/// Exchanges packets until both neighbours of the gateway are known, and takes what is left of them.
fn resolve(gateway: &Gateway, station: &Station, server: &UdpSocket) {
    let mut buffer = [0; 2048];
    eventually("the neighbours are known", || {
        station.send(&g_pdu(TEID, &datagram(0)));
        if let Ok((length, from)) = server.recv_from(&mut buffer) {
            // Lost only if the base station is not known yet, which is asked next.
            let _ = server.send_to(&buffer[..length], from);
        }
        station.receive().is_some() && gateway.plane().unresolved() == 0
    });
    while station.receive().is_some() || server.recv_from(&mut buffer).is_ok() {}
}

fn datagram(number: u32) -> Vec<u8> {
    udp_packet((UE, PORT), (SERVER, PORT), &number.to_be_bytes())
}

/// A direction: when each packet was sent, and which came when. Times are nanoseconds of the system's clock.
struct Stream {
    sender: JoinHandle<std::io::Result<Vec<u64>>>,
    receiver: JoinHandle<std::io::Result<Vec<(u32, u64)>>>,
}

fn uplink(station: &Station, server: &UdpSocket, stop: &Arc<AtomicBool>) -> Result<Stream> {
    let station = Station(station.0.try_clone()?);
    let send = move |number| {
        station.send(&g_pdu(TEID, &datagram(number)));
        Ok(())
    };
    Ok(Stream::start(send, (server.try_clone()?, 0), stop))
}

fn downlink(station: &Station, server: &UdpSocket, stop: &Arc<AtomicBool>) -> Result<Stream> {
    let server = server.try_clone()?;
    let send = move |number: u32| server.send_to(&number.to_be_bytes(), (UE, PORT)).map(drop);
    Ok(Stream::start(send, (station.0.try_clone()?, NUMBER_DOWN), stop))
}

impl Stream {
    /// `to` is who receives, and where in what it gets the number stands.
    fn start(
        send: impl Fn(u32) -> std::io::Result<()> + Send + 'static,
        to: (UdpSocket, usize),
        stop: &Arc<AtomicBool>,
    ) -> Self {
        let (told, asked) = (Arc::clone(stop), Arc::clone(stop));
        let sender = spawn(move || {
            urgent();
            let (mut sent, mut next) = (Vec::new(), Instant::now());
            for number in 0.. {
                if told.load(Ordering::Relaxed) {
                    break;
                }
                sent.push(now());
                send(number)?;
                next = (next + PACE).max(Instant::now());
                sleep(next.saturating_duration_since(Instant::now()));
            }
            Ok(sent)
        });
        let receiver = spawn(move || {
            let (mut came, mut last) = (Vec::new(), Instant::now());
            while !asked.load(Ordering::Relaxed) || last.elapsed() < PATIENCE {
                if let Some(arrival) = receive(&to.0, to.1)? {
                    came.push(arrival);
                    last = Instant::now();
                }
            }
            Ok(came)
        });
        Self { sender, receiver }
    }

    /// When each packet came, and how long it, or an earlier one that never came, had been waited for: nanoseconds and microseconds.
    fn end(self, gaps: &mut Gaps) -> Result<Vec<(u64, f64)>> {
        let (sent, came) = (self.sender.join(), self.receiver.join());
        let (sent, came) = (sent.map_err(|_| "the sender died")??, came.map_err(|_| "the receiver died")??);
        let (mut next, mut waits) = (0, Vec::with_capacity(came.len()));
        for (number, at) in &came {
            let number = *number as usize;
            if number < next {
                gaps.reordered += 1;
                continue;
            }
            // From when the first one was sent that was due: those between it and this one are lost.
            let due = sent.get(next).ok_or("a packet came that nobody sent")?;
            waits.push((*at, at.saturating_sub(*due) as f64 / 1e3));
            next = number + 1;
        }
        gaps.sent += sent.len();
        gaps.lost += sent.len().saturating_sub(came.len());
        Ok(waits)
    }
}

fn longest(waits: &[(u64, f64)], from: u64, until: u64) -> f64 {
    waits.iter().filter(|(at, _)| (from..until).contains(at)).map(|(_, wait)| *wait).fold(0.0, f64::max)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
}

/// Goes before whatever else the machine does.
fn urgent() {
    let priority = libc::sched_param { sched_priority: 10 };
    // SAFETY: this thread, with a value that lives across the call.
    if unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const priority) } != 0 {
        eprintln!("no urgency for who sends paced packets: {}", std::io::Error::last_os_error());
    }
}

/// Has the kernel say when a packet came.
fn stamp(socket: &UdpSocket) -> std::io::Result<()> {
    let on: i32 = 1;
    // SAFETY: the value lives across the call and has the length given.
    let result = unsafe {
        let length = size_of::<i32>() as u32;
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, (&raw const on).cast(), length)
    };
    if result == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// A packet's number, and when it came; none if none comes for a while.
fn receive(socket: &UdpSocket, offset: usize) -> std::io::Result<Option<(u32, u64)>> {
    let (mut packet, mut control) = ([0u8; 2048], [0u64; 16]);
    let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
    // SAFETY: all zeroes is a valid header.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    (header.msg_iov, header.msg_iovlen) = (&raw mut part, 1);
    (header.msg_control, header.msg_controllen) = (control.as_mut_ptr().cast(), size_of_val(&control));
    // SAFETY: all that the header points to lives across the call.
    let length = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut header, 0) };
    let Ok(length) = usize::try_from(length) else {
        let error = std::io::Error::last_os_error();
        let waits = matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut);
        return if waits { Ok(None) } else { Err(error) };
    };
    // SAFETY: the header is as the kernel left it.
    let message = unsafe { libc::CMSG_FIRSTHDR(&raw const header).as_ref() };
    let stamp = message.filter(|message| message.cmsg_type == libc::SO_TIMESTAMPNS).map(|message| {
        // SAFETY: this kind of message holds a time.
        let time = unsafe { libc::CMSG_DATA(message).cast::<libc::timespec>().read_unaligned() };
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
    });
    let number = packet[..length].get(offset..).and_then(|rest| rest.first_chunk::<4>());
    Ok(number.zip(stamp).map(|(number, at)| (u32::from_be_bytes(*number), at)))
}
