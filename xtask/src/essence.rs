//! What of a failed step's log says why it failed: whoever reads CI's output may see only its end.

/// Words of lines that name a failure, as rustc, cargo's tests and the testbed print them.
const MARKS: [&str; 6] = ["FAILED", "] FAIL ", "panicked at", "error:", "error[", "breaks a rule"];
/// Lines after such a line that belong to it.
const AFTER: usize = 4;

/// The lines that name failures, each with what follows it; at most so many.
pub(crate) fn essence(log: &str, most: usize) -> Vec<&str> {
    let mut wanted = 0;
    let mut found = Vec::new();
    for line in log.lines() {
        if MARKS.iter().any(|mark| line.contains(mark)) {
            wanted = AFTER + 1;
        } else if line.starts_with("stack backtrace") || line.starts_with("test result: ok") {
            wanted = 0;
        }
        if wanted > 0 && !line.trim().is_empty() {
            wanted -= 1;
            found.push(line);
        }
    }
    found.truncate(most);
    found
}

#[cfg(test)]
mod tests {
    use super::essence;

    #[test]
    fn failures_are_found_among_much_else() {
        let log = "test a ... ok\ntest b ... FAILED\n\n---- b stdout ----\nthread 'b' panicked at src/b.rs:3:5:\nleft: 1\n\
                   right: 2\nstack backtrace:\n  0: rust_begin_unwind\n  1: core\n  2: b\n  3: c\n  4: d\ntest c ... ok\n";
        let lines = essence(log, 100);
        assert!(lines.contains(&"test b ... FAILED") && lines.contains(&"left: 1") && lines.contains(&"right: 2"));
        assert!(!lines.iter().any(|line| line.contains("rust_begin_unwind")), "{lines:?}");
        assert!(!lines.contains(&"test a ... ok"));
        assert_eq!(essence(log, 1), ["test b ... FAILED"]);
        assert!(essence("all is well\n", 10).is_empty());
        let played =
            "[7/9] ok    one  2.1 s  A\n[8/9] FAIL  two  1.6 s  B\n   line 8: ping\n   lost\n8 passed, 1 failed\n";
        assert_eq!(essence(played, 2), ["[8/9] FAIL  two  1.6 s  B", "   line 8: ping"]);
    }
}
