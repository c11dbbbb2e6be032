-- $1: [{lp_id, fund_id, commitment_id, from_date}]. The accounts of these commitments from from_date on, computed from the entries
-- and reports; `write_accounts.sql` and `compare_accounts.sql` say what is done with them.
with
-- Each commitment once, from its earliest changed day on.
changed as (
    select c.lp_id, c.fund_id, c.commitment_id, min(c.from_date) as from_date
    from jsonb_to_recordset($1::jsonb) as c (lp_id bigint, fund_id bigint, commitment_id bigint, from_date date)
    group by c.lp_id, c.fund_id, c.commitment_id
),
-- The balances on the eve of that day: zero and no NAV where there is no earlier row.
eve as (
    select c.lp_id, c.fund_id, c.commitment_id,
           coalesce(a.paid_in_cents, 0) as paid_in_cents,
           coalesce(a.distributed_cents, 0) as distributed_cents,
           coalesce(a.unfunded_effect_cents, 0) as unfunded_effect_cents,
           coalesce(a.commitment_effect_cents, 0) as commitment_effect_cents,
           a.nav_cents, a.reported_nav_cents, a.nav_as_of_date, a.irr_date
    from changed c
    left join lateral (
        select b.paid_in_cents, b.distributed_cents, b.unfunded_effect_cents, b.commitment_effect_cents,
               b.nav_cents, b.reported_nav_cents, b.nav_as_of_date, b.irr_date
        from lp_capital_accounts b
        where b.lp_id = c.lp_id and b.commitment_id = c.commitment_id and b.account_date < c.from_date
        order by b.account_date desc
        limit 1
    ) a on true
),
-- What the entries of each day add up to. Both this and the next are lateral and grouped, so that they can only be one index
-- range a commitment: joined, they would be read whole by a plan made while the tables were small.
moves as (
    select c.commitment_id, m.day, m.paid_in_cents, m.distributed_cents, m.unfunded_effect_cents, m.commitment_effect_cents, m.moved_cash
    from changed c
    cross join lateral (
        select e.effective_date as day,
               sum(e.paid_in_effect_cents) as paid_in_cents,
               sum(e.distributed_effect_cents) as distributed_cents,
               sum(e.unfunded_effect_cents) as unfunded_effect_cents,
               coalesce(sum(e.unfunded_effect_cents) filter (where e.cash_effect_cents = 0), 0) as commitment_effect_cents,
               bool_or(e.cash_effect_cents <> 0) as moved_cash
        from capital_activities e
        where e.lp_id = c.lp_id and e.commitment_id = c.commitment_id and e.effective_date >= c.from_date
        group by e.effective_date
    ) m
),
-- The report that counts for each day: the one reported last, and of those the one recorded last.
reports as (
    select c.commitment_id, r.day, r.nav_cents
    from changed c
    cross join lateral (
        select distinct on (n.as_of_date) n.as_of_date as day, n.nav_cents
        from commitment_navs n
        where n.commitment_id = c.commitment_id and n.as_of_date >= c.from_date
        order by n.as_of_date desc, n.reported_at desc, n.nav_id desc
    ) r
),
-- Every day on which something happened.
days as (
    select commitment_id, day,
           coalesce(m.paid_in_cents, 0) as paid_in_cents,
           coalesce(m.distributed_cents, 0) as distributed_cents,
           coalesce(m.unfunded_effect_cents, 0) as unfunded_effect_cents,
           coalesce(m.commitment_effect_cents, 0) as commitment_effect_cents,
           r.nav_cents as reported_nav_cents,
           (coalesce(m.moved_cash, false) or r.nav_cents is not null) as moves_irr
    from moves m
    full join reports r using (commitment_id, day)
),
-- Balances at the end of each day; the reports so far number the stretches between two reports.
running as (
    select d.commitment_id, d.day, d.reported_nav_cents,
           v.paid_in_cents + sum(d.paid_in_cents) over upto as paid_in_cents,
           v.distributed_cents + sum(d.distributed_cents) over upto as distributed_cents,
           v.unfunded_effect_cents + sum(d.unfunded_effect_cents) over upto as unfunded_effect_cents,
           v.commitment_effect_cents + sum(d.commitment_effect_cents) over upto as commitment_effect_cents,
           count(d.reported_nav_cents) over upto as stretch,
           max(d.day) filter (where d.moves_irr) over upto as irr_date
    from days d
    join eve v on v.commitment_id = d.commitment_id
    window upto as (partition by d.commitment_id order by d.day)
),
-- Each stretch begins with its report, a NAV at the end of that day; later paid-in adds to it and distributions take off.
valued as (
    select r.commitment_id, r.day, r.paid_in_cents, r.distributed_cents, r.unfunded_effect_cents, r.commitment_effect_cents,
           r.stretch, r.irr_date,
           first_value(r.reported_nav_cents) over since_report as reported_nav_cents,
           first_value(r.day) over since_report as nav_as_of_date,
           first_value(r.paid_in_cents - r.distributed_cents) over since_report as net_at_report_cents
    from running r
    window since_report as (partition by r.commitment_id, r.stretch order by r.day)
),
-- The rows of the accounts.
computed as (
    select v.lp_id, v.fund_id, v.commitment_id, d.day as account_date,
           d.paid_in_cents::bigint as paid_in_cents,
           d.distributed_cents::bigint as distributed_cents,
           d.unfunded_effect_cents::bigint as unfunded_effect_cents,
           d.commitment_effect_cents::bigint as commitment_effect_cents,
           (case when d.stretch > 0
                 then d.reported_nav_cents + d.paid_in_cents - d.distributed_cents - d.net_at_report_cents
                 else v.nav_cents + d.paid_in_cents - d.distributed_cents - (v.paid_in_cents - v.distributed_cents) end)::bigint as nav_cents,
           case when d.stretch > 0 then d.reported_nav_cents else v.reported_nav_cents end as reported_nav_cents,
           case when d.stretch > 0 then d.nav_as_of_date else v.nav_as_of_date end as nav_as_of_date,
           coalesce(d.irr_date, v.irr_date) as irr_date
    from valued d
    join eve v on v.commitment_id = d.commitment_id
)
