//! Timers and paging.

use super::wrong;
use crate::config::file;
use crate::config::parse::ConfigError;
use crate::config::values;
use agw_types::{PagingPolicy, ProcedureTimers};
use std::time::Duration;

fn set(
    value: &mut Duration,
    text: &str,
    key: &str,
    written: Option<&String>,
    max: Duration,
) -> Result<(), ConfigError> {
    let Some(written) = written else { return Ok(()) };
    let duration = values::duration(written).map_err(|error| wrong(error).at_key(text, key))?;
    if duration > max {
        return Err(wrong(format!("`{key}` of {written} is too long"))
            .fix(format!("at most {}", values::show_duration(max)))
            .at_key(text, key));
    }
    *value = duration;
    Ok(())
}

pub(super) fn timers(written: &file::Timers, text: &str) -> Result<ProcedureTimers, ConfigError> {
    let mut timers = ProcedureTimers::default();
    // The largest value of GPRS timer (TS 24.008 §10.5.7.3): 31 decihours; and what is sensible for guard timers.
    let (told, guard) = (Duration::from_secs(31 * 360), Duration::from_secs(60));
    let long = Duration::from_secs(24 * 3600);
    set(&mut timers.t3412, text, "t3412", written.t3412.as_ref(), told)?;
    set(&mut timers.t3402, text, "t3402", written.t3402.as_ref(), told)?;
    set(&mut timers.t3413, text, "t3413", written.t3413.as_ref(), guard)?;
    set(&mut timers.t3422, text, "t3422", written.t3422.as_ref(), guard)?;
    set(&mut timers.t3450, text, "t3450", written.t3450.as_ref(), guard)?;
    set(&mut timers.t3460, text, "t3460", written.t3460.as_ref(), guard)?;
    set(&mut timers.t3470, text, "t3470", written.t3470.as_ref(), guard)?;
    set(&mut timers.t3485, text, "t3485", written.t3485.as_ref(), guard)?;
    set(&mut timers.t3486, text, "t3486", written.t3486.as_ref(), guard)?;
    set(&mut timers.t3489, text, "t3489", written.t3489.as_ref(), guard)?;
    set(&mut timers.t3495, text, "t3495", written.t3495.as_ref(), guard)?;
    let margin = written.mobile_reachable_margin.as_ref();
    set(&mut timers.mobile_reachable_margin, text, "mobile_reachable_margin", margin, long)?;
    set(&mut timers.implicit_detach, text, "implicit_detach", written.implicit_detach.as_ref(), long)?;
    set(&mut timers.quarantine, text, "quarantine", written.quarantine.as_ref(), long)?;
    set(&mut timers.backoff, text, "backoff", written.backoff.as_ref(), long)?;
    Ok(timers)
}

pub(super) fn paging(written: &file::Paging, text: &str) -> Result<PagingPolicy, ConfigError> {
    let attempts = written.attempts.unwrap_or(3);
    if !(1..=10).contains(&attempts) {
        return Err(wrong(format!("{attempts} pages are out of range")).fix("use 1 to 10").at_key(text, "attempts"));
    }
    let mut backoff = Duration::from_secs(10);
    set(&mut backoff, text, "backoff", written.backoff.as_ref(), Duration::from_secs(3600))?;
    let per_second = written.per_second.unwrap_or(400);
    if !(1..=100_000).contains(&per_second) {
        let error = wrong(format!("{per_second} phones called each second are out of range"));
        return Err(error.fix("use 1 to 100000; 400 is what a cell or two can carry").at_key(text, "per_second"));
    }
    Ok(PagingPolicy { attempts, backoff, per_second })
}
