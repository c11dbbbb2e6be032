//! Recording a batch of events: one transaction, a constant number of statements however large the batch. Order of locks:
//! event ids, then LPs, then funds, each sorted; with one order there is no deadlock.

use std::collections::{BTreeSet, HashMap};

use deadpool_postgres::Transaction;
use serde_json::Value;
use tokio_postgres::types::Json;

use super::accounts::{ChangedAccount, refresh_accounts};
use super::claims::{Claim, claim, unclaim};
use super::forgetting::{commit_and_forget, forget};
use super::lock::{joined_since, lock_funds, lock_lps};
use super::message::{Event, Fact};
use super::owners::{Owner, resolve};
use super::reversals::{Reversal, find_reversed};
use super::rows::{account_change, commitment_nav, entry, fund_nav};
use crate::cache::{Cache, Tag, TagSet};
use crate::db::{self, Connection};
use crate::error::Error;
use crate::ids::LpId;
use crate::refusal::{Reason, Refusal};

/// What became of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It is durable now.
    Recorded,
    /// It was already.
    Duplicate,
    /// It is not recorded; the reason says whether it may be later.
    Refused(Refusal),
    /// Nothing can be said of it yet: it shares its id with an event of the same batch that was refused in the end.
    Undecided,
}

/// What became of a batch, and what is owed for it: by those recorded now, and by duplicates in case the first delivery
/// died before it had finished.
#[derive(Debug, Default)]
pub struct Recorded {
    /// One for each event, in their order.
    pub outcomes: Vec<Outcome>,
    /// LPs whose performance is owed.
    pub lp_ids: BTreeSet<i64>,
    /// Funds whose performance is owed.
    pub fund_ids: BTreeSet<i64>,
    /// LPs whose cached answers could not be forgotten because Redis did not answer.
    pub unforgotten: BTreeSet<i64>,
}

impl Recorded {
    /// This and what became of the events after it.
    pub fn and(mut self, next: Self) -> Self {
        self.outcomes.extend(next.outcomes);
        self.lp_ids.extend(next.lp_ids);
        self.fund_ids.extend(next.fund_ids);
        self.unforgotten.extend(next.unforgotten);
        self
    }
}

/// Records the events. The cache tags of what they change are closed before the commit and open again after it.
pub async fn record(
    connection: &mut Connection,
    cache: &Cache,
    events: &[&Event],
) -> Result<Recorded, Error> {
    let transaction = db::begin(connection).await?;
    let mut batch = Batch::resolve(&transaction, events).await?;
    batch.claim(&transaction).await?;
    let locked = batch.lock(&transaction).await?;
    batch.insert(&transaction).await?;
    let joined = batch.joined(&transaction, &locked).await?;
    let changes = batch.cache_changes(&locked);
    let mut unforgotten = commit_and_forget(transaction, cache, &changes).await?;
    unforgotten.extend(forget(cache, &batch.cache_changes(&joined)).await);
    let (owing_lps, owing_funds) = batch.owing();
    Ok(Recorded {
        outcomes: batch.outcomes(),
        lp_ids: owing_lps,
        fund_ids: owing_funds,
        unforgotten,
    })
}

/// How far an event has come.
#[derive(Debug, Clone)]
enum State {
    /// Nothing speaks against it so far.
    Known(Owner),
    /// Claimed by this transaction.
    New {
        owner: Owner,
        activity_id: Option<i64>,
    },
    Duplicate(Owner),
    Refused(Refusal),
    Undecided,
}

struct Batch<'a> {
    events: &'a [&'a Event],
    states: Vec<State>,
}

