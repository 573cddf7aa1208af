//! Raw IP between two network namespaces. Needs root, and a kernel without SCTP; else it says so and passes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/process.rs"]
mod process;

use std::path::PathBuf;
use std::process::Command;

use process::{Running, build_peer};

const SIZES: &str = "1,200,1400,60000,5";

#[test]
fn between_two_hosts() {
    let lab = match Lab::new() {
        Ok(lab) => lab,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    echo_and_ends(&lab);
    processes_share_an_address(&lab);
    killed_and_started_again(&lab);
    two_addresses(&lab);
    any_address(&lab);
}

fn echo_and_ends(lab: &Lab) {
    for (core, radio) in [("10.99.0.1", "10.99.0.2"), ("fd99::1", "fd99::2")] {
        let server = lab.core(&["server", "auto", core, "36412"]);
        server.line("listening");
        for (end, told) in [("shutdown", "closed shut down"), ("abort", "closed aborted by the peer: as asked")] {
            let client = lab.radio(&["client", "auto", radio, "0", core, "36412", SIZES, end]);
            client.line("echoed");
            client.line("closed");
            server.line("up");
            server.line("message 3 18 60000");
            server.line(told);
        }
    }
}

/// Every raw socket sees every packet for its address: nobody may answer for another.
fn processes_share_an_address(lab: &Lab) {
    let first = lab.core(&["server", "raw-ip", "10.99.0.1", "36412"]);
    let second = lab.core(&["server", "raw-ip", "10.99.0.1", "38412"]);
    first.line("listening");
    second.line("listening");
    for port in ["36412", "38412"] {
        // Beside the servers, and from the other host.
        let local = lab.core(&["client", "raw-ip", "10.99.0.1", "0", "10.99.0.1", port, SIZES, "shutdown"]);
        local.line("echoed");
        let remote = lab.radio(&["client", "raw-ip", "10.99.0.2", "0", "10.99.0.1", port, SIZES, "shutdown"]);
        remote.line("echoed");
        local.line("closed shut down");
        remote.line("closed shut down");
    }
}

fn killed_and_started_again(lab: &Lab) {
    let server = lab.core(&["server", "raw-ip", "10.99.0.1", "36412"]);
    server.line("listening");
    let client = ["client", "raw-ip", "10.99.0.2", "5001", "10.99.0.1", "36412", "200", "shutdown"];
    let mut first = lab.radio(&[&client[..], &["idle", "/nowhere/never"]].concat());
    first.line("echoed");
    first.kill();
    let second = lab.radio(&client);
    second.line("echoed");
    server.line("restarted");
    server.line("closed shut down");
}

fn two_addresses(lab: &Lab) {
    let server = lab.core(&["server", "raw-ip", "10.99.0.1,10.98.0.1", "36412"]);
    server.line("listening");
    // It is told one address of the server, and learns the other.
    let client = lab.radio(&[
        "client",
        "raw-ip",
        "10.99.0.2,10.98.0.2",
        "0",
        "10.99.0.1",
        "36412",
        "200",
        "shutdown",
        "busy",
        "/nowhere/never",
    ]);
    client.line("up [10.99.0.1, 10.98.0.1]");
    client.line("echoed");
    lab.ip(&["-n", &lab.radio, "link", "set", "va", "down"]);
    client.line("path 10.98.0.1");
    server.line("path 10.98.0.2");
    // And back again.
    lab.ip(&["-n", &lab.radio, "link", "set", "va", "up"]);
    lab.ip(&["-n", &lab.radio, "link", "set", "vb", "down"]);
    client.line("path 10.99.0.1");
    server.line("path 10.99.0.2");
    lab.ip(&["-n", &lab.radio, "link", "set", "vb", "up"]);
}

fn any_address(lab: &Lab) {
    let server = lab.core(&["server", "raw-ip", "0.0.0.0,::", "36412"]);
    server.line("listening");
    lab.ip(&["-n", &lab.radio, "address", "replace", "fd99::2/64", "dev", "va", "nodad"]);
    for (radio, core) in [("10.99.0.2", "10.99.0.1"), ("10.98.0.2", "10.98.0.1"), ("fd99::2", "fd99::1")] {
        let client = lab.radio(&["client", "raw-ip", radio, "0", core, "36412", SIZES, "shutdown"]);
        client.line("echoed");
        client.line("closed shut down");
    }
}

/// Two namespaces joined by two links.
struct Lab {
    core: String,
    radio: String,
    peer: PathBuf,
}

impl Lab {
    fn new() -> Result<Self, String> {
        // SAFETY: cannot fail and touches no memory.
        if unsafe { libc::geteuid() } != 0 {
            return Err("needs root for network namespaces".to_owned());
        }
        let probe = basalt_sctp::probe();
        if probe.auto != Some(basalt_sctp::Backend::RawIp) {
            return Err(probe.why);
        }
        let id = std::process::id();
        let lab = Self { core: format!("sctp-core-{id}"), radio: format!("sctp-radio-{id}"), peer: build_peer() };
        if !Command::new("ip").args(["netns", "add", &lab.core]).status().is_ok_and(|status| status.success()) {
            return Err("network namespaces cannot be made here".to_owned());
        }
        lab.ip(&["netns", "add", &lab.radio]);
        for (link, net) in [("va", "99"), ("vb", "98")] {
            lab.ip(&[
                "link", "add", link, "netns", &lab.core, "type", "veth", "peer", "name", link, "netns", &lab.radio,
            ]);
            for (space, host) in [(&lab.core, "1"), (&lab.radio, "2")] {
                lab.ip(&["-n", space, "address", "add", &format!("10.{net}.0.{host}/24"), "dev", link]);
                let v6 = format!("fd{net}::{host}/64");
                lab.ip(&["-n", space, "address", "add", &v6, "dev", link, "nodad"]);
                lab.ip(&["-n", space, "link", "set", link, "up"]);
                lab.ip(&["-n", space, "link", "set", "lo", "up"]);
            }
        }
        Ok(lab)
    }

    fn ip(&self, arguments: &[&str]) {
        assert!(Command::new("ip").args(arguments).status().unwrap().success(), "{arguments:?}");
    }

    fn core(&self, arguments: &[&str]) -> Running {
        self.run(&self.core, arguments)
    }

    fn radio(&self, arguments: &[&str]) -> Running {
        self.run(&self.radio, arguments)
    }

    fn run(&self, space: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", space]).arg(&self.peer).args(arguments);
        Running::start(command)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for space in [&self.core, &self.radio] {
            let _ = Command::new("ip").args(["netns", "del", space]).status();
        }
        let _ = std::fs::remove_dir_all(self.peer.parent().unwrap());
    }
}
