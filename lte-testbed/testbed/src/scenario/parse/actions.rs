//! What is done: by home networks, base stations, phones and gateways.

use basalt_ids::Tac;
use testbed_ue::{AkaFault, Misdeed, Mutation, Uplink};

use super::words::{access_point, duration, hex, index, number, one, quoted, several};
use super::{Sentence, directly};
use crate::scenario::script::{EnbAction, GatewayAction, HandedOver, HomeAction, PhoneAction};

/// DSR-Flags: PDN subscription contexts are withdrawn (TS 29.272 §7.3.25).
const WITHDRAWN_CONTEXTS: u32 = 1 << 3;

pub(super) fn home_action(words: &[&str]) -> Sentence<HomeAction> {
    Ok(match words {
        ["behaves", rest @ ..] if !rest.is_empty() => HomeAction::Behaves(rest.join(" ")),
        ["cancels", "ue", phone, "in", "vain"] => HomeAction::CancelsInVain(index(phone)?),
        ["cancels", "ue", phone, "by", "type", kind @ ..] => {
            HomeAction::Orders("clr".to_owned(), index(phone)?, kind.join(" "))
        }
        ["gives", "ue", phone, "rates", up, down] => {
            HomeAction::Orders("idr".to_owned(), index(phone)?, format!("{up} {down}"))
        }
        ["waits", "for", "ue", phone] => HomeAction::Orders("await".to_owned(), index(phone)?, String::new()),
        ["withdraws", "context", context, "from", "ue", phone] => {
            let context: u32 = number(context)?;
            HomeAction::Orders("dsr".to_owned(), index(phone)?, format!("{WITHDRAWN_CONTEXTS} {context}"))
        }
        ["has", "lost", "its", "memory"] => HomeAction::Resets,
        ["dies"] => HomeAction::Dies,
        ["returns"] => HomeAction::Returns,
        _ => return Err(format!("that cannot happen to the home network: {}", words.join(" "))),
    })
}

pub(super) fn enb_action(words: &[&str]) -> Sentence<EnbAction> {
    Ok(match words {
        ["connects"] => EnbAction::Connects,
        ["disconnects"] => EnbAction::Disconnects,
        ["aborts"] => EnbAction::Aborts,
        ["resets"] => EnbAction::Resets,
        ["resets", "ue", phone] => EnbAction::ResetsPhones(one(phone)?),
        ["resets", "ues", first, "to", last] => EnbAction::ResetsPhones(several(first, last)?),
        ["updates", "area", "to", tac] => EnbAction::UpdatesArea(Tac(number(tac)?)),
        ["sends", octets] => EnbAction::Sends(hex(octets)?, None),
        ["sends", octets, "about", "ue", phone] => EnbAction::Sends(hex(octets)?, Some(index(phone)?)),
        ["sends", "gtpu", octets] => EnbAction::SendsGtpu(hex(octets)?),
        ["refuses", "contexts"] => EnbAction::RefusesContexts,
        ["ignores", "contexts"] => EnbAction::IgnoresContexts,
        ["signals", late, "late"] => EnbAction::SignalsLate(duration(late)?),
        ["ignores", "releases"] => EnbAction::IgnoresReleases,
        ["refuses", "handovers"] => EnbAction::RefusesHandovers,
        ["ignores", "handovers"] => EnbAction::IgnoresHandovers,
        ["ignores", "pages"] => EnbAction::IgnoresPages,
        ["cannot", "deliver"] => EnbAction::CannotDeliver,
        ["loses", "downlink"] => EnbAction::LosesDownlink,
        ["babbles", count, "times", "from", "seed", seed] => EnbAction::Babbles(number(count)?, number(seed)?),
        ["behaves"] => EnbAction::Behaves,
        _ => return Err(format!("a base station cannot do that: {}", words.join(" "))),
    })
}

