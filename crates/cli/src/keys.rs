//! Keys of SIMs on their way to the gateway. What holds them here wipes them, and none is ever part of a message to people.

use basalt_control_api::gateway::v1 as api;
use zeroize::{Zeroize as _, Zeroizing};

/// Keys as they were given, in hexadecimal.
#[derive(Default)]
pub(crate) struct KeyTexts {
    /// K.
    pub(crate) k: Option<Zeroizing<String>>,
    /// OPc or TOPc.
    pub(crate) opc: Option<Zeroizing<String>>,
    /// OP or TOP.
    pub(crate) op: Option<Zeroizing<String>>,
    /// Sequence number.
    pub(crate) sqn: Option<u64>,
}

impl KeyTexts {
    /// Reads "k=HEX" lines. Empty lines and those that begin with # do not count; `:` and blanks will do for `=`.
    ///
    /// # Errors
    /// What is wrong and in which line, without the line's contents.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut keys = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: &str| format!("line {number}: {what}");
            let split = line.find(|c: char| c == '=' || c == ':' || c.is_whitespace());
            let (name, value) = line.split_at(split.ok_or_else(|| wrong("not of the form name=value"))?);
            let value = value.trim_start_matches(|c: char| c == '=' || c == ':' || c.is_whitespace());
            let slot = match name.to_ascii_lowercase().as_str() {
                "k" | "ki" => &mut keys.k,
                "opc" | "topc" => &mut keys.opc,
                "op" | "top" => &mut keys.op,
                "sqn" => {
                    keys.sqn = Some(value.parse().map_err(|_| wrong("sqn is not a decimal number"))?);
                    continue;
                }
                _ => return Err(wrong("the names are k, opc (or op) and sqn")),
            };
            if slot.replace(Zeroizing::new(value.to_owned())).is_some() {
                return Err(wrong("the same key is there a second time"));
            }
        }
        Ok(keys)
    }

    /// K and OPc (TUAK: TOPc) as they stand in a document.
    pub(crate) fn of(k: &str, opc: &str) -> Self {
        let text = |text: &str| Some(Zeroizing::new(text.to_owned()));
        Self { k: text(k), opc: text(opc), ..Self::default() }
    }

    /// Whether any key is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.k.is_none() && self.opc.is_none() && self.op.is_none()
    }

    /// The keys in octets.
    ///
    /// # Errors
    /// Which key is wrong or missing and what it should be, never what it is.
    pub(crate) fn octets(&self, tuak: bool) -> Result<Keys, String> {
        let k = self.k.as_deref().ok_or("K is missing")?;
        let k = hex("K", k, if tuak { &[16, 32] } else { &[16] })?;
        let lengths: &[usize] = if tuak { &[32] } else { &[16] };
        let (opc_name, op_name) = if tuak { ("TOPc", "TOP") } else { ("OPc", "OP") };
        let (opc, op) = match (self.opc.as_deref(), self.op.as_deref()) {
            (Some(opc), None) => (hex(opc_name, opc, lengths)?, Vec::new()),
            (None, Some(op)) => (Vec::new(), hex(op_name, op, lengths)?),
            (Some(_), Some(_)) => return Err(format!("{opc_name} and {op_name} are both there: give one of them")),
            (None, None) => return Err(format!("{opc_name} is missing (or {op_name}, to compute it from)")),
        };
        Ok(Keys(api::SimKeys { k, opc, op, sqn: self.sqn.unwrap_or(0) }))
    }
}

/// Keys in octets, wiped when they are not taken.
pub(crate) struct Keys(api::SimKeys);

impl Keys {
    /// Gives them to a request.
    pub(crate) fn into_request(mut self) -> api::SimKeys {
        std::mem::take(&mut self.0)
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.0.k.zeroize();
        self.0.opc.zeroize();
        self.0.op.zeroize();
    }
}

/// Hexadecimal digits, with or without `0x`, blanks and colons between them.
fn hex(name: &str, text: &str, lengths: &[usize]) -> Result<Vec<u8>, String> {
    let text = text.trim();
    let text = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    let mut octets = Vec::with_capacity(text.len() / 2);
    let mut half = None;
    for c in text.chars().filter(|c| !matches!(c, ' ' | ':' | '-')) {
        let digit = c.to_digit(16).ok_or_else(|| format!("{name} has characters that are not hexadecimal digits"))?;
        let digit = digit as u8;
        match half.take() {
            None => half = Some(digit),
            Some(high) => octets.push(high << 4 | digit),
        }
    }
    let digits = octets.len() * 2 + usize::from(half.is_some());
    if half.is_some() || !lengths.contains(&octets.len()) {
        octets.zeroize();
        let wanted: Vec<String> = lengths.iter().map(|length| (length * 2).to_string()).collect();
        return Err(format!("{name} has {digits} hexadecimal digits, it needs {}", wanted.join(" or ")));
    }
    Ok(octets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const K: &str = "465B5CE8B199B49FAA5F0A2EE238A6BC";

    #[test]
    fn keys_are_read_in_many_hands() {
        let text = format!("# pump\r\nK = {K}\r\n\r\nopc: 0x{}\nsqn 42\n", K.to_ascii_lowercase());
        let keys = KeyTexts::parse(&text).unwrap().octets(false).unwrap().into_request();
        assert_eq!(keys.k[..2], [0x46, 0x5b]);
        assert_eq!(keys.k, keys.opc);
        assert_eq!((keys.op.len(), keys.sqn), (0, 42));
    }

    #[test]
    fn lengths_follow_the_algorithm() {
        let keys = |k: &str, opc: &str| KeyTexts::parse(&format!("k={k}\nopc={opc}")).unwrap();
        let double = format!("{K}{K}");
        assert!(keys(K, K).octets(false).is_ok());
        assert!(keys(K, &double).octets(true).is_ok());
        assert!(keys(&double, &double).octets(true).is_ok());
        assert!(keys(K, K).octets(true).err().unwrap().contains("TOPc has 32 hexadecimal digits, it needs 64"));
        assert!(keys(&double, K).octets(false).err().unwrap().contains("it needs 32"));
        assert!(keys("465", K).octets(false).err().unwrap().contains("3 hexadecimal digits"));
    }

    #[test]
    fn mistakes_are_told_without_the_key() {
        for text in [format!("secret {K}"), format!("k={K}\nk={K}"), K.to_owned(), "sqn=xyz".to_owned()] {
            let told = KeyTexts::parse(&text).err().unwrap();
            assert!(told.starts_with("line "), "{told}");
            assert!(!told.contains("465B") && !told.contains("xyz"), "{told}");
        }
        let missing = |text: &str| KeyTexts::parse(text).unwrap().octets(false).err().unwrap();
        assert_eq!(missing(""), "K is missing");
        assert!(missing(&format!("k={K}")).contains("OPc is missing"));
        assert!(missing(&format!("k={K}\nop={K}\nopc={K}")).contains("give one of them"));
        let wrong = format!("{}Z", &K[1..]);
        let told = missing(&format!("k={wrong}\nop={K}"));
        assert!(told.contains("not hexadecimal") && !told.contains("65B5"), "{told}");
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(text in any::<String>(), tuak in any::<bool>()) {
            if let Ok(keys) = KeyTexts::parse(&text) {
                let _ = keys.octets(tuak);
            }
        }
    }
}
