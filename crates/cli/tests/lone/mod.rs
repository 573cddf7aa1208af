//! The verbs of objects against a gateway on its own: the same file as for an orchestrator, as far as it is about subscribers.

use crate::site::{K, OPC, Site, run, words};

fn file(title: &str, more: &str) -> String {
    format!(
        "kind: subscriber\nname: '001010000000001'\nnetwork: lab\nbody:\n  title: {title}\n  keys: {{k: '{K}', opc: '{OPC}'}}\n  \
         ambr: {{max_dl_bit_rate: 50000000, max_ul_bit_rate: 10000000}}\n  active_apns:\n  - apn: internet\n    qci: 9\n    priority: 8\n\
         {more}"
    )
}

#[test]
fn a_file_is_applied_compared_and_deleted() {
    let site = Site::empty();
    let said = |words: &str, stdin: &str| {
        let said = site.run_with(words, stdin);
        (said.code, said.stdout + &said.stderr)
    };
    let (first, second) = (file("pump", ""), file("well", "  state: INACTIVE\n"));
    assert_eq!(
        said("basalt apply --dry-run -f -", &first),
        (0, "subscribers: 1 would be created, 0 replaced\n".to_owned())
    );
    assert_eq!(said("basalt diff -f -", &first).0, 1);
    assert_eq!(said("basalt apply -f -", &first), (0, "subscriber/001010000000001 created\n".to_owned()));
    assert_eq!(said("basalt diff -f -", &first).0, 0);
    assert_eq!(said("basalt apply -f -", &first), (0, "subscriber/001010000000001 unchanged\n".to_owned()));
    let (code, text) = said("basalt diff -f -", &second);
    assert!(code == 1 && text.contains("- /title: \"pump\"") && text.contains("+ /state: \"INACTIVE\""), "{text}");
    assert_eq!(said("basalt apply -f -", &second), (0, "subscriber/001010000000001 changed\n".to_owned()));
    let (code, shown) = said("basalt get subscriber 001010000000001 -o yaml", "");
    assert!(code == 0 && shown.contains("state: INACTIVE") && !shown.contains("network"), "{shown}");
    // What is shown can be applied again: the keys stay.
    assert_eq!(said("basalt apply -f -", &shown), (0, "subscriber/001010000000001 unchanged\n".to_owned()));
    // What stands behind an object's name is taken for a word of it: the socket stands before.
    let describe = || {
        let line = format!("basalt --socket {} describe subscriber 001010000000001", site.gateway.socket.display());
        let said = run(words(&line), "");
        (said.code, said.stdout + &said.stderr)
    };
    let (code, described) = describe();
    assert!(code == 0 && described.contains("kept, never shown") && described.contains("title: well"), "{described}");
    assert!(!(shown + &described).contains(K), "keys go in only");
    assert_eq!(
        said("basalt delete subscriber 001010000000001", ""),
        (0, "subscriber/001010000000001 deleted\n".to_owned())
    );
    assert_eq!(describe().0, 1);
    assert_eq!(said("basalt delete -f -", &first), (0, "subscriber/001010000000001 is not there\n".to_owned()));
}

#[test]
fn what_only_an_orchestrator_has_is_refused_by_name() {
    let site = Site::empty();
    for (text, words) in [
        (file("pump", "  data_plan: gold\n"), "`data_plan`"),
        ("kind: apn\nname: internet\n".to_owned(), "apns are an orchestrator's"),
        (file("pump", "  state: MAYBE\n"), "ACTIVE or INACTIVE"),
        (file("pump", "  amf: [1]\n"), "wrong type"),
    ] {
        let said = site.run_with("basalt apply -f -", &text);
        assert!(said.code == 2 && said.stderr.contains(words) && !said.stderr.contains(K), "{}", said.stderr);
    }
    assert!(site.gateway.state.lock().unwrap().keys.is_empty(), "nothing was made of a file that is refused");
}
