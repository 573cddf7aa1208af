//! From lines to steps.
//!
//! A scenario is a text of one sentence per line. What stands behind `#` is for people; the first such line is its title.
//! Sentences that describe the world come first (`subscribers 10`, `ue 1 has wrong key`), then what is done and expected.

mod actions;
mod mishaps;
mod paths;
mod words;

use basalt_ids::Tac;

use basalt_nas::ie::PdnType;

use super::script::{
    Comparison, Expectation, HandedOver, HomeAction, PhoneState, Place, Script, Setup, Step, Tampering, Trait,
};

use crate::rates::Version;
use actions::{enb_action, gateway_action, home_action, phone_action};
use words::{
    access_point, access_points, algorithm, bits, duration, index, ip_version, limit, network, number, numbers, one,
    several, timer_of,
};

/// A line that is no sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Which line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.what)
    }
}

impl std::error::Error for ParseError {}

/// Reads a scenario.
///
/// # Errors
/// The first line that is no sentence.
pub fn parse(name: &str, text: &str) -> Result<Script, ParseError> {
    let mut script = Script {
        name: name.to_owned(),
        title: String::new(),
        setup: Vec::new(),
        steps: Vec::new(),
        lines: text.lines().map(str::to_owned).collect(),
    };
    for (index, line) in text.lines().enumerate() {
        let number = index + 1;
        let sentence = line.split('#').next().unwrap_or_default().trim();
        if sentence.is_empty() {
            if script.title.is_empty() {
                script.title = line.trim_start_matches(['#', ' ']).trim().to_owned();
            }
            continue;
        }
        let error = |what: String| ParseError { line: number, what };
        if let Some(setup) = setup(sentence).map_err(error)? {
            if !script.steps.is_empty() {
                return Err(error("the world is described before anything is done".to_owned()));
            }
            script.setup.push(setup);
        } else {
            script.steps.push((number, step(sentence).map_err(error)?));
        }
    }
    Ok(script)
}

type Sentence<T> = Result<T, String>;

fn setup(sentence: &str) -> Sentence<Option<Setup>> {
    if let Some(setting) = sentence.strip_prefix("gateway setting ") {
        return Ok(Some(Setup::Setting(setting.to_owned())));
    }
    let words: Vec<&str> = sentence.split_ascii_whitespace().collect();
    let setup = match words.as_slice() {
        ["subscribers", count] => Setup::Subscribers(number(count)?),
        ["subscribers", "may", "use", apn] => Setup::AccessPoint(access_point(apn)?),
        ["subscribers", "may", "receive", rate, "bit/s"] => Setup::DownlinkRate(number(rate)?),
        ["there", "is", "a", "server", "on", "vlan", id] => Setup::Vlan(number(id)?),
        ["needs", "root"] => Setup::NeedsRoot,
        ["cables", "carry", octets, "octets"] => Setup::Cables(number(octets)?),
        ["there", "is", "a", "collector"] => Setup::Collector,
        ["tshark", "has", "to", "find", "commands", codes @ ..] => Setup::Commands(numbers(codes)?),
        ["there", "is", "a", "home", "network", plmn] => Setup::Home(network(plmn)?),
        ["enb", enb, "is", "in", "area", tac] => Setup::EnbArea(index(enb)?, None, Tac(number(tac)?)),
        ["enb", enb, "is", "of", "network", plmn] => Setup::EnbArea(index(enb)?, Some(network(plmn)?), Tac(1)),
        ["ue", phone, rest @ ..] => match phone_trait(rest)? {
            Some(kind) => Setup::Phone(index(phone)?, kind),
            None => return Ok(None),
        },
        _ => return Ok(None),
    };
    Ok(Some(setup))
}

