//! A step of work on some LPs, none of whom may keep the others from it.

use super::Settled;
use super::performance::settle_lps;
use super::rebuild_lps::rebuild_lps;
use crate::cache::Cache;
use crate::db::Connection;
use crate::error::Error;

/// LPs of a step, which is one transaction or two: it holds their locks, and their whole history in memory, so it has to be
/// short.
pub(super) const LPS_AT_ONCE: usize = 20;

/// What is done to the LPs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step {
    /// What is owed to them is settled.
    Settle,
    /// What they have is rebuilt, or what they have in one fund.
    Rebuild { fund_id: Option<i64> },
}

impl Step {
    /// Does it for the LPs together, or one by one where one of them cannot be computed, which is then left out.
    pub(super) async fn take(
        self,
        connection: &mut Connection,
        cache: &Cache,
        lp_ids: &[i64],
    ) -> Result<Settled, Error> {
        match self.take_together(connection, cache, lp_ids).await {
            Err(error) if !error.is_infrastructure() => {}
            outcome => return outcome,
        }
        let mut settled = Settled::default();
        for &lp_id in lp_ids {
            match self.take_together(connection, cache, &[lp_id]).await {
                Err(error) if !error.is_infrastructure() => {
                    tracing::error!(lp_id, step = ?self, error = %error.chain(), "an LP could not be computed");
                    settled.failed_lps.insert(lp_id);
                }
                outcome => settled.add(outcome?),
            }
        }
        Ok(settled)
    }

    async fn take_together(
        self,
        connection: &mut Connection,
        cache: &Cache,
        lp_ids: &[i64],
    ) -> Result<Settled, Error> {
        match self {
            Self::Settle => settle_lps(connection, cache, lp_ids).await,
            Self::Rebuild { fund_id } => rebuild_lps(connection, cache, lp_ids, fund_id).await,
        }
    }
}
