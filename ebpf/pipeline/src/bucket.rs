//! Token bucket of the slow path, one per CPU and kind.

use basalt_ebpf_abi::{Bucket, Settings};

const TOKEN: u64 = 1_000_000_000;

/// Takes a token, if there is one at time `now` (nanoseconds).
#[inline(always)]
pub(crate) fn take(bucket: &Bucket, settings: &Settings, now: u64) -> bool {
    // One second refills everything there may be, and keeps the product below 2^64.
    let elapsed = now.saturating_sub(bucket.refilled.get()).min(TOKEN);
    let full = u64::from(settings.punt_burst.get()) * TOKEN;
    let level = bucket.level.get() + elapsed * u64::from(settings.punt_rate.get());
    let level = if level > full { full } else { level };
    bucket.refilled.set(now);
    let taken = level >= TOKEN;
    bucket.level.set(if taken { level - TOKEN } else { level });
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let (bucket, settings) = (Bucket::default(), Settings::default());
        settings.punt_rate.set(10);
        settings.punt_burst.set(3);
        let mut now = 5 * TOKEN;
        let burst = (0..10).filter(|_| take(&bucket, &settings, now)).count();
        assert_eq!(burst, 3);
        let mut taken = 0;
        for _ in 0..100 {
            now += TOKEN / 100;
            taken += usize::from(take(&bucket, &settings, now));
        }
        assert_eq!(taken, 10);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let (bucket, settings) = (Bucket::default(), Settings::default());
        settings.punt_rate.set(u32::MAX);
        settings.punt_burst.set(u32::MAX);
        for now in [0, u64::MAX, 1, u64::MAX] {
            take(&bucket, &settings, now);
        }
        assert!(take(&bucket, &settings, u64::MAX));
    }
}
