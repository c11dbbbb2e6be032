//! Generation tokens, and the two states of a tag: open with a token, or closed by one recorder.

use std::fmt;

/// A number that will not come twice: the generation of a tag, made where it is kept, or the random name of a recorder or of a reader.
/// In Redis it is 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token(u128);

impl Token {
    pub(super) fn random() -> Self {
        Self(rand::random())
    }

    /// The token of an open tag; `None` for a closed tag, and for anything else that may stand there.
    pub(super) fn of_tag(stored: &[u8]) -> Option<Self> {
        let digits = str::from_utf8(stored)
            .ok()
            .filter(|digits| digits.len() == 32)?;
        u128::from_str_radix(digits, 16).ok().map(Self)
    }

    /// What stands in a tag that this recorder has closed. The scripts tell it by its beginning, which no token has.
    pub(super) fn closing_mark(self) -> String {
        format!("closed:{self}")
    }

    pub(super) const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }
}

impl fmt::Display for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_closed_tag_is_none() {
        let token = Token(7);
        assert_eq!(Token::of_tag(token.to_string().as_bytes()), Some(token));
        for stored in [token.closing_mark().as_bytes(), b"", b"7", &[0xff; 32]] {
            assert_eq!(Token::of_tag(stored), None);
        }
    }
}
