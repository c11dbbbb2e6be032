//! The messages that record nothing: what other systems wrote is recomputed, what could not be forgotten is, and the views
//! are refreshed.

use std::time::{Duration, Instant};

use chrono::Utc;
use tracing::Instrument;

use super::Worker;
use super::delivery::{Delivery, Fate};
use super::recording::report;
use crate::app::App;
use crate::cache::{Closure, LONGEST_ANSWER_TTL, TagSet};
use crate::error::Error;
use crate::ids::LpId;
use crate::ledger::{LpRange, Message, OwedForgetting, Rewritten};
use crate::refresh::{self, Rebuilt, Scope};
use crate::refusal::{Reason, Refusal};

/// How long a batch rebuilds before it hands on the rest: a third of what the function may take, as one step takes seconds.
const LONGEST_REBUILD: Duration = Duration::from_secs(20);

/// How often a request for a refresh lets a batch with other messages pass. On a queue that is never idle it is worked on
/// after that all the same.
const BATCHES_LET_PASS: usize = 3;

impl Worker {
    /// Recomputes what other systems wrote, and goes on with what an earlier message of such a rebuild left.
    pub(super) async fn follow_rewrites(&self, deliveries: &mut [Delivery]) {
        let until = Instant::now() + LONGEST_REBUILD;
        for delivery in deliveries {
            let scope = match delivery.message {
                Some(Message::Refresh(Rewritten::Lp(lp_id))) => Scope::Lp(lp_id),
                Some(Message::Refresh(Rewritten::Fund(fund_id))) => Scope::Fund(fund_id),
                Some(Message::Rebuild(range)) => Scope::Lps(range),
                _ => continue,
            };
            let following = self.follow_rewrite(scope, until);
            delivery.fate = following.instrument(delivery.span()).await;
        }
    }

    async fn follow_rewrite(&self, scope: Scope, until: Instant) -> Fate {
        let App { db, cache, .. } = &self.app;
        let rebuilt = match refresh::rebuild(db, cache, &self.queue, scope, until).await {
            Ok(Some(rebuilt)) => self.hand_on(rebuilt.rest).await.map(|()| Some(rebuilt)),
            other => other,
        };
        match rebuilt {
            Ok(Some(rebuilt)) => {
                self.request_refresh().await;
                fate_of(scope, &rebuilt)
            }
            Ok(None) => Fate::Refused(not_found(scope)),
            Err(error) if error.is_of_data() => {
                tracing::error!(error = %error.chain(), "a rewrite could not be followed");
                Fate::refused_by_database(&error)
            }
            Err(error) => {
                report(&error, "a rewrite could not be followed now");
                Fate::Retry
            }
        }
    }

    /// Sends what a rebuild has left as a message of its own.
    async fn hand_on(&self, rest: Option<LpRange>) -> Result<(), Error> {
        match rest {
            Some(rest) => self.queue.send(&rest.to_message(), Duration::ZERO).await,
            None => Ok(()),
        }
    }

    /// Forgets what could not be forgotten before.
    pub(super) async fn forget(&self, deliveries: &mut [Delivery]) {
        for delivery in deliveries {
            let Some(Message::Forget(owed)) = &delivery.message else {
                continue;
            };
            delivery.fate = self.forget_owed(owed).instrument(delivery.span()).await;
        }
    }

    /// Tries in any case, since the note has its time from another's clock. If that fails after the longest life of an answer,
    /// nothing is left to forget.
    async fn forget_owed(&self, owed: &OwedForgetting) -> Fate {
        let lps = owed.lp_ids.iter().filter_map(|id| LpId::try_from(*id).ok());
        let closure = Closure::new(lps.map(|lp_id| (lp_id, TagSet::ALL)));
        let age = (Utc::now() - owed.owed_since).to_std().unwrap_or_default();
        match self.app.cache.open(&closure).await {
            Ok(()) => Fate::Done,
            Err(_unreached) if age > LONGEST_ANSWER_TTL => Fate::Done,
            Err(unreached) => {
                tracing::warn!(error = %unreached.error.chain(), lps = unreached.lp_ids.len(), "cached answers are still not forgotten");
                Fate::Retry
            }
        }
    }

    /// Refreshes the views, once however many messages of the batch ask for it. A refresh takes seconds, for which the
    /// acknowledgement of a recorded message must not wait: then the request comes back for another batch.
    pub(super) async fn refresh_views(&self, deliveries: &mut [Delivery]) {
        let (mut requests, others): (Vec<&mut Delivery>, Vec<_>) = deliveries
            .iter_mut()
            .partition(|delivery| matches!(delivery.message, Some(Message::Views)));
        if requests.is_empty() {
            return;
        }
        let has_waited = |request: &&mut Delivery| request.deliveries() > BATCHES_LET_PASS;
        if !others.is_empty() && !requests.iter().any(has_waited) {
            requests
                .iter_mut()
                .for_each(|request| request.fate = Fate::MakesWay);
            return;
        }
        let App { db, clock, .. } = &self.app;
        let refreshed =
            refresh::refresh_requested_views(db, &self.queue, &self.refresh, *clock).await;
        if let Err(error) = refreshed {
            report(&error, "the views could not be refreshed now");
            requests
                .iter_mut()
                .for_each(|request| request.fate = Fate::Retry);
        }
    }
}

fn not_found(scope: Scope) -> Refusal {
    match scope {
        Scope::Fund(_) => Refusal::new(Reason::FundNotFound, "there is no fund with this fundId"),
        _ => Refusal::new(Reason::LpNotFound, "there is no LP with this lpId"),
    }
}

/// A rebuild that left out the LP or fund that its message names has not done what the message asks for. Of many, those left
/// out are in the log, and their performance stays owed.
fn fate_of(scope: Scope, rebuilt: &Rebuilt) -> Fate {
    let settled = &rebuilt.settled;
    let is_left_out = match scope {
        Scope::Lp(lp_id) => settled.failed_lps.contains(&lp_id),
        Scope::Fund(fund_id) => settled.failed_funds.contains(&fund_id),
        Scope::All | Scope::Funds | Scope::Lps(_) => false,
    };
    if is_left_out {
        let detail = "what follows from the data of this LP or fund cannot be computed";
        return Fate::Refused(Refusal::new(Reason::NotRecordable, detail));
    }
    Fate::Done
}
