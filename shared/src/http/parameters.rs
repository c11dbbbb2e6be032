//! Parameters of a request, parsed into types that cannot be wrong. Every error is collected, so that a client sees them
//! all at once; unknown and repeated query parameters are errors, too.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use chrono::NaiveDate;
use lambda_http::aws_lambda_events::query_map::QueryMap;
use lambda_http::{Request, RequestExt};

use super::cursor::{self, Position};
use super::problem::{ParameterError, Problem};
use crate::calendar::parse_date;
use crate::ids::{CommitmentId, FundId, LpId};

/// Items in a list: beyond any LP's number of funds, and short enough for a URL.
const LONGEST_LIST: usize = 400;
const DEFAULT_LIMIT: i64 = 100;
const LARGEST_LIMIT: i64 = 1000;
/// Names, keys and values in a query; no legitimate one is near it.
const LONGEST_WORD: usize = 100;
/// What a client wrote is repeated to it up to here, and so many unknown names: a refusal is no longer than it has to be.
const LONGEST_ECHO: usize = 40;
const MOST_UNKNOWN: usize = 10;

/// A parameter was refused; which one and why is kept by [`Parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(());

/// The parameters of one request. Each is asked for by its name; a refusal is noted and the rest can still be asked.
pub struct Parameters {
    path: QueryMap,
    query: QueryMap,
    today: NaiveDate,
    errors: Vec<ParameterError>,
}

/// Parses a request. `names` are the query parameters that the function knows; any other is refused. `read` should ask for
/// all it needs before it gives up on one.
pub fn parse<T>(
    request: &Request,
    today: NaiveDate,
    names: &[&str],
    read: impl FnOnce(&mut Parameters) -> Result<T, Refused>,
) -> Result<T, Problem> {
    let mut parameters = Parameters {
        path: request.path_parameters(),
        query: request.query_string_parameters(),
        today,
        errors: Vec::new(),
    };
    let outcome = read(&mut parameters);
    parameters.refuse_unknown(names);
    match outcome {
        Ok(parsed) if parameters.errors.is_empty() => Ok(parsed),
        _ => Err(Problem::InvalidParameters(parameters.errors)),
    }
}

impl Parameters {
    /// The path's `lpId`.
    pub fn lp_id(&mut self) -> Result<LpId, Refused> {
        self.in_path("lpId")
    }

    /// The path's `fundId`.
    pub fn fund_id_in_path(&mut self) -> Result<FundId, Refused> {
        self.in_path("fundId")
    }

    /// The query's `fundId`.
    pub fn fund_id(&mut self) -> Result<Option<FundId>, Refused> {
        self.parsed("fundId")
    }

    /// The query's `commitmentId`.
    pub fn commitment_id(&mut self) -> Result<Option<CommitmentId>, Refused> {
        self.parsed("commitmentId")
    }

    /// The query's `fundIds`, in order; empty when absent.
    pub fn fund_ids(&mut self) -> Result<Vec<FundId>, Refused> {
        self.list("fundIds", |item| {
            item.parse()
                .map_err(|error| format!("holds \"{}\", which {error}", echoed(item)))
        })
    }

    /// A list of the given words, in the order of their values; empty when absent.
    pub fn some_of<T: Copy + Ord>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Vec<T>, Refused> {
        self.list(name, |item| {
            let known = words
                .iter()
                .find(|(word, _)| *word == item)
                .map(|&(_, value)| value);
            known.ok_or_else(|| format!("holds \"{}\", which {}", echoed(item), is_none_of(words)))
        })
    }

