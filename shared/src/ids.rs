//! The ids of LPs, funds, commitments and ledger entries, each a type of its own so that one cannot be passed for
//! another. An id is positive; nothing else can be built from text or read from the database.

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// The longest name of a subject, the `sub` of a token, by OpenID Connect Core 1.0, section 2; in characters.
pub const LONGEST_SUBJECT: usize = 255;

/// What was given is not an id: a whole number from 1 to 9223372036854775807, in plain digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is not a whole number from 1 to 9223372036854775807")]
pub struct NotAnId;

/// Reads plain digits only: `i64`'s own parser would take a sign, and a leading zero would give one thing two URLs.
fn parse_id(text: &str) -> Result<i64, NotAnId> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    if !plain {
        return Err(NotAnId);
    }
    text.parse().map_err(|_| NotAnId)
}

macro_rules! id {
    ($(#[$documentation:meta])* $name:ident) => {
        $(#[$documentation])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "i64", into = "i64")]
        pub struct $name(i64);

        impl $name {
            /// The id as the database stores it.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl TryFrom<i64> for $name {
            type Error = NotAnId;

            fn try_from(id: i64) -> Result<Self, NotAnId> {
                if id > 0 { Ok(Self(id)) } else { Err(NotAnId) }
            }
        }

        impl From<$name> for i64 {
            fn from(id: $name) -> i64 {
                id.0
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse_id(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl ToSql for $name {
            fn to_sql(
                &self,
                column: &Type,
                out: &mut BytesMut,
            ) -> Result<IsNull, Box<dyn StdError + Sync + Send>> {
                self.0.to_sql(column, out)
            }

            accepts!(INT8);
            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(column: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn StdError + Sync + Send>> {
                Ok(Self::try_from(i64::from_sql(column, raw)?)?)
            }

            accepts!(INT8);
        }
    };
}

id! {
    /// A limited partner: the tenant that every query is scoped by.
    LpId
}
id! {
    /// A fund.
    FundId
}
id! {
    /// One LP's commitment to one fund.
    CommitmentId
}
id! {
    /// One entry of the ledger, numbered in the order of recording.
    ActivityId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_plain_digits_within_bigint() {
        for (text, expected) in [
            ("1", Ok(1)),
            ("9223372036854775807", Ok(i64::MAX)),
            ("9223372036854775808", Err(NotAnId)),
            ("0", Err(NotAnId)),
            ("042", Err(NotAnId)),
            ("-1", Err(NotAnId)),
            ("+1", Err(NotAnId)),
            (" 1", Err(NotAnId)),
            ("1.0", Err(NotAnId)),
            ("٣", Err(NotAnId)),
            ("", Err(NotAnId)),
        ] {
            assert_eq!(text.parse::<LpId>().map(LpId::get), expected, "{text:?}");
        }
    }

    #[test]
    fn json_holds_a_number_and_refuses_zero() {
        let id: FundId = serde_json::from_str("7").unwrap();
        assert_eq!(serde_json::to_string(&id).unwrap(), "7");
        assert!(serde_json::from_str::<FundId>("0").is_err());
    }
}
