//! Whether everything derived is what a rebuild would make of the truth: computed again and compared, in transactions that only
//! read, and so lock nobody. What is still owed is not looked at, since it is not wrong but late, and answers say so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::Serialize;

use super::compare::{OfLps, compare_fund, compare_lps};
use super::drift::{Whose, drift_of_views, tell_drift};
use super::step::LPS_AT_ONCE;
use crate::app::Clock;
use crate::db::{self, Connection, Database};
use crate::error::Error;

/// So many of those that differ are named; the log names all.
const NAMED: usize = 20;

/// Whose derived rows are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Everyone's: the views, the funds, then the LPs in the order of their ids.
    All,
    /// Those of the LPs from this one on: the rest of an earlier look at all of them.
    From(i64),
    /// Those of so many LPs and so many funds, chosen at random.
    Sample(i64),
    /// An LP's.
    Lp(i64),
}

/// What was found.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verified {
    /// How many LPs were looked at.
    pub lps: usize,
    /// How many funds were.
    pub funds: usize,
    /// Of those, how many LPs are owed performance, so that only their accounts were looked at.
    pub owed_lps: usize,
    /// And how many funds.
    pub owed_funds: usize,
    /// How many rows are not what they should be, by view and table; of those looked at, none is left out.
    pub drift_rows: BTreeMap<&'static str, i64>,
    /// The same altogether.
    pub total_drift_rows: i64,
    /// The first twenty LPs whose tables differ, or that cannot be computed.
    pub differing_lp_ids: BTreeSet<i64>,
    /// The first twenty funds.
    pub differing_fund_ids: BTreeSet<i64>,
    /// How many LPs and funds cannot be computed: the log says why.
    pub failures: usize,
    /// The first LP that time was too short for.
    pub rest_from_lp_id: Option<i64>,
    /// How many LPs are left.
    pub left_lps: usize,
}

/// Looks. Once `until` has come no further LPs are begun. `None` when there is no such LP.
pub async fn verify(
    db: &Database,
    clock: Clock,
    extent: Extent,
    until: Instant,
) -> Result<Option<Verified>, Error> {
    let mut verified = Verified::default();
    let (lp_ids, fund_ids) = whom(db, extent).await?;
    if matches!(extent, Extent::Lp(_)) && lp_ids.is_empty() {
        return Ok(None);
    }
    let views = match extent {
        Extent::All => Some(Whose::All),
        Extent::From(_) => None,
        Extent::Sample(_) | Extent::Lp(_) => Some(Whose::Some {
            lp_ids: &lp_ids,
            fund_ids: &fund_ids,
        }),
    };
    if let Some(whose) = views {
        for (view, rows) in drift_of_views(db, clock, whose).await? {
            verified.add(view, rows);
        }
    }
    let mut connection = db.connection().await?;
    for &fund_id in &fund_ids {
        verified
            .look_at_fund(&mut connection, clock, fund_id)
            .await?;
    }
    for some in lp_ids.chunks(LPS_AT_ONCE) {
        if Instant::now() >= until {
            // A sample is in no order.
            let is_sample = matches!(extent, Extent::Sample(_));
            verified.rest_from_lp_id = some.first().copied().filter(|_| !is_sample);
            verified.left_lps = lp_ids.len() - verified.lps;
            break;
        }
        verified.look_at_lps(&mut connection, clock, some).await?;
        tracing::info!(
            lps = verified.lps,
            last_lp_id = some.last(),
            "verifying LPs"
        );
    }
    // Of some, nothing found says nothing of the others: it must not end an alarm.
    let is_all = matches!(extent, Extent::All) && verified.left_lps == 0;
    if is_all || verified.total_drift_rows > 0 {
        tell_drift(verified.total_drift_rows);
    }
    Ok(Some(verified))
}

