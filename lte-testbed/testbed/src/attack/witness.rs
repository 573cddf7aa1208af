//! Who sees what comes out of a link: the only ones whose word counts about what the gateway let pass.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use socket2::{Domain, Protocol, Socket, Type};

use crate::lab::NetNs;
use crate::sys;

/// Every protocol (linux/if_ether.h), in network byte order.
const ALL_PROTOCOLS: i32 = (0x0003u16.to_be()) as i32;
/// Stands before the number of a mark.
const SIGN: &[u8; 12] = b"BASALT-MARK:";

/// Something to be recognised in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Mark(pub u32);

impl Mark {
    /// As content of a packet.
    pub fn octets(self) -> [u8; 16] {
        let mut octets = [0; 16];
        octets[..12].copy_from_slice(SIGN);
        octets[12..].copy_from_slice(&self.0.to_be_bytes());
        octets
    }
}

/// Counts the frames with each mark that reach a namespace.
#[derive(Debug)]
pub(super) struct Witness {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<HashMap<u32, u64>>>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Witness {
    /// Watches a namespace. Frames whose outermost IPv4 source is in the /24 of `own` are the namespace's own, and do not count.
    pub fn start(ns: &NetNs, own: Ipv4Addr) -> Result<Self> {
        let socket = ns.run(open)?;
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(HashMap::new())));
        let (told, ledger) = (stop.clone(), seen.clone());
        let thread = ns.spawn("witness", move || watch(&socket, own, &told, &ledger))?;
        Ok(Self { stop, seen, thread: Some(thread) })
    }

    /// How many frames with this mark came.
    pub fn count(&self, mark: Mark) -> u64 {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).get(&mark.0).copied().unwrap_or(0)
    }

    /// Stops, and says whether it could watch to the end.
    pub fn stop(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().map_err(|_| anyhow!("a witness died of a panic"))?
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn open() -> Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(ALL_PROTOCOLS)))
        .context("opening a packet socket")?;
    socket.set_recv_buffer_size(16 << 20)?;
    socket.set_read_timeout(Some(Duration::from_millis(20)))?;
    Ok(socket)
}

fn watch(socket: &Socket, own: Ipv4Addr, stop: &AtomicBool, seen: &Mutex<HashMap<u32, u64>>) -> Result<()> {
    let mut buffer = vec![0; 65536];
    loop {
        match sys::receive(socket, &mut buffer) {
            Ok(length) => {
                let frame = &buffer[..length];
                let counts = frame.get(26..29) != own.octets().get(..3);
                if let Some(number) = number_in(frame).filter(|_| counts) {
                    *seen.lock().unwrap_or_else(PoisonError::into_inner).entry(number).or_default() += 1;
                }
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                if stop.load(Ordering::Relaxed) {
                    return Ok(());
                }
            }
            Err(error) => return Err(error).context("watching"),
        }
    }
}

/// The number of the first mark in a frame.
fn number_in(frame: &[u8]) -> Option<u32> {
    let at = frame.windows(SIGN.len()).position(|window| window == SIGN)?;
    Some(u32::from_be_bytes(*frame.get(at + SIGN.len()..)?.first_chunk::<4>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_found_wherever_they_are() {
        let mut frame = vec![0x42; 50];
        assert_eq!(number_in(&frame), None);
        frame.extend(Mark(0x0102_0304).octets());
        assert_eq!(number_in(&frame), Some(0x0102_0304));
        frame.pop();
        assert_eq!(number_in(&frame), None);
    }
}
