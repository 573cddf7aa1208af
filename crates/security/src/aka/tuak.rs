//! TUAK, the authentication functions on Keccak (TS 35.231).

use super::{AuthVector, MacFailure, Opened, Sqn};
use crate::Secret;
use keccak::Keccak;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

/// "TUAK1.0" (TS 35.231 §6.1).
const ALGORITHM_NAME: &[u8; 7] = b"TUAK1.0";
/// Places of the inputs in the Keccak state, in octets; each stands there with its last octet first (TS 35.231 §6.2).
const INSTANCE: usize = 32;
const NAME: usize = 33;
const RAND: usize = 40;
const AMF: usize = 56;
const SQN: usize = 58;
const KEY: usize = 64;
const PADDING: usize = 96;
const PADDING_END: usize = 135;
/// Places of the outputs.
const OUT_CK: usize = 32;
const OUT_IK: usize = 64;
const OUT_AK: usize = 96;
/// The functions, as bits of the instance octet.
const F1: u8 = 0x00;
const F1_STAR: u8 = 0x80;
const F2345: u8 = 0x40;
const F5_STAR: u8 = 0xc0;

/// Lengths of what TUAK puts out, in octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TuakLengths {
    /// MAC-A and MAC-S: 8, 16 or 32. AUTN and AUTS have room for 8.
    pub mac: u8,
    /// RES: 4, 8, 16 or 32. EPS takes up to 16.
    pub res: u8,
    /// CK: 16 or 32. EPS takes 16.
    pub ck: u8,
    /// IK: 16 or 32. EPS takes 16.
    pub ik: u8,
}

impl TuakLengths {
    /// What EPS takes, with a response of 8 octets.
    pub const EPS: Self = Self { mac: 8, res: 8, ck: 16, ik: 16 };
}

/// TUAK with a subscriber's K and TOPc.
#[derive(Clone)]
pub struct Tuak {
    k: Zeroizing<[u8; 32]>,
    k_is_256: bool,
    topc: Zeroizing<[u8; 32]>,
    iterations: u8,
    res_len: u8,
}

/// What f2, f3, f4 and f5 give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TuakOutputs {
    /// f2: response.
    pub res: Secret<Vec<u8>>,
    /// f3: ciphering key.
    pub ck: Secret<Vec<u8>>,
    /// f4: integrity key.
    pub ik: Secret<Vec<u8>>,
    /// f5: anonymity key.
    pub ak: Secret<[u8; 6]>,
}

impl Tuak {
    /// With K of 16 or 32 octets and TOPc. One Keccak iteration and a response of 8 octets, as is usual. `None` for another
    /// length of K.
    #[must_use]
    pub fn new(k: &[u8], topc: &Secret<[u8; 32]>) -> Option<Self> {
        let mut padded = Zeroizing::new([0; 32]);
        match k.len() {
            16 | 32 => padded.get_mut(..k.len())?.copy_from_slice(k),
            _ => return None,
        }
        Some(Self {
            k: padded,
            k_is_256: k.len() == 32,
            topc: Zeroizing::new(*topc.expose()),
            iterations: 1,
            res_len: TuakLengths::EPS.res,
        })
    }

    /// Another count of Keccak iterations, 1 to 255 (TS 35.231 §6.3); 0 is taken for 1.
    #[must_use]
    pub fn with_iterations(mut self, iterations: u8) -> Self {
        self.iterations = iterations.max(1);
        self
    }

    /// Another length of the response: 4, 8 or 16 octets; others leave it as it is.
    #[must_use]
    pub fn with_response_length(mut self, octets: u8) -> Self {
        if matches!(octets, 4 | 8 | 16) {
            self.res_len = octets;
        }
        self
    }

    /// TOPc of a subscriber from the operator's TOP (TS 35.231 §7.1); `None` when K has neither 16 nor 32 octets.
    #[must_use]
    pub fn topc(k: &[u8], top: &Secret<[u8; 32]>, iterations: u8) -> Option<Secret<[u8; 32]>> {
        // The derivation has the shape of a function, with TOP in the place of TOPc and no challenge.
        let functions = Self::new(k, top)?.with_iterations(iterations);
        let mut input = functions.input(0);
        let out = functions.permute(&mut input);
        let mut topc = [0; 32];
        read_reversed(&out, 0, &mut topc);
        Some(Secret::new(topc))
    }

