-- The points of a history, oldest first, one series a currency. $1: LP, $2: fund or null, $3: commitment or null (neither:
-- all that the LP has), $4 and $5: first and last day, $6: the most points of a series, of which the newest are kept.
--
-- The commitments in question: the one, those in the fund, or all. One of the three runs.
with member as (
    select c.commitment_id, c.fund_id, f.currency
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    where c.lp_id = $1::bigint and c.commitment_id = $3::bigint
    union all
    select c.commitment_id, c.fund_id, f.currency
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    where c.lp_id = $1::bigint and c.fund_id = $2::bigint
    union all
    select c.commitment_id, c.fund_id, f.currency
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    where $2::bigint is null and $3::bigint is null and c.lp_id = $1::bigint
),
-- The pool of a fund comes with the settling of its second commitment. Until then the first one's points stand in for it, all
-- of them pending.
stand_in as (
    select min(m.commitment_id) as commitment_id
    from member m
    where $2::bigint is not null
      and not exists (select from lp_pooled_performance b
                      where b.lp_id = $1::bigint and b.currency = m.currency and b.fund_id = $2::bigint)
      and exists (select from lp_performance_snapshots b where b.lp_id = $1::bigint and b.commitment_id = m.commitment_id)
),
-- One series a currency: of a single commitment unless it is the LP's, else of the pool. Gross figures belong to one fund.
series as (
    select currency, count(*) > 1 as is_pool,
           case when coalesce($2::bigint, $3::bigint) is null then null
                when count(*) = 1 then min(commitment_id)
                else (select t.commitment_id from stand_in t) end as commitment_id,
           case when coalesce($2::bigint, $3::bigint) is not null then min(fund_id) end as fund_id
    from member
    group by currency
)
select s.currency, p.point_date, p.commitment_cents, p.paid_in_cents, p.distributed_cents, p.nav_cents,
       p.net_irr, p.annualised, p.irr_flags,
       -- The last point stands for the days after it as well: points may be owed there that it cannot show.
       coalesce(case when p.point_date = max(p.point_date) over (partition by s.currency) then $5::date else p.point_date end
                >= net_owed.from_date, false)
           or coalesce(p.point_date >= gross_owed.from_date, false)
           or (s.is_pool and s.commitment_id is not null) as irr_is_pending,
       gross.moic::double precision as moic, gross.gross_irr, gross.flags as gross_flags
from limited_partners l
left join series s on true
-- From these days on, performance is still owed.
left join lateral (select min(q.from_date) as from_date from pending_performance q where q.lp_id = $1::bigint) net_owed on true
left join lateral (
    select min(q.from_date) as from_date from pending_performance q where q.fund_id = s.fund_id and q.lp_id is null
) gross_owed on true
-- One of three: the commitment's own points, the fund's pool, the LP's pool.
left join lateral (
    select u.point_date, u.commitment_cents, u.paid_in_cents, u.distributed_cents, u.nav_cents, u.net_irr, u.annualised, u.irr_flags
    from (
        select b.snapshot_date as point_date, b.commitment_cents, b.paid_in_cents, b.distributed_cents, b.nav_cents,
               b.net_irr, b.annualised, b.flags as irr_flags
        from lp_performance_snapshots b
        where b.lp_id = $1::bigint and b.commitment_id = s.commitment_id and b.snapshot_date between $4::date and $5::date
        union all
        select b.performance_date, b.commitment_cents, b.paid_in_cents, b.distributed_cents, b.nav_cents,
               b.net_irr, b.annualised, b.flags
        from lp_pooled_performance b
        where s.commitment_id is null and b.lp_id = $1::bigint and b.currency = s.currency and b.fund_id = $2::bigint
          and b.performance_date between $4::date and $5::date
        union all
        select b.performance_date, b.commitment_cents, b.paid_in_cents, b.distributed_cents, b.nav_cents,
               b.net_irr, b.annualised, b.flags
        from lp_pooled_performance b
        where s.fund_id is null and b.lp_id = $1::bigint and b.currency = s.currency and b.fund_id is null
          and b.performance_date between $4::date and $5::date
    ) u
    order by u.point_date desc
    limit $6::bigint
) p on true
-- The fund's own performance on the last day not after the point's.
left join lateral (
    select g.moic, g.gross_irr, g.flags
    from fund_performance g
    where g.fund_id = s.fund_id and g.performance_date <= p.point_date
    order by g.performance_date desc
    limit 1
) gross on true
where l.lp_id = $1::bigint
order by s.currency, p.point_date
