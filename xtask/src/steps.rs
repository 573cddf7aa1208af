//! A list of steps, run one after the other, each with its time; and what came of them.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::env;
use crate::essence::essence;
use crate::watchdog::Watchdog;

/// How many tests a step ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It did what it should; a remark may be worth showing.
    Passed(String),
    /// It ran tests, and none failed.
    Tested(Counts),
    /// It could not be done here, and why.
    Skipped(String),
}

/// A list of steps on its way.
pub(crate) struct Steps {
    only: Vec<String>,
    planned: usize,
    number: usize,
    began: Instant,
    counts: Counts,
    failures: Vec<(String, Vec<String>)>,
    skips: Vec<String>,
    unsteady: Vec<String>,
    times: Vec<(String, Duration)>,
}

/// What a step works with: its commands run with their output in a log.
pub(crate) struct Step {
    name: String,
    prefix: String,
    began: Instant,
    log: PathBuf,
    counts: Counts,
    unsteady: Vec<String>,
    live: bool,
}

/// A command that takes longer hangs: the whole of CI takes less than 40 minutes.
const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Lines of a failed step's log that are shown where nothing in it looks like a failure.
const TAIL: usize = 60;
/// Lines that name failures: where they happen, and once more at the end.
const SHOWN: usize = 80;
const REPEATED: usize = 12;
/// Steps whose times are told at the end.
const LONGEST: usize = 8;

impl Steps {
    /// For `planned` steps, of which only those are run whose names contain one of the words (all, if there is none).
    pub(crate) fn new(planned: usize, only: &[String]) -> Self {
        Self {
            only: only.to_vec(),
            planned,
            number: 0,
            began: Instant::now(),
            counts: Counts::default(),
            failures: Vec::new(),
            skips: Vec::new(),
            unsteady: Vec::new(),
            times: Vec::new(),
        }
    }

    /// Runs the next step. A failure is noted, and the list goes on: one run tells all that is wrong.
    pub(crate) fn step(&mut self, name: &str, run: impl FnOnce(&mut Step) -> Result<Outcome>) -> bool {
        self.number += 1;
        if !self.only.is_empty() && !self.only.iter().any(|word| name.contains(word.as_str())) {
            return true;
        }
        let prefix = format!("[{:>2}/{}] {name:<28}", self.number, self.planned);
        let mut step = match Step::new(prefix, name) {
            Ok(step) => step,
            Err(error) => {
                println!("FAILED {name}: {error:#}");
                self.failures.push((name.to_owned(), Vec::new()));
                return false;
            }
        };
        step.announce();
        let result = run(&mut step);
        self.take(name, &step, result)
    }

    fn take(&mut self, name: &str, step: &Step, result: Result<Outcome>) -> bool {
        let own = match &result {
            Ok(Outcome::Passed(_)) => Counts { passed: 1, ..Counts::default() },
            Ok(Outcome::Tested(counts)) => *counts,
            Ok(Outcome::Skipped(_)) => Counts { skipped: 1, ..Counts::default() },
            Err(_) => Counts { failed: step.counts.failed.max(1), ..step.counts },
        };
        self.counts.add(own);
        self.unsteady.extend_from_slice(&step.unsteady);
        self.times.push((name.to_owned(), step.began.elapsed()));
        let took = seconds(step.began.elapsed());
        match result {
            Ok(Outcome::Passed(remark)) => step.finish(&format!("ok      {took}  {remark}")),
            Ok(Outcome::Tested(counts)) => step.finish(&format!("ok      {took}  {}", counts.words())),
            Ok(Outcome::Skipped(reason)) => {
                step.finish(&format!("skipped {took}  {reason}"));
                self.skips.push(format!("{name}: {reason}"));
            }
            Err(error) => {
                step.finish(&format!("FAILED  {took}"));
                step.show_failure();
                println!("FAILED {name}: {error:#}");
                let log = step.log().unwrap_or_default();
                let why = essence(&log, REPEATED).into_iter().map(str::to_owned).collect();
                self.failures.push((name.to_owned(), why));
                return false;
            }
        }
        true
    }

    /// Prints what came of all steps, closing with the line `N passed, N failed`; whether nothing failed.
    pub(crate) fn close(mut self) -> bool {
        println!("\ntook {}", seconds(self.began.elapsed()).trim());
        println!("longest: {}", self.longest());
        for skip in &self.skips {
            println!("skipped {skip}");
        }
        self.unsteady.iter().for_each(|line| println!("{line}"));
        for (failure, why) in &self.failures {
            println!("FAILED  {failure}");
            why.iter().for_each(|line| println!("  | {line}"));
        }
        println!("{}", self.counts.words());
        self.failures.is_empty()
    }
}