fn phone_trait(words: &[&str]) -> Sentence<Option<Trait>> {
    Ok(Some(match words {
        ["has", "wrong", "key"] => Trait::WrongKey,
        ["is", "unknown"] => Trait::Unknown,
        ["is", "of", "network", plmn] => Trait::Network(network(plmn)?),
        ["is", "of", "zone", zone] => Trait::Zone(number(zone)?),
        ["has", "algorithms", eea, eia] => Trait::Algorithms(bits(eea, "eea")?, bits(eia, "eia")?),
        ["is", "combined"] => Trait::Combined,
        ["conceals"] => Trait::Conceals,
        ["wants", "access", "point", apn] => Trait::AccessPoint(access_point(apn)?),
        ["wants", "IPv4"] => Trait::PdnType(PdnType::Ipv4),
        ["wants", "IPv6"] => Trait::PdnType(PdnType::Ipv6),
        ["wants", "IPv4v6"] => Trait::PdnType(PdnType::Ipv4v6),
        ["is", "a", "network", "device"] => Trait::Device,
        ["has", "static", "address", address] => Trait::Address(number(address)?),
        ["has", "network", prefix, "behind", "it"] => {
            let (first, length) = prefix.split_once('/').ok_or_else(|| format!("{prefix} is no network"))?;
            Trait::Behind(number(first)?, number(length)?)
        }
        ["tries", "once"] => Trait::Once,
        ["has", timer, "of", time] => Trait::Timer(timer_of(timer)?, duration(time)?),
        _ => return Ok(None),
    }))
}

