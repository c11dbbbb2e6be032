//! Cached shares of a fund's holdings: a commitment that came, went or changed moves everybody's.

use std::collections::BTreeSet;

use deadpool_postgres::GenericClient;

use crate::cache::{Cache, Tag, TagSet};
use crate::error::Error;
use crate::ids::LpId;
use crate::ledger::{forget, members_of};

/// Forgets the cached holdings of all LPs of the funds, in which another system has changed commitments. Returns the LPs for whom that
/// is still to be done.
pub(super) async fn forget_shares(
    client: &impl GenericClient,
    cache: &Cache,
    fund_ids: &[i64],
) -> Result<BTreeSet<i64>, Error> {
    if fund_ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let tags = TagSet::of(&[Tag::Holdings]);
    let members = members_of(client, fund_ids).await?;
    let changes: Vec<(LpId, TagSet)> = members.into_iter().map(|lp_id| (lp_id, tags)).collect();
    Ok(forget(cache, &changes).await)
}
