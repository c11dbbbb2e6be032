-- Every day of the accounts of the LPs $1, in order; one index range an LP, index-only.
select a.commitment_id, a.account_date, a.paid_in_cents, a.distributed_cents, a.commitment_effect_cents,
       a.reported_nav_cents, a.nav_as_of_date, a.irr_date
from lp_capital_accounts a
where a.lp_id = any ($1::bigint[])
order by a.lp_id, a.commitment_id, a.account_date
