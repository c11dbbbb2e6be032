-- Three views, each with one definition: a function of the as-of date that the planner inlines. `<name>_definition` calls it
-- for today, and `<name>` is that view materialized. Reports read a materialized row while nothing has touched it since,
-- and the definition otherwise, so a past date, a touched LP and a dropped view all get the same numbers.

-- Today in UTC, by the database's clock. The setting shifts it so that midnight can be tested; it is unset in production.
create function reporting_today() returns date language sql stable parallel safe
begin atomic
    select ((now() + make_interval(secs => coalesce(nullif(current_setting('lp_reporting.clock_offset_seconds', true), '')::int, 0)))
            at time zone 'utc')::date;
end;

-- What an LP has in one commitment at the end of a day: one probe of its capital account.
create function commitment_positions_at(as_of date) returns table (
    lp_id bigint, fund_id bigint, commitment_id bigint, currency text,
    commitment_cents bigint, paid_in_cents bigint, distributed_cents bigint, unfunded_cents bigint,
    nav_cents bigint, reported_nav_cents bigint, nav_as_of_date date, irr_date date
) language sql stable parallel safe
begin atomic
    select c.lp_id, c.fund_id, c.commitment_id, f.currency,
           promised.cents + coalesce(a.commitment_effect_cents, 0),
           coalesce(a.paid_in_cents, 0),
           coalesce(a.distributed_cents, 0),
           promised.cents + coalesce(a.unfunded_effect_cents, 0),
           a.nav_cents, a.reported_nav_cents, a.nav_as_of_date, a.irr_date
    from lp_fund_commitments c
    join funds f on f.fund_id = c.fund_id
    cross join lateral (select case when c.commitment_date <= as_of then c.commitment_amount_cents else 0 end as cents) promised
    left join lateral (
        select b.account_date, b.paid_in_cents, b.distributed_cents, b.unfunded_effect_cents, b.commitment_effect_cents,
               b.nav_cents, b.reported_nav_cents, b.nav_as_of_date, b.irr_date
        from lp_capital_accounts b
        where b.lp_id = c.lp_id and b.commitment_id = c.commitment_id and b.account_date <= as_of
        order by b.account_date desc
        limit 1
    ) a on true
    -- A commitment exists from its date on, or from its first entry if that is dated earlier.
    where c.commitment_date <= as_of or a.account_date is not null;
end;

-- Per commitment: the position with its latest stored performance.
create function lp_performance_latest_at(as_of date) returns table (
    lp_id bigint, fund_id bigint, commitment_id bigint, currency text,
    commitment_cents bigint, paid_in_cents bigint, distributed_cents bigint, unfunded_cents bigint,
    nav_cents bigint, reported_nav_cents bigint, nav_as_of_date date, irr_date date,
    performance_date date, net_irr double precision, annualised boolean, irr_flags text[]
) language sql stable parallel safe
begin atomic
    select p.lp_id, p.fund_id, p.commitment_id, p.currency,
           p.commitment_cents, p.paid_in_cents, p.distributed_cents, p.unfunded_cents,
           p.nav_cents, p.reported_nav_cents, p.nav_as_of_date, p.irr_date,
           s.snapshot_date, s.net_irr, s.annualised, s.flags
    from commitment_positions_at(as_of) p
    left join lateral (
        select b.snapshot_date, b.net_irr, b.annualised, b.flags
        from lp_performance_snapshots b
        where b.lp_id = p.lp_id and b.commitment_id = p.commitment_id and b.snapshot_date <= as_of
        order by b.snapshot_date desc
        limit 1
    ) s on true;
end;

