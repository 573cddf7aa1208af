//! A recording of a link, in a file that tshark reads.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::NetNs;
use crate::sys;

/// Every protocol (linux/if_ether.h), in network byte order.
const ALL_PROTOCOLS: i32 = (0x0003u16.to_be()) as i32;
/// Octets kept of a frame.
const SNAP: usize = 65536;
/// Ethernet (pcap's list of link types).
const ETHERNET: u32 = 1;

/// A recording that goes on until it is stopped.
#[derive(Debug)]
pub struct Capture {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<u64>>,
}

impl Capture {
    /// Records all Ethernet frames that a namespace sends and receives.
    ///
    /// # Errors
    /// The file cannot be made.
    pub fn start(ns: &NetNs, path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| format!("making {}", path.display()))?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let thread = ns.spawn("capture", move || record(BufWriter::new(file), &told))?;
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

fn record(mut out: impl Write, stop: &AtomicBool) -> Result<u64> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ALL_PROTOCOLS)))
        .context("opening a packet socket")?;
    socket.set_recv_buffer_size(16 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    out.write_all(&file_header())?;
    let mut buffer = vec![0; SNAP];
    let mut frames = 0;
    loop {
        match sys::receive(&socket, &mut buffer) {
            Ok(length) if is_loopback(&buffer[..length]) => {}
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

    #[test]
    fn headers_are_those_of_pcap() {
        assert_eq!(file_header()[..8], [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0]);
        let at = UNIX_EPOCH + Duration::from_micros(5_000_007);
        assert_eq!(frame_header(9, at)[..13], [5, 0, 0, 0, 7, 0, 0, 0, 9, 0, 0, 0, 9]);
    }
}