impl Steps {
    /// The steps that took longest, longest first.
    fn longest(&mut self) -> String {
        self.times.sort_by_key(|(_, time)| std::cmp::Reverse(*time));
        let words = self.times.iter().take(LONGEST).map(|(name, time)| format!("{name} {}", seconds(*time).trim()));
        words.collect::<Vec<_>>().join(", ")
    }
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// The closing line that test runners and readers know.
    pub(crate) fn words(self) -> String {
        let Self { passed, failed, skipped } = self;
        match skipped {
            0 => format!("{passed} passed, {failed} failed"),
            _ => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        }
    }

    /// Reads the closing line of one of cargo's test binaries, or a plain one.
    fn from_line(line: &str) -> Option<Self> {
        let text = line.trim();
        let (text, separator) = match text.strip_prefix("test result: ") {
            Some(rest) => (rest.split_once(". ")?.1, ';'),
            None => (text, ','),
        };
        let mut parts = text.split(separator).map(str::trim);
        let count = |part: Option<&str>, word: &str| part?.strip_suffix(word)?.trim().parse().ok();
        let passed = count(parts.next(), "passed")?;
        let failed = count(parts.next(), "failed")?;
        let third = parts.next();
        let skipped = count(third, "ignored").or_else(|| count(third, "skipped")).unwrap_or(0);
        Some(Self { passed, failed, skipped })
    }
}

impl Step {
    fn new(prefix: String, name: &str) -> Result<Self> {
        let folder = env::target()?.join("xtask");
        fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let log = folder.join(format!("{}.log", name.replace([' ', '/'], "-")));
        File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
        let live = io::stdout().is_terminal();
        let name = name.to_owned();
        Ok(Self { name, prefix, began: Instant::now(), log, counts: Counts::default(), unsteady: Vec::new(), live })
    }

    /// Runs it, and if it fails once more: what passes only then is told as unsteady, with why it failed.
    pub(crate) fn with_second_try(&mut self, run: impl Fn(&mut Self) -> Result<Outcome>) -> Result<Outcome> {
        let first = match run(self) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => error,
        };
        let log = self.log()?;
        self.note("--- it failed: once more ---")?;
        self.counts = Counts::default();
        let outcome = run(self)?;
        self.unsteady.push(format!("unsteady {}: {first:#}; once more, it passed", self.name));
        self.unsteady.extend(essence(&log, REPEATED).into_iter().map(|line| format!("  | {line}")));
        Ok(outcome)
    }

    /// Runs a command with its output in the step's log; fails if it does.
    pub(crate) fn run(&mut self, mut command: Command) -> Result<()> {
        let shown = shown(&command);
        let mut log = File::options().append(true).open(&self.log)?;
        writeln!(log, "$ {shown}")?;
        let (reader, writer) = io::pipe()?;
        command.env("CARGO_TERM_COLOR", "never");
        command.stdin(std::process::Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
        let mut child = command.spawn().with_context(|| format!("cannot run {shown}"))?;
        // The command holds the pipe's ends for its child's sake; the reading below ends when all of them are closed.
        drop(command);
        let watchdog = Watchdog::start(child.id(), LIMIT);
        for line in BufReader::new(reader).split(b'\n') {
            let line = String::from_utf8_lossy(&line?).into_owned();
            writeln!(log, "{line}")?;
            if let Some(counts) = Counts::from_line(&line) {
                self.counts.add(counts);
            }
            if line.starts_with("unsteady ") {
                self.unsteady.push(line.clone());
            }
            self.show(&line);
        }
        let status = child.wait()?;
        if watchdog.has_bitten() {
            bail!("`{shown}` did not end within {} minutes and was killed", LIMIT.as_secs() / 60);
        }
        if !status.success() {
            bail!("`{shown}` failed ({status}); all of its output is in {}", self.log.display());
        }
        Ok(())
    }

    /// Writes a line into the step's log, to be shown if it fails.
    pub(crate) fn note(&self, line: &str) -> Result<()> {
        let mut log = File::options().append(true).open(&self.log)?;
        Ok(writeln!(log, "{line}")?)
    }

    /// What the step's commands have said.
    pub(crate) fn log(&self) -> Result<String> {
        fs::read_to_string(&self.log).with_context(|| format!("cannot read {}", self.log.display()))
    }

    /// [`run`](Self::run), for commands that run tests.
    pub(crate) fn run_tests(&mut self, command: Command) -> Result<Outcome> {
        self.run(command)?;
        if self.counts.failed > 0 {
            bail!("{}", self.counts.words());
        }
        Ok(Outcome::Tested(self.counts))
    }

    /// What its tests have come to so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    fn announce(&self) {
        if self.live {
            self.show("");
        } else {
            println!("{} ...", self.prefix.trim_end());
        }
    }

    /// Shows what a command says right now, on a terminal.
    fn show(&self, line: &str) {
        if !self.live {
            return;
        }
        let printable: String = line.chars().filter(|c| !c.is_control()).take(60).collect();
        print!("\r\x1b[K{} {} {printable}", self.prefix, seconds(self.began.elapsed()));
        // A terminal that is gone changes nothing about the step.
        let _ = io::stdout().flush();
    }

    fn finish(&self, words: &str) {
        let clear = if self.live { "\r\x1b[K" } else { "" };
        println!("{clear}{} {}", self.prefix, words.trim_end());
    }

    fn show_failure(&self) {
        let Ok(log) = self.log() else { return };
        let mut lines = essence(&log, SHOWN);
        if lines.is_empty() {
            lines = log.lines().collect();
            lines.drain(..lines.len().saturating_sub(TAIL));
        }
        lines.iter().for_each(|line| println!("  | {line}"));
    }
}

