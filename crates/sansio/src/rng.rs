//! Randomness from a seed handed in.

use core::fmt;

/// A source of random numbers that is a plain value.
///
/// Cores take `&mut impl Rng` (or own a [`SecureRng`]): the daemon seeds it from the operating system, the simulator
/// from a number.
pub trait Rng {
    /// The next 64 bits.
    fn next_u64(&mut self) -> u64;

    /// Fills `out`.
    fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }

    /// The next 32 bits.
    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }

    /// A number in `0..bound`, each equally likely; 0 when `bound` is 0.
    fn below(&mut self, bound: u64) -> u64 {
        // Lemire's method: reject the few draws that would favour small results.
        let threshold = bound.wrapping_neg().checked_rem(bound).unwrap_or(0);
        loop {
            let product = u128::from(self.next_u64()) * u128::from(bound);
            if product as u64 >= threshold {
                return (product >> 64) as u64;
            }
        }
    }

    /// True with probability `numerator / denominator`; never for a denominator of 0.
    fn chance(&mut self, numerator: u64, denominator: u64) -> bool {
        self.below(denominator) < numerator && denominator != 0
    }
}

/// Thirty-two octets of operating-system entropy, or a test's fixed seed. Not shown by `Debug`.
#[derive(Clone)]
pub struct SecureSeed(pub [u8; 32]);

impl fmt::Debug for SecureSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecureSeed(..)")
    }
}

/// ChaCha20 (RFC 8439) with fast key erasure: unpredictable when its seed is.
///
/// For what an adversary must not guess: RAND, M-TMSI, TEID, tokens. Seeded by the driver from the operating system it
/// is fit for that; seeded from a simulator's number it is only repeatable. Each refill begins with a new key, so a copy of
/// its memory does not tell the numbers it gave out before. Long-lived keys (a gateway's identity) are drawn from the
/// operating system by the driver, not from here.
#[derive(Clone)]
pub struct SecureRng {
    key: [u32; 8],
    /// Output of the last refill; what was given out is zeroed.
    buffer: [u8; BUFFER],
    used: usize,
}

const BLOCK: usize = 64;
/// Four blocks per key; its first 32 octets become the next key.
const BUFFER: usize = 4 * BLOCK - 32;

impl fmt::Debug for SecureRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecureRng(..)")
    }
}

impl SecureRng {
    /// A generator with the given seed.
    #[must_use]
    pub fn new(seed: &SecureSeed) -> Self {
        Self { key: words(&seed.0), buffer: [0; BUFFER], used: BUFFER }
    }

    /// A repeatable generator for simulators and tests.
    #[must_use]
    pub fn for_simulation(seed: u64) -> Self {
        let mut bytes = [0; 32];
        SimRng::new(seed).fill(&mut bytes);
        Self::new(&SecureSeed(bytes))
    }

    fn refill(&mut self) {
        let mut stream = [0; 4 * BLOCK];
        for (block, counter) in stream.as_chunks_mut::<BLOCK>().0.iter_mut().zip(0u32..) {
            *block = chacha20_block(&self.key, counter, [0; 3]);
        }
        let (next_key, output) = stream.split_at(32);
        let mut key = [0; 32];
        key.copy_from_slice(next_key);
        self.key = words(&key);
        self.buffer.copy_from_slice(output);
        self.used = 0;
    }
}

impl Rng for SecureRng {
    fn next_u64(&mut self) -> u64 {
        let mut word = [0; 8];
        self.fill(&mut word);
        u64::from_le_bytes(word)
    }

    fn fill(&mut self, mut out: &mut [u8]) {
        while !out.is_empty() {
            if self.used == BUFFER {
                self.refill();
            }
            let take = out.len().min(BUFFER - self.used);
            let given = &mut self.buffer[self.used..self.used + take];
            let (now, later) = out.split_at_mut(take);
            now.copy_from_slice(given);
            given.fill(0);
            self.used += take;
            out = later;
        }
    }
}

fn words(bytes: &[u8; 32]) -> [u32; 8] {
    let mut words = [0; 8];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<4>().0) {
        *word = u32::from_le_bytes(*bytes);
    }
    words
}

