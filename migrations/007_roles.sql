-- Those who write: `recorder` (activity-refresh) and `refresher` (nightly-refresh), each granted what its statements need. Both compute
-- what derives from the truth; only the recorder adds to the truth, and nobody changes it. Whoever applies these migrations owns
-- everything and is the one role that changes the schema: `migrator`, which is set up with the database, since no role makes itself.
do $$
declare
    writer text;
begin
    foreach writer in array array['recorder', 'refresher'] loop
        begin
            execute format('create role %I login', writer);
        exception when duplicate_object or unique_violation then
            null;  -- Roles belong to the whole server; another database created it.
        end;
        -- Compiling a plan takes longer than most statements run, and all that was measured was measured without.
        execute format('alter role %I set jit = off', writer);
    end loop;
end $$;

-- Since Postgres 15 this is so from the start; a database that came from an older one has still to be told.
revoke create on schema public from public;
-- Everybody may create temporary tables until told otherwise. No statement needs one but a refresh, which is the owner's.
do $$
begin
    execute format('revoke temporary on database %I from public', current_database());
end $$;

-- They work for any LP, so the wall shows them all: what they may do, the grants say. Entitlements and statements are not theirs.
do $$
declare
    guarded text;
begin
    foreach guarded in array array['limited_partners', 'lp_fund_commitments', 'capital_activities', 'commitment_navs',
                                   'lp_capital_accounts', 'lp_performance_snapshots', 'lp_pooled_performance', 'touched_commitments',
                                   'pending_performance'] loop
        execute format('create policy writers_see_all on %I to recorder, refresher using (true) with check (true)', guarded);
    end loop;
end $$;

-- The truth is read by both.
grant select on limited_partners, funds, lp_fund_commitments, capital_activities, commitment_navs, fund_nav_snapshots,
    fund_investments, fund_cash_flows, investment_valuations
    to recorder, refresher;
-- To lock a row one must be allowed to update some column of it: of an LP that is the one which a trigger sets anyway.
grant update (updated_at) on limited_partners to recorder, refresher;
grant update (commitments_in_force_cents) on funds to recorder, refresher;

-- What derives from it is theirs to write. The triggers on the truth run with the rights of whoever adds to it, who has these
-- anyway: one with its owner's rights would be one more door in the wall.
grant select, insert, update, delete on lp_capital_accounts, lp_performance_snapshots, lp_pooled_performance, fund_performance
    to recorder, refresher;
grant select, insert, delete on touched_commitments, pending_performance to recorder, refresher;
grant select, insert, update, delete on view_refreshes to recorder, refresher;

-- The recorder adds to the truth. An entry's id is drawn for its claim, before it is written.
grant insert on capital_activities, commitment_navs, fund_nav_snapshots to recorder;
grant usage on sequence capital_activities_activity_id_seq to recorder;
grant select on activity_types to recorder;
-- A claim is given back by the transaction that made it, if what it is for cannot be recorded, and stands for good otherwise: a
-- recorder that could delete older ones could be told the same thing twice.
grant select, insert, delete on received_events to recorder;
alter table received_events enable row level security;
create policy recorder_compares on received_events for select to recorder using (true);
create policy recorder_claims on received_events for insert to recorder with check (true);
create policy recorder_gives_back on received_events for delete to recorder using (received_at = now());

-- The refresher compares the views with their definitions.
grant select on lp_dashboard_summary_definition, fund_lp_summary_definition, lp_performance_latest_definition to refresher;

-- What is created anew has no grants; 008 has `create_missing_views()` give them.
grant select on lp_dashboard_summary, fund_lp_summary, lp_performance_latest to refresher;

-- Creates the views that are missing and refreshes all of them, within the caller's transaction and as of its snapshot. Only its
-- owner may refresh a view, so this has the owner's rights, and whoever refreshes none that go further. Temporary tables come last
-- in the path, as nobody but the caller knows what is in them.
create function refresh_views() returns void language plpgsql security definer set search_path = public, pg_temp as $$
declare
    stale record;
begin
    perform create_missing_views();
    for stale in
        select m.matviewname as name, m.ispopulated
        from pg_matviews m
        where m.schemaname = 'public' and m.matviewname in ('lp_dashboard_summary', 'fund_lp_summary', 'lp_performance_latest')
        order by m.matviewname
    loop
        -- One that holds nothing has no readers to spare, and cannot be refreshed beside them.
        execute format('refresh materialized view %s public.%I', case when stale.ispopulated then 'concurrently' else '' end, stale.name);
    end loop;
end $$;
revoke execute on function create_missing_views, refresh_views from public;
grant execute on function refresh_views to recorder, refresher;

-- It keeps old rows with its owner's rights, whoever changes them: nobody may put a temporary table in the way.
alter function keep_old_row() set search_path = public, pg_temp;
