-- The LP's totals as of a day, one a currency. $1: LP, $2: as of.
--
-- Where to read: from the view while it is right for this LP and day, else from its definition. The choice is a one-time filter
-- below, so the branch not taken is never run.
with reading as materialized (
    select view_is_current, irr_is_pending
    from reading_at($1::bigint, $2::date)
),
-- The totals, from the view or computed for this one LP.
total as (
    select currency, fund_count, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, reported_nav_cents, nav_as_of_date, irr_date,
           performance_date, net_irr, annualised, irr_flags
    from lp_dashboard_summary_in_scope
    where lp_id = $1::bigint and (select view_is_current from reading)
    union all
    select currency, fund_count, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, reported_nav_cents, nav_as_of_date, irr_date,
           performance_date, net_irr, annualised, irr_flags
    from lp_dashboard_summary_at($2::date)
    where lp_id = $1::bigint and not (select view_is_current from reading)
)
select l.name,
       t.currency, t.fund_count, t.commitment_count, t.commitment_cents, t.paid_in_cents, t.distributed_cents,
       t.unfunded_cents, t.nav_cents, t.nav_at_cost, t.reported_nav_cents, t.nav_as_of_date, t.irr_date,
       t.performance_date, t.net_irr, t.annualised, t.irr_flags,
       g.irr_is_pending,
       flow.dates as flow_dates, flow.cents as flow_cents
from limited_partners l
cross join reading g
left join total t on true
-- The pooled cash by day, read only where no stored rate is the one of the day asked for, as for some days in the past.
left join lateral cash_until(
    $1::bigint, null, t.currency, case when t.performance_date is distinct from t.irr_date and not g.irr_is_pending then t.irr_date end
) flow on true
where l.lp_id = $1::bigint
order by t.currency
