-- A dump is taken by the owner, who is no superuser and whom row-level security binds as well: what no policy shows it is left out of
-- the dump without a word. So it was with the months of the access log, which pg_dump reads one by one, each by its own name, where the
-- log's own policies do not count. Nobody else is shown more than before.
do $$
declare
    partition regclass;
begin
    for partition in select i.inhrelid::regclass from pg_inherits i where i.inhparent = 'access_log'::regclass loop
        execute format('create policy owner_dumps on %s for select to current_user using (true)', partition);
    end loop;
end $$;

-- As in 009, and so for the months to come.
create or replace function create_access_log_partitions() returns integer
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
        execute format('create policy owner_dumps on public.%I for select to current_user using (true)', partition);
        execute format('alter table public.access_log attach partition public.%I for values from (%L) to (%L)', partition,
                       month at time zone 'UTC', (month + interval '1 month') at time zone 'UTC');
        created := created + 1;
    end loop;
    return created;
end $$;