pub(super) fn phone_action(words: &[&str]) -> Sentence<PhoneAction> {
    Ok(match words {
        ["attaches" | "attach"] => PhoneAction::Attaches,
        ["attaches" | "attach", "by", "imsi"] => PhoneAction::AttachesByImsi,
        ["detaches" | "detach"] => PhoneAction::Detaches,
        ["switches" | "switch", "off"] => PhoneAction::SwitchesOff,
        ["loses" | "lose", "power"] => PhoneAction::LosesPower,
        ["goes" | "go", "idle"] => PhoneAction::GoesIdle,
        ["loses" | "lose", "radio"] => PhoneAction::LosesRadio,
        ["pings" | "ping"] => PhoneAction::Pings(1),
        ["pings" | "ping", count, "times"] => PhoneAction::Pings(number(count)?),
        ["pings" | "ping", count, "times", "over", "IPv6"] => PhoneAction::Pings6(number(count)?),
        ["updates" | "update"] => PhoneAction::Updates(false),
        ["updates" | "update", "with", "bearers"] => PhoneAction::Updates(true),
        ["moves" | "move", "to", "enb", enb] => PhoneAction::MovesTo(index(enb)?),
        ["is", "handed", "over", "to", "enb", enb, rest @ ..] => {
            PhoneAction::IsHandedOver(HandedOver { to: index(enb)?, direct: directly(rest)? })
        }
        ["stays"] => PhoneAction::Stays,
        ["connects", "to", apn] => PhoneAction::ConnectsTo(access_point(apn)?),
        ["disconnects", "bearer", ebi] => PhoneAction::DisconnectsBearer(number(ebi)?),
        ["forgets", "keys"] => PhoneAction::ForgetsKeys,
        ["invents", "guti"] => PhoneAction::InventsGuti,
        ["is", "ahead", "in", "sequence"] => PhoneAction::IsAheadInSequence,
        ["finds", "mac", "failure", count, "times"] => PhoneAction::Card(AkaFault::MacFailure, number(count)?),
        ["finds", "synch", "failure", count, "times"] => PhoneAction::Card(AkaFault::SynchFailure, number(count)?),
        ["forges", "resync", count, "times"] => PhoneAction::Card(AkaFault::ForgedResync, number(count)?),
        ["behaves" | "behave"] => PhoneAction::Behaves,
        [verb, message, rest @ ..] => misbehaviour(verb, message, rest, words)?,
        _ => return Err(format!("a phone cannot do that: {}", words.join(" "))),
    })
}

/// `withholds attach-complete`, `mutates identity-response from seed 7`, … with `N times` or `always` behind.
fn misbehaviour(verb: &str, message: &str, rest: &[&str], words: &[&str]) -> Sentence<PhoneAction> {
    let cannot = || format!("a phone cannot do that: {}", words.join(" "));
    let message = Uplink::from_name(message).ok_or_else(cannot)?;
    let (misdeed, rest) = match (verb, rest) {
        ("withholds", rest) => (Misdeed::Silence, rest),
        ("unprotects", rest) => (Misdeed::Plain, rest),
        ("spoils", rest) => (Misdeed::WrongMac, rest),
        ("doubles", rest) => (Misdeed::Twice, rest),
        ("replays", rest) => (Misdeed::Replay, rest),
        ("falsifies", rest) => (Misdeed::WrongRes, rest),
        ("mutates", ["from", "seed", seed, rest @ ..]) => (Misdeed::Mutate(Mutation { seed: number(seed)? }), rest),
        ("damages", ["from", "seed", seed, rest @ ..]) => {
            (Misdeed::MutateProtected(Mutation { seed: number(seed)? }), rest)
        }
        _ => return Err(cannot()),
    };
    let times = match rest {
        [] => 1,
        ["always"] => 0,
        [count, "times"] => number(count)?,
        _ => return Err(cannot()),
    };
    Ok(PhoneAction::Misbehaves(message, misdeed, times))
}

pub(super) fn gateway_action(words: &[&str]) -> Sentence<GatewayAction> {
    Ok(match words {
        ["is", "killed"] => GatewayAction::Killed,
        ["starts"] => GatewayAction::Starts,
        ["stops"] => GatewayAction::Stops,
        ["detaches", "ue", phone] => GatewayAction::Detaches(index(phone)?, false),
        ["detaches", "ue", phone, "to", "reattach"] => GatewayAction::Detaches(index(phone)?, true),
        ["pages", "ue", phone] => GatewayAction::Pages(index(phone)?),
        ["suspends", "ue", phone] => GatewayAction::Suspends(index(phone)?, true),
        ["resumes", "ue", phone] => GatewayAction::Suspends(index(phone)?, false),
        ["deletes", "ue", phone] => GatewayAction::Deletes(index(phone)?),
        ["sets", "rule", "for", "ue", phone, rest @ ..] if !rest.is_empty() => {
            GatewayAction::SetsRule(index(phone)?, quoted(rest)?)
        }
        ["bounds", "ue", phone, "to", octets, "octets"] => {
            GatewayAction::Bounds(index(phone)?, number(octets)?, "session")
        }
        ["bounds", "ue", phone, "to", octets, "octets", "a", "month"] => {
            GatewayAction::Bounds(index(phone)?, number(octets)?, "month")
        }
        ["slows", "ue", phone, "to", rate, "bit/s", "after", octets, "octets"] => {
            GatewayAction::Slows(index(phone)?, number(octets)?, number(rate)?)
        }
        ["gives", "ue", phone, octets, "octets", "more"] => GatewayAction::TopsUp(index(phone)?, number(octets)?),
        ["removes", "rule", name, "from", "ue", phone] => GatewayAction::RemovesRule(index(phone)?, (*name).to_owned()),
        ["resets", "enb", enb] => GatewayAction::ResetsEnb(index(enb)?),
        _ => return Err(format!("that cannot happen to the gateway: {}", words.join(" "))),
    })
}