-- Per LP and currency: all its commitments added up, unreported NAVs at cost, with the pooled performance.
create function lp_dashboard_summary_at(as_of date) returns table (
    lp_id bigint, currency text, fund_count bigint, commitment_count bigint,
    commitment_cents bigint, paid_in_cents bigint, distributed_cents bigint, unfunded_cents bigint,
    nav_cents bigint, nav_at_cost boolean, reported_nav_cents bigint, nav_as_of_date date, irr_date date,
    performance_date date, net_irr double precision, annualised boolean, irr_flags text[]
) language sql stable parallel safe
begin atomic
    select t.lp_id, t.currency, active.fund_count, t.commitment_count,
           t.commitment_cents, t.paid_in_cents, t.distributed_cents, t.unfunded_cents,
           t.nav_cents, t.nav_at_cost, t.reported_nav_cents, t.nav_as_of_date, t.irr_date,
           s.performance_date, s.net_irr, s.annualised, s.flags
    from (
        select p.lp_id, p.currency, count(*) as commitment_count,
               sum(p.commitment_cents)::bigint as commitment_cents,
               sum(p.paid_in_cents)::bigint as paid_in_cents,
               sum(p.distributed_cents)::bigint as distributed_cents,
               sum(p.unfunded_cents)::bigint as unfunded_cents,
               sum(coalesce(p.nav_cents, p.paid_in_cents - p.distributed_cents))::bigint as nav_cents,
               bool_or(p.nav_cents is null) as nav_at_cost,
               sum(p.reported_nav_cents)::bigint as reported_nav_cents,
               max(p.nav_as_of_date) as nav_as_of_date,
               max(p.irr_date) as irr_date
        from commitment_positions_at(as_of) p
        group by p.lp_id, p.currency
    ) t
    cross join lateral (
        select count(distinct c.fund_id) as fund_count
        from lp_fund_commitments c
        join funds f on f.fund_id = c.fund_id
        where c.lp_id = t.lp_id and c.status = 'active' and c.commitment_date <= as_of and f.currency = t.currency
    ) active
    left join lateral (
        select b.performance_date, b.net_irr, b.annualised, b.flags
        from lp_pooled_performance b
        where b.lp_id = t.lp_id and b.currency = t.currency and b.fund_id is null and b.performance_date <= as_of
        -- Sorted as the index is, since the planner does not take `is null` for a constant: one row is read, not the history.
        order by b.fund_id desc, b.performance_date desc
        limit 1
    ) s on true;
end;

-- Per fund: what its LPs have in it together.
create function fund_lp_summary_at(as_of date) returns table (
    fund_id bigint, currency text, lp_count bigint, commitment_count bigint,
    commitment_cents bigint, paid_in_cents bigint, distributed_cents bigint, unfunded_cents bigint,
    nav_cents bigint, nav_at_cost boolean, nav_as_of_date date
) language sql stable parallel safe
begin atomic
    select p.fund_id, p.currency, count(distinct p.lp_id), count(*),
           sum(p.commitment_cents)::bigint,
           sum(p.paid_in_cents)::bigint,
           sum(p.distributed_cents)::bigint,
           sum(p.unfunded_cents)::bigint,
           sum(coalesce(p.nav_cents, p.paid_in_cents - p.distributed_cents))::bigint,
           bool_or(p.nav_cents is null),
           max(p.nav_as_of_date)
    from commitment_positions_at(as_of) p
    group by p.fund_id, p.currency;
end;

-- What several reports ask in the same words. The planner inlines these too, so each costs what its text would.

-- Where to read an LP as of a day. The views are right while nothing of the LP has changed since their refresh, and while they do
-- not stand for a later day than the one asked for. `irr_is_pending` tells whether a net rate shown then is still owed. Each of the
-- three asks for an extreme, which only an index has at hand: for a mere `exists`, a plan for any LP may read the whole table.
create function reading_at(asked_lp_id bigint, as_of date) returns table (view_is_current boolean, irr_is_pending boolean)
language sql stable parallel safe
begin atomic
    select (select max(m.latest_date) from touched_commitments m where m.lp_id = asked_lp_id) is null
           and coalesce((select max(v.as_of_date) from view_refreshes v) <= as_of, false),
           coalesce((select min(p.from_date) from pending_performance p where p.lp_id = asked_lp_id) <= as_of, false);
end;

