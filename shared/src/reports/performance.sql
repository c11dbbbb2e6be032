-- What the LP has as of a day, pooled in each currency and in each fund. $1: LP, $2: as of. A row without a fund is a total;
-- one row without either stands for an LP that has nothing yet.
--
-- Where to read: from the views while they are right for this LP and day, else from their definitions. The choice is a one-time
-- filter below, so the branch not taken is never run.
with reading as materialized (
    select view_is_current, irr_is_pending
    from reading_at($1::bigint, $2::date)
),
-- The totals, from the view or computed for this one LP.
total as (
    select currency, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, reported_nav_cents, nav_as_of_date, irr_date,
           performance_date, net_irr, annualised, irr_flags
    from lp_dashboard_summary_in_scope
    where lp_id = $1::bigint and (select view_is_current from reading)
    union all
    select currency, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, reported_nav_cents, nav_as_of_date, irr_date,
           performance_date, net_irr, annualised, irr_flags
    from lp_dashboard_summary_at($2::date)
    where lp_id = $1::bigint and not (select view_is_current from reading)
),
-- The commitments, from the view or computed for this one LP.
commitment as (
    select fund_id, currency, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, reported_nav_cents, nav_as_of_date, irr_date, performance_date, net_irr, annualised, irr_flags
    from lp_performance_latest_in_scope
    where lp_id = $1::bigint and (select view_is_current from reading)
    union all
    select fund_id, currency, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, reported_nav_cents, nav_as_of_date, irr_date, performance_date, net_irr, annualised, irr_flags
    from lp_performance_latest_at($2::date)
    where lp_id = $1::bigint and not (select view_is_current from reading)
),
-- Added up by fund. One commitment by itself has a NAV and a rate of its own; of several, the unreported count at cost.
fund as (
    select fund_id, currency, count(*) as commitment_count,
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
    group by fund_id, currency
),
-- Totals and funds, each with the rate that is stored for it: a single commitment's own, or that of the pool.
rated as (
    select null::bigint as fund_id, t.currency, t.commitment_count, t.commitment_cents, t.paid_in_cents, t.distributed_cents,
           t.unfunded_cents, t.nav_cents, t.nav_at_cost, t.reported_nav_cents, t.nav_as_of_date, t.irr_date,
           t.performance_date, t.net_irr, t.annualised, t.irr_flags
    from total t
    union all
    select u.fund_id, u.currency, u.commitment_count, u.commitment_cents, u.paid_in_cents, u.distributed_cents,
           u.unfunded_cents, u.nav_cents, u.nav_at_cost, u.reported_nav_cents, u.nav_as_of_date, u.irr_date,
           case when u.commitment_count > 1 then pool.performance_date else u.own_date end,
           case when u.commitment_count > 1 then pool.net_irr else u.own_irr end,
           case when u.commitment_count > 1 then pool.annualised else u.own_annualised end,
           case when u.commitment_count > 1 then pool.flags else u.own_flags end
    from fund u
    left join lateral fund_pool_at($1::bigint, u.currency, case when u.commitment_count > 1 then u.fund_id end, $2::date) pool on true
)
select r.fund_id, f.name as fund_name, f.vintage_year,
       r.currency, r.commitment_count, r.commitment_cents, r.paid_in_cents, r.distributed_cents, r.unfunded_cents,
       r.nav_cents, r.nav_at_cost, r.reported_nav_cents, r.nav_as_of_date, r.irr_date,
       r.performance_date, r.net_irr, r.annualised, r.irr_flags,
       g.irr_is_pending
       or coalesce((select min(q.from_date) from pending_performance q where q.fund_id = r.fund_id and q.lp_id is null) <= $2::date, false)
           as irr_is_pending,
       flow.dates as flow_dates, flow.cents as flow_cents,
       gross.moic, gross.gross_irr, gross.flags as gross_flags
from limited_partners l
cross join reading g
left join rated r on true
left join funds f on f.fund_id = r.fund_id
-- The fund's own performance on the last day not after the one asked for.
left join lateral gross_at(r.fund_id, $2::date) gross on true
-- The cash by day, read only where no stored rate is the one of the day asked for, as for some days in the past.
left join lateral cash_until(
    $1::bigint, r.fund_id, r.currency,
    case when r.performance_date is distinct from r.irr_date and not g.irr_is_pending then r.irr_date end
) flow on true
where l.lp_id = $1::bigint
order by r.fund_id nulls first, r.currency
