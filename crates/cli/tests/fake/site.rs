//! A small site with everything in it, and a way to run commands at it.

use crate::fake::{FakeGateway, State};
use basalt_cli::Environment;
use basalt_control_api::gateway::v1 as api;
use basalt_doctor::{Finding, Wanted};
use std::ffi::OsString;
use std::fmt::Write as _;

/// 2026-11-21T00:41:04Z.
pub const NOW: u64 = 1_795_221_664;
pub const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";
pub const OPC: &str = "E8ED289DEBA952E4283B54E88E6183CA";

/// A gateway and where it is.
pub struct Site {
    pub gateway: FakeGateway,
    pub dir: tempfile::TempDir,
}

/// What a command said.
pub struct Said {
    pub code: u8,
    pub stdout: String,
    pub stderr: String,
}

impl Site {
    /// A gateway that knows nothing.
    pub fn empty() -> Self {
        Self::with(State { status: status(), ..State::default() })
    }

    /// A gateway with two base stations and three phones.
    pub fn busy() -> Self {
        Self::with(State {
            ues: vec![connected(), idle(), refused()],
            enbs: enbs(),
            events: events(),
            status: api::GatewayStatus {
                enbs: 2,
                registered_ues: 2,
                connected_ues: 1,
                sessions: 2,
                uplink_bytes: 1_234_567,
                uplink_packets: 4_321,
                downlink_bytes: 98_765_432_100,
                downlink_packets: 87_654_321,
                drops: [("malformed".to_owned(), 2), ("spoofed_source".to_owned(), 10), ("gtp_in_gtp".to_owned(), 0)]
                    .into(),
                ..status()
            },
            findings: findings(),
            usage: used(),
            records: records(),
            page: 2,
            ..State::default()
        })
    }

    fn with(state: State) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { gateway: FakeGateway::start(dir.path(), state), dir }
    }

    /// Runs a command line.
    pub fn run(&self, line: &str) -> Said {
        self.run_with(line, "")
    }

    /// Runs a command line with something on standard input.
    pub fn run_with(&self, line: &str, stdin: &str) -> Said {
        let mut words = words(line);
        words.push("--socket".into());
        words.push(self.gateway.socket.clone().into());
        run(words, stdin)
    }

    /// Runs command lines and answers with what a terminal would show.
    pub fn transcript(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let said = self.run(line);
            self.show(line, &said, &mut text);
        }
        text
    }

    /// What a terminal shows of one command: standard error marked, and the exit code if it is not 0.
    pub fn show(&self, line: &str, said: &Said, text: &mut String) {
        let socket = self.gateway.socket.display().to_string();
        let dir = self.dir.path().display().to_string();
        writeln!(text, "$ {line}").unwrap();
        let marked: String = said.stderr.lines().map(|line| format!("! {line}\n")).collect();
        for part in [&said.stdout, &marked] {
            text.push_str(&part.replace(&socket, "SOCKET").replace(&dir, "DIR"));
        }
        if said.code != 0 {
            writeln!(text, "[{}]", said.code).unwrap();
        }
        text.push('\n');
    }
}

/// Runs a command with the given words.
pub fn run(words: Vec<OsString>, stdin: &str) -> Said {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut environment =
        Environment { stdin: &mut stdin.as_bytes(), stdout: &mut stdout, stderr: &mut stderr, now: NOW, machine };
    let code = basalt_cli::run(words, &mut environment);
    Said { code, stdout: String::from_utf8(stdout).unwrap(), stderr: String::from_utf8(stderr).unwrap() }
}

/// Splits as a shell does, as far as single quotes.
pub fn words(line: &str) -> Vec<OsString> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.into());
        } else {
            words.extend(part.split_whitespace().map(OsString::from));
        }
    }
    words
}

/// A machine that is the same everywhere.
fn machine(wanted: &Wanted) -> Vec<Finding> {
    let pins = if wanted.gateway_running { "of the running gateway" } else { "none" };
    vec![
        Finding::ok("kernel", "Linux 6.1.0"),
        Finding::warning("radio-mtu", "s1 takes 1500 octets", "large packets", "ip link set dev s1 mtu 1600"),
        Finding::ok("bpf-pins", pins),
    ]
}

