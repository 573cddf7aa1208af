//! What the daemon tells systemd: readiness, life, its end.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::net::UnixDatagram;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn heard(socket: &UnixDatagram) -> String {
    let mut words = [0; 256];
    let length = socket.recv(&mut words).unwrap();
    String::from_utf8_lossy(&words[..length]).trim().to_owned()
}

#[test]
fn a_supervisor_hears_that_it_is_ready_alive_and_stopping() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orchestratord"));
    command.args(["--listen", "127.0.0.1:0", "--gateway-listen", "127.0.0.1:0", "--data-dir"]);
    command.arg(folder.path().join("data")).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "300000");
    let mut daemon = Ended(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    assert_eq!(heard(&socket), "READY=1");
    for _ in 0..3 {
        assert_eq!(heard(&socket), "WATCHDOG=1");
    }
    assert!(Command::new("kill").args(["-TERM", &daemon.0.id().to_string()]).status().unwrap().success());
    let last = std::iter::repeat_with(|| heard(&socket)).find(|words| words != "WATCHDOG=1");
    assert_eq!(last.as_deref(), Some("STOPPING=1"));
    assert!(daemon.0.wait().unwrap().success());
}
