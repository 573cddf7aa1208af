//! The gateway as a whole.

use super::{GatewayFacts, drops};
use basalt_doctor::{Finding, Level};

/// Steps that may wait for the disk before that is worth a word: a second of a busy site.
const MANY_STEPS: u64 = 1_000;
/// Uplink packets without any answer before that is worth a word: phones ask more than once.
const UNANSWERED: u64 = 20;
/// One drop in so many packets is worth a word.
const ONE_IN: u64 = 1_000;

pub(super) fn findings(facts: &GatewayFacts) -> Vec<Finding> {
    vec![
        data_plane(facts),
        data_plane_errors(facts),
        interfaces(facts),
        store(facts),
        subscribers(facts),
        base_stations(facts),
        pools(facts),
        way_back(facts),
        drops(facts),
    ]
}

fn data_plane(facts: &GatewayFacts) -> Finding {
    let check = "data-plane";
    let Some(why) = &facts.data_plane_why else { return Finding::ok(check, facts.data_plane) };
    let cause = format!("{why}; packets take more of the CPU");
    Finding::warning(
        check,
        facts.data_plane,
        cause,
        "see the checks bpf, radio-xdp and radio-offloads; to accept it, set [dataplane] mode",
    )
}

fn data_plane_errors(facts: &GatewayFacts) -> Finding {
    let check = "data-plane-errors";
    match facts.data_plane_errors {
        0 => Finding::ok(check, "the data plane took every change"),
        count => Finding::error(
            check,
            format!("{count} changes refused since the start"),
            "some phones are attached without a working tunnel",
            "agwd's log says which and why; restarting agwd compares and repairs all tunnels",
        ),
    }
}

fn interfaces(facts: &GatewayFacts) -> Finding {
    let check = "interfaces";
    let lost: Vec<String> =
        facts.interfaces.iter().filter(|(_, up, _)| !up).map(|(name, _, what)| format!("{name}: {what}")).collect();
    if !lost.is_empty() {
        let fix = "`ip link` shows what there is; the gateway goes on by itself, with all its sessions";
        return Finding::error(check, lost.join("; "), "packets of phones wait or are lost", fix);
    }
    let names: Vec<&str> = facts.interfaces.iter().map(|(name, ..)| name.as_str()).collect();
    let found = format!("packets pass by {}", names.join(" and "));
    if facts.renamed {
        let fix = "give it its name back, or change the configuration: `basalt events` says which line";
        return Finding::warning(check, found, "an interface has another name than in the configuration", fix);
    }
    Finding::ok(check, found)
}

fn store(facts: &GatewayFacts) -> Finding {
    let found = format!("{} steps wait for the disk", facts.unreleased);
    if facts.unreleased < MANY_STEPS {
        return Finding::ok("store", found);
    }
    Finding::warning(
        "store",
        found,
        "the disk is slower than phones come: answers are late, some phones try again",
        "see disk-sync; look for other programs that write (iotop)",
    )
}

fn subscribers(facts: &GatewayFacts) -> Finding {
    match facts.subscribers {
        0 => Finding::warning(
            "subscribers",
            "none",
            "no phone can attach",
            "basalt subscriber add IMSI --keys-from-stdin, or basalt subscriber import FILE.csv",
        ),
        count => Finding::ok("subscribers", format!("{count} in the list")),
    }
}

fn base_stations(facts: &GatewayFacts) -> Finding {
    let check = "base-stations";
    if facts.enbs > 0 {
        return Finding::ok(check, format!("{} connected", facts.enbs));
    }
    if let Some(last) = facts.refused_enbs.last() {
        return Finding::error(
            check,
            format!("none connected, {} refused lately", facts.refused_enbs.len()),
            last.clone(),
            "make network (MCC, MNC) and tracking area codes of base station and gateway agree: `basalt config` shows the gateway's",
        );
    }
    Finding::warning(
        check,
        "none connected",
        "no base station has spoken to this gateway",
        "enter the gateway's address as MME in the base station; SCTP (IP protocol 132) must pass every firewall between",
    )
}

fn pools(facts: &GatewayFacts) -> Finding {
    let check = "address-pools";
    let fix =
        "add a pool: [[apn]] pools = [\"...\", \"10.46.0.0/16\"]; released addresses come back after the quarantine";
    let Some((apn, free, total)) = facts.pools.iter().min_by_key(|(_, free, _)| *free) else {
        return Finding::error(
            check,
            "no access point",
            "phones have nothing to connect to",
            "[[apn]] name = \"internet\"",
        );
    };
    let found = format!("{free} of {total} addresses free for {apn}");
    if *free == 0 {
        return Finding::error(check, found, "phones are refused with cause #26, insufficient resources", fix);
    }
    if *free < total / 20 {
        return Finding::warning(check, found, "when they are used up, phones are refused", fix);
    }
    Finding::ok(check, found)
}

/// "Attached, but no internet": the most frequent complaint about any core.
fn way_back(facts: &GatewayFacts) -> Finding {
    let check = "way-back";
    let (up, down) = (facts.uplink_packets, facts.downlink_packets);
    if facts.sessions == 0 {
        return Finding::ok(check, "no sessions");
    }
    let found = format!("{up} packets from phones, {down} to phones");
    if down > 0 || up < UNANSWERED {
        return Finding::ok(check, found);
    }
    Finding::error(check, found, "packets of phones go out, and none comes back", way_back_fix(facts.nat))
}

