-- Who may see what, in three roles: an `lp_viewer` or an `auditor` sees an LP, or of it only what it has in one fund; a `gp` sees
-- what all LPs of a fund have in it together, and none of them. The table is its own record: a grant is ended, never deleted or
-- rewritten, and who granted and who ended it stands beside it. When it was granted says `created_at`.
-- A row that named an LP let its subject see that LP, whatever it called him.
update lp_access set role = 'lp_viewer' where role = 'gp';
alter table lp_access
    alter column lp_id drop not null,
    add column fund_id bigint references funds on delete restrict,
    add column revoked_by text check (length(revoked_by) between 1 and 255),
    add column revoked_at timestamptz,
    drop constraint lp_access_lp_id_fkey,
    add constraint lp_access_lp_id_fkey foreign key (lp_id) references limited_partners on delete restrict,
    add constraint lp_access_names_an_lp_or_gp_a_fund check (
        (role = 'gp') = (lp_id is null) and (role <> 'gp' or fund_id is not null)),
    add constraint lp_access_revoked_by_somebody check ((revoked_by is null) = (revoked_at is null));
comment on table lp_access is
    'Which signed-in subject may see which LP, or as a GP which fund, and from when to when, unless it was revoked. What has no row does not exist for the subject.';
comment on column lp_access.fund_id is 'Of a viewer or an auditor: only what the LP has in this fund; null: all that it has. Of a GP: the fund.';
comment on column lp_access.revoked_at is 'When it was taken back; null while it stands.';

-- The fund in whose scope the transaction is, or null, as `lp_in_scope` tells it of an LP.
create function fund_in_scope() returns bigint language sql stable parallel safe
begin atomic
    select nullif(current_setting('lp_reporting.fund_id', true), '')::bigint;
end;

-- What is granted now.
create view standing_access as
    select a.subject, a.lp_id, a.fund_id, a.valid_to
    from lp_access a
    where a.revoked_at is null and a.valid_from <= now() and (a.valid_to is null or a.valid_to > now());

-- Enters an LP's scope until the end of the transaction if the subject may see what it asks for: what the LP has in some funds, or,
-- with null for those, all of it. Tells which funds it may see (null: all), and until when that may be believed: for so many seconds
-- at most, and not beyond what was granted; of several grants for the same the one that lasts longest counts, and `least` passes
-- over nulls. Whom no grant covers is told nothing and is in no scope, whichever the transaction was in before.
--
-- Like what it takes the place of it has its owner's rights, a fixed path, and a text in plpgsql, which keeps the plans.
drop function enter_lp_scope;
create function enter_lp_scope(asked_subject text, asked_lp_id bigint, asked_fund_ids bigint[], seconds double precision,
                               out believed_until timestamptz, out fund_ids bigint[])
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    select least(s.valid_to, now() + make_interval(secs => seconds)) into believed_until
    from standing_access s
    where s.subject = asked_subject and s.lp_id = asked_lp_id and s.fund_id is null
    order by s.valid_to desc nulls first
    limit 1;
    -- Nearly everybody may see the whole LP, and this is not looked for. Null, which asks for that, is in no list of funds.
    if not found then
        select least(min(f.valid_to), now() + make_interval(secs => seconds)), array_agg(f.fund_id order by f.fund_id)
        into believed_until, fund_ids
        from (
            select s.fund_id, max(coalesce(s.valid_to, 'infinity')) as valid_to
            from standing_access s
            where s.subject = asked_subject and s.lp_id = asked_lp_id
            group by s.fund_id
        ) f
        having asked_fund_ids <@ array_agg(f.fund_id);
    end if;
    perform set_config('lp_reporting.lp_id', case when believed_until is null then '' else asked_lp_id::text end, true);
end $$;
revoke execute on function enter_lp_scope from public;
grant execute on function enter_lp_scope to reader;

