//! Rules about shares of what was counted within the last five minutes.

use super::Found;
use crate::series::Series;
use crate::watched::{WINDOW, Watched};

/// Bounds of a share.
struct Share {
    what: &'static str,
    attempts: Series,
    successes: Series,
    /// Fewer attempts say nothing.
    least: f64,
    /// Below the first it is bad, above the second good; in parts of one.
    bounds: (f64, f64),
}

fn share(it: &Watched, found: &mut Found, of: &Share) {
    let Some(attempts) = it.increase(of.attempts).filter(|attempts| *attempts >= of.least) else {
        // Too few to say that it is better.
        if it.increase(of.attempts).is_some_and(|attempts| attempts > 0.0) {
            found.unsure("");
        }
        return;
    };
    let good = it.increase(of.successes).unwrap_or(0.0);
    let share = good / attempts;
    let words = || format!("{:.1} % of {attempts} {} within 5 minutes succeeded", share * 100.0, of.what);
    found.band("", share < of.bounds.0, share >= of.bounds.1, words);
}

macro_rules! shares {
    ($($rule:ident: $what:literal, $attempts:ident, $successes:ident, $least:literal, $bad:literal, $good:literal;)*) => {
        $(pub(super) fn $rule(it: &Watched, _: i64, found: &mut Found) {
            let (attempts, successes) = (Series::$attempts, Series::$successes);
            share(it, found, &Share { what: $what, attempts, successes, least: $least, bounds: ($bad, $good) });
        })*
    };
}

shares! {
    attach: "attaches", AttachAttempts, AttachSuccesses, 20.0, 0.9, 0.95;
    service: "service requests", ServiceAttempts, ServiceSuccesses, 50.0, 0.95, 0.98;
    tau: "tracking area updates", TauAttempts, TauSuccesses, 20.0, 0.9, 0.95;
    authentication: "authentications", AuthenticationAttempts, AuthenticationSuccesses, 20.0, 0.8, 0.9;
    paging: "pages", PagingAttempts, PagingSuccesses, 50.0, 0.7, 0.8;
    pdn: "requests for sessions", PdnAttempts, PdnSuccesses, 20.0, 0.9, 0.95;
    handover: "handovers", HandoverAttempts, HandoverSuccesses, 20.0, 0.9, 0.95;
    federation: "requests to home networks", FederationAttempts, FederationSuccesses, 20.0, 0.9, 0.95;
}

/// Attaches by second that are a storm: a site of some thousand phones whose power came back.
const STORM: f64 = 20.0;

pub(super) fn storm(it: &Watched, _: i64, found: &mut Found) {
    #[allow(clippy::cast_precision_loss, reason = "five minutes")]
    let seconds = WINDOW as f64 / 1000.0;
    let rate = it.increase(Series::AttachAttempts).unwrap_or(0.0) / seconds;
    found.band("", rate > STORM, rate < STORM / 2.0, || format!("{rate:.0} attaches by second over 5 minutes"));
}

pub(super) fn drops(it: &Watched, _: i64, found: &mut Found) {
    let (Some(dropped), Some(passed)) = (it.increase(Series::Drops), it.increase(Series::Packets)) else { return };
    if dropped + passed < 1000.0 {
        return;
    }
    let share = dropped / (dropped + passed);
    let words = || format!("{:.1} % of packets within 5 minutes were dropped", share * 100.0);
    found.band("", share > 0.05, share < 0.02, words);
}
