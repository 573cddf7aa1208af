use super::*;
use std::process::{Command, Stdio};

fn closed(lock: &Lock, text: &[u8]) -> Vec<u8> {
    let mut writer = seal(lock, Vec::new()).unwrap();
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

fn opened(opener: &Opener, octets: &[u8]) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    open(opener, octets)?.read_to_end(&mut text)?;
    Ok(text)
}

fn passphrase(words: &str) -> Passphrase {
    Passphrase::new(words).unwrap().with_work(4)
}

#[test]
fn what_is_closed_opens_for_each_recipient_and_nobody_else() {
    let (ann, bob, eve) = (Identity::generate().unwrap(), Identity::generate().unwrap(), Identity::generate().unwrap());
    let lock = Lock::Recipients(vec![ann.recipient(), bob.recipient()]);
    for length in [0, 1, (64 << 10) - 1, 64 << 10, (64 << 10) + 1, 200_000] {
        let text = vec![7; length];
        let file = closed(&lock, &text);
        for key in [&ann, &bob] {
            assert_eq!(opened(&Opener::Identities(vec![eve.clone(), key.clone()]), &file).unwrap(), text);
        }
        assert!(matches!(opened(&Opener::Identities(vec![eve.clone()]), &file), Err(Error::Closed)));
        assert!(opened(&Opener::Identities(vec![ann.clone()]), &file[..file.len() - 1]).is_err());
    }
    let file = closed(&Lock::Passphrase(passphrase("correct horse battery")), b"text");
    assert_eq!(opened(&Opener::Passphrase(passphrase("correct horse battery")), &file).unwrap(), b"text");
    let wrong = opened(&Opener::Passphrase(passphrase("correct horse batterz")), &file);
    assert!(matches!(wrong, Err(Error::Closed)));
}

#[test]
fn any_changed_octet_and_any_cut_is_noticed() {
    let key = Identity::generate().unwrap();
    let opener = Opener::Identities(vec![key.clone()]);
    let file = closed(&Lock::Recipients(vec![key.recipient()]), b"some text that matters");
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert!(opened(&opener, &changed).is_err(), "octet {at}");
        assert!(opened(&opener, &file[..at]).is_err(), "cut at {at}");
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(opened(&opener, &longer).is_err());
}

#[test]
fn a_head_cannot_make_us_work_or_store_without_bounds() {
    let opener = Opener::Passphrase(passphrase("correct horse battery"));
    let costly = b"age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA 40\nAAAA\n--- AAAA\n";
    assert!(matches!(opened(&opener, costly), Err(Error::Damaged(_))));
    let endless = [b"age-encryption.org/v1\n-> X25519 ".to_vec(), vec![b'A'; 1 << 20]].concat();
    assert!(matches!(opened(&opener, &endless), Err(Error::Damaged(_))));
}

#[test]
fn keys_are_texts_and_are_not_shown() {
    let key = Identity::generate().unwrap();
    let text = key.to_text();
    assert!(text.starts_with("AGE-SECRET-KEY-1"));
    assert_eq!(text.parse::<Identity>().unwrap().recipient(), key.recipient());
    assert_eq!(key.recipient().to_string().parse::<Recipient>().unwrap(), key.recipient());
    assert!(key.recipient().to_string().parse::<Identity>().is_err() && text.parse::<Recipient>().is_err());
    assert_eq!(format!("{key:?} {:?}", passphrase("correct horse battery")), "Identity(…) Passphrase(…)");
    assert!(Passphrase::new("short").is_err());
}

/// What others wrote: Debian's `age` opens ours, and we open its.
#[test]
fn the_program_age_agrees() {
    if Command::new("age").arg("--version").output().is_err() {
        return println!("skipped: age is not installed (apt-get install age)");
    }
    let folder = tempfile::tempdir().unwrap();
    let key = Identity::generate().unwrap();
    let (identity, file) = (folder.path().join("key.txt"), folder.path().join("ours.age"));
    std::fs::write(&identity, format!("{}\n", key.to_text().as_str())).unwrap();
    let text = vec![b'x'; 150_000];
    std::fs::write(&file, closed(&Lock::Recipients(vec![key.recipient()]), &text)).unwrap();
    let theirs = Command::new("age").arg("-d").arg("-i").arg(&identity).arg(&file).output().unwrap();
    assert_eq!(theirs.stdout, text, "{}", String::from_utf8_lossy(&theirs.stderr));
    let mut child = Command::new("age");
    child.args(["-r", &key.recipient().to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(&vec![b'x'; 150_000]));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert_eq!(opened(&Opener::Identities(vec![key]), &output.stdout).unwrap(), text);
}
