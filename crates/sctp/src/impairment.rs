//! Damage done to outgoing packets on purpose: the drop and reorder hook of the tests.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// What happens to one outgoing packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It leaves.
    Send,
    /// It is lost.
    Drop,
    /// It leaves twice.
    Duplicate,
    /// It leaves after the packet that follows it.
    Delay,
}

type Judge = dyn FnMut(&[u8], IpAddr) -> Fate + Send;

/// Decides the fate of every packet an endpoint sends. Clones share one judge.
#[derive(Clone)]
pub struct Impairment {
    judge: Arc<Mutex<Judge>>,
}

impl fmt::Debug for Impairment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Impairment")
    }
}

impl Impairment {
    /// Asks `judge` about each SCTP packet (common header first) and the address it goes to.
    pub fn new(judge: impl FnMut(&[u8], IpAddr) -> Fate + Send + 'static) -> Self {
        Self { judge: Arc::new(Mutex::new(judge)) }
    }

    /// Drops and delays a share of the packets, in per mille, repeatably from a seed.
    #[must_use]
    pub fn random(seed: u64, drop_per_mille: u16, delay_per_mille: u16) -> Self {
        let mut state = seed | 1;
        Self::new(move |_, _| {
            let draw = xorshift(&mut state) % 1000;
            let drop = u64::from(drop_per_mille);
            if draw < drop {
                Fate::Drop
            } else if draw < drop + u64::from(delay_per_mille) {
                Fate::Delay
            } else {
                Fate::Send
            }
        })
    }

    pub(crate) fn fate(&self, packet: &[u8], peer: IpAddr) -> Fate {
        let mut judge = self.judge.lock().unwrap_or_else(PoisonError::into_inner);
        judge(packet, peer)
    }
}

/// Marsaglia's xorshift64*: plenty for choosing packets, and the same everywhere.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33
}