    /// One of the given words.
    pub fn one_of<T: Copy>(
        &mut self,
        name: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Refused> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let known = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|&(_, value)| value);
        known
            .map(Some)
            .ok_or_else(|| self.refuse(name, is_none_of(words)))
    }

    /// A date, as YYYY-MM-DD.
    pub fn date(&mut self, name: &str) -> Result<Option<NaiveDate>, Refused> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        match parse_date(&text) {
            Some(date) => Ok(Some(date)),
            None => Err(self.refuse(
                name,
                "is not a date as YYYY-MM-DD in the years 1900 to 9998",
            )),
        }
    }

    /// `asOf`: today unless given, and never after it, because nobody knows tomorrow's NAV.
    pub fn as_of(&mut self) -> Result<NaiveDate, Refused> {
        let today = self.today;
        match self.date("asOf")? {
            Some(date) if date > today => {
                Err(self.refuse("asOf", format!("is after today, {today}")))
            }
            given => Ok(given.unwrap_or(today)),
        }
    }

    /// `startDate` and `endDate`, both included, the one not after the other.
    pub fn date_range(&mut self) -> Result<(Option<NaiveDate>, Option<NaiveDate>), Refused> {
        let (start, end) = (self.date("startDate"), self.date("endDate"));
        let (start, end) = (start?, end?);
        if start.zip(end).is_some_and(|(start, end)| start > end) {
            return Err(self.refuse("endDate", "is before startDate"));
        }
        Ok((start, end))
    }

    /// `limit`: how long a page may be.
    pub fn limit(&mut self) -> Result<i64, Refused> {
        let Some(text) = self.text("limit")? else {
            return Ok(DEFAULT_LIMIT);
        };
        // As ids are written: one spelling a number.
        let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
        let limit = text
            .parse()
            .ok()
            .filter(|limit| plain && (1..=LARGEST_LIMIT).contains(limit));
        limit.ok_or_else(|| {
            self.refuse(
                "limit",
                format!("is not a whole number from 1 to {LARGEST_LIMIT}"),
            )
        })
    }

    /// `cursor`, given out by an earlier page of the same list; `filter` is what [`cursor::encode`] was given.
    pub fn cursor<P: Position>(&mut self, filter: &str) -> Result<Option<P>, Refused> {
        let Some(text) = self.text("cursor")? else {
            return Ok(None);
        };
        let detail = "was not given out for this list with these filters";
        cursor::decode(filter, &text)
            .map(Some)
            .ok_or_else(|| self.refuse("cursor", detail))
    }

    /// `metadata=key:value`; the value may hold colons.
    pub fn metadata(&mut self) -> Result<Option<(String, String)>, Refused> {
        let Some(text) = self.text("metadata")? else {
            return Ok(None);
        };
        let fits = |word: &str| (1..=LONGEST_WORD).contains(&word.chars().count());
        match text
            .split_once(':')
            .filter(|(key, value)| fits(key) && fits(value))
        {
            Some((key, value)) => Ok(Some((key.to_owned(), value.to_owned()))),
            None => Err(self.refuse(
                "metadata",
                format!("is not key:value, each of 1 to {LONGEST_WORD} characters"),
            )),
        }
    }

    /// Today, for this request.
    pub fn today(&self) -> NaiveDate {
        self.today
    }

    /// Refuses a parameter for a reason that only the function knows; the detail is read after the name.
    pub fn refuse(&mut self, name: &str, detail: impl Into<String>) -> Refused {
        self.errors.push(ParameterError {
            parameter: name.to_owned(),
            detail: detail.into(),
        });
        Refused(())
    }

    fn in_path<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<T, Refused> {
        let parsed = self.path.first(name).unwrap_or_default().parse();
        parsed.map_err(|error: T::Err| self.refuse(name, error.to_string()))
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Result<Option<T>, Refused> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        text.parse()
            .map(Some)
            .map_err(|error: T::Err| self.refuse(name, error.to_string()))
    }

    fn list<T: Ord>(
        &mut self,
        name: &str,
        item: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, Refused> {
        let Some(text) = self.text(name)? else {
            return Ok(Vec::new());
        };
        if text.split(',').count() > LONGEST_LIST {
            return Err(self.refuse(name, format!("holds more than {LONGEST_LIST} items")));
        }
        let mut items = text
            .split(',')
            .map(item)
            .collect::<Result<Vec<T>, _>>()
            .map_err(|detail| self.refuse(name, detail))?;
        items.sort_unstable();
        if items.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(self.refuse(name, "holds an item twice"));
        }
        Ok(items)
    }

    /// The text of a query parameter. Postgres takes every character but NUL, and no list or name holds one.
    fn text(&mut self, name: &str) -> Result<Option<String>, Refused> {
        match self.query.all(name).as_deref() {
            None | Some([]) => Ok(None),
            Some([text]) if text.contains('\0') => {
                Err(self.refuse(name, "holds the character NUL"))
            }
            Some([text]) => Ok(Some((*text).to_owned())),
            Some(_) => Err(self.refuse(name, "is given more than once")),
        }
    }

    fn refuse_unknown(&mut self, names: &[&str]) {
        let unknown: BTreeSet<String> = self
            .query
            .iter()
            .filter(|(name, _)| !names.contains(name))
            .map(|(name, _)| echoed(name))
            .collect();
        for name in unknown.iter().take(MOST_UNKNOWN) {
            self.refuse(name, "is not a parameter here");
        }
    }
}

/// What a client wrote, as it may stand in an answer whoever shows it: as a URL spells it, and bounded.
fn echoed(text: &str) -> String {
    let spelled = text.bytes().map(|byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    spelled.take(LONGEST_ECHO).collect()
}

fn is_none_of<T>(words: &[(&str, T)]) -> String {
    let words: Vec<&str> = words.iter().map(|&(word, _)| word).collect();
    format!("is none of {}", words.join(", "))
}

#[cfg(test)]
mod tests;
