-- The points of a history, oldest first, one series a currency. $1: LP, $2: fund or null, $3: commitment or null (neither:
-- all the LP has), $4 and $5: first and last day, $6: most points of a series, the newest of them.
--
-- The LP's commitments in question.
with member as (
    select c.commitment_id, c.fund_id, f.currency
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    where c.lp_id = $1::bigint
      and (c.fund_id = $2::bigint or c.commitment_id = $3::bigint or ($2::bigint is null and $3::bigint is null))
),
-- Each currency, with the one commitment whose own history is asked for, or else the fund whose pool is, or neither. The
-- gross figures belong to one fund.
series as (
    select currency,
           case when whole.is_lp or count(*) > 1 then null else min(commitment_id) end as commitment_id,
           case when count(*) > 1 then $2::bigint end as pooled_fund_id,
           not whole.is_lp and count(*) = 1 as is_single,
           case when not whole.is_lp then min(fund_id) end as gross_fund_id
    from member
    cross join (select $2::bigint is null and $3::bigint is null as is_lp) whole
    group by currency, whole.is_lp
)
select l.lp_id, s.currency, p.point_date, p.commitment_cents, p.paid_in_cents, p.distributed_cents, p.nav_cents,
       p.net_irr, p.annualised, p.irr_flags,
       p.point_date >= (select min(q.from_date) from pending_performance q where q.lp_id = $1::bigint) as net_is_pending,
       p.point_date >= owed.from_date as gross_is_pending,
       gross.moic::double precision as moic, gross.gross_irr, gross.flags as gross_flags
from limited_partners l
left join series s on true