/// RFC 8439 §2.3.
fn chacha20_block(key: &[u32; 8], counter: u32, nonce: [u32; 3]) -> [u8; BLOCK] {
    let mut initial = [0u32; 16];
    initial[..4].copy_from_slice(&[0x6170_7865, 0x3320_646e, 0x7962_2d32, 0x6b20_6574]);
    initial[4..12].copy_from_slice(key);
    initial[12] = counter;
    initial[13..].copy_from_slice(&nonce);
    let mut state = initial;
    for _ in 0..10 {
        for column in 0..4 {
            quarter_round(&mut state, [column, column + 4, column + 8, column + 12]);
        }
        for diagonal in 0..4 {
            let turned = [(diagonal + 1) % 4 + 4, (diagonal + 2) % 4 + 8, (diagonal + 3) % 4 + 12];
            quarter_round(&mut state, [diagonal, turned[0], turned[1], turned[2]]);
        }
    }
    let mut out = [0; BLOCK];
    for ((bytes, word), first) in out.as_chunks_mut::<4>().0.iter_mut().zip(state).zip(initial) {
        *bytes = word.wrapping_add(first).to_le_bytes();
    }
    out
}

fn quarter_round(state: &mut [u32; 16], [a, b, c, d]: [usize; 4]) {
    for (x, y, z, turn) in [(a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)] {
        state[x] = state[x].wrapping_add(state[y]);
        state[z] = (state[z] ^ state[x]).rotate_left(turn);
    }
}

/// xoshiro256++: fast, repeatable and predictable. For simulators, fault injection, load and jitter; never for anything
/// that an adversary must not guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimRng {
    state: [u64; 4],
}

impl SimRng {
    /// A generator with the given seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        // SplitMix64, as its authors advise: the state is never all zero.
        let mut mix = seed;
        let state = core::array::from_fn(|_| {
            mix = mix.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (mix ^ (mix >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        });
        Self { state }
    }

    /// An independent generator for one part of a simulation, so that what one part draws does not move another.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.next_u64())
    }
}

impl Rng for SimRng {
    fn next_u64(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.state = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chacha20_block_is_that_of_rfc_8439_section_2_3_2() {
        let key: [u8; 32] = core::array::from_fn(|n| n as u8);
        let block = chacha20_block(&words(&key), 1, [0x0900_0000, 0x4a00_0000, 0]);
        let expected = [0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3, 0x20, 0x71, 0xc4];
        assert_eq!(block[..16], expected);
        assert_eq!(block[60..], [0xa2, 0x50, 0x3c, 0x4e]);
    }

    #[test]
    fn xoshiro_gives_the_published_first_numbers() {
        // State 1, 2, 3, 4: the reference implementation's first outputs.
        let mut rng = SimRng { state: [1, 2, 3, 4] };
        let first: Vec<_> = (0..4).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn the_same_seed_repeats_and_reading_in_pieces_is_the_same_stream() {
        let seed = SecureSeed([7; 32]);
        let (mut whole, mut pieces) = ([0; 1000], [0; 1000]);
        SecureRng::new(&seed).fill(&mut whole);
        let mut rng = SecureRng::new(&seed);
        for piece in pieces.chunks_mut(37) {
            rng.fill(piece);
        }
        assert_eq!(whole, pieces);
        assert_ne!(SecureRng::for_simulation(1).next_u64(), SecureRng::for_simulation(2).next_u64());
    }

    #[test]
    fn what_was_given_out_and_the_key_before_are_gone() {
        let mut rng = SecureRng::new(&SecureSeed([7; 32]));
        let mut given = [0; 300];
        rng.fill(&mut given);
        assert_ne!(rng.key, words(&[7; 32]));
        assert!(rng.buffer[..rng.used].iter().all(|byte| *byte == 0));
        assert_eq!(format!("{rng:?} {:?}", SecureSeed([7; 32])), "SecureRng(..) SecureSeed(..)");
    }

    #[test]
    fn bounded_draws_are_even_and_in_bounds() {
        let mut rng = SimRng::new(3);
        let mut seen = [0u32; 6];
        for _ in 0..60_000 {
            seen[rng.below(6) as usize] += 1;
        }
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert_eq!((rng.below(0), rng.below(1)), (0, 0));
        assert!(!rng.chance(0, 10) && rng.chance(10, 10) && !rng.chance(1, 0));
    }

    #[test]
    fn forks_do_not_depend_on_what_each_other_draws() {
        let mut parent = SimRng::new(9);
        let (mut a, mut b) = (parent.fork(), parent.fork());
        let alone: Vec<_> = (0..4).map(|_| b.clone().next_u64()).collect();
        a.next_u64();
        assert_eq!(alone[0], b.next_u64());
        assert_ne!(a.next_u64(), b.next_u64());
    }
}
