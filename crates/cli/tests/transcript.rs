//! What operators type and see, against a gateway that answers from memory. The snapshots are the stories; a change of any
//! of them is a change operators and their scripts see.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "fake/mod.rs"]
mod fake;
mod lone;
#[path = "fake/site.rs"]
mod site;

use site::{K, NOW, OPC, Site, run, words};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

#[test]
fn a_first_subscriber() {
    let site = Site::empty();
    let mut text =
        site.transcript(&["basalt subscriber list", "basalt get ues", "basalt get enbs", "basalt get sessions"]);
    let add = "basalt subscriber add 001010000000001 --keys-from-stdin --name 'Water pump' --msisdn +4917012345 --ambr 50M/10M";
    let said = site.run_with(add, &format!("k={K}\nopc={OPC}\nsqn=42\n"));
    site.show(add, &said, &mut text);
    text += &site.transcript(&[
        "basalt subscriber list",
        "basalt subscriber show 001010000000001",
        "basalt subscriber suspend 001010000000001",
        "basalt get subscribers -o wide",
        "basalt subscriber resume 001010000000001",
        "basalt subscriber delete 001010000000001",
        "basalt subscriber show 001010000000001",
    ]);
    insta::assert_snapshot!(text);
    let keys = site.gateway.state.lock().unwrap().keys["001010000000001"].clone();
    assert_eq!((keys.k[0], keys.opc[0], keys.sqn), (0x46, 0xe8, 42));
}