    /// f1: MAC-A of `length` octets: 8, 16 or 32.
    #[must_use]
    pub fn f1(&self, rand: &[u8; 16], sqn: Sqn, amf: [u8; 2], length: u8) -> Vec<u8> {
        self.mac(F1, rand, sqn, amf, length)
    }

    /// f1*: MAC-S of `length` octets: 8, 16 or 32.
    #[must_use]
    pub fn f1_star(&self, rand: &[u8; 16], sqn: Sqn, amf: [u8; 2], length: u8) -> Vec<u8> {
        self.mac(F1_STAR, rand, sqn, amf, length)
    }

    /// f2, f3, f4 and f5 at once, with the lengths of `lengths`.
    #[must_use]
    pub fn f2345(&self, rand: &[u8; 16], lengths: TuakLengths) -> TuakOutputs {
        let instance =
            F2345 | length_bits(lengths.res) | u8::from(lengths.ck == 32) << 2 | u8::from(lengths.ik == 32) << 1;
        let mut input = self.input(instance);
        write_reversed(&mut input, RAND, rand);
        let out = self.permute(&mut input);
        let taken = |place, length: u8| {
            let mut octets = vec![0; usize::from(length)];
            read_reversed(&out, place, &mut octets);
            Secret::new(octets)
        };
        let mut ak = [0; 6];
        read_reversed(&out, OUT_AK, &mut ak);
        TuakOutputs {
            res: taken(0, lengths.res),
            ck: taken(OUT_CK, lengths.ck),
            ik: taken(OUT_IK, lengths.ik),
            ak: Secret::new(ak),
        }
    }

    /// f5*: anonymity key of re-synchronisation.
    #[must_use]
    pub fn f5_star(&self, rand: &[u8; 16]) -> Secret<[u8; 6]> {
        let mut input = self.input(F5_STAR);
        write_reversed(&mut input, RAND, rand);
        let out = self.permute(&mut input);
        let mut ak = [0; 6];
        read_reversed(&out, OUT_AK, &mut ak);
        Secret::new(ak)
    }

    fn mac(&self, function: u8, rand: &[u8; 16], sqn: Sqn, amf: [u8; 2], length: u8) -> Vec<u8> {
        let mut input = self.input(function | length_bits(length));
        write_reversed(&mut input, RAND, rand);
        write_reversed(&mut input, AMF, &amf);
        write_reversed(&mut input, SQN, &sqn.octets());
        let out = self.permute(&mut input);
        let mut mac = vec![0; usize::from(length)];
        read_reversed(&out, 0, &mut mac);
        mac
    }

    /// The state with what all functions put in.
    fn input(&self, instance: u8) -> Zeroizing<[u8; 200]> {
        let mut input = Zeroizing::new([0; 200]);
        write_reversed(&mut input, 0, self.topc.as_slice());
        write_reversed(&mut input, NAME, ALGORITHM_NAME);
        let k = if self.k_is_256 { self.k.as_slice() } else { &self.k[..16] };
        write_reversed(&mut input, KEY, k);
        input[INSTANCE] = instance | u8::from(self.k_is_256);
        input[PADDING] = 0x1f;
        input[PADDING_END] = 0x80;
        input
    }

    fn permute(&self, input: &mut [u8; 200]) -> Zeroizing<[u8; 200]> {
        let mut state = Zeroizing::new([0u64; 25]);
        let (lanes, _) = input.as_chunks::<8>();
        for (word, lane) in state.iter_mut().zip(lanes) {
            *word = u64::from_le_bytes(*lane);
        }
        Keccak::new().with_f1600(|permutation| {
            for _ in 0..self.iterations {
                permutation(&mut state);
            }
        });
        let mut out = Zeroizing::new([0; 200]);
        let (lanes, _) = out.as_chunks_mut::<8>();
        for (word, lane) in state.iter().zip(lanes) {
            *lane = word.to_le_bytes();
        }
        input.zeroize();
        out
    }
}