fn step(sentence: &str) -> Sentence<Step> {
    let words: Vec<&str> = sentence.split_ascii_whitespace().collect();
    match words.as_slice() {
        ["expect", rest @ ..] => {
            let (rest, limit) = limit(rest)?;
            Ok(Step::Expect(expectation(rest)?, limit))
        }
        ["wait", time] => Ok(Step::Wait(duration(time)?)),
        ["enb", enb, rest @ ..] => Ok(Step::Enb(index(enb)?, enb_action(rest)?)),
        ["ues", first, "to", last, rest @ ..] => Ok(Step::Phone(several(first, last)?, phone_action(rest)?)),
        ["internet", "sends", count, "numbered", "packets", "to", "ue", phone] => {
            Ok(Step::SendNumbered(index(phone)?, number(count)?, false))
        }
        ["internet", "sends", count, "numbered", "packets", "to", "ue", phone, "over", "IPv6"] => {
            Ok(Step::SendNumbered(index(phone)?, number(count)?, true))
        }
        [
            "internet",
            "sends",
            count,
            "numbered",
            "packets",
            "to",
            "ue",
            phone,
            "while",
            "it",
            "is",
            "handed",
            "over",
            "to",
            "enb",
            enb,
            "and",
            "back",
            "to",
            "enb",
            back,
            rest @ ..,
        ] => {
            let to = HandedOver { to: index(enb)?, direct: directly(rest)? };
            Ok(Step::SendNumberedOver(index(phone)?, number(count)?, to, index(back)?))
        }
        ["internet", "floods", "ue", phone, "for", time, "and", rate, "bit/s", "arrive"] => {
            Ok(Step::Flood(index(phone)?, duration(time)?, number(rate)?))
        }
        ["gateway", "is", "upgraded", "and", "taken", "back", "under", "packets", "of", "ues", "1", "to", last] => {
            Ok(Step::Upgrades(index(last)?))
        }
        ["gateway", "is", "killed", kills, "times", "under", "packets", "of", "ues", "1", "to", last] => {
            Ok(Step::Kills(index(last)?, number(kills)?, 0))
        }
        [
            "gateway",
            "is",
            "killed",
            kills,
            "times",
            "under",
            "packets",
            "of",
            "ues",
            "1",
            "to",
            last,
            "with",
            "new",
            "tables",
            "every",
            every,
        ] => Ok(Step::Kills(index(last)?, number(kills)?, number(every)?)),
        ["ue", phone, "keeps", "rates", rates @ .., "in", "all", "mixes"] => {
            Ok(Step::Rates(index(phone)?, numbers(rates)?, true))
        }
        ["ue", phone, "downloads", octets, "octets", "over", "TCP", "at", rate, "bit/s"] => {
            Ok(Step::DownloadAt(index(phone)?, number(octets)?, number(rate)?))
        }
        ["ue", phone, "gets", rate, "bit/s", "over", bearers, "bearer" | "bearers"] => {
            Ok(Step::RateOver(index(phone)?, number(rate)?, number(bearers)?, false))
        }
        ["ue", phone, "sends", rate, "bit/s", "over", bearers, "bearer" | "bearers"] => {
            Ok(Step::RateOver(index(phone)?, number(rate)?, number(bearers)?, true))
        }
        ["ue", phone, "may", "have", rate, "bit/s", "and", each, "bit/s", "over", apns @ ..] => {
            Ok(Step::MayHave(index(phone)?, number(rate)?, number(each)?, access_points(apns)?))
        }
        ["ue", phone, "keeps", rate, "bit/s", "over", apns @ .., "by", version] => {
            let version = ip_version(version)?;
            Ok(Step::RateOfAccessPoints(index(phone)?, number(rate)?, access_points(apns)?, version))
        }
        ["ue", phone, "keeps", rate, "bit/s", "over", apns @ ..] => {
            Ok(Step::RateOfAccessPoints(index(phone)?, number(rate)?, access_points(apns)?, Version::Ipv4))
        }
        ["operator", "sees", "ue", phone, "talk", "most"] => Ok(Step::TalksMost(index(phone)?)),
        ["ue", phone, "keeps", "rates", rates @ ..] => Ok(Step::Rates(index(phone)?, numbers(rates)?, false)),
        [by @ .., "exchanges", octets, "octets", "with", with @ ("internet" | "vlan")] => {
            Ok(Step::Exchange(place(by)?, place(&[*with])?, number(octets)?, false))
        }
        [by @ .., "exchanges", octets, "octets", "with", "internet", "over", "IPv6"] => {
            Ok(Step::Exchange(place(by)?, Place::Internet, number(octets)?, true))
        }
        ["internet", "sees", "ue", phone, "as", address] => Ok(Step::SeenAs(index(phone)?, number(address)?)),
        ["interface", name, "of", "gateway", rest @ ..] => mishaps::step(name, rest),
        ["somebody", "alters", "tunnel", "of", "ue", phone] => {
            Ok(Step::Tampers(index(phone)?, Tampering::AltersDownlink))
        }
        ["somebody", "removes", "tunnel", "of", "ue", phone] => {
            Ok(Step::Tampers(index(phone)?, Tampering::RemovesUplink))
        }
        ["operator", "is", "told", kind, "with", word] => Ok(Step::ToldWith((*kind).to_owned(), (*word).to_owned())),
        ["doctor", "finds", check, level @ ("ok" | "warning" | "error")] => {
            Ok(Step::Diagnosed((*check).to_owned(), (*level).to_owned()))
        }
        ["operator", "is", "told", "of", "ue", phone, kind] => Ok(Step::Told(index(phone)?, (*kind).to_owned())),
        ["packets", "to", "ue", phone, "reach", "enb", "with", "dscp", dscp] => {
            Ok(Step::Marked(index(phone)?, number(dscp)?))
        }
        ["internet", "wakes", "ues", first, "to", last, "and", "at", "most", count, "come", "each", "second"] => {
            Ok(Step::Storm(several(first, last)?, number(count)?))
        }
        ["ue", phone, "has", "a", "prefix", "delegated", "that", "begins", start] => {
            Ok(Step::Delegation(index(phone)?, (*start).to_owned()))
        }
        ["path" | "segments" | "programs" | "cable" | "network", ..] => paths::step(&words),
        ["gateway", "goes", "by", "another", "router"] => Ok(Step::OtherRouter),
        ["router", "is", "exchanged"] => Ok(Step::ExchangeRouter),
        [rest @ .., "over", "IPv6"] if downloads(rest) => download(rest, true),
        rest if downloads(rest) => download(rest, false),
        ["operator", "watches", "ue", phone, "for", time] => Ok(Step::Watch(index(phone)?, duration(time)?)),
        ["signalling", "of", "ue", phone, "is", "traced"] => Ok(Step::TraceCall(index(phone)?)),
        ["one", "trace", "has", names @ ..] => {
            Ok(Step::SpansOf(names.join(" ").split(", ").map(str::to_owned).collect()))
        }
        ["trace", "shows", name @ ..] => Ok(Step::TraceShows(name.join(" "))),
        ["trace", "has", "no", "keys", "of", "ue", phone] => Ok(Step::TraceIsClean(index(phone)?)),
        ["trace", "has", "packets", "of", "ue", phone] => Ok(Step::TracePackets(index(phone)?)),
        ["trace", "has", name @ .., "that", "succeeded"] => Ok(Step::TraceSucceeds(name.join(" "))),
        ["canary", "ue", phone, "starts"] => Ok(Step::CanaryStarts(index(phone)?)),
        ["canary", "lost", "nothing"] => Ok(Step::CanaryLostNothing),
        ["ue", phone, rest @ ..] => Ok(Step::Phone(one(phone)?, phone_action(rest)?)),
        ["gateway", rest @ ..] => Ok(Step::Gateway(gateway_action(rest)?)),
        ["home", "network", rest @ ..] => Ok(Step::Home(home_action(rest)?)),
        ["federation", "gateway", "is", "killed"] => Ok(Step::Home(HomeAction::GatewayDies)),
        ["federation", "gateway", "returns"] => Ok(Step::Home(HomeAction::GatewayReturns)),
        _ => Err(unknown(sentence)),
    }
}