-- The stored performance of all that an LP has in one fund, of the last day not after the one asked for: one row or none.
create function fund_pool_at(asked_lp_id bigint, asked_currency text, asked_fund_id bigint, as_of date) returns table (
    performance_date date, net_irr double precision, annualised boolean, flags text[]
) language sql stable parallel safe
begin atomic
    select b.performance_date, b.net_irr, b.annualised, b.flags
    from lp_pooled_performance b
    where b.lp_id = asked_lp_id and b.currency = asked_currency and b.fund_id = asked_fund_id and b.performance_date <= as_of
    order by b.performance_date desc
    limit 1;
end;

-- A fund's own performance, of the last day not after the one asked for: one row or none.
create function gross_at(asked_fund_id bigint, as_of date) returns table (moic double precision, gross_irr double precision, flags text[])
language sql stable parallel safe
begin atomic
    select b.moic::double precision, b.gross_irr, b.flags
    from fund_performance b
    where b.fund_id = asked_fund_id and b.performance_date <= as_of
    order by b.performance_date desc
    limit 1;
end;

-- An LP's cash by day, oldest first, up to a last day: in one fund, or without a fund in all those of the currency. Without a last
-- day nothing is read.
create function cash_until(asked_lp_id bigint, asked_fund_id bigint, asked_currency text, last_day date) returns table (
    dates date[], cents bigint[]
) language sql stable parallel safe
begin atomic
    select array_agg(d.effective_date order by d.effective_date), array_agg(d.cents order by d.effective_date)
    from (
        select a.effective_date, sum(a.cash_effect_cents)::bigint as cents
        from (
            select c.commitment_id
            from lp_fund_commitments c
            where last_day is not null and c.lp_id = asked_lp_id and c.fund_id = asked_fund_id
            union all
            select c.commitment_id
            from lp_fund_commitments c
            join funds f on f.fund_id = c.fund_id
            where last_day is not null and asked_fund_id is null and c.lp_id = asked_lp_id and f.currency = asked_currency
        ) m
        join capital_activities a on a.lp_id = asked_lp_id and a.commitment_id = m.commitment_id
        where a.effective_date <= last_day and a.cash_effect_cents <> 0
        group by a.effective_date
    ) d;
end;

create view lp_performance_latest_definition as
    select lp_id, fund_id, commitment_id, currency, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, reported_nav_cents, nav_as_of_date, irr_date, performance_date, net_irr, annualised, irr_flags
    from lp_performance_latest_at(reporting_today());
create view lp_dashboard_summary_definition as
    select lp_id, currency, fund_count, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, reported_nav_cents, nav_as_of_date, irr_date, performance_date, net_irr, annualised, irr_flags
    from lp_dashboard_summary_at(reporting_today());
create view fund_lp_summary_definition as
    select fund_id, currency, lp_count, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents,
           nav_cents, nav_at_cost, nav_as_of_date
    from fund_lp_summary_at(reporting_today());

-- Creates the materialized views that are not there, empty or not: at first all three, later one that somebody dropped.
-- Returns how many it created. The unique keys are what `refresh … concurrently` needs, and how readers find a row.
create function create_missing_views() returns integer language plpgsql as $$
declare
    wanted  record;
    created integer := 0;
begin
    for wanted in
        select v.name, v.key
        from (values ('lp_dashboard_summary', 'lp_id, currency'),
                     ('fund_lp_summary', 'fund_id'),
                     ('lp_performance_latest', 'lp_id, fund_id, commitment_id')) as v (name, key)
        where not exists (select from pg_matviews m where m.matviewname = v.name and m.schemaname = current_schema())
    loop
        execute format('create materialized view %I as select * from %I', wanted.name, wanted.name || '_definition');
        execute format('create unique index %I on %I (%s)', wanted.name || '_key', wanted.name, wanted.key);
        if exists (select from pg_roles where rolname = 'reader') then
            execute format('grant select on %I to reader', wanted.name);
        end if;
        created := created + 1;
    end loop;
    return created;
end $$;

select create_missing_views();

comment on materialized view lp_dashboard_summary is 'Per LP and currency; see lp_dashboard_summary_at for the definition.';
comment on materialized view fund_lp_summary is 'Per fund; see fund_lp_summary_at for the definition.';
comment on materialized view lp_performance_latest is 'Per commitment; see lp_performance_latest_at for the definition.';
