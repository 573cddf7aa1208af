//! Against a stock Linux kernel's SCTP, in a virtual machine.
//!
//! Needs root and a folder in which `vm.sh setup` has been run, named by `BASALT_VM_DIR`; where either is missing the
//! test says so and passes. The folder's `vm.sh` is the project's `tools/vm.sh`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[path = "common/process.rs"]
mod process;

use std::path::{Path, PathBuf};
use std::process::Command;

use process::{Running, build_peer};

const HOST: &str = "10.77.0.1";
const GUEST: &str = "10.77.0.2";
/// The second path of a multi-homed association.
const HOST_2: &str = "10.78.0.1";
const GUEST_2: &str = "10.78.0.2";
const SIZES: &str = "1,200,1400,60000,5";

#[test]
fn both_directions_against_kernel_sctp() {
    let vm = match Vm::start() {
        Ok(vm) => vm,
        Err(why) => return eprintln!("skipped: {why}"),
    };
    probe_finds_the_kernel(&vm);
    kernel_client_to_our_server(&vm);
    our_client_to_kernel_server(&vm);
    kernel_at_both_ends(&vm);
    python_client_to_our_server(&vm);
    our_client_to_python_server(&vm);
    kernel_peer_restarts(&vm);
    our_peer_restarts(&vm);
    kernel_peer_loses_a_path(&vm);
    udp_encapsulation(&vm);
}

fn probe_finds_the_kernel(vm: &Vm) {
    let found = vm.guest("/tmp/sctp_peer probe");
    assert!(found.contains("kernel: true") && found.contains("auto: Some(Kernel)"), "{found}");
    let refused = vm.guest(&format!("/tmp/sctp_peer server raw-ip {GUEST} 1 2>&1 || true"));
    assert!(refused.contains("ABORT"), "raw IP beside kernel SCTP: {refused}");
    done("probe takes kernel SCTP and refuses raw IP beside it");
}

fn kernel_client_to_our_server(vm: &Vm) {
    let server = vm.on_host(&["server", "raw-ip", HOST, "36412"]);
    server.line("listening");
    for (end, told) in [("shutdown", "closed shut down"), ("abort", "closed aborted by the peer")] {
        let client = format!("/tmp/sctp_peer client auto {GUEST} 0 {HOST} 36412 {SIZES} {end}");
        let printed = vm.guest(&client);
        assert!(printed.contains("kernel") && printed.contains("echoed"), "{printed}");
        server.line("up 10.77.0.2");
        server.line("message 3 18 60000");
        server.line(told);
    }
    done("kernel client, our server: echo, 60 kB, shutdown, abort");
}

fn our_client_to_kernel_server(vm: &Vm) {
    let server = vm.in_guest(&format!("/tmp/sctp_peer server auto {GUEST} 36412"));
    server.line("listening");
    for (end, told) in [("shutdown", "closed shut down"), ("abort", "closed aborted by the peer: as asked")] {
        let client = vm.on_host(&["client", "raw-ip", HOST, "0", GUEST, "36412", SIZES, end]);
        client.line("echoed");
        client.line("closed");
        server.line("up 10.77.0.1");
        server.line("message 3 18 60000");
        server.line(told);
    }
    done("our client, kernel server: echo, 60 kB, shutdown, abort with its reason");
}

fn kernel_at_both_ends(vm: &Vm) {
    let server = vm.in_guest("/tmp/sctp_peer server kernel 127.0.0.1,127.0.0.2 36413");
    server.line("listening");
    for end in ["shutdown", "abort"] {
        let client = format!("/tmp/sctp_peer client kernel 127.0.0.3 0 127.0.0.1,127.0.0.2 36413 {SIZES} {end}");
        let printed = vm.guest(&client);
        assert!(printed.contains("127.0.0.2") && printed.contains("echoed"), "{printed}");
        server.line("up 127.0.0.3");
        server.line("closed");
    }
    done("kernel back end at both ends, two addresses");
}

fn python_client_to_our_server(vm: &Vm) {
    let server = vm.on_host(&["server", "raw-ip", HOST, "36414"]);
    server.line("listening");
    let script = format!(
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132); s.connect(('{HOST}', 36414)); \
         s.send(b'x' * 3000); n = 0\nwhile n < 3000: n += len(s.recv(9000))\nprint('got', n); s.close()"
    );
    let printed = vm.guest(&format!("python3 -c \"{script}\""));
    assert!(printed.contains("got 3000"), "{printed}");
    server.line("message 0 0 3000");
    server.line("closed shut down");
    done("plain sockets of Python as client");
}

fn our_client_to_python_server(vm: &Vm) {
    let script = format!(
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132); s.bind(('{GUEST}', 36415)); \
         s.listen(); print('listening', flush=True); c, _ = s.accept(); c.send(c.recv(9000)); \
         print('end', len(c.recv(9000)), flush=True)"
    );
    let server = vm.in_guest(&format!("python3 -c \"{script}\""));
    server.line("listening");
    let client = vm.on_host(&["client", "raw-ip", HOST, "0", GUEST, "36415", "200", "shutdown"]);
    client.line("echoed");
    client.line("closed shut down");
    server.line("end 0");
    done("plain sockets of Python as server");
}

