//! What is kept under which key, and what makes it stale. A new report does not compile until both are decided for it.

use sha2::{Digest, Sha256};

use crate::ids::LpId;

/// The reports whose answers are cached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportName {
    /// GET …/summary
    Summary,
    /// GET …/capital-activity
    CapitalActivity,
    /// GET …/fund/{fundId}/performance
    FundPerformance,
    /// GET …/holdings
    Holdings,
    /// GET …/performance
    Performance,
    /// GET …/performance/history
    PerformanceHistory,
}

/// What answers are computed from. Each LP has one generation token a tag; changing it makes every answer stale that was
/// computed from what the tag stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The LP's commitments, ledger entries and capital accounts.
    Ledger,
    /// Its NAVs and performance, its own and its funds'.
    Performance,
    /// What its funds hold, and its share of that.
    Holdings,
}

impl ReportName {
    /// The name in keys: that of the function.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Summary => "summary",
            Self::CapitalActivity => "capital-activity",
            Self::FundPerformance => "fund-performance",
            Self::Holdings => "holdings",
            Self::Performance => "performance",
            Self::PerformanceHistory => "performance-history",
        }
    }

    /// What the report is computed from.
    pub const fn tags(self) -> &'static [Tag] {
        match self {
            Self::Summary
            | Self::FundPerformance
            | Self::Performance
            | Self::PerformanceHistory => &[Tag::Ledger, Tag::Performance],
            Self::CapitalActivity => &[Tag::Ledger],
            Self::Holdings => &[Tag::Holdings],
        }
    }
}

/// Some of the tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TagSet(u8);

impl TagSet {
    /// Every tag.
    pub const ALL: Self = Self::of(&Tag::ALL);

    /// The given tags.
    pub const fn of(tags: &[Tag]) -> Self {
        let mut bits = 0;
        let mut next = 0;
        while next < tags.len() {
            bits |= 1 << tags[next] as u8;
            next += 1;
        }
        Self(bits)
    }

    /// The tags of both sets.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The tags in the set.
    pub fn iter(self) -> impl Iterator<Item = Tag> {
        Tag::ALL
            .into_iter()
            .filter(move |&tag| self.0 & (1 << tag as u8) != 0)
    }
}

impl Tag {
    const ALL: [Self; 3] = [Self::Ledger, Self::Performance, Self::Holdings];

    /// The name in keys.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Performance => "performance",
            Self::Holdings => "holdings",
        }
    }
}

/// The keys of one LP. The braces are Redis Cluster's hash tag: they put all keys of an LP in one slot, where one command
/// can read several of them.
pub(super) struct Keys<'a> {
    prefix: &'a str,
    lp_id: LpId,
}

impl<'a> Keys<'a> {
    pub(super) fn new(prefix: &'a str, lp_id: LpId) -> Self {
        Self { prefix, lp_id }
    }

    /// The generation token of a tag.
    pub(super) fn tag(&self, tag: Tag) -> String {
        self.key("tag", tag.slug())
    }

    /// A subject's grant: the funds it is for, or a closing mark after it was taken back. Subjects come from tokens and may hold
    /// anything, so the key holds a digest.
    pub(super) fn access(&self, subject: &str) -> String {
        self.key("access", &digest(subject))
    }

    /// The answer of a report for the parameters that its fingerprint stands for.
    pub(super) fn answer(&self, report: ReportName, fingerprint: &str) -> String {
        self.key(report.slug(), &digest(fingerprint))
    }

    /// The lease of the one who loads that answer.
    pub(super) fn lease(&self, report: ReportName, fingerprint: &str) -> String {
        format!("{}:lease", self.answer(report, fingerprint))
    }

    fn key(&self, kind: &str, name: &str) -> String {
        format!("{}lp:{{{}}}:{kind}:{name}", self.prefix, self.lp_id)
    }
}

/// 128 bits of SHA-256: short keys of bounded length, without chosen collisions.
fn digest(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&Sha256::digest(text)[..16])
}
