//! A PostgreSQL of our own: from the distribution's binaries, on a free port of the loopback, in a temporary folder.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Started for one test; stopped when dropped.
pub struct Server {
    process: Child,
    port: u16,
    _folder: TempDir,
}

/// Debian's user of unprivileged work: PostgreSQL refuses to run as root.
const NOBODY: u32 = 65_534;

impl Server {
    /// Makes a database and starts its server.
    ///
    /// # Errors
    /// Why there is none here.
    pub fn start() -> Result<Self, String> {
        // What is written here is thrown away: it need not reach the disk.
        Self::start_with(&["-c", "fsync=off"])
    }

    /// The same with other settings.
    ///
    /// # Errors
    /// Why there is none here.
    pub fn start_with(settings: &[&str]) -> Result<Self, String> {
        let binaries = binaries().ok_or("PostgreSQL is not installed (apt-get install postgresql)")?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let data = folder.path().join("data");
        std::fs::create_dir(&data).map_err(|error| error.to_string())?;
        if is_root() {
            for place in [folder.path(), &data] {
                std::os::unix::fs::chown(place, Some(NOBODY), Some(NOBODY)).map_err(|error| error.to_string())?;
            }
        }
        let mut init = unprivileged(&binaries.join("initdb"));
        init.arg("-D").arg(&data).args(["-U", "basalt", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]);
        let output = init.output().map_err(|error| error.to_string())?;
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).unwrap().port();
        let mut serve = unprivileged(&binaries.join("postgres"));
        serve.arg("-D").arg(&data).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-c", "unix_socket_directories="]);
        serve.args(settings).stdout(Stdio::null()).stderr(Stdio::null());
        let process = serve.spawn().map_err(|error| error.to_string())?;
        let server = Self { process, port, _folder: folder };
        server.wait(&binaries);
        Ok(server)
    }

    /// Its address.
    pub fn address(&self) -> String {
        format!("postgres://basalt@127.0.0.1:{}/postgres", self.port)
    }

    fn wait(&self, binaries: &Path) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let mut ready = Command::new(binaries.join("pg_isready"));
            ready.args(["-q", "-t", "1", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            if ready.status().is_ok_and(|status| status.success())
                && TcpStream::connect(("127.0.0.1", self.port)).is_ok()
            {
                return;
            }
            std::thread::yield_now();
        }
        panic!("PostgreSQL did not come up within a minute");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM would wait for clients; the data are thrown away anyway.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn binaries() -> Option<PathBuf> {
    let mut versions: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").ok()?.flatten().map(|it| it.path()).collect();
    versions.sort();
    versions.into_iter().rev().map(|version| version.join("bin")).find(|bin| bin.join("initdb").exists())
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/").env_remove("LC_ALL");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}