/// The kernel's association vanishes without a word and comes again on the same ports.
fn kernel_peer_restarts(vm: &Vm) {
    let server = vm.on_host(&["server", "raw-ip", HOST, "36416"]);
    server.line("listening");
    let client = format!("/tmp/sctp_peer client kernel {GUEST} 5001 {HOST} 36416 200");
    vm.guest("rm -f /tmp/go");
    let first = vm.in_guest(&format!("{client} abort idle /tmp/go"));
    first.line("echoed");
    server.line("up");
    vm.guest("ip link set eth0 down; touch /tmp/go; sleep 0.5; ip link set eth0 up");
    first.line("closed");
    let printed = vm.guest(&format!("{client} shutdown"));
    assert!(printed.contains("echoed"), "{printed}");
    server.line("restarted");
    server.line("closed shut down");
    done("restart of a kernel peer");
}

/// Our process is killed, and its successor takes the same ports.
fn our_peer_restarts(vm: &Vm) {
    let server = vm.in_guest(&format!("/tmp/sctp_peer server kernel {GUEST} 36417"));
    server.line("listening");
    let client = ["client", "raw-ip", HOST, "5002", GUEST, "36417", "200", "shutdown"];
    let mut first = vm.on_host(&[&client[..], &["idle", "/nowhere/never"]].concat());
    first.line("echoed");
    server.line("up");
    first.kill();
    let second = vm.on_host(&client);
    second.line("echoed");
    server.line("restarted");
    server.line("closed shut down");
    done("restart of ours at a kernel peer");
}

fn kernel_peer_loses_a_path(vm: &Vm) {
    let server = vm.on_host(&["server", "raw-ip", &format!("{HOST},{HOST_2}"), "36418"]);
    server.line("listening");
    vm.guest("rm -f /tmp/go");
    let client = vm.in_guest(&format!(
        "/tmp/sctp_peer client kernel {GUEST},{GUEST_2} 0 {HOST},{HOST_2} 36418 200 shutdown busy /tmp/go"
    ));
    client.line("up");
    client.line("echoed");
    server.line("up");
    vm.guest("ip link set eth0 down");
    server.line(&format!("path {GUEST_2}"));
    vm.guest("sleep 1; touch /tmp/go");
    client.line("closed shut down");
    server.line("closed shut down");
    vm.guest("ip link set eth0 up");
    done("fail-over of a multi-homed kernel peer");
}

fn udp_encapsulation(vm: &Vm) {
    vm.guest("sysctl -w net.sctp.udp_port=9899 net.sctp.encap_port=9899");
    let server = vm.on_host(&["server", "udp", HOST, "36419"]);
    server.line("listening");
    let printed = vm.guest(&format!("/tmp/sctp_peer client kernel {GUEST} 0 {HOST} 36419 {SIZES} shutdown"));
    assert!(printed.contains("echoed"), "{printed}");
    server.line("closed shut down");
    drop(server);
    let server = vm.in_guest(&format!("/tmp/sctp_peer server kernel {GUEST} 36419"));
    server.line("listening");
    let client = vm.on_host(&["client", "udp", HOST, "0", GUEST, "36419", SIZES, "shutdown"]);
    client.line("echoed");
    server.line("closed shut down");
    done("UDP encapsulation, both roles");
}

fn done(what: &str) {
    eprintln!("vm: {what}: ok");
}

/// A running virtual machine; stopped and its namespace removed at the end.
struct Vm {
    /// Of the machine and of its network namespace; two tests may run side by side.
    name: String,
    script: PathBuf,
    peer: PathBuf,
}

impl Vm {
    fn start() -> Result<Self, String> {
        let dir = std::env::var_os("BASALT_VM_DIR").ok_or("BASALT_VM_DIR names no folder with a virtual machine")?;
        let script = Path::new(&dir).join("vm.sh");
        if !script.exists() || !Path::new(&dir).join("rootfs").exists() {
            return Err(format!("no vm.sh, or `vm.sh setup` not run, in {}", dir.display()));
        }
        // SAFETY: cannot fail and touches no memory.
        if unsafe { libc::geteuid() } != 0 {
            return Err("needs root for network namespaces".to_owned());
        }
        let name = format!("sctp{}", std::process::id());
        let peer = build_peer();
        let share = peer.parent().unwrap();
        let started = Command::new(&script)
            .args(["start", "-n", &name, "-N", &name])
            .args(["-i", &format!("{GUEST}/24"), "-2", &format!("{GUEST_2}/24"), "-s"])
            .arg(share)
            .status()
            .unwrap();
        assert!(started.success(), "the virtual machine did not start");
        let vm = Self { name, script, peer };
        vm.guest("cp /host/sctp_peer /tmp/");
        Ok(vm)
    }

    /// Runs a command in the guest to its end.
    fn guest(&self, command: &str) -> String {
        let output = self.guest_command(command).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{command}: {text}");
        text
    }

    fn in_guest(&self, command: &str) -> Running {
        // Killing what follows the job leaves the guest's process; it ends with the virtual machine.
        Running::start(self.guest_command(command))
    }

    fn guest_command(&self, command: &str) -> Command {
        let mut exec = Command::new(&self.script);
        exec.args(["exec", &self.name, command]);
        exec
    }

    fn on_host(&self, arguments: &[&str]) -> Running {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(&self.peer).args(arguments);
        Running::start(command)
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        let _ = Command::new(&self.script).args(["stop", &self.name]).status();
        let _ = Command::new("ip").args(["netns", "del", &self.name]).status();
        let _ = std::fs::remove_dir_all(self.peer.parent().unwrap());
        let _ = std::fs::remove_dir_all(self.script.with_file_name("vms").join(&self.name));
    }
}
