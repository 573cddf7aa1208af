//! Several scenarios at a time: each in a process and a lab of its own, so that one's end is no other's.

use std::collections::VecDeque;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};

use anyhow::{Context, Result};

use crate::scenario::Script;

/// What is to be played, in lanes.
pub(super) struct Play<'a> {
    /// How many at a time.
    pub(super) lanes: u8,
    /// Labs are named after it.
    pub(super) lab: &'a str,
    /// Further arguments of every run.
    pub(super) arguments: Vec<String>,
}

/// Plays them all and calls `ended` with each as it ends, its words and its success. Scripts that measure rates come last, alone:
/// neighbours would take what they measure.
///
/// # Errors
/// When this very program cannot be started again.
pub(super) fn play<'a>(
    scripts: &[&'a Script],
    plan: &Play<'_>,
    mut ended: impl FnMut(&'a Script, &str, bool),
) -> Result<()> {
    let program = std::env::current_exe().context("cannot tell which program this is")?;
    let (alone, together): (Vec<&'a Script>, Vec<&'a Script>) = scripts.iter().partition(|script| script.measures());
    let queue: Mutex<VecDeque<&'a Script>> = Mutex::new(together.into());
    let (told, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for lane in 1..=plan.lanes {
            let (told, queue, program) = (told.clone(), &queue, &program);
            scope.spawn(move || {
                loop {
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                    let Some(script) = next else { return };
                    // Nobody listens only if the whole run is ending.
                    let _ = told.send((script, one(program, script, plan, lane)));
                }
            });
        }
        drop(told);
        for (script, result) in results {
            let (words, passed) = result?;
            ended(script, &words, passed);
        }
        for script in alone {
            let (words, passed) = one(&program, script, plan, 1)?;
            ended(script, &words, passed);
        }
        Ok(())
    })
}

/// One scenario in a process of its own: what it said, without its own count, and whether it passed.
fn one(program: &std::path::Path, script: &Script, plan: &Play<'_>, lane: u8) -> Result<(String, bool)> {
    let mut command = Command::new(program);
    command.args(["scenario", "run", &script.name, "--lab"]).arg(format!("{}-{lane}", plan.lab)).args(&plan.arguments);
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<&str> = said.lines().collect();
    let counted = lines.last().is_some_and(|line| line.contains(" passed, "));
    if counted {
        lines.pop();
    }
    let passed = counted && output.status.success();
    let mut words = lines.join("\n");
    if !passed {
        words.push('\n');
        words.push_str(&String::from_utf8_lossy(&output.stderr));
    }
    if !counted {
        words.push_str(&format!("FAIL  {} ended without a result ({})", script.name, output.status));
    }
    Ok((words, passed))
}
