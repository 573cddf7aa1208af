//! Who listens where a daemon wants to.

use crate::Finding;
use std::fs;
use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener};

/// A port that a daemon named `own` listens on: free, or its own already.
#[must_use]
pub fn port(check: &'static str, address: SocketAddr, own: &str) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(check, format!("{address} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => taken(check, address, own, holder(address.port())),
        Err(error) => Finding::error(
            check,
            format!("{address}: {error}"),
            format!("{own} cannot listen there and will not start"),
            "name an address of this machine (ip address), and a port above 1023",
        ),
    }
}

fn taken(check: &'static str, address: SocketAddr, own: &str, holder: Option<String>) -> Finding {
    match holder {
        Some(name) if name == own => Finding::ok(check, format!("{own} serves at {address}")),
        Some(name) => Finding::error(
            check,
            format!("{address} is taken by {name}"),
            format!("{own} will not start"),
            format!("stop {name}, or name another port"),
        ),
        None => Finding::warning(
            check,
            format!("{address} is taken, by whom cannot be seen"),
            format!("unless that is {own}, it will not start"),
            format!("run this as root, or look with: ss -ltnp sport = :{}", address.port()),
        ),
    }
}

/// The name of the process that listens on a TCP port of this network namespace.
fn holder(port: u16) -> Option<String> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|path| fs::read_to_string(path).unwrap_or_default());
    let sockets: Vec<String> =
        tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|line| listening(line, port)).collect();
    for process in fs::read_dir("/proc").ok()?.flatten() {
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| {
            fs::read_link(file.path()).is_ok_and(|to| sockets.iter().any(|socket| to.as_os_str() == socket.as_str()))
        });
        if holds {
            return fs::read_to_string(process.path().join("comm")).ok().map(|name| name.trim().to_owned());
        }
    }
    None
}

/// The socket of a line of `/proc/net/tcp` that listens on a port, as links to it are named.
fn listening(line: &str, port: u16) -> Option<String> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let own = fields.get(1)?.rsplit(':').next()?;
    let listens = *fields.get(3)? == "0A" && u16::from_str_radix(own, 16).ok()? == port;
    listens.then(|| fields.get(9).map(|inode| format!("socket:[{inode}]")))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Level;

    #[test]
    fn a_port_is_free_ours_or_taken() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap();
        let own = fs::read_to_string("/proc/self/comm").unwrap();
        assert_eq!(port("rest-port", address, own.trim()).level, Level::Ok);
        let other = port("rest-port", address, "orchestratord");
        assert_eq!(other.level, Level::Error);
        assert!(other.found.contains(own.trim()) && other.fix.contains("stop"), "{other:?}");
        assert_eq!(port("rest-port", "192.0.2.1:80".parse().unwrap(), "x").level, Level::Error);
        assert_eq!(taken("rest-port", address, "x", None).level, Level::Warning);
        drop(held);
        assert_eq!(port("rest-port", address, "orchestratord").level, Level::Ok);
    }
}