/// The LPs and the funds of an extent.
async fn whom(db: &Database, extent: Extent) -> Result<(Vec<i64>, Vec<i64>), Error> {
    const LPS_FROM: &str =
        "select l.lp_id from limited_partners l where l.lp_id >= $1 order by l.lp_id";
    const FUNDS: &str = "select f.fund_id from funds f order by f.fund_id";
    const SOME_LPS: &str = "select l.lp_id from limited_partners l order by random() limit $1";
    const SOME_FUNDS: &str = "select f.fund_id from funds f order by random() limit $1";
    const LP: &str = "select l.lp_id from limited_partners l where l.lp_id = $1";
    let connection = db.connection().await?;
    let db = &connection;
    Ok(match extent {
        Extent::All => (
            ids(db, LPS_FROM, &[&1_i64]).await?,
            ids(db, FUNDS, &[]).await?,
        ),
        Extent::From(lp_id) => (ids(db, LPS_FROM, &[&lp_id]).await?, Vec::new()),
        Extent::Sample(size) => (
            ids(db, SOME_LPS, &[&size]).await?,
            ids(db, SOME_FUNDS, &[&size]).await?,
        ),
        Extent::Lp(lp_id) => (ids(db, LP, &[&lp_id]).await?, Vec::new()),
    })
}

async fn ids(db: &Connection, sql: &str, values: db::Values<'_>) -> Result<Vec<i64>, Error> {
    let rows = db::query(db, sql, values).await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

impl Verified {
    /// Adds to what was found in a view or a table, which is listed also with nothing.
    fn add(&mut self, relation: &'static str, rows: i64) {
        *self.drift_rows.entry(relation).or_default() += rows;
        self.total_drift_rows += rows;
    }

    fn add_of_lps(&mut self, table: &'static str, differing: &[(i64, i64)]) {
        self.add(table, differing.iter().map(|(_, rows)| rows).sum());
        for &(lp_id, rows) in differing {
            tracing::error!(
                lp_id,
                table,
                rows,
                "derived rows of an LP are not what they should be"
            );
            self.name_lp(lp_id);
        }
    }

    fn name_lp(&mut self, lp_id: i64) {
        if self.differing_lp_ids.len() < NAMED {
            self.differing_lp_ids.insert(lp_id);
        }
    }

    fn name_fund(&mut self, fund_id: i64) {
        if self.differing_fund_ids.len() < NAMED {
            self.differing_fund_ids.insert(fund_id);
        }
    }

    /// Looks at the LPs together, or one by one where one of them cannot be computed.
    async fn look_at_lps(
        &mut self,
        connection: &mut Connection,
        clock: Clock,
        lp_ids: &[i64],
    ) -> Result<(), Error> {
        self.lps += lp_ids.len();
        match compare_lps(connection, clock, lp_ids).await {
            Err(error) if !error.is_infrastructure() => {}
            found => {
                self.note_lps(&found?);
                return Ok(());
            }
        }
        for &lp_id in lp_ids {
            match compare_lps(connection, clock, &[lp_id]).await {
                Err(error) if !error.is_infrastructure() => {
                    tracing::error!(lp_id, error = %error.chain(), "an LP could not be verified");
                    self.failures += 1;
                    self.name_lp(lp_id);
                }
                found => self.note_lps(&found?),
            }
        }
        Ok(())
    }

    fn note_lps(&mut self, found: &OfLps) {
        self.owed_lps += found.owed;
        for (table, differing) in &found.differing {
            self.add_of_lps(table, differing);
        }
    }

    async fn look_at_fund(
        &mut self,
        connection: &mut Connection,
        clock: Clock,
        fund_id: i64,
    ) -> Result<(), Error> {
        self.funds += 1;
        match compare_fund(connection, clock, fund_id).await {
            Err(error) if !error.is_infrastructure() => {
                tracing::error!(fund_id, error = %error.chain(), "a fund could not be verified");
                self.failures += 1;
                self.name_fund(fund_id);
            }
            found => {
                let found = found?;
                self.owed_funds += usize::from(found.is_owed);
                self.add("funds", found.in_force_rows);
                self.add("fund_performance", found.performance_rows);
                if found.in_force_rows + found.performance_rows > 0 {
                    tracing::error!(
                        fund_id,
                        "derived rows of a fund are not what they should be"
                    );
                    self.name_fund(fund_id);
                }
            }
        }
        Ok(())
    }
}
