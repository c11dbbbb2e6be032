//! The messages that record nothing: what other systems wrote is recomputed, what could not be forgotten is, and the views
//! are refreshed.

use chrono::Utc;

use super::Worker;
use super::delivery::{Delivery, Fate};
use super::recording::report;
use crate::app::App;
use crate::cache::{Closure, LONGEST_ANSWER_TTL, TagSet};
use crate::ids::LpId;
use crate::ledger::{Message, OwedForgetting, Reason, Refusal, Rewritten};
use crate::refresh::{self, Scope};

/// How often a request for a refresh lets a batch with other messages pass. On a queue that is never idle it is worked on
/// after that all the same.
const BATCHES_LET_PASS: usize = 3;

impl Worker {
    /// Recomputes what other systems wrote.
    pub(super) async fn follow_rewrites(&self, deliveries: &mut [Delivery]) {
        for delivery in deliveries {
            let Some(Message::Refresh(rewritten)) = delivery.message else {
                continue;
            };
            delivery.fate = self.follow_rewrite(rewritten).await;
        }
    }

    async fn follow_rewrite(&self, rewritten: Rewritten) -> Fate {
        let (scope, reason, detail) = match rewritten {
            Rewritten::Lp(id) => (
                Scope::Lp(id),
                Reason::LpNotFound,
                "there is no LP with this lpId",
            ),
            Rewritten::Fund(id) => (
                Scope::Fund(id),
                Reason::FundNotFound,
                "there is no fund with this fundId",
            ),
        };
        match refresh::rebuild(&self.app.db, &self.app.cache, scope).await {
            Ok(Some(rebuilt)) => {
                let noted = self.note_unforgotten(&rebuilt.unforgotten).await;
                self.request_refresh().await;
                if noted { Fate::Done } else { Fate::Retry }
            }
            Ok(None) => Fate::Refused(Refusal::new(reason, detail)),
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

    /// Forgets what could not be forgotten before.
    pub(super) async fn forget(&self, deliveries: &mut [Delivery]) {
        for delivery in deliveries {
            let Some(Message::Forget(owed)) = &delivery.message else {
                continue;
            };
            delivery.fate = self.forget_owed(owed).await;
        }
    }

    /// After the longest life of an answer nothing is left to forget.
    async fn forget_owed(&self, owed: &OwedForgetting) -> Fate {
        let age = (Utc::now() - owed.owed_since).to_std().unwrap_or_default();
        if age > LONGEST_ANSWER_TTL {
            return Fate::Done;
        }
        let lps = owed.lp_ids.iter().filter_map(|id| LpId::try_from(*id).ok());
        let closure = Closure::new(lps.map(|lp_id| (lp_id, TagSet::ALL)));
        match self.app.cache.open(&closure).await {
            Ok(()) => Fate::Done,
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
