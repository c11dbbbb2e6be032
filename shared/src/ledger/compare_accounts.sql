-- After `accounts.sql`, given every commitment of the LPs $2 from its beginning: of each LP with any, how many rows of its accounts
-- are not what they should be, missing or too many included.
select coalesce(c.lp_id, a.lp_id) as lp_id, count(*) as drift_rows
from computed c
full join (
    select b.lp_id, b.fund_id, b.commitment_id, b.account_date, b.paid_in_cents, b.distributed_cents, b.unfunded_effect_cents,
           b.commitment_effect_cents, b.nav_cents, b.reported_nav_cents, b.nav_as_of_date, b.irr_date
    from lp_capital_accounts b
    where b.lp_id = any ($2::bigint[])
) a
    on a.lp_id = c.lp_id and a.commitment_id = c.commitment_id and a.account_date = c.account_date
where (a.fund_id, a.paid_in_cents, a.distributed_cents, a.unfunded_effect_cents, a.commitment_effect_cents,
       a.nav_cents, a.reported_nav_cents, a.nav_as_of_date, a.irr_date)
      is distinct from
      (c.fund_id, c.paid_in_cents, c.distributed_cents, c.unfunded_effect_cents, c.commitment_effect_cents,
       c.nav_cents, c.reported_nav_cents, c.nav_as_of_date, c.irr_date)
group by 1
order by 1
