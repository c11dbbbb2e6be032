-- Who looked at what. A function adds a row once it has sent its answer; nobody changes one or takes it away.

create table access_log (
    access_id   bigint generated always as identity,
    occurred_at timestamptz not null default now(),
    subject     text        check (length(subject) between 1 and 255),
    lp_id       bigint,
    fund_id     bigint,
    route       text        not null check (length(route) between 1 and 100),
    outcome     text        not null check (outcome in ('allowed', 'not_found', 'denied')),
    request_id  text        not null check (length(request_id) between 1 and 200),
    constraint access_log_nobody_is_denied check (subject is not null or outcome = 'denied')
) partition by range (occurred_at);
comment on table access_log is
    'Every look at an LP or a fund, append-only, a partition a month. What is not there is looked at as well, so nothing is referenced.';
comment on column access_log.subject is 'Who looked, as the token says; null when it named nobody.';
comment on column access_log.outcome is
    'Answered; not_found to somebody who may see the LP or fund; denied to somebody who may not, whether it is there or not.';
comment on column access_log.request_id is 'The platform''s id of the invocation, which the function''s other lines of the log bear as well.';

-- The page that an LP is shown, newest first.
create index access_log_lp_idx on access_log (lp_id, occurred_at, access_id);

create trigger access_log_append_only before update or delete or truncate on access_log
    for each statement execute function refuse_change();

alter table access_log enable row level security, force row level security;
create policy owner_sees_all on access_log to current_user using (true) with check (true);
create policy reader_sees_scope on access_log for select to reader using (lp_id = lp_in_scope());
-- Who was turned away was in no LP's scope.
create policy reader_adds on access_log for insert to reader with check (true);
grant select on access_log to reader;
-- Not the time and the id: those are the database's to say.
grant insert (subject, lp_id, fund_id, route, outcome, request_id) on access_log to reader;

-- Makes the partitions that are missing, of this month and the three after it, so that it may fail night after night for a quarter.
-- Returns how many. Months are UTC's.
--
-- There is no default partition. It would take what has no month, but then that month could never be made; it would keep a page
-- from reading one month after the other, because what it holds has no order among them; and what is not recorded here is a line
-- of the function's log anyway.
--
-- A partition is attached, because to create it as one locks the whole log. Like the log it refuses changes and shows nothing, also
-- when it is named itself. With its owner's rights: who works at night owns nothing.
create function create_access_log_partitions() returns integer
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    month     timestamp;
    partition text;
    created   integer := 0;
begin
    for month in
        select date_trunc('month', now() at time zone 'UTC') + make_interval(months => ahead)
        from generate_series(0, 3) as ahead
    loop
        partition := 'access_log_' || to_char(month, 'YYYY_MM');
        continue when to_regclass('public.' || partition) is not null;
        execute format('create table public.%I (like public.access_log including defaults including constraints)', partition);
        execute format('comment on table public.%I is %L', partition, 'A month of access_log.');
        execute format('create trigger %I before update or delete or truncate on public.%I for each statement execute function public.refuse_change()',
                       partition || '_append_only', partition);
        execute format('alter table public.%I enable row level security, force row level security', partition);
        execute format('alter table public.access_log attach partition public.%I for values from (%L) to (%L)', partition,
                       month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
        created := created + 1;
    end loop;
    return created;
end $$;
revoke execute on function create_access_log_partitions from public;
grant execute on function create_access_log_partitions to refresher;

select create_access_log_partitions();