/// Bits 3 to 5 of the instance octet: 001, 010 or 100 for 64, 128 or 256 bits, 000 for 32.
const fn length_bits(octets: u8) -> u8 {
    (octets / 8) << 3
}

fn write_reversed(state: &mut [u8; 200], place: usize, octets: &[u8]) {
    for (to, from) in state.iter_mut().skip(place).zip(octets.iter().rev()) {
        *to = *from;
    }
}

fn read_reversed(state: &[u8; 200], place: usize, octets: &mut [u8]) {
    for (to, from) in octets.iter_mut().rev().zip(state.iter().skip(place)) {
        *to = *from;
    }
}

/// AKA as EPS uses it: MAC of 8 octets, keys of 16.
impl Tuak {
    fn eps_lengths(&self) -> TuakLengths {
        TuakLengths { res: self.res_len, ..TuakLengths::EPS }
    }

    pub(super) fn vector(&self, rand: &[u8; 16], sqn: Sqn, amf: [u8; 2]) -> AuthVector {
        let outputs = self.f2345(rand, self.eps_lengths());
        let mut autn = [0; 16];
        autn[..6].copy_from_slice(&xor(sqn.octets(), outputs.ak.expose()));
        autn[6..8].copy_from_slice(&amf);
        autn[8..].copy_from_slice(&self.f1(rand, sqn, amf, 8));
        AuthVector { rand: *rand, autn, ck: key_of_16(&outputs.ck), ik: key_of_16(&outputs.ik), xres: outputs.res }
    }

    pub(super) fn open_autn(&self, rand: &[u8; 16], autn: &[u8; 16]) -> Result<Opened, MacFailure> {
        let [s1, s2, s3, s4, s5, s6, a1, a2, mac @ ..] = *autn;
        let outputs = self.f2345(rand, self.eps_lengths());
        let sqn = Sqn::from_octets(xor([s1, s2, s3, s4, s5, s6], outputs.ak.expose()));
        let amf = [a1, a2];
        let expected = Zeroizing::new(self.f1(rand, sqn, amf, 8));
        if !bool::from(expected.as_slice().ct_eq(&mac)) {
            return Err(MacFailure);
        }
        Ok(Opened { sqn, amf, ck: key_of_16(&outputs.ck), ik: key_of_16(&outputs.ik), res: outputs.res })
    }

    pub(super) fn auts(&self, rand: &[u8; 16], highest: Sqn) -> [u8; 14] {
        let mut auts = [0; 14];
        auts[..6].copy_from_slice(&xor(highest.octets(), self.f5_star(rand).expose()));
        auts[6..].copy_from_slice(&self.f1_star(rand, highest, AMF_RESYNC, 8));
        auts
    }

    pub(super) fn open_auts(&self, rand: &[u8; 16], auts: &[u8; 14]) -> Result<Sqn, MacFailure> {
        let [s1, s2, s3, s4, s5, s6, mac @ ..] = *auts;
        let concealed = [s1, s2, s3, s4, s5, s6];
        let sqn = Sqn::from_octets(xor(concealed, self.f5_star(rand).expose()));
        let expected = Zeroizing::new(self.f1_star(rand, sqn, AMF_RESYNC, 8));
        if bool::from(expected.as_slice().ct_eq(&mac)) { Ok(sqn) } else { Err(MacFailure) }
    }
}

/// AMF of MAC-S: zero (TS 33.102 §6.3.3).
const AMF_RESYNC: [u8; 2] = [0; 2];

fn xor(mut octets: [u8; 6], with: &[u8; 6]) -> [u8; 6] {
    for (octet, with) in octets.iter_mut().zip(with) {
        *octet ^= with;
    }
    octets
}

fn key_of_16(key: &Secret<Vec<u8>>) -> Secret<[u8; 16]> {
    let mut octets = [0; 16];
    for (to, from) in octets.iter_mut().zip(key.expose()) {
        *to = *from;
    }
    Secret::new(octets)
}
