//! Which trace an event belongs to: the context that a client, the gateway or a sender of messages gave along, in W3C's form
//! (`traceparent`) or X-Ray's. It is for finding lines of the log, so one that is malformed or too long is none, and never an error.

use std::fmt;

/// W3C's header, and the message attribute of the same name.
pub const TRACEPARENT: &str = "traceparent";
/// X-Ray's header, which the gateway sets.
pub const X_AMZN_TRACE_ID: &str = "x-amzn-trace-id";
/// X-Ray's context of a message, one of the queue's own attributes.
pub const AWS_TRACE_HEADER: &str = "AWSTraceHeader";

/// Real ones have 55 to some 150 bytes.
const LONGEST_BYTES: usize = 512;

/// The name of a trace: 32 lowercase hexadecimal digits, as W3C writes it. X-Ray's `1-5759e988-bd862e3fe1be46a994272793` is the
/// same without `1` and dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceId(u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// What came along with an event, so far as it is well formed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Context<'a> {
    /// W3C's.
    pub traceparent: Option<&'a str>,
    /// X-Ray's.
    pub xray: Option<&'a str>,
}

impl<'a> Context<'a> {
    /// Keeps what is well formed.
    #[must_use]
    pub fn read(traceparent: Option<&'a str>, xray: Option<&'a str>) -> Self {
        Self {
            traceparent: traceparent.filter(|text| id_of_traceparent(text).is_some()),
            xray: xray.filter(|text| id_of_xray(text).is_some()),
        }
    }

    /// The trace. W3C's goes first: whoever sent it began earlier than the gateway, which adds its own.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        let w3c = self.traceparent.and_then(id_of_traceparent);
        w3c.or_else(|| self.xray.and_then(id_of_xray))
    }
}

/// `version-trace-parent-flags`: <https://www.w3.org/TR/trace-context/#traceparent-header>. A later version than 00 may say more
/// after the flags.
fn id_of_traceparent(text: &str) -> Option<TraceId> {
    if text.len() > LONGEST_BYTES {
        return None;
    }
    let mut parts = text.split('-');
    let mut part = |digits| hex(parts.next()?, digits);
    let (version, trace, parent, _flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
    let ends = parts.next().is_none();
    let is_known = version == 0 && ends || (1..0xff).contains(&version);
    (is_known && trace != 0 && parent != 0).then_some(TraceId(trace))
}

/// The `Root=1-8 digits-24 digits` among fields that are separated by semicolons.
fn id_of_xray(text: &str) -> Option<TraceId> {
    if text.len() > LONGEST_BYTES {
        return None;
    }
    let root = text
        .split(';')
        .find_map(|field| field.trim().strip_prefix("Root=1-"))?;
    let (time, random) = root.split_once('-')?;
    let trace = hex(time, 8)? << 96 | hex(random, 24)?;
    (trace != 0).then_some(TraceId(trace))
}

/// Exactly so many lowercase digits.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if text.len() != digits || !text.bytes().all(is_hex) {
        return None;
    }
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const W3C: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const XRAY: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

    fn id(traceparent: Option<&str>, xray: Option<&str>) -> Option<String> {
        let context = Context::read(traceparent, xray);
        context.trace_id().map(|id| id.to_string())
    }

    #[test]
    fn either_form_names_a_trace_and_w3c_goes_first() {
        let w3c = Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned());
        let xray = Some("5759e988bd862e3fe1be46a994272793".to_owned());
        assert_eq!(id(Some(W3C), None), w3c);
        assert_eq!(id(None, Some(XRAY)), xray);
        assert_eq!(id(Some(W3C), Some(XRAY)), w3c);
        assert_eq!(id(Some("nonsense"), Some(XRAY)), xray);
        let later = W3C.replacen("00", "01", 1) + "-more";
        assert_eq!(id(Some(&later), None), w3c);
        let behind_a_proxy = format!("Self=1-67891234-12456789abcdef012345678a;{XRAY}");
        assert_eq!(id(None, Some(&behind_a_proxy)), xray);
    }

    #[test]
    fn what_is_malformed_or_too_long_is_none() {
        let long = format!("01{}-{}", &W3C[2..], "x".repeat(LONGEST_BYTES));
        for w3c in [
            "",
            "00",
            &W3C.to_uppercase(),
            &W3C[..54],
            &format!("{W3C}-more"),
            &format!(" {W3C}"),
            &W3C.replacen("00", "ff", 1),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00-+bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            &long,
        ] {
            assert_eq!(id(Some(w3c), None), None, "{w3c}");
        }
        let long = format!("{XRAY};{}", "x".repeat(LONGEST_BYTES));
        for xray in [
            "",
            "Root=",
            "Root=1-5759e988",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-00000000-000000000000000000000000",
            "Parent=53995c3f42cd8ad8;Sampled=1",
            &long,
        ] {
            assert_eq!(id(None, Some(xray)), None, "{xray}");
        }
    }
}