/// What to look at when nothing comes back.
pub(super) fn way_back_fix(nat: bool) -> &'static str {
    if nat {
        "see default-route, ip-forward, nf-tables and forward-filter; then `tcpdump -ni INTERFACE icmp` on the internet side \
         while a phone pings: nothing leaves = firewall here, no answer = router or firewall beyond"
    } else {
        "in routed mode the router beyond must know the way back: ip route add POOL via GATEWAY there, or [internet] mode = \"nat\""
    }
}

fn drops(facts: &GatewayFacts) -> Finding {
    let check = "drops";
    let total: u64 = facts.drops.iter().map(|(_, count)| count).sum();
    let packets = facts.uplink_packets.saturating_add(facts.downlink_packets);
    let worth_a_word = |count: u64| count > packets / ONE_IN;
    let worst = facts
        .drops
        .iter()
        .filter(|(_, count)| *count > 0 && worth_a_word(*count))
        .filter_map(|(reason, count)| Some((count, drops::meaning(reason)?)))
        .max_by_key(|(count, _)| **count);
    let Some((count, meaning)) = worst else {
        return Finding::ok(check, format!("{packets} packets passed, {total} dropped"));
    };
    let finding =
        Finding::warning(check, format!("{count} packets dropped: {}", meaning.reason), meaning.cause, meaning.fix);
    // More dropped than passed: that is not the usual background.
    if *count > packets { Finding { level: Level::Error, ..finding } } else { finding }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn healthy() -> GatewayFacts {
        GatewayFacts {
            data_plane: "xdp-native",
            nat: true,
            subscribers: 10,
            enbs: 1,
            sessions: 2,
            uplink_packets: 10_000,
            downlink_packets: 12_000,
            drops: vec![("malformed", 0), ("phone_to_phone", 9_000), ("wrong_peer", 3)],
            pools: vec![("internet".to_owned(), 65_000, 65_533)],
            ..GatewayFacts::default()
        }
    }

    fn level(check: fn(&GatewayFacts) -> Finding, change: impl FnOnce(&mut GatewayFacts)) -> Level {
        let mut facts = healthy();
        change(&mut facts);
        check(&facts).level
    }

    #[test]
    fn a_healthy_gateway_has_no_complaints() {
        let findings = findings(&healthy());
        assert!(findings.iter().all(|finding| finding.level == Level::Ok), "{findings:#?}");
    }

    #[test]
    fn a_worse_data_plane_is_announced() {
        let facts = GatewayFacts { data_plane: "software", data_plane_why: Some("no CAP_BPF".to_owned()), ..healthy() };
        let finding = data_plane(&facts);
        assert_eq!((finding.level, finding.found.as_str()), (Level::Warning, "software"));
        assert!(finding.cause.contains("no CAP_BPF"));
    }

    #[test]
    fn refused_changes_and_slow_disks_are_told() {
        assert_eq!(level(data_plane_errors, |f| f.data_plane_errors = 1), Level::Error);
        assert_eq!(level(store, |f| f.unreleased = 5_000), Level::Warning);
    }

    #[test]
    fn interfaces_that_are_lost_or_renamed_are_named() {
        let of = |up| vec![("s1".to_owned(), true, String::new()), ("wan0".to_owned(), up, "it is down".to_owned())];
        let lost = interfaces(&GatewayFacts { interfaces: of(false), ..healthy() });
        assert_eq!(lost.level, Level::Error);
        assert!(lost.found.contains("wan0") && !lost.found.contains("s1"));
        assert_eq!(level(interfaces, |f| f.interfaces = of(true)), Level::Ok);
        assert_eq!(level(interfaces, |f| (f.interfaces, f.renamed) = (of(true), true)), Level::Warning);
    }

    #[test]
    fn an_empty_site_is_told_what_comes_next() {
        assert_eq!(level(subscribers, |f| f.subscribers = 0), Level::Warning);
        assert_eq!(level(base_stations, |f| f.enbs = 0), Level::Warning);
        let refused = GatewayFacts { enbs: 0, refused_enbs: vec!["foreign network 310-410".to_owned()], ..healthy() };
        let finding = base_stations(&refused);
        assert_eq!(finding.level, Level::Error);
        assert!(finding.cause.contains("310-410"));
    }

    #[test]
    fn pools_run_dry_in_steps() {
        let with = |free| level(pools, |f| f.pools.push(("ims".to_owned(), free, 1000)));
        assert_eq!(with(500), Level::Ok);
        assert_eq!(with(49), Level::Warning);
        assert_eq!(with(0), Level::Error);
        assert_eq!(level(pools, |f| f.pools.clear()), Level::Error);
    }

    #[test]
    fn packets_without_answers_point_to_the_way_back() {
        let silent = |up| level(way_back, |f| (f.uplink_packets, f.downlink_packets) = (up, 0));
        assert_eq!(silent(5), Level::Ok);
        assert_eq!(silent(100), Level::Error);
        assert_eq!(level(way_back, |f| f.downlink_packets = 1), Level::Ok);
        assert_eq!(level(way_back, |f| (f.sessions, f.downlink_packets) = (0, 0)), Level::Ok);
        assert!(way_back_fix(false).contains("ip route add"));
    }

    #[test]
    fn the_largest_avoidable_drop_is_named() {
        let mut facts = healthy();
        facts.drops.push(("spoofed_source", 500));
        facts.drops.push(("buffer_full", 400));
        let finding = drops(&facts);
        assert_eq!(finding.level, Level::Warning);
        assert!(finding.found.contains("500 packets dropped: spoofed_source"));
        facts.drops.push(("no_room", 50_000));
        assert_eq!(drops(&facts).level, Level::Error);
    }
}