/// `ue 1 downloads 1000 octets from internet`, `internet cannot download 1 octets from behind ue 1`.
fn downloads(words: &[&str]) -> bool {
    words.iter().any(|word| matches!(*word, "downloads" | "download"))
}

fn download(words: &[&str], ipv6: bool) -> Sentence<Step> {
    let wrong = || format!("{:?} is no download such as `ue 1 downloads 1000 octets from internet`", words.join(" "));
    let at = words.iter().position(|word| *word == "from").ok_or_else(wrong)?;
    let (front, from) = (words.get(..at).ok_or_else(wrong)?, words.get(at + 1..).ok_or_else(wrong)?);
    match front {
        [by @ .., "cannot", "download", octets, "octets"] => {
            Ok(Step::Download(place(by)?, place(from)?, number(octets)?, ipv6, false))
        }
        [by @ .., "downloads", octets, "octets"] => {
            Ok(Step::Download(place(by)?, place(from)?, number(octets)?, ipv6, true))
        }
        _ => Err(wrong()),
    }
}

fn place(words: &[&str]) -> Sentence<Place> {
    match words {
        ["internet"] => Ok(Place::Internet),
        ["ue", phone] => Ok(Place::Phone(index(phone)?)),
        ["behind", "ue", phone] => Ok(Place::Behind(index(phone)?)),
        ["vlan"] => Ok(Place::Vlan),
        other => Err(format!("{:?} is no place: use internet, vlan, ue 1 or behind ue 1", other.join(" "))),
    }
}

