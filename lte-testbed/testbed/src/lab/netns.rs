//! Network namespaces with a name, as `ip netns` knows them.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, anyhow};

use crate::sys;

const DIRECTORY: &str = "/run/netns";

/// A named network namespace that exists.
#[derive(Clone, Debug)]
pub struct NetNs {
    name: String,
    file: Arc<File>,
}

impl NetNs {
    /// Makes a namespace and gives it a name that `ip netns exec NAME` understands. Its loopback interface is down.
    ///
    /// # Errors
    /// No right to (root, or root of a user namespace), or a name in use.
    pub fn create(name: &str) -> Result<Self> {
        prepare_directory().context("preparing /run/netns")?;
        let path = path_of(name);
        OpenOptions::new().write(true).create_new(true).open(&path).with_context(|| format!("naming {name}"))?;
        let target = path.clone();
        let made = on_thread("netns-create", move || -> io::Result<()> {
            sys::unshare(libc::CLONE_NEWNET)?;
            sys::mount(Path::new("/proc/thread-self/ns/net"), &target, "", libc::MS_BIND)
        });
        if let Err(error) = made.and_then(|made| made.map_err(Into::into)) {
            let _ = fs::remove_file(&path);
            return Err(error.context(format!("making network namespace {name}")));
        }
        Self::open(name)
    }

    /// The namespace of that name.
    ///
    /// # Errors
    /// There is none.
    pub fn open(name: &str) -> Result<Self> {
        let file = File::open(path_of(name)).with_context(|| format!("there is no network namespace {name}"))?;
        Ok(Self { name: name.to_owned(), file: Arc::new(file) })
    }

    /// Forgets the name; the namespace itself goes with the last process and socket in it. Not an error if there is none.
    ///
    /// # Errors
    /// The name cannot be removed.
    pub fn delete(name: &str) -> Result<()> {
        let path = path_of(name);
        // A file left over by a killed `create` has nothing mounted on it; removing it is what matters.
        let _ = sys::unmount(&path);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Names of all namespaces that begin with `prefix`.
    #[must_use]
    pub fn list(prefix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(DIRECTORY) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.starts_with(prefix))
            .collect();
        names.sort();
        names
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Processes with this name that began in it.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn processes(&self, name: &str) -> Result<Vec<u32>> {
        use std::os::unix::fs::MetadataExt;
        let wanted = self.file.metadata()?.ino();
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")? {
            let Ok(pid) = entry?.file_name().to_string_lossy().parse::<u32>() else { continue };
            let directory = PathBuf::from(format!("/proc/{pid}"));
            let named = fs::read_to_string(directory.join("comm")).is_ok_and(|comm| comm.trim() == name);
            // The namespace of a process that just ended is nobody's.
            if named && fs::metadata(directory.join("ns/net")).is_ok_and(|link| link.ino() == wanted) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    /// Its descriptor.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Moves the calling thread into it, for good. For threads made for that purpose.
    ///
    /// # Errors
    /// The right to enter is missing.
    pub fn enter(&self) -> io::Result<()> {
        sys::enter_network(self.file.as_fd())
    }

    /// Starts a thread that runs `work` inside.
    ///
    /// # Errors
    /// No thread could be made.
    pub fn spawn<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<thread::JoinHandle<Result<T>>> {
        let this = self.clone();
        let handle = thread::Builder::new().name(name.to_owned()).spawn(move || {
            this.enter().with_context(|| format!("entering network namespace {}", this.name))?;
            work()
        })?;
        Ok(handle)
    }

    /// Runs `work` inside, on a thread of its own, and waits for it.
    ///
    /// # Errors
    /// Those of `work`, or the right to enter is missing.
    pub fn run<T: Send + 'static>(&self, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
        self.spawn("netns", work)?.join().map_err(|_| anyhow!("a thread in {} ended by a panic", self.name))?
    }

    /// Runs an async `work` inside, on a thread and a runtime of its own, and waits for it.
    ///
    /// # Errors
    /// Those of `work`, or the right to enter is missing.
    pub fn run_async<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        self.run(move || runtime()?.block_on(work()))
    }
}

/// A single-threaded runtime with sockets and timers.
///
/// # Errors
/// The operating system refuses the descriptors it needs.
pub fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

/// Makes `/run/netns` a shared mount, as `ip netns add` does, so that names are seen in every mount namespace.
fn prepare_directory() -> io::Result<()> {
    let directory = Path::new(DIRECTORY);
    fs::create_dir_all(directory)?;
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    if mounts.lines().any(|line| line.split(' ').nth(4) == Some(DIRECTORY)) {
        return Ok(());
    }
    sys::mount(directory, directory, "", libc::MS_BIND | libc::MS_REC)?;
    sys::mount(Path::new(""), directory, "", libc::MS_SHARED | libc::MS_REC)
}

fn on_thread<T: Send + 'static>(name: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let handle = thread::Builder::new().name(name.to_owned()).spawn(work)?;
    handle.join().map_err(|_| anyhow!("thread {name} ended by a panic"))
}
