-- What the LP has in one fund as of a day, and the fund's gross performance. $1: LP, $2: as of, $3: fund.
--
-- Where to read: from the view while it is right for this LP and day, else from its definition. The choice is a one-time filter
-- below, so the branch not taken is never run.
with reading as materialized (
    select r.view_is_current,
           r.irr_is_pending
           or coalesce((select min(q.from_date) from pending_performance q where q.fund_id = $3::bigint and q.lp_id is null) <= $2::date, false)
               as irr_is_pending
    from reading_at($1::bigint, $2::date) r
),
-- The LP's commitments in the fund, from the view or computed.
commitment as (
    select currency, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, reported_nav_cents, nav_as_of_date, irr_date, performance_date, net_irr, annualised, irr_flags
    from lp_performance_latest_in_scope
    where lp_id = $1::bigint and fund_id = $3::bigint and (select view_is_current from reading)
    union all
    select currency, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, reported_nav_cents, nav_as_of_date, irr_date, performance_date, net_irr, annualised, irr_flags
    from lp_performance_latest_at($2::date)
    where lp_id = $1::bigint and fund_id = $3::bigint and not (select view_is_current from reading)
),
-- Added up. One commitment by itself has a NAV and a rate of its own; of several, the unreported ones count at cost.
total as (
    select currency, count(*) as commitment_count,
           sum(commitment_cents)::bigint as commitment_cents,
           sum(paid_in_cents)::bigint as paid_in_cents,
           sum(distributed_cents)::bigint as distributed_cents,
           sum(unfunded_cents)::bigint as unfunded_cents,
           case when count(*) > 1 then sum(coalesce(nav_cents, paid_in_cents - distributed_cents))::bigint
                else min(nav_cents) end as nav_cents,
           count(*) > 1 and bool_or(nav_cents is null) as nav_at_cost,
           sum(reported_nav_cents)::bigint as reported_nav_cents,
           max(nav_as_of_date) as nav_as_of_date,
           max(irr_date) as irr_date,
           min(performance_date) as own_date, min(net_irr) as own_irr,
           bool_and(annualised) as own_annualised, min(irr_flags) as own_flags
    from commitment
    group by currency
),
-- With the rate that is stored: a single commitment's own, or that of the pool.
rated as (
    select t.currency, t.commitment_cents, t.paid_in_cents, t.distributed_cents, t.unfunded_cents,
           t.nav_cents, t.nav_at_cost, t.reported_nav_cents, t.nav_as_of_date, t.irr_date,
           case when t.commitment_count > 1 then pool.performance_date else t.own_date end as performance_date,
           case when t.commitment_count > 1 then pool.net_irr else t.own_irr end as net_irr,
           case when t.commitment_count > 1 then pool.annualised else t.own_annualised end as annualised,
           case when t.commitment_count > 1 then pool.flags else t.own_flags end as irr_flags
    from total t
    left join lateral fund_pool_at($1::bigint, t.currency, case when t.commitment_count > 1 then $3::bigint end, $2::date) pool on true
)
select f.name as fund_name, f.vintage_year,
       r.currency, r.commitment_cents, r.paid_in_cents, r.distributed_cents, r.unfunded_cents,
       r.nav_cents, r.nav_at_cost, r.reported_nav_cents, r.nav_as_of_date, r.irr_date,
       r.performance_date, r.net_irr, r.annualised, r.irr_flags,
       g.irr_is_pending,
       flow.dates as flow_dates, flow.cents as flow_cents,
       gross.moic, gross.gross_irr, gross.flags as gross_flags
from rated r
cross join reading g
join funds f on f.fund_id = $3::bigint
-- The fund's own performance on the last day not after the one asked for.
left join gross_at($3::bigint, $2::date) gross on true
-- The cash by day, read only where no stored rate is the one of the day asked for, as for some days in the past.
left join lateral cash_until(
    $1::bigint, $3::bigint, r.currency,
    case when r.performance_date is distinct from r.irr_date and not g.irr_is_pending then r.irr_date end
) flow on true
