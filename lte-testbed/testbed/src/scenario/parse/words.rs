//! Single words of sentences: numbers, times, phones, algorithms.

use std::time::Duration;

use basalt_ids::Plmn;
use testbed_ue::Timer;

use super::super::script::Phones;
use super::Sentence;
use crate::rates::Version;

/// Longest wait of an expectation that names none.
const DEFAULT_LIMIT: Duration = Duration::from_secs(5);

/// Takes `within TIME` from the end.
pub(super) fn limit<'a>(words: &'a [&'a str]) -> Sentence<(&'a [&'a str], Duration)> {
    match words {
        [rest @ .., "within", time] => Ok((rest, duration(time)?)),
        rest => Ok((rest, DEFAULT_LIMIT)),
    }
}

/// Words, those between quotation marks together.
pub(super) fn quoted(words: &[&str]) -> Sentence<Vec<String>> {
    let text = words.join(" ");
    let mut all = Vec::new();
    for (at, part) in text.split('"').enumerate() {
        if at % 2 == 1 {
            all.push(part.to_owned());
        } else {
            all.extend(part.split_whitespace().map(str::to_owned));
        }
    }
    if text.matches('"').count() % 2 == 1 { Err(format!("a quotation mark is missing: {text}")) } else { Ok(all) }
}

pub(super) fn number<T: std::str::FromStr>(word: &str) -> Sentence<T> {
    word.parse().map_err(|_| format!("{word:?} is not a number that fits here"))
}

pub(super) fn numbers<T: std::str::FromStr>(words: &[&str]) -> Sentence<Vec<T>> {
    match words {
        [] => Err("at least one number is missing".to_owned()),
        words => words.iter().map(|word| number(word)).collect(),
    }
}

/// Things are counted from 1.
pub(super) fn index(word: &str) -> Sentence<usize> {
    match number(word)? {
        number @ 1..=1000 => Ok(number),
        _ => Err(format!("{word} is not from 1 to 1000")),
    }
}

pub(super) fn one(word: &str) -> Sentence<Phones> {
    let index = index(word)?;
    Ok(Phones { first: index, last: index })
}

pub(super) fn several(first: &str, last: &str) -> Sentence<Phones> {
    let phones = Phones { first: index(first)?, last: index(last)? };
    if phones.first > phones.last { Err(format!("{first} to {last} is nobody")) } else { Ok(phones) }
}

pub(super) fn network(word: &str) -> Sentence<Plmn> {
    word.parse().map_err(|error| format!("{word} is no network: {error}"))
}

pub(super) fn access_point(word: &str) -> Sentence<basalt_ids::Apn> {
    word.parse().map_err(|error| format!("{word} is no access point: {error}"))
}

/// `internet and ims`.
pub(super) fn access_points(words: &[&str]) -> Sentence<Vec<basalt_ids::Apn>> {
    words.split(|word| *word == "and").map(|one| access_point(&one.join(" "))).collect()
}

/// `IPv4`, `IPv6`, `both`.
pub(super) fn ip_version(word: &str) -> Sentence<Version> {
    match word {
        "IPv4" => Ok(Version::Ipv4),
        "IPv6" => Ok(Version::Ipv6),
        "both" => Ok(Version::Both),
        _ => Err(format!("{word} is neither IPv4, nor IPv6, nor both")),
    }
}

/// `2s`, `500ms`, `3m`.
pub(super) fn duration(word: &str) -> Sentence<Duration> {
    let wrong = || format!("{word} is no time such as 2s, 500ms or 3m");
    let split = word.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (amount, unit) = word.split_at(split);
    let amount: u64 = amount.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(amount)),
        "s" => Ok(Duration::from_secs(amount)),
        "m" => Ok(Duration::from_secs(amount * 60)),
        _ => Err(wrong()),
    }
}

/// `eea012` or `eia0`: capability bits.
pub(super) fn bits(word: &str, prefix: &str) -> Sentence<u8> {
    let wrong = || format!("{word} is no list of algorithms such as {prefix}012");
    let digits = word.strip_prefix(prefix).filter(|digits| !digits.is_empty()).ok_or_else(wrong)?;
    digits.chars().try_fold(0, |bits, digit| Some(bits | 0x80u8 >> digit.to_digit(8)?)).ok_or_else(wrong)
}

pub(super) fn algorithm(word: &str, prefix: &str) -> Sentence<u8> {
    let digit = word.strip_prefix(prefix).and_then(|digit| digit.parse().ok()).filter(|digit| *digit < 4);
    digit.ok_or_else(|| format!("{word} is none of {prefix}0 to {prefix}3"))
}

pub(super) fn timer_of(word: &str) -> Sentence<Timer> {
    let timer = match word {
        "t3402" => Timer::T3402,
        "t3410" => Timer::T3410,
        "t3411" => Timer::T3411,
        "t3417" => Timer::T3417,
        "t3421" => Timer::T3421,
        "t3430" => Timer::T3430,
        "t3440" => Timer::T3440,
        _ => return Err(format!("{word} is none of t3402, t3410, t3411, t3417, t3421, t3430, t3440")),
    };
    Ok(timer)
}

pub(super) fn hex(word: &str) -> Sentence<Vec<u8>> {
    let wrong = || format!("{word} is not octets in hexadecimal");
    if !word.len().is_multiple_of(2) || !word.is_ascii() {
        return Err(wrong());
    }
    (0..word.len()).step_by(2).map(|at| u8::from_str_radix(&word[at..at + 2], 16).map_err(|_| wrong())).collect()
}
