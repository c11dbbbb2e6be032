//! Cached shares of a fund's holdings: a commitment that came, went or changed moves everybody's.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;

use crate::cache::{Cache, Closure, Tag, TagSet};
use crate::error::Error;
use crate::ledger::members_of;

/// LPs whose cached shares are forgotten at once: well within the time that the cache allows itself.
const MEMBERS_AT_ONCE: usize = 1_000;

/// Forgets the cached holdings of all LPs of the funds, after another system has changed commitments in them: what it wrote is
/// committed, so there is nothing to close. Returns the LPs for whom Redis did not do it.
pub(super) async fn forget_shares(
    client: &impl GenericClient,
    cache: &Cache,
    fund_ids: &BTreeSet<i64>,
) -> Result<BTreeSet<i64>, Error> {
    let mut unforgotten = BTreeSet::new();
    if fund_ids.is_empty() {
        return Ok(unforgotten);
    }
    let fund_ids: Vec<i64> = fund_ids.iter().copied().collect();
    let members = members_of(client, &fund_ids).await?;
    let tags = TagSet::of(&[Tag::Holdings]);
    for some in members.chunks(MEMBERS_AT_ONCE) {
        let closure = Closure::new(some.iter().map(|&lp_id| (lp_id, tags)));
        if let Err(unreached) = cache.open(&closure).await {
            tracing::warn!(error = %unreached.error.chain(), "cached shares could not be forgotten");
            unforgotten.extend(unreached.lp_ids.iter().map(|lp_id| lp_id.get()));
        }
    }
    Ok(unforgotten)
}