impl<'a> Batch<'a> {
    async fn resolve(
        transaction: &Transaction<'_>,
        events: &'a [&'a Event],
    ) -> Result<Self, Error> {
        let states = resolve(transaction, events)
            .await?
            .into_iter()
            .map(|owner| owner.map_or_else(State::Refused, State::Known))
            .collect();
        Ok(Self { events, states })
    }

    async fn claim(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        let known: Vec<(usize, &Event)> = self
            .states
            .iter()
            .enumerate()
            .filter(|(_, state)| matches!(state, State::Known(_)))
            .map(|(position, _)| (position, self.events[position]))
            .collect();
        if known.is_empty() {
            return Ok(());
        }
        for (position, claim) in claim(transaction, &known).await? {
            let State::Known(owner) = self.states[position] else {
                continue;
            };
            self.states[position] = match claim {
                Claim::New { activity_id } => State::New { owner, activity_id },
                Claim::Duplicate => State::Duplicate(owner),
                Claim::Refused(refusal) => State::Refused(refusal),
            };
        }
        Ok(())
    }

    /// The events that this transaction records, with their positions.
    fn recordable(&self) -> impl Iterator<Item = (usize, &'a Event, Owner, Option<i64>)> {
        self.states
            .iter()
            .enumerate()
            .filter_map(|(position, state)| match state {
                State::New { owner, activity_id } => {
                    Some((position, self.events[position], *owner, *activity_id))
                }
                _ => None,
            })
    }

    /// The LPs and the funds that events of this batch concern, duplicates included: a duplicate forgets and settles again
    /// what its first delivery may have left.
    fn owing(&self) -> (BTreeSet<i64>, BTreeSet<i64>) {
        let mut lp_ids = BTreeSet::new();
        let mut fund_ids = BTreeSet::new();
        for (event, state) in self.events.iter().zip(&self.states) {
            let (State::New { owner, .. } | State::Duplicate(owner)) = state else {
                continue;
            };
            match &event.fact {
                Fact::FundNav { .. } => fund_ids.insert(owner.fund_id),
                Fact::Activity(_) | Fact::CommitmentNav { .. } => {
                    owner.lp_id.is_some_and(|lp_id| lp_ids.insert(lp_id))
                }
            };
        }
        (lp_ids, fund_ids)
    }

    /// Funds whose LPs are all concerned: by a NAV of the fund, and by a change of a commitment, which moves every share.
    fn changed_funds(&self) -> BTreeSet<i64> {
        self.states
            .iter()
            .filter_map(|state| match state {
                State::New { owner, .. } | State::Duplicate(owner) => {
                    owner.concerns_fund.then_some(owner.fund_id)
                }
                _ => None,
            })
            .collect()
    }

    async fn lock(&self, transaction: &Transaction<'_>) -> Result<Vec<LpId>, Error> {
        let lp_ids: Vec<i64> = self.owing().0.into_iter().collect();
        let fund_ids: Vec<i64> = self.changed_funds().into_iter().collect();
        if lp_ids.is_empty() && fund_ids.is_empty() {
            return Ok(Vec::new());
        }
        lock_lps(transaction, &lp_ids, &fund_ids).await
    }

    /// Who joined the changed funds while locks were waited for, and so is not locked: what it has in the cache may lack the change.
    async fn joined(
        &self,
        transaction: &Transaction<'_>,
        locked: &[LpId],
    ) -> Result<Vec<LpId>, Error> {
        let fund_ids: Vec<i64> = self.changed_funds().into_iter().collect();
        if fund_ids.is_empty() {
            return Ok(Vec::new());
        }
        lock_funds(transaction, &fund_ids).await?;
        joined_since(transaction, &fund_ids, locked).await
    }

    async fn insert(&mut self, transaction: &Transaction<'_>) -> Result<(), Error> {
        insert(
            transaction,
            include_str!("entries.sql"),
            self.entries(&HashMap::new()),
        )
        .await?;
        let reversed = self.reversed(transaction).await?;
        if !reversed.is_empty() {
            insert(
                transaction,
                include_str!("entries.sql"),
                self.entries(&reversed),
            )
            .await?;
        }
        insert(
            transaction,
            include_str!("commitment_navs.sql"),
            self.rows(commitment_nav),
        )
        .await?;
        insert(
            transaction,
            include_str!("fund_navs.sql"),
            self.rows(fund_nav),
        )
        .await?;
        refresh_accounts(transaction, &self.changed_accounts()).await?;
        Ok(())
    }

    /// The entries to insert: those that reverse nothing, or, given what the reversals take back, the reversals.
    fn entries(&self, reversed: &HashMap<usize, i64>) -> Vec<Value> {
        self.recordable()
            .filter_map(|(position, event, owner, activity_id)| {
                let Fact::Activity(activity) = &event.fact else {
                    return None;
                };
                let reverses = reversed.get(&position).copied();
                let is_wanted = if reversed.is_empty() {
                    activity.reverses_event_id.is_none()
                } else {
                    reverses.is_some()
                };
                is_wanted.then(|| entry(event, activity, owner, activity_id, reverses))
            })
            .collect()
    }

    /// What each reversal takes back, by position. Those that cannot be recorded lose their claim: they may come again.
    async fn reversed(
        &mut self,
        transaction: &Transaction<'_>,
    ) -> Result<HashMap<usize, i64>, Error> {
        let reversals: Vec<Reversal<'_>> = self
            .recordable()
            .filter_map(|(position, event, ..)| match &event.fact {
                Fact::Activity(activity) if activity.reverses_event_id.is_some() => {
                    Some(Reversal {
                        position,
                        source: &event.source,
                        activity,
                    })
                }
                _ => None,
            })
            .collect();
        let found = find_reversed(transaction, &reversals).await?;
        let mut reversed = HashMap::new();
        let mut refused = Vec::new();
        for (reversal, found) in reversals.iter().zip(found) {
            match found {
                Ok(activity_id) => {
                    reversed.insert(reversal.position, activity_id);
                }
                Err(refusal) => {
                    refused.push((self.events[reversal.position], refusal.clone()));
                    self.states[reversal.position] = State::Refused(refusal);
                }
            }
        }
        let unclaimed: Vec<&Event> = refused.iter().map(|(event, _)| *event).collect();
        unclaim(transaction, &unclaimed).await?;
        self.reconsider(&refused);
        Ok(reversed)
    }

    /// Whoever was measured against a claim that is given back: a copy shares the refusal, and what is another event has to be looked
    /// at again, since the id is nobody's now.
    fn reconsider(&mut self, refused: &[(&Event, Refusal)]) {
        let by_id: HashMap<_, _> = refused
            .iter()
            .map(|(event, why)| (id(event), why))
            .collect();
        for (event, state) in self.events.iter().zip(&mut self.states) {
            let Some(&refusal) = by_id.get(&id(event)) else {
                continue;
            };
            match state {
                State::Duplicate(_) => *state = State::Refused(refusal.clone()),
                State::Refused(own) if own.reason == Reason::EventIdReused => {
                    *state = State::Undecided;
                }
                _ => {}
            }
        }
    }

    fn rows(&self, row: fn(usize, &Event) -> Option<Value>) -> Vec<Value> {
        self.recordable()
            .filter_map(|(position, event, ..)| row(position, event))
            .collect()
    }

    fn changed_accounts(&self) -> Vec<ChangedAccount> {
        self.recordable()
            .filter_map(|(_, event, owner, _)| {
                let (commitment_id, from_date) = account_change(event)?;
                Some(ChangedAccount {
                    lp_id: owner.lp_id?,
                    fund_id: owner.fund_id,
                    commitment_id,
                    from_date,
                })
            })
            .collect()
    }

    /// What becomes stale: the ledger and performance of the LPs themselves, and for all LPs of a changed fund its
    /// performance and their shares of its holdings.
    fn cache_changes(&self, lp_ids: &[LpId]) -> Vec<(LpId, TagSet)> {
        let own = self.owing().0;
        let of_fund = TagSet::of(&[Tag::Performance, Tag::Holdings]);
        let of_lp = TagSet::of(&[Tag::Ledger, Tag::Performance]);
        let funds_changed = !self.changed_funds().is_empty();
        let tags = |lp_id: &LpId| match (own.contains(&lp_id.get()), funds_changed) {
            (true, true) => TagSet::ALL,
            (true, false) => of_lp,
            (false, _) => of_fund,
        };
        lp_ids.iter().map(|lp_id| (*lp_id, tags(lp_id))).collect()
    }

    fn outcomes(self) -> Vec<Outcome> {
        self.states
            .into_iter()
            .map(|state| match state {
                State::New { .. } => Outcome::Recorded,
                State::Known(_) | State::Duplicate(_) => Outcome::Duplicate,
                State::Refused(refusal) => Outcome::Refused(refusal),
                State::Undecided => Outcome::Undecided,
            })
            .collect()
    }
}

/// What an event is claimed by.
fn id(event: &Event) -> (&str, &str) {
    (&event.source, &event.event_id)
}

async fn insert(transaction: &Transaction<'_>, sql: &str, rows: Vec<Value>) -> Result<(), Error> {
    if !rows.is_empty() {
        db::execute(transaction, sql, &[&Json(rows)]).await?;
    }
    Ok(())
}
