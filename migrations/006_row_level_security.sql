-- The second wall. The first is that every query for an LP names it; this one stands where a query forgets to, or names the wrong
-- one: a reader's transaction is in the scope of one LP or of none, and sees rows of that LP alone, or none at all.
--
-- It is a wall against mistakes and wrong parameters. Whoever can run statements of his own as `reader` can set the scope himself.

-- The LP in whose scope the transaction is, or null: a setting that was local to an earlier transaction reads as ''. Inlined, so
-- that indexes are probed with it, and that `lp_id = $1` beside it makes one probe under a one-time filter.
create function lp_in_scope() returns bigint language sql stable parallel safe
begin atomic
    select nullif(current_setting('lp_reporting.lp_id', true), '')::bigint;
end;

-- Enters an LP's scope until the end of the transaction if the subject may see the LP, and tells until when that may be believed:
-- for so many seconds at most, and not beyond the entitlement that lasts longest. An open one has no end, and `least` passes over
-- nulls. Who may not see it is told nothing and is in no scope, whichever the transaction was in before.
--
-- It has its owner's rights so that readers need none on `lp_access`: whom else a subject may see, and who else may see an LP,
-- cannot be asked at all. The path is fixed because names in a text are looked up when it runs, and temporary tables come last;
-- it is a text, in plpgsql, because that keeps the plan.
create function enter_lp_scope(asked_subject text, asked_lp_id bigint, seconds double precision) returns timestamptz
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    believed_until timestamptz;
begin
    select least(a.valid_to, now() + make_interval(secs => seconds)) into believed_until
    from lp_access a
    where a.subject = asked_subject
      and a.lp_id = asked_lp_id
      and a.valid_from <= now()
      and (a.valid_to is null or a.valid_to > now())
    order by a.valid_to desc nulls first
    limit 1;
    perform set_config('lp_reporting.lp_id', case when found then asked_lp_id::text else '' end, true);
    return believed_until;
end $$;
revoke execute on function enter_lp_scope from public;
grant execute on function enter_lp_scope to reader;

-- Every table that says whose it is, and the NAVs of commitments. Policies name their role, and no policy means no row, so a role
-- that is yet to come sees nothing until it is given one. They are forced on the owner as well, who therefore needs one that shows
-- everything: without it a refresh would fill the views with nothing, and not fail. It goes along if the tables change hands.
do $$
declare
    guarded text;
begin
    foreach guarded in array array['limited_partners', 'lp_fund_commitments', 'capital_activities', 'commitment_navs', 'lp_reports',
                                   'lp_capital_accounts', 'lp_performance_snapshots', 'lp_pooled_performance', 'touched_commitments',
                                   'pending_performance', 'lp_access'] loop
        execute format('alter table %I enable row level security, force row level security', guarded);
        execute format('create policy owner_sees_all on %I to current_user using (true) with check (true)', guarded);
    end loop;
    foreach guarded in array array['limited_partners', 'lp_fund_commitments', 'capital_activities', 'lp_capital_accounts',
                                   'lp_performance_snapshots', 'lp_pooled_performance', 'touched_commitments',
                                   'pending_performance'] loop
        execute format('create policy reader_sees_scope on %I for select to reader using (lp_id = lp_in_scope())', guarded);
    end loop;
end $$;
-- What is owed to a fund is nobody's own: every LP of the fund is told that its gross figures are pending.
create policy reader_sees_funds on pending_performance for select to reader using (lp_id is null);

-- What changes a fund's commitments in force, and when, its LPs taken together: a share follows from the whole, of which no LP sees
-- the parts. Like every view without `security_invoker` it reads with its owner's rights.
create view fund_commitment_changes as
    select d.fund_id, d.effective_date, sum(d.cents)::bigint as cents
    from (
        select a.fund_id, a.effective_date, a.unfunded_effect_cents as cents
        from capital_activities a
        where a.cash_effect_cents = 0
        union all
        select c.fund_id, c.commitment_date, c.commitment_amount_cents
        from lp_fund_commitments c
    ) d
    group by d.fund_id, d.effective_date;

-- The ledger for the search by metadata. Below a policy, or through a barrier, only leakproof operators reach an index, and `@>` is
-- none: every tagged entry of the LP would be read. Through a view that is no barrier it does, and the scope is as sure against
-- mistakes; what a barrier adds is against functions that tell what they are shown, and readers have none.
create view capital_activities_in_scope as select * from capital_activities where lp_id = lp_in_scope();

-- Materialized views carry no policy. Readers have `<name>_in_scope` of those that they read, a barrier that does what a policy
-- would. It depends on its view: who drops the one says `cascade`, and loses the other.
--
-- Creates what is missing: the materialized views, empty or not, and the barriers with their grants. Returns how many views.
create or replace function create_missing_views() returns integer language plpgsql as $$
declare
    wanted  record;
    created integer := 0;
begin
    for wanted in
        select v.name, v.name || '_in_scope' as barrier, v.key, v.has_readers
        from (values ('lp_dashboard_summary', 'lp_id, currency', true),
                     ('fund_lp_summary', 'fund_id', false),
                     ('lp_performance_latest', 'lp_id, fund_id, commitment_id', true)) as v (name, key, has_readers)
    loop
        if not exists (select from pg_matviews m where m.matviewname = wanted.name and m.schemaname = current_schema()) then
            execute format('create materialized view %I as select * from %I', wanted.name, wanted.name || '_definition');
            execute format('create unique index %I on %I (%s)', wanted.name || '_key', wanted.name, wanted.key);
            created := created + 1;
        end if;
        if wanted.has_readers
           and not exists (select from pg_views w where w.viewname = wanted.barrier and w.schemaname = current_schema()) then
            execute format('create view %I with (security_barrier) as select * from %I where lp_id = lp_in_scope()',
                           wanted.barrier, wanted.name);
            execute format('grant select on %I to reader', wanted.barrier);
        end if;
    end loop;
    return created;
end $$;

select create_missing_views();

-- What no report reads, and what shows every LP.
revoke select on commitment_navs, fund_nav_snapshots, lp_reports, lp_access,
    lp_dashboard_summary, fund_lp_summary, lp_performance_latest,
    lp_dashboard_summary_definition, fund_lp_summary_definition, lp_performance_latest_definition
    from reader;
grant select on fund_commitment_changes, capital_activities_in_scope to reader;