fn status() -> api::GatewayStatus {
    api::GatewayStatus {
        version: "0.1.0".to_owned(),
        name: "site-a".to_owned(),
        data_plane: "xdp-native".to_owned(),
        sctp_backend: "raw-ip".to_owned(),
        uptime_seconds: 11_520,
        effective_config: "name = \"site-a\"\n\n[network]\nplmns = [\"001-01\"]\ntacs = [7]\n".to_owned(),
        pools: vec![
            api::PoolStatus { apn: "ims".to_owned(), free: 254, total: 254, network: "10.46.0.0/24".to_owned() },
            api::PoolStatus {
                apn: "internet".to_owned(),
                free: 65_531,
                total: 65_533,
                network: "10.45.0.0/16".to_owned(),
            },
        ],
        ..Default::default()
    }
}

fn session(imsi: &str, address: &str, connected: bool) -> api::Session {
    let tunnel = |text: &str| if connected { text.to_owned() } else { String::new() };
    api::Session {
        imsi: imsi.to_owned(),
        ebi: 5,
        apn: "internet".to_owned(),
        address: address.to_owned(),
        state: if connected { "connected" } else { "idle" }.to_owned(),
        local_teid: "0x00010002".to_owned(),
        enb_address: tunnel("10.1.0.9"),
        enb_teid: tunnel("0x00000007"),
        qci: 9,
        ambr_uplink: 10_000_000,
        ambr_downlink: 50_000_000,
        uplink_bytes: 1_234_567,
        uplink_packets: 4_321,
        downlink_bytes: 98_765_432,
        downlink_packets: 87_654,
        bearers: Vec::new(),
    }
}

fn connected() -> api::Ue {
    api::Ue {
        imsi: "001010000000001".to_owned(),
        name: "Water pump".to_owned(),
        state: "connected".to_owned(),
        description: "registered, connected over 001-01/0x19b".to_owned(),
        guti: "001-01-0001-01-c0ffee01".to_owned(),
        cell: "001-01/0x19b01".to_owned(),
        area: "001-01/7".to_owned(),
        enb: "001-01/0x19b".to_owned(),
        ciphering: "EEA2".to_owned(),
        integrity: "EIA2".to_owned(),
        sessions: vec![session("001010000000001", "10.45.0.2", true)],
        last_seen: NOW - 1,
        last_reject: None,
    }
}

fn idle() -> api::Ue {
    api::Ue {
        imsi: "001010000000002".to_owned(),
        name: String::new(),
        state: "idle".to_owned(),
        description: "idle for 4 min; periodic update expected in 50 min".to_owned(),
        enb: String::new(),
        sessions: vec![session("001010000000002", "10.45.0.3", false)],
        last_seen: NOW - 245,
        ..connected()
    }
}

fn refused() -> api::Ue {
    api::Ue {
        imsi: "001010000000003".to_owned(),
        // What a hostile operator of a neighbouring network might call a SIM.
        name: "\u{1b}]0;owned\u{7}=cmd()".to_owned(),
        state: "detached".to_owned(),
        description: "not attached".to_owned(),
        last_seen: NOW - 90_000,
        last_reject: Some(api::Reject {
            procedure: "attach".to_owned(),
            emm_cause: 20,
            esm_cause: 0,
            reason: "the SIM does not accept the network's challenge (MAC failure)".to_owned(),
            advice: "compare K and OPc with the SIM; basalt subscriber add 001010000000003 --replace --keys-from-stdin"
                .to_owned(),
            unix_seconds: NOW - 90_000,
        }),
        ..api::Ue::default()
    }
}

fn enbs() -> Vec<api::Enb> {
    vec![
        api::Enb {
            id: "001-01/0x19b".to_owned(),
            name: "north".to_owned(),
            addresses: vec!["10.1.0.9".to_owned(), "10.2.0.9".to_owned()],
            areas: vec!["001-01/7".to_owned()],
            connected_ues: 1,
            state: "connected".to_owned(),
            since: NOW - 7_320,
        },
        api::Enb {
            id: "001-01/0x19c".to_owned(),
            name: "evil\u{1b}[2J\u{202e}name".to_owned(),
            addresses: vec!["10.1.0.10".to_owned()],
            areas: vec!["001-01/7".to_owned(), "001-01/8".to_owned()],
            connected_ues: 0,
            state: "connected".to_owned(),
            since: NOW - 30,
        },
    ]
}