#[test]
fn a_busy_site() {
    let site = Site::busy();
    let text = site.transcript(&[
        "basalt status",
        "basalt get ues",
        "basalt get ues -o wide",
        "basalt get enbs",
        "basalt get enbs -o wide",
        "basalt get sessions",
        "basalt get sessions -o wide",
        "basalt get pools",
        "basalt describe ue 001010000000001",
        "basalt describe ue 001010000000002",
        "basalt describe ue 001010000000003",
        "basalt describe enb north",
        "basalt events",
        "basalt events --imsi 001010000000001 -n 5",
        "basalt config",
        "basalt version",
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn packets_of_a_phone() {
    let site = Site::busy();
    let file = site.dir.path().join("phone.pcapng");
    let text = site.transcript(&[
        "basalt describe ue 001010000000001 --packets",
        "basalt describe ue 001010000000001 --packets -o json",
        "basalt describe ue 001010000000003 --packets",
        "basalt trace ue 001010000000001 -w /nowhere/x.pcapng",
        "basalt top -t 1",
        "basalt top -t 1 -o json",
    ]);
    insta::assert_snapshot!(text);
    let said = site.run(&format!("basalt trace ue 001010000000001 -w {}", file.display()));
    assert!(said.stdout.starts_with("4 packets of 001010000000001 are in "), "{}", said.stdout);
    let written = std::fs::read(file).unwrap();
    assert!(written.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) && written.len().is_multiple_of(4));
    assert!(written.windows(14).any(|window| window == b"spoofed_source"));
}

#[test]
fn a_trace_ends_in_order_when_somebody_ends_it() {
    let site = Site::busy();
    site.gateway.state.lock().unwrap().watches_go_on = true;
    for signal in ["-INT", "-TERM"] {
        let file = site.dir.path().join("phone.pcapng");
        let mut trace = Command::new(env!("CARGO_BIN_EXE_basalt"));
        trace
            .args(["trace", "ue", "001010000000001", "-o", "json", "-w"])
            .arg(&file)
            .arg("--socket")
            .arg(&site.gateway.socket);
        let trace = trace.stdout(Stdio::piped()).spawn().unwrap();
        let whole = |octets: Vec<u8>| octets.windows(14).any(|window| window == b"spoofed_source");
        while !std::fs::read(&file).is_ok_and(whole) {
            std::thread::yield_now();
        }
        assert!(Command::new("kill").args([signal, &trace.id().to_string()]).status().unwrap().success());
        let ended = trace.wait_with_output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&ended.stdout).unwrap();
        assert_eq!((ended.status.code(), &said["packets"]), (Some(0), &4.into()), "{signal}");
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn signalling_of_a_phone() {
    let site = Site::busy();
    let (file, steps) = (site.dir.path().join("call.pcapng"), site.dir.path().join("call.json"));
    let said = site.run("basalt trace call 001010000000001 -t 10");
    let line = "00:00:01.000000 001010000000001 -> agw NAS DETACH REQUEST";
    assert!(said.stdout.starts_with(line), "{}", said.stdout);
    assert!(said.stdout.contains("agw -> 001010000000001 NAS DETACH ACCEPT"), "{}", said.stdout);
    assert!(said.stdout.contains("detach     001010000000001  12.0  success"), "{}", said.stdout);
    let (write, ladder) = (file.display(), steps.display());
    let said = site.run(&format!("basalt trace call 001010000000001 -w {write} --ladder {ladder} -t 10"));
    assert_eq!(said.stdout.lines().last(), Some(format!("2 messages are in {write} and {ladder}").as_str()));
    let written = std::fs::read(file).unwrap();
    assert!(written.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) && written.len().is_multiple_of(4));
    assert!(written.windows(13).any(|window| window == b"nas-eps_plain"));
    assert!(std::fs::read_to_string(steps).unwrap().contains("\"DETACH ACCEPT\""));
    for wrong in ["basalt trace call", "basalt trace call 12 -t 1", "basalt trace call --enb x --all"] {
        assert_ne!(site.run(wrong).code, 0, "{wrong}");
    }
}

#[test]
fn what_was_used() {
    let site = Site::busy();
    let text = site.transcript(&[
        "basalt get usage",
        "basalt get usage -o json",
        "basalt describe usage 001010000000001",
        "basalt describe usage 001010000000002",
        "basalt usage-records",
        "basalt usage-records --from 8 --acknowledge 8 -o json",
        "basalt subscriber plan 001010000000001 5G --then 128k",
        "basalt subscriber top-up 001010000000001 1.5GB",
        "basalt subscriber plan 001010000000001 --none",
        "basalt subscriber top-up 001010000000001 1G",
        "basalt subscriber plan 001010000000001 lots",
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn json_for_programs() {
    let site = Site::busy();
    site.run_with(
        "basalt subscriber add 001010000000001 --keys-from-stdin --static-ip 10.45.0.9",
        &format!("k={K}\nop={OPC}"),
    );
    let text = site.transcript(&[
        "basalt status -o json",
        "basalt get ues -o json",
        "basalt get enbs -o json",
        "basalt get sessions -o json",
        "basalt get subscribers -o json",
        "basalt get pools -o json",
        "basalt describe enb 001-01/0x19b -o json",
        "basalt events -o json",
        "basalt config -o json",
        "basalt doctor -o json",
        "basalt version -o json",
        "basalt subscriber suspend 001010000000001 -o json",
        "basalt subscriber delete 001010000000001 -o json",
        "basalt detach 001010000000001 --reattach -o json",
        "basalt describe ue 999990000000009 -o json",
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn commands_to_phones_and_base_stations() {
    let site = Site::busy();
    let text = site.transcript(&[
        "basalt detach 001010000000001",
        "basalt detach 001010000000001 --reattach",
        "basalt page 001010000000002",
        "basalt deactivate 001010000000001 5",
        "basalt reset enb north",
        "basalt reset enb 001-01/0x19c",
        "basalt reset enb nowhere",
        "basalt page 001010000000009",
    ]);
    insta::assert_snapshot!(text);
    assert_eq!(
        site.gateway.state.lock().unwrap().commands,
        [
            "detach 001010000000001 reattach=false",
            "detach 001010000000001 reattach=true",
            "page 001010000000002",
            "deactivate 001010000000001 5",
            "reset 001-01/0x19b",
            "reset 001-01/0x19c",
        ]
    );
}

#[test]
fn mistakes_name_cause_and_fix() {
    let site = Site::busy();
    let text = site.transcript(&[
        "basalt subscriber add 00101 --k 00",
        "basalt subscriber add 001010000000001",
        "basalt subscriber add 001010000000001 --k 465B5CE8 --opc E8ED289D",
        "basalt subscriber add 001010000000001 --keys-file /nonexistent/keys",
        "basalt subscriber add 001010000000001 --k 00 --ambr fast",
        "basalt deactivate 001010000000001 4",
        "basalt describe ue 12x",
        "basalt get phonez",
        "basalt",
    ]);
    insta::assert_snapshot!(text);
}

#[test]
fn a_doctor_with_and_without_a_gateway() {
    let site = Site::busy();
    let mut text = site.transcript(&["basalt doctor", "basalt doctor --ue 001010000000001"]);
    // A gateway that leaves the machine to us.
    site.gateway.state.lock().unwrap().findings.retain(|finding| finding.check != "kernel");
    text += &site.transcript(&["basalt doctor"]);
    let config = site.dir.path().join("agwd.toml");
    std::fs::write(&config, "[radio]\ninterface = \"s1\"\n").unwrap();
    let line = format!("basalt doctor --ue 001010000000001 --config {}", config.display());
    let mut elsewhere = words(&line);
    elsewhere.extend(words(&format!("--socket {}/none.sock", site.dir.path().display())));
    site.show(
        "basalt doctor --ue 001010000000001 --config DIR/agwd.toml --socket DIR/none.sock",
        &run(elsewhere, ""),
        &mut text,
    );
    std::fs::write(&config, "[radio\n").unwrap();
    let broken = words(&format!("basalt doctor --config {} --socket /none.sock", config.display()));
    site.show("basalt doctor --config DIR/agwd.toml --socket /none.sock", &run(broken, ""), &mut text);
    insta::assert_snapshot!(text);
}

#[test]
fn nobody_there() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("agwd.sock");
    let ask = |form: &str| run(words(&format!("basalt get ues -o {form} --socket {}", socket.display())), "");
    let absent = ask("table");
    assert_eq!(absent.code, 3);
    assert!(
        absent.stderr.contains("agwd is not running") && absent.stderr.contains("fix: start it"),
        "{}",
        absent.stderr
    );
    let json: serde_json::Value = serde_json::from_str(&ask("json").stderr).unwrap();
    assert_eq!(json["error"]["code"], "unreachable");
    // A socket that nobody serves any more.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let dead = ask("table");
    assert_eq!(dead.code, 3);
    assert!(dead.stderr.contains("nobody answers"), "{}", dead.stderr);
}

#[test]
fn an_import_is_all_or_nothing() {
    let site = Site::empty();
    let file = site.dir.path().join("sims.csv");
    let import = |text: String, options: &str| {
        std::fs::write(&file, text).unwrap();
        site.run(&format!("basalt subscriber import {} {options}", file.display()))
    };
    let row = |number: u32| format!("0010100000{number:05},{K},{OPC}");
    let mut text = String::new();
    let good = format!("imsi,ki,opc,name\n{},a\n{},b\n", row(1), row(2));
    let wrong = format!("imsi,ki,opc,apn\n{},nowhere\n{},internet\n12,{K},{OPC},\n", row(3), row(4));
    for (line, said) in [
        ("import good --dry-run", import(good.clone(), "--dry-run")),
        ("import good", import(good.clone(), "")),
        ("import good again", import(good.clone(), "")),
        ("import good --replace", import(good, "--replace")),
        ("import wrong", import(wrong.clone(), "")),
        ("import wrong -o json", import(wrong, "-o json")),
        ("import title", import("imsi,kii\n".to_owned(), "")),
    ] {
        site.show(line, &said, &mut text);
    }
    let latin = site.dir.path().join("latin.csv");
    std::fs::write(&latin, b"imsi,name\n1,\xfc\n").unwrap();
    let said = site.run(&format!("basalt subscriber import {}", latin.display()));
    site.show("import latin.csv", &said, &mut text);
    insta::assert_snapshot!(text);
    assert_eq!(site.gateway.state.lock().unwrap().subscribers.len(), 2);
}

#[test]
fn a_hundred_thousand_rows_are_one_import() {
    let site = Site::empty();
    site.gateway.state.lock().unwrap().page = 1_000;
    let mut text = String::from("imsi,k,opc\n");
    for number in 0..100_000 {
        writeln!(text, "00101{number:010},{K},{OPC}").unwrap();
    }
    let said = site.run_with("basalt subscriber import -", &text);
    assert_eq!((said.code, said.stdout.as_str()), (0, "100000 subscribers added, 0 replaced\n"), "{}", said.stderr);
    {
        let state = site.gateway.state.lock().unwrap();
        assert_eq!((state.subscribers.len(), state.import_messages), (100_000, 100));
    }
    let listed = site.run("basalt subscriber list");
    assert_eq!(listed.stdout.lines().count(), 100_001);
}

#[test]
fn an_export_goes_back_in() {
    let site = Site::busy();
    let add = |line: &str| {
        let said =
            site.run_with(&format!("basalt subscriber add {line} --keys-from-stdin"), &format!("k={K}\nopc={OPC}"));
        assert_eq!(said.code, 0, "{}", said.stderr);
    };
    add("001010000000001 --name '=HYPERLINK(\"http://x\")' --ambr 50M/10M --apn internet,ims --static-ip 10.45.0.9");
    add("001010000000002 --name '\u{1b}[31mred, \"quoted\"' --qci 7");
    let exported = site.run("basalt subscriber export").stdout;
    insta::assert_snapshot!(exported);
    assert!(!exported.contains(K) && !exported.contains('\u{1b}'));
    let before = site.gateway.state.lock().unwrap().subscribers["001010000000001"].clone();
    let said = site.run_with("basalt subscriber import - --replace", &exported);
    assert_eq!((said.code, said.stdout.as_str()), (0, "0 subscribers added, 2 replaced\n"), "{}", said.stderr);
    let state = site.gateway.state.lock().unwrap();
    assert_eq!(state.subscribers["001010000000001"], before);
    assert_eq!(state.keys.len(), 2, "keys stay");
}

#[test]
fn keys_are_shown_nowhere() {
    let site = Site::empty();
    site.run_with("basalt subscriber add 001010000000001 --keys-from-stdin", &format!("k={K}\nopc={OPC}"));
    let again = format!("basalt subscriber add 001010000000001 --k {K} --opc {OPC}");
    let wrong = format!("basalt subscriber add 001010000000002 --k {K}00 --opc {OPC}");
    for line in [
        "basalt subscriber list -o wide",
        "basalt subscriber show 001010000000001 -o json",
        "basalt subscriber export",
        "basalt subscriber export -o json",
        &again,
        &wrong,
    ] {
        let said = site.run(line);
        for text in [&said.stdout, &said.stderr] {
            let text = text.to_ascii_uppercase();
            assert!(!text.contains(&K[..12]) && !text.contains(&OPC[..12]), "{line}: {text}");
        }
    }
}

#[test]
fn ages_are_counted_from_now() {
    let site = Site::busy();
    site.gateway.state.lock().unwrap().ues[0].last_seen = NOW + 3_600;
    assert!(site.run("basalt get ues").stdout.contains("in the future"));
}

#[test]
fn following_ends_when_the_gateway_does() {
    let site = Site::busy();
    let said = site.run("basalt events -f -n 1");
    assert_eq!((said.code, said.stdout.lines().count()), (3, 1));
    assert!(said.stderr.contains("it has stopped"));
}

#[test]
fn completion_scripts_need_no_gateway() {
    for shell in ["bash", "zsh", "fish"] {
        let said = run(words(&format!("basalt completion {shell}")), "");
        assert_eq!(said.code, 0);
        assert!(said.stdout.contains("subscriber"), "{shell}");
    }
}

#[test]
fn joining_an_orchestrator() {
    let site = Site::empty();
    let text = site.transcript(&[
        "basalt gateway join bgt1.core:8481.ab.cd",
        "basalt gateway show",
        "basalt gateway show -o json",
        "basalt gateway join nonsense",
        "basalt gateway token create --network lab --orchestrator ftp://x --api-key k",
    ]);
    insta::assert_snapshot!(text);
}
