//! The night's work and rebuilding, and what came of them.

use std::time::{Duration, Instant};

use chrono::NaiveDate;
use serde::Serialize;
use shared::app::App;
use shared::error::Error;
use shared::ledger::LpRange;
use shared::queue::Queue;
use shared::refresh::{
    Night, Rebuilt, Scope, Settled, count_lps, hand_on, rebuild, work_the_night,
};

/// How long a rebuild of everything goes on by itself before the queue gets the rest: the platform allows fifteen minutes, and
/// the night's own work comes after it.
const LONGEST_REBUILD: Duration = Duration::from_secs(8 * 60);

/// What was done.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Done {
    rebuilt_lps: usize,
    rebuilt_funds: usize,
    /// The first LP of a range that time was too short for: whoever asked for the range asks again from there.
    rest_from_lp_id: Option<i64>,
    /// How many LPs of the range are left.
    left_lps: i64,
    /// Into how many messages the rest of a rebuild of everything, or of a fund, went.
    handed_on: usize,
    settled_lps: usize,
    settled_funds: usize,
    failed_lps: usize,
    failed_funds: usize,
    drift_rows: i64,
    marks_cleared: i64,
    /// The day that the views stand for; null when only a part was asked for.
    as_of: Option<NaiveDate>,
}

impl Done {
    /// What has to be looked at by somebody, all else done.
    pub fn failure(&self) -> Option<String> {
        let (lps, funds) = (self.failed_lps, self.failed_funds);
        (lps + funds > 0).then(|| {
            format!("{lps} LPs and {funds} funds could not be computed; the log names them")
        })
    }
}

/// Whoever works at night.
#[derive(Clone, Copy)]
pub struct Worker<'a> {
    pub app: &'a App,
    pub queue: &'a Queue,
}

impl Worker<'_> {
    /// The night's own work.
    pub async fn refresh(self) -> Result<Done, Error> {
        self.then_refresh(Done::default()).await
    }

    /// Everything made again, then the night's own work.
    pub async fn rebuild_all(self) -> Result<Done, Error> {
        let (mut done, rest) = self.rebuild(Scope::All, LONGEST_REBUILD).await?;
        self.hand_on(&mut done, rest).await?;
        self.then_refresh(done).await
    }

    /// The funds' own figures made again, then the night's own work.
    pub async fn rebuild_funds(self) -> Result<Done, Error> {
        let (done, _) = self.rebuild(Scope::Funds, LONGEST_REBUILD).await?;
        self.then_refresh(done).await
    }

    /// An LP, a fund or a range made again. The rest of a range is for whoever asked, since several may run side by side; that of
    /// a fund goes on by itself.
    pub async fn rebuild_part(self, scope: Scope, longest: Duration) -> Result<Done, Error> {
        let (mut done, rest) = self.rebuild(scope, longest).await?;
        if let Scope::Fund(_) = scope {
            self.hand_on(&mut done, rest).await?;
        } else if let Some(rest) = rest {
            done.rest_from_lp_id = Some(rest.from_lp_id);
            done.left_lps = count_lps(&self.app.db, rest).await?;
        }
        Ok(done)
    }

    /// Rebuilds for so long, and returns what is left.
    async fn rebuild(
        self,
        scope: Scope,
        longest: Duration,
    ) -> Result<(Done, Option<LpRange>), Error> {
        let App { db, cache, .. } = self.app;
        let until = Instant::now() + longest;
        let rebuilt = rebuild(db, cache, self.queue, scope, until).await?;
        let Rebuilt { settled, rest } = rebuilt.ok_or_else(|| not_found(scope))?;
        let done = Done {
            rebuilt_lps: settled.lps,
            rebuilt_funds: settled.funds,
            failed_lps: settled.failed_lps.len(),
            failed_funds: settled.failed_funds.len(),
            ..Done::default()
        };
        Ok((done, rest))
    }

    async fn hand_on(self, done: &mut Done, rest: Option<LpRange>) -> Result<(), Error> {
        if let Some(rest) = rest {
            done.handed_on = hand_on(&self.app.db, self.queue, rest).await?;
        }
        Ok(())
    }

    async fn then_refresh(self, mut done: Done) -> Result<Done, Error> {
        let App {
            db, cache, clock, ..
        } = self.app;
        let Night {
            settled,
            drift_rows,
            refreshed,
        } = work_the_night(db, cache, self.queue, *clock).await?;
        let Settled {
            lps,
            funds,
            failed_lps,
            failed_funds,
            ..
        } = settled;
        done.settled_lps = lps;
        done.settled_funds = funds;
        // What a rebuild could not compute may not be owed, and what it left owed was tried again.
        done.failed_lps = done.failed_lps.max(failed_lps.len());
        done.failed_funds = done.failed_funds.max(failed_funds.len());
        done.drift_rows = drift_rows;
        done.marks_cleared = refreshed.marks_cleared;
        done.as_of = Some(refreshed.as_of);
        Ok(done)
    }
}

fn not_found(scope: Scope) -> Error {
    Error::Refused(match scope {
        Scope::Lp(lp_id) => format!("there is no LP {lp_id}"),
        Scope::Fund(fund_id) => format!("there is no fund {fund_id}"),
        Scope::All | Scope::Funds | Scope::Lps(_) => "there is nothing to rebuild".to_owned(),
    })
}
