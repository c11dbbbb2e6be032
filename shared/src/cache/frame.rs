//! How an answer lies in Redis: in front of it stand the tokens it was filled under and the time it ends. A frame that
//! says anything else than what is expected of it is no answer.

use super::token::Token;

/// Changes whenever the layout of the frame, or of what it carries, does: what an older release wrote is then a miss.
const VERSION: u8 = 1;
const EXPIRY_LENGTH: usize = size_of::<i64>();

/// Frames an answer that was filled under these tokens, one a tag of its report, in their order.
pub(super) fn seal(tokens: &[Token], expires_at_s: i64, answer: &[u8]) -> Vec<u8> {
    let mut frame = head(tokens);
    frame.extend(expires_at_s.to_be_bytes());
    frame.extend(answer);
    frame
}

/// The answer in a frame, when it was filled under exactly these tokens and its time is not over.
pub(super) fn unseal(mut frame: Vec<u8>, tokens: &[Token], now_s: i64) -> Option<Vec<u8>> {
    let rest = frame.strip_prefix(head(tokens).as_slice())?;
    let (expiry, answer) = rest.split_first_chunk::<EXPIRY_LENGTH>()?;
    let answer_at = frame.len() - answer.len();
    (now_s < i64::from_be_bytes(*expiry)).then(|| frame.split_off(answer_at))
}

/// Version, number of tokens, tokens.
fn head(tokens: &[Token]) -> Vec<u8> {
    let mut head = vec![VERSION, tokens.len() as u8];
    head.extend(tokens.iter().flat_map(|token| token.to_bytes()));
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_only_under_its_tokens_and_before_its_end() {
        let (one, two) = (Token::random(), Token::random());
        let frame = || seal(&[one, two], 100, b"{}");
        assert_eq!(unseal(frame(), &[one, two], 99), Some(b"{}".to_vec()));
        assert_eq!(unseal(frame(), &[one, two], 100), None);
        for other in [&[two, one][..], &[one], &[], &[one, two, two]] {
            assert_eq!(unseal(frame(), other, 99), None);
        }
    }

    #[test]
    fn every_truncation_and_any_garbage_is_no_answer() {
        let token = Token::random();
        let frame = seal(&[token], i64::MAX, b"");
        for length in 0..frame.len() {
            assert_eq!(
                unseal(frame[..length].to_vec(), &[token], 0),
                None,
                "{length}"
            );
        }
        assert_eq!(unseal(b"garbage".to_vec(), &[token], 0), None);
    }
}
