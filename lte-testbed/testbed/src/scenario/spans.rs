//! What a collector of OpenTelemetry was told of a scenario.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::world::World;
use crate::collector::Heard;

/// For what must become true, on any machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until one trace has all these spans, such as `agwd attach`: each is a part of another one of the trace, but for the first, which
/// is the outermost, and no identity is whole in any.
pub(super) fn has(world: &World, wanted: &[String]) -> Result<()> {
    let collector = world.collector.as_ref().context("there is no collector")?;
    let end = Instant::now() + PATIENCE;
    loop {
        let heard = collector.heard();
        if let Some(trace) = traces(&heard).into_iter().find(|trace| names(trace).is_superset(&set(wanted))) {
            return judge(world, &trace, wanted);
        }
        if Instant::now() >= end {
            let all: Vec<_> = traces(&heard).iter().map(|trace| names(trace)).collect();
            bail!("no trace has {}: {all:?}", wanted.join(", "));
        }
        std::thread::sleep(LOOK);
    }
}

fn judge(world: &World, trace: &[&Heard], wanted: &[String]) -> Result<()> {
    let outermost: Vec<String> = trace.iter().filter(|span| span.parent.is_empty()).map(|span| name(span)).collect();
    ensure!(outermost.first() == wanted.first() && outermost.len() == 1, "outermost are {outermost:?}");
    for span in trace.iter().filter(|span| !span.parent.is_empty()) {
        let known = trace.iter().any(|other| other.span == span.parent);
        ensure!(known, "{} is a part of something that nobody told", name(span));
    }
    for phone in 0..world.phones.len() {
        let imsi = world.imsi(phone)?;
        ensure!(!trace.iter().any(|span| span.whole.contains(&imsi)), "an identity is told whole");
    }
    Ok(())
}

fn traces(heard: &[Heard]) -> Vec<Vec<&Heard>> {
    let numbers: BTreeSet<&Vec<u8>> = heard.iter().map(|span| &span.trace).collect();
    numbers.into_iter().map(|number| heard.iter().filter(|span| span.trace == *number).collect()).collect()
}

fn names(trace: &[&Heard]) -> BTreeSet<String> {
    trace.iter().map(|span| name(span)).collect()
}

fn set(wanted: &[String]) -> BTreeSet<String> {
    wanted.iter().cloned().collect()
}

/// Who told it, what it is, and whether it failed.
fn name(span: &Heard) -> String {
    format!("{} {}{}", span.service, span.name, if span.failed { " that failed" } else { "" })
}