fn events() -> Vec<api::Event> {
    let event = |seconds: u64, kind: &str, imsi: &str, enb: &str, text: &str| api::Event {
        unix_millis: (NOW - seconds) * 1000 + 7,
        kind: kind.to_owned(),
        imsi: imsi.to_owned(),
        enb: enb.to_owned(),
        text: text.to_owned(),
        json: format!("{{\"kind\":\"{kind}\",\"seconds\":{seconds}}}"),
    };
    vec![
        event(7_320, "enb-connected", "", "001-01/0x19b", "north serves 001-01/7"),
        event(300, "attached", "001010000000001", "", "attached in 14 ms over 001-01/0x19b"),
        event(245, "idle", "001010000000002", "", "idle"),
    ]
}

fn findings() -> Vec<api::Finding> {
    let finding = |check: &str, level: api::finding::Level, found: &str, cause: &str, fix: &str| api::Finding {
        check: check.to_owned(),
        level: level.into(),
        found: found.to_owned(),
        cause: cause.to_owned(),
        fix: fix.to_owned(),
    };
    use api::finding::Level::{Ok, Warning};
    vec![
        finding("kernel", Ok, "Linux 6.1.0 (as the gateway sees it)", "", ""),
        finding(
            "drops",
            Warning,
            "10 packets dropped: spoofed_source",
            "a phone sends with others' addresses",
            "look at it",
        ),
    ]
}

fn volume(up: u64, down: u64) -> Option<api::Volume> {
    Some(api::Volume {
        uplink_bytes: up,
        uplink_packets: up / 100,
        downlink_bytes: down,
        downlink_packets: down / 1000,
    })
}

fn used() -> Vec<api::SubscriberUsage> {
    let session = |number, ended| api::SessionUsage {
        number,
        apn: "internet".to_owned(),
        ebi: 5,
        address: "10.45.0.2".to_owned(),
        local_teid: "0x00010002".to_owned(),
        started: NOW - 7200,
        ended,
        total: volume(1_000_000, 20_000_000),
        bearers: vec![api::BearerUsage { ebi: 6, used: volume(1_000, 2_000) }],
        rules: vec![api::RuleUsage { rule: 12, used: volume(1_000, 2_000) }],
        rating_groups: vec![api::RatingGroupUsage { rating_group: 40, used: volume(1_000, 2_000) }],
    };
    vec![
        api::SubscriberUsage {
            imsi: "001010000000001".to_owned(),
            total: volume(2_000_000, 40_000_000),
            day: volume(1_000_000, 20_000_000),
            month: volume(2_000_000, 40_000_000),
            plan: Some(api::DataPlan {
                octets: 1_000_000_000,
                term: api::PlanTerm::Day.into(),
                slow: 0,
                remaining: 979_000_000,
                exhausted: false,
            }),
            sessions: vec![session(8, 0), session(3, NOW - 3600)],
            last: NOW - 20,
        },
        api::SubscriberUsage {
            imsi: "001010000000009".to_owned(),
            total: volume(100, 0),
            last: NOW - 90_000,
            ..Default::default()
        },
    ]
}

fn records() -> Vec<api::UsageRecord> {
    let record = |cursor, sequence, last| api::UsageRecord {
        cursor,
        session: 3,
        imsi: "001010000000001".to_owned(),
        local_teid: "0x00010002".to_owned(),
        epoch: 77,
        sequence,
        ebi: 0,
        rule: None,
        rating_group: None,
        unix_seconds: NOW - 3600,
        used: volume(500_000, 10_000_000),
        last,
    };
    vec![
        record(7, 0, false),
        record(8, 1, true),
        api::UsageRecord { cursor: 9, ebi: 6, used: volume(1_000, 2_000), ..record(9, 0, true) },
        api::UsageRecord { cursor: 10, rule: Some(12), used: volume(1_000, 2_000), ..record(10, 0, true) },
        api::UsageRecord { cursor: 11, rating_group: Some(40), used: volume(1_000, 2_000), ..record(11, 0, true) },
    ]
}
