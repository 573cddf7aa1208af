//! What a gateway uses of its machine, and what it says of itself to Prometheus.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Gateway;
use super::config::METRICS;

/// What a process has used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time in microseconds.
    pub cpu_us: u64,
    /// Resident memory in octets.
    pub resident: u64,
}

impl Gateway {
    /// The values of all metrics, by name with labels as Prometheus writes them.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub fn metrics(&self) -> Result<BTreeMap<String, f64>> {
        let text = self.ns.run(|| scrape(METRICS))?;
        Ok(parse_metrics(&text))
    }

    /// CPU time the daemon has used, user and system, in microseconds, and its resident memory in octets.
    ///
    /// # Errors
    /// It is not running.
    pub fn usage(&self) -> Result<Usage> {
        usage(self.pid().context("the gateway is not running")?)
    }

    /// CPU time of everything that runs for the gateway: the daemon and the keeper of its associations, in microseconds.
    ///
    /// # Errors
    /// It is not running.
    pub fn cpu_with_keeper(&self) -> Result<u64> {
        let pids = self.ns.processes("agwd")?;
        pids.into_iter().map(|pid| usage(pid).map(|usage| usage.cpu_us)).sum()
    }
}

fn scrape(address: SocketAddr) -> Result<String> {
    let limit = Duration::from_secs(2);
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no HTTP answer")?;
    if !head.starts_with("HTTP/1.1 200") {
        bail!("{}", head.lines().next().unwrap_or_default());
    }
    Ok(body.to_owned())
}

fn parse_metrics(text: &str) -> BTreeMap<String, f64> {
    let sample = |line: &str| {
        let (name, value) = line.rsplit_once(' ')?;
        Some((name.to_owned(), value.parse().ok()?))
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect()
}

pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace().collect();
    // Fields 14 and 15 of proc(5), counted after the name, in ticks of 10 ms.
    let ticks = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.parse().ok());
    let resident: u64 = resident.unwrap_or(0);
    // The scheduler's own account is finer, where the kernel keeps it.
    let fine = fs::read_dir(format!("/proc/{pid}/task")).ok().and_then(|tasks| {
        let run_time = |task: std::io::Result<fs::DirEntry>| {
            let text = fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        };
        tasks.map(run_time).try_fold(0, |sum, part| Some(sum + part?))
    });
    let cpu_us = fine.map_or_else(|| (ticks(11) + ticks(12)) * 10_000, |nanos| nanos / 1000);
    Ok(Usage { cpu_us, resident: resident * 1024 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_read_with_their_labels() {
        let metrics = parse_metrics("# HELP x\nbasalt_agw_enbs 2\nbasalt_agw_ues{state=\"idle\"} 3\n\n");
        assert_eq!(metrics["basalt_agw_enbs"], 2.0);
        assert_eq!(metrics["basalt_agw_ues{state=\"idle\"}"], 3.0);
        assert_eq!(metrics.len(), 2);
    }

    #[test]
    fn a_process_tells_what_it_used() {
        assert!(usage(std::process::id()).unwrap().resident > 0);
    }
}