-- The same for a fund and its GP.
create function enter_fund_scope(asked_subject text, asked_fund_id bigint, seconds double precision,
                                 out believed_until timestamptz, out fund_ids bigint[])
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    select least(s.valid_to, now() + make_interval(secs => seconds)), array[s.fund_id]
    into believed_until, fund_ids
    from standing_access s
    where s.subject = asked_subject and s.lp_id is null and s.fund_id = asked_fund_id
    order by s.valid_to desc nulls first
    limit 1;
    perform set_config('lp_reporting.fund_id', case when believed_until is null then '' else asked_fund_id::text end, true);
end $$;
revoke execute on function enter_fund_scope from public;
grant execute on function enter_fund_scope to reader;

-- Is anything of this fund newer than the views? Its reader is in no LP's scope and sees no mark; he is told the days of those in
-- his fund, with the owner's rights, and nothing of whose they are. No barrier, through which the latest would not be looked up.
create index touched_commitments_fund_idx on touched_commitments (fund_id, latest_date);
create view fund_marks_in_scope as
    select m.fund_id, m.latest_date from touched_commitments m where m.fund_id = fund_in_scope();

-- The definition of `fund_lp_summary` for the fund in scope alone: its LPs are read, with the owner's rights, and only their sums told.
create function fund_lp_summary_in_scope_at(as_of date) returns table (
    fund_id bigint, lp_count bigint, commitment_cents bigint, paid_in_cents bigint, distributed_cents bigint,
    nav_cents bigint, nav_at_cost boolean
) language sql stable security definer set search_path = pg_catalog, public, pg_temp
begin atomic
    select s.fund_id, s.lp_count, s.commitment_cents, s.paid_in_cents, s.distributed_cents, s.nav_cents, s.nav_at_cost
    from fund_lp_summary_at(as_of) s
    where s.fund_id = fund_in_scope();
end;
revoke execute on function fund_lp_summary_in_scope_at from public;
grant execute on function fund_lp_summary_in_scope_at to reader;

-- As in 006, with the refresher's grants, and a barrier for each of the three: those of LPs show the LP in scope, that of funds the fund.
create or replace function create_missing_views() returns integer language plpgsql as $$
declare
    wanted  record;
    created integer := 0;
begin
    for wanted in
        select v.name, v.name || '_in_scope' as barrier, v.key, v.scope
        from (values ('lp_dashboard_summary', 'lp_id, currency', 'lp_id = lp_in_scope()'),
                     ('fund_lp_summary', 'fund_id', 'fund_id = fund_in_scope()'),
                     ('lp_performance_latest', 'lp_id, fund_id, commitment_id', 'lp_id = lp_in_scope()')) as v (name, key, scope)
    loop
        if not exists (select from pg_matviews m where m.matviewname = wanted.name and m.schemaname = current_schema()) then
            execute format('create materialized view %I as select * from %I', wanted.name, wanted.name || '_definition');
            execute format('create unique index %I on %I (%s)', wanted.name || '_key', wanted.name, wanted.key);
            execute format('grant select on %I to refresher', wanted.name);
            created := created + 1;
        end if;
        if not exists (select from pg_views w where w.viewname = wanted.barrier and w.schemaname = current_schema()) then
            execute format('create view %I with (security_barrier) as select * from %I where %s',
                           wanted.barrier, wanted.name, wanted.scope);
            execute format('grant select on %I to reader', wanted.barrier);
        end if;
    end loop;
    return created;
end $$;

select create_missing_views();
grant select on fund_marks_in_scope to reader;

-- Who grants and revokes: adds rows, and ends them. It logs in as the reader does, without a password of its own.
do $$
begin
    create role grantor login;
exception when duplicate_object or unique_violation then
    null;  -- Roles belong to the whole server; another database created it.
end $$;
grant select, insert (subject, lp_id, fund_id, role, valid_from, valid_to, granted_by), update (revoked_by, revoked_at) on lp_access to grantor;
create policy grantor_sees_all on lp_access for select to grantor using (true);
create policy grantor_adds on lp_access for insert to grantor with check (true);
-- What was ended stays ended, by whom it was.
create policy grantor_ends on lp_access for update to grantor using (revoked_at is null) with check (revoked_at is not null);