/// A command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// `1m02s`, right-aligned.
pub(crate) fn seconds(time: Duration) -> String {
    let all = time.as_secs();
    let words = if all < 60 { format!("{:.1}s", time.as_secs_f64()) } else { format!("{}m{:02}s", all / 60, all % 60) };
    format!("{words:>7}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let counts = |line| Counts::from_line(line).map(|it| (it.passed, it.failed, it.skipped));
        let cargo = "test result: ok. 33 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.43s";
        assert_eq!(counts(cargo), Some((33, 1, 2)));
        assert_eq!(counts("12 passed, 0 failed"), Some((12, 0, 0)));
        assert_eq!(counts("12 passed, 3 failed, 4 skipped"), Some((12, 3, 4)));
        assert_eq!(counts("the lights passed, none failed"), None);
        assert_eq!(counts(""), None);
    }

    #[test]
    fn a_failed_step_is_counted_and_the_list_goes_on() {
        let mut steps = Steps::new(3, &[]);
        assert!(!steps.step("selftest one", |_| bail!("broken")));
        assert!(steps.step("selftest two", |step| {
            let mut command = Command::new("echo");
            command.arg("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured");
            step.run_tests(command)
        }));
        assert!(steps.step("selftest three", |_| Ok(Outcome::Skipped("no reason".to_owned()))));
        assert_eq!(steps.counts, Counts { passed: 5, failed: 1, skipped: 2 });
        assert!(!steps.close());
    }

    #[test]
    fn what_passed_only_when_played_again_is_kept_for_the_end() {
        let mut steps = Steps::new(1, &[]);
        assert!(steps.step("selftest again", |step| {
            let mut command = Command::new("printf");
            command.arg("unsteady two: why\n9 passed, 0 failed\n");
            step.run_tests(command)
        }));
        assert_eq!(steps.unsteady, ["unsteady two: why"]);
        assert_eq!(steps.counts, Counts { passed: 9, ..Counts::default() });
    }

    #[test]
    fn what_passes_at_the_second_try_is_told_with_why_it_failed() {
        let mut steps = Steps::new(1, &[]);
        let tries = std::cell::Cell::new(0);
        assert!(steps.step("selftest second", |step| {
            step.with_second_try(|step| {
                tries.set(tries.get() + 1);
                let lines = if tries.get() == 1 {
                    "test it ... FAILED\\n4 passed, 1 failed\\n"
                } else {
                    "5 passed, 0 failed\\n"
                };
                let mut command = Command::new("printf");
                command.arg(lines);
                step.run_tests(command)
            })
        }));
        assert_eq!(steps.unsteady[0], "unsteady selftest second: 4 passed, 1 failed; once more, it passed");
        assert!(steps.unsteady.contains(&"  | test it ... FAILED".to_owned()), "{:?}", steps.unsteady);
        assert_eq!(steps.counts, Counts { passed: 5, ..Counts::default() });
        assert!(
            !steps.step("selftest both", |step| { step.with_second_try(|step| step.run_tests(Command::new("false"))) })
        );
    }

    #[test]
    fn a_command_that_fails_fails_its_step() {
        let mut steps = Steps::new(1, &[]);
        assert!(!steps.step("selftest false", |step| step.run_tests(Command::new("false"))));
    }

    #[test]
    fn only_the_named_steps_run() {
        let mut steps = Steps::new(2, &["doc".to_owned()]);
        assert!(steps.step("selftest tests", |_| bail!("must not run")));
        assert!(!steps.step("selftest docs", |_| bail!("runs")));
    }

    #[test]
    fn the_longest_steps_come_first() {
        let mut steps = Steps::new(2, &[]);
        let times = [("one", 5), ("two", 70), ("three", 9)];
        steps.times = times.map(|(name, time)| (name.to_owned(), Duration::from_secs(time))).to_vec();
        assert_eq!(steps.longest(), "two 1m10s, three 9.0s, one 5.0s");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(seconds(Duration::from_millis(1234)), "   1.2s");
        assert_eq!(seconds(Duration::from_secs(62)), "  1m02s");
    }
}
