-- The LP's totals as of a day, one a currency. $1: LP, $2: as of.
--
-- Where to read: the view is right while nothing of this LP has changed since its refresh, and it does not stand for a
-- later day than the one asked for. Both tests are one-time filters below, so the branch not taken is never run.
with reading as materialized (
    select not exists (select from touched_commitments where lp_id = $1::bigint)
           and coalesce((select as_of_date from view_refreshes where as_of_date is not null order by refresh_id desc limit 1)
                        <= $2::date, false) as view_is_current,
           exists (select from pending_performance where lp_id = $1::bigint and from_date <= $2::date) as irr_is_pending
),
-- The totals, from the view or computed for this one LP.
total as (
    select currency, fund_count, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, reported_nav_cents, nav_as_of_date, irr_date,
           performance_date, net_irr, annualised, irr_flags
    from lp_dashboard_summary
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
       (select irr_is_pending from reading) as irr_is_pending,
       flow.dates as flow_dates, flow.cents as flow_cents
from limited_partners l
left join total t on true
-- The pooled cash by day, read only where no stored rate is the one of the day asked for, as for some days in the past.
left join lateral (
    select array_agg(d.effective_date order by d.effective_date) as dates,
           array_agg(d.cents order by d.effective_date) as cents
    from (
        select a.effective_date, sum(a.cash_effect_cents)::bigint as cents
        from lp_fund_commitments c
        join funds f on f.fund_id = c.fund_id
        join capital_activities a on a.lp_id = c.lp_id and a.commitment_id = c.commitment_id
        where t.performance_date is distinct from t.irr_date and not (select irr_is_pending from reading)
          and c.lp_id = $1::bigint and f.currency = t.currency
          and a.effective_date <= t.irr_date and a.cash_effect_cents <> 0
        group by a.effective_date
    ) d
) flow on true
where l.lp_id = $1::bigint
order by t.currency