fn expectation(words: &[&str]) -> Sentence<Expectation> {
    Ok(match words {
        ["enb", enb, "in", "service"] => Expectation::EnbInService(index(enb)?),
        ["enb", enb, "refused"] => Expectation::EnbRefused(index(enb)?),
        ["enb", enb, "down"] => Expectation::EnbDown(index(enb)?),
        ["enb", enb, "updated"] => Expectation::EnbUpdated(index(enb)?, true),
        ["enb", enb, "update", "refused"] => Expectation::EnbUpdated(index(enb)?, false),
        ["enb", enb, "reset", "done"] => Expectation::EnbResetDone(index(enb)?),
        ["enb", enb, "was", "reset"] => Expectation::EnbWasReset(index(enb)?),
        ["enb", enb, "handover", "failed"] => Expectation::EnbHandoverFailed(index(enb)?),
        ["enb", enb, "handover", "cancelled"] => Expectation::EnbHandoverCancelled(index(enb)?),
        ["enb", enb, "got", "end", "marker"] => Expectation::EnbEndMarker(index(enb)?),
        ["ue", phone, "at", "enb", enb] => Expectation::At(index(phone)?, index(enb)?),
        ["enb", enb, "error", "indication"] => Expectation::EnbErrorIndication(index(enb)?),
        ["ue", phone, "reachable"] => Expectation::Reachable(one(phone)?, true),
        ["ue", phone, "unreachable"] => Expectation::Reachable(one(phone)?, false),
        ["ues", first, "to", last, "reachable"] => Expectation::Reachable(several(first, last)?, true),
        ["ue", phone, "has", "IPv6", "address", start] => {
            Expectation::HasIpv6(index(phone)?, Some((*start).to_owned()))
        }
        ["ue", phone, "has", "no", "IPv6", "address"] => Expectation::HasIpv6(index(phone)?, None),
        ["ue", phone, "pings", "lost"] => Expectation::PingsLost(index(phone)?),
        ["ue", phone, "gets", "packets", "by", "bearer", bearer] => {
            Expectation::CameBy(index(phone)?, number(bearer)?, None)
        }
        ["ue", phone, "gets", count, "packets", "by", "bearer", bearer] => {
            Expectation::CameBy(index(phone)?, number(bearer)?, Some(number(count)?))
        }
        ["rules", "of", "ue", phone, "show", rest @ ..] if !rest.is_empty() => {
            Expectation::RuleState(index(phone)?, rest.join(" "))
        }
        ["ue", phone, "used", up, "octets", "up", "and", down, "down"] => {
            Expectation::Used(index(phone)?, number(up)?, number(down)?)
        }
        ["ue", phone, "pings", "answered"] => Expectation::PingsAnswered(index(phone)?),
        ["ue", phone, "got", count, "packets", "in", "order"] => {
            Expectation::GotNumbered(index(phone)?, number(count)?)
        }
        ["ue", phone, state @ ..] => Expectation::Phone(one(phone)?, phone_state(state)?),
        ["ues", first, "to", last, state @ ..] => Expectation::Phone(several(first, last)?, phone_state(state)?),
        ["metric", name @ .., comparison, value] if !name.is_empty() => {
            let comparison = match *comparison {
                "=" => Comparison::Equal,
                ">=" => Comparison::AtLeast,
                "<=" => Comparison::AtMost,
                other => return Err(format!("{other} compares nothing; use =, >= or <=")),
            };
            Expectation::Metric(name.join(" "), comparison, number(value)?)
        }
        ["gateway", "alive"] => Expectation::GatewayAlive,
        ["home", "network", "told", "of", "gateway", gateway, apn, count, "times"] => {
            Expectation::HomeSaw(format!("GATEWAY {gateway} {apn}"), number(count)?)
        }
        ["home", "network", "gone"] => Expectation::HomeGone,
        ["home", "network", "asked", count, command] => Expectation::HomeSaw((*command).to_owned(), number(count)?),
        _ => return Err(format!("that cannot be expected: {}", words.join(" "))),
    })
}

fn phone_state(words: &[&str]) -> Sentence<PhoneState> {
    Ok(match words {
        ["registered"] => PhoneState::Registered,
        ["connected"] => PhoneState::Connected,
        ["idle"] => PhoneState::Idle,
        ["deregistered"] => PhoneState::Deregistered,
        ["off"] => PhoneState::Off,
        ["eps", "only"] => PhoneState::EpsOnly,
        ["rejected"] => PhoneState::Rejected(None),
        ["rejected", "with", "cause", cause] => PhoneState::Rejected(Some(number(cause)?)),
        ["authentication", "rejected"] => PhoneState::AuthenticationRejected,
        ["attach", "failed"] => PhoneState::AttachFailed,
        ["service", "rejected"] => PhoneState::ServiceRejected(None),
        ["service", "rejected", "with", "cause", cause] => PhoneState::ServiceRejected(Some(number(cause)?)),
        ["updated"] => PhoneState::Updated,
        ["detached", "by", "network"] => PhoneState::DetachedByNetwork,
        ["paged"] => PhoneState::Paged,
        ["secured", "by", eea, eia] => PhoneState::SecuredBy(algorithm(eea, "EEA")?, algorithm(eia, "EIA")?),
        ["has", "same", "address"] => PhoneState::SameAddress,
        ["has", "IPv4", "address", start] => PhoneState::HasIpv4(Some((*start).to_owned())),
        ["has", "no", "IPv4", "address"] => PhoneState::HasIpv4(None),
        ["was", "told", "cause", cause] => PhoneState::ToldCause(number(cause)?),
        ["has", "new", "guti"] => PhoneState::NewGuti,
        ["has", "access", "point", apn] => PhoneState::HasApn(access_point(apn)?),
        ["has", count, "bearers" | "bearer"] => PhoneState::Bearers(number(count)?),
        ["session", "refused", "with", "cause", cause] => PhoneState::SessionRefused(number(cause)?),
        ["shows", "network"] => PhoneState::ShowsNetwork,
        ["next", "hop", "agrees"] => PhoneState::NextHopAgrees,
        ["trusts", "network"] => PhoneState::TrustsNetwork,
        _ => return Err(format!("a phone cannot be that: {}", words.join(" "))),
    })
}

