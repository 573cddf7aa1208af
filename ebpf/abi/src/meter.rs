//! Rate limits: one word of state, moved by compare-and-swap.

use crate::{Shared32, Shared64};

/// A policer of octets, by theoretical arrival times (the "virtual scheduling algorithm" of ITU-T I.371, counted in octets).
///
/// `due` is the time at which everything admitted so far would have been sent at the rate; a packet is admitted while that time is
/// less than `burst` ahead of the clock. So a meter at rest admits `burst` at once and the rate afterwards, for ever exactly. Programs
/// on several CPUs share it without a lock. 16 octets, so that it stands beside what it limits.
#[repr(C)]
#[derive(Debug, Default)]
pub struct Meter {
    /// Theoretical arrival time, sixteenths of a nanosecond of the monotonic clock.
    pub due: Shared64,
    /// [`Meter::encode`] of the rate; 0 for no limit.
    pub rate: Shared32,
    /// How far `due` may be ahead of the clock, microseconds.
    pub burst: Shared32,
}

impl Meter {
    /// Units of [`Meter::due`] in a nanosecond.
    pub const UNITS: u64 = 16;
    /// Bits of the exponent in an encoded rate.
    const EXPONENT: u32 = 6;
    /// Nanoseconds that one octet takes at one bit a second, times 65536.
    const SECOND: u64 = 8_000_000_000 << 16;

    /// A rate in bits a second as programs want it: what an octet costs, a number of 26 bits times a power of two. The error is below
    /// 0.003 % up to 100 Gbit/s. 0, which is no rate, becomes the smallest one.
    #[must_use]
    pub const fn encode(bits_per_second: u64) -> u32 {
        let rate = if bits_per_second == 0 { 1 } else { bits_per_second };
        let cost = (Self::SECOND + rate / 2) / rate;
        let cost = if cost == 0 { 1 } else { cost };
        let bits = u64::BITS - cost.leading_zeros();
        let exponent = bits.saturating_sub(u32::BITS - Self::EXPONENT);
        ((cost >> exponent) as u32) << Self::EXPONENT | exponent
    }

    /// What an octet costs at an encoded rate: nanoseconds times 65536.
    #[must_use]
    #[inline(always)]
    pub const fn cost(rate: u32) -> u64 {
        (rate as u64 >> Self::EXPONENT) << (rate & ((1 << Self::EXPONENT) - 1))
    }

    /// The rate in bits a second that an encoded one stands for; `None` for no limit.
    #[must_use]
    pub const fn decode(rate: u32) -> Option<u64> {
        match Self::cost(rate) {
            0 => None,
            cost => Some((Self::SECOND + cost / 2) / cost),
        }
    }

    /// Sets a limit of `bits_per_second` with bursts of `octets`, or none. `now` is the monotonic clock in nanoseconds: a debt larger
    /// than the new burst is forgiven, so that no packet waits for a limit that is no more. What was admitted counts on: setting the
    /// same limit again opens no new burst.
    pub fn limit(&self, limit: Option<(u64, u32)>, now: u64) {
        let Some((rate, octets)) = limit else {
            self.rate.set(0);
            return;
        };
        let code = Self::encode(rate);
        let time = ((u64::from(octets) * (Self::cost(code) >> 8)) >> 8).div_ceil(1000);
        let time = if time > u32::MAX as u64 { u32::MAX } else { time as u32 };
        let most = now.saturating_add(u64::from(time) * 1000).saturating_mul(Self::UNITS);
        if self.due.get() > most {
            self.due.set(most);
        }
        self.burst.set(time);
        self.rate.set(code);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_survive_their_encoding() {
        for rate in [1, 1_000, 64_000, 65_537, 1_000_000, 123_456_789, 1_000_000_000, 100_000_000_000] {
            let back = Meter::decode(Meter::encode(rate)).unwrap();
            let error = (back as f64 / rate as f64 - 1.0).abs();
            assert!(error < 3e-5, "{rate}: {back}");
        }
        assert_eq!(Meter::cost(Meter::encode(1_000_000_000)), 8 << 16, "8 ns an octet");
        assert_eq!(Meter::decode(0), None);
        assert!(Meter::decode(Meter::encode(0)).is_some());
        assert!(Meter::decode(Meter::encode(u64::MAX)).is_some());
    }

    #[test]
    fn a_new_limit_forgives_what_it_would_not_have_lent() {
        let (meter, now) = (Meter::default(), 1_000_000_000);
        meter.limit(Some((8_000, 1_500)), now);
        assert_eq!(meter.burst.get(), 1_500_000);
        meter.due.set((now + 1_400_000_000) * Meter::UNITS);
        meter.limit(Some((8_000, 1_500)), now);
        assert_eq!(meter.due.get(), (now + 1_400_000_000) * Meter::UNITS);
        meter.limit(Some((8_000_000, 1_500)), now);
        assert_eq!(meter.due.get(), (now + 1_500_000) * Meter::UNITS);
        meter.limit(None, now);
        assert_eq!(meter.rate.get(), 0);
    }
}