/// `directly`, or nothing.
fn directly(words: &[&str]) -> Sentence<bool> {
    match words {
        [] => Ok(false),
        ["directly"] => Ok(true),
        _ => Err(format!("a handover is not done so: {}", words.join(" "))),
    }
}

fn unknown(sentence: &str) -> String {
    format!("{sentence:?} is no sentence; see the other scenarios")
}

#[cfg(test)]
mod tests {
    use super::super::script::{EnbAction, PhoneAction, Phones};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;
    use testbed_ue::{Misdeed, Mutation, Uplink};

    #[test]
    fn a_scenario_is_read() {
        let text = "# Attach by IMSI\n\nsubscribers 3\nue 2 has wrong key # a comment\nenb 1 connects\n\
                    ues 1 to 2 attach\nexpect ue 1 registered within 200ms\nue 1 mutates attach-complete from seed 7 3 times\n";
        let script = parse("x", text).unwrap();
        assert_eq!(script.title, "Attach by IMSI");
        assert_eq!(script.setup, [Setup::Subscribers(3), Setup::Phone(2, Trait::WrongKey)]);
        let phones = |first, last| Phones { first, last };
        let mutation = Misdeed::Mutate(Mutation { seed: 7 });
        assert_eq!(
            script.steps,
            [
                (5, Step::Enb(1, EnbAction::Connects)),
                (6, Step::Phone(phones(1, 2), PhoneAction::Attaches)),
                (7, Step::Expect(Expectation::Phone(phones(1, 1), PhoneState::Registered), Duration::from_millis(200))),
                (8, Step::Phone(phones(1, 1), PhoneAction::Misbehaves(Uplink::AttachComplete, mutation, 3))),
            ]
        );
    }

    #[test]
    fn what_is_no_sentence_is_told_with_its_line() {
        for (text, line, part) in [
            ("# t\nenb 1 flies", 2, "cannot do that"),
            ("ue 0 attaches", 1, "1 to 1000"),
            ("ues 5 to 2 attach", 1, "nobody"),
            ("expect ue 1 registered within soon", 1, "no time"),
            ("enb 1 connects\nsubscribers 3", 2, "before anything"),
            ("enb 1 sends 0g", 1, "hexadecimal"),
            ("ue 1 mutates nothing from seed 1", 1, "cannot do that"),
            ("expect metric x < 1", 1, "compares nothing"),
        ] {
            let error = parse("x", text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.what.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn algorithms_are_bits() {
        assert_eq!(bits("eea012", "eea"), Ok(0xe0));
        assert_eq!(bits("eia0", "eia"), Ok(0x80));
        assert!(bits("eea", "eea").is_err());
        assert_eq!(algorithm("EIA2", "EIA"), Ok(2));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = parse("x", &text);
        }

        #[test]
        fn no_sentence_of_known_words_panics(words in proptest::collection::vec(
            proptest::sample::select(vec!["ue", "ues", "enb", "expect", "1", "0", "to", "within", "2s", "gateway", "sends",
                "00", "attaches", "has", "mutates", "attach-request", "from", "seed", "é"]), 0..8)) {
            let _ = parse("x", &words.join(" "));
        }
    }
}
