-- What operations ask of the database by schedule and by hand, and only its owner may do, or who may read everybody's statistics.
-- Each of these has its owner's rights and a fixed path, as `refresh_views()` has them, takes a name or a number and nothing else,
-- and is the refresher's alone. What no function can do, because it must not run within a transaction, is to rebuild an index beside
-- its readers and writers: for that the task `reindex` logs in as the owner.

-- Statistics for the planner: of a table with its partitions, or of a materialized view.
create function analyze_relation(relation_name text) returns void
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    if not exists (select from pg_class c
                   where c.relnamespace = 'public'::regnamespace and c.relname = relation_name and c.relkind in ('r', 'p', 'm')) then
        raise exception 'there is no table or view %', relation_name using errcode = 'undefined_table';
    end if;
    execute format('analyze public.%I', relation_name);
end $$;

-- The schema of an extension, which an administrator of the server adds: migrations cannot, and do not need it.
create function extension_schema(extension_name text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    found_in text;
begin
    select n.nspname into found_in
    from pg_extension e
    join pg_namespace n on n.oid = e.extnamespace
    where e.extname = extension_name;
    if found_in is null then
        raise exception 'this database lacks the extension %, which an administrator has to create: docs/deploying.md', extension_name
            using errcode = 'undefined_object';
    end if;
    return found_in;
end $$;

-- How much of a B-tree a new one would not need, in per cent: its leaf pages against as many as its entries fill up to the fill
-- factor. Reads the whole index.
create function index_bloat_percent(index_name text) returns double precision
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    index        regclass;
    fill_percent double precision;
    percent      double precision;
begin
    select c.oid::regclass, coalesce((select o.option_value::double precision from pg_options_to_table(c.reloptions) o
                                      where o.option_name = 'fillfactor'), 90)
    into index, fill_percent
    from pg_class c
    join pg_am a on a.oid = c.relam
    where c.relnamespace = 'public'::regnamespace and c.relname = index_name and c.relkind = 'i' and a.amname = 'btree';
    if index is null then
        raise exception 'there is no B-tree %', index_name using errcode = 'undefined_object';
    end if;
    execute format(
        'select case when t.pages = 0 then 0 else greatest(0, 100 * (1 - t.filled / t.pages)) end
         from %I.pgstatindex($1) s
         cross join lateral (select s.leaf_pages + s.empty_pages + s.deleted_pages as pages,
                                    case when s.leaf_pages = 0 then 0 else s.leaf_pages * s.avg_leaf_density / $2 end as filled) t',
        extension_schema('pgstattuple'))
    into percent using index, fill_percent;
    return percent;
end $$;

-- The statements of this database that took the longest altogether. Their values are parameters, also those that were written out;
-- what is left between quotes is taken out, in case one was not replaced. Other than queries they are commands, whose values are
-- kept as they were written: those are not told.
create function slow_statements(most integer) returns table (
    query_id bigint, role text, statement text, calls bigint, total_ms double precision, mean_ms double precision,
    row_count bigint, shared_blocks_hit bigint, shared_blocks_read bigint
) language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
begin
    return query execute format(
        $sql$
        select s.queryid, s.userid::regrole::text, left(regexp_replace(t.statement, '''[^'']*''', '''…''', 'g'), 2000),
               s.calls, s.total_exec_time, s.mean_exec_time, s.rows, s.shared_blks_hit, s.shared_blks_read
        from %I.pg_stat_statements s
        cross join lateral (
            select trim(regexp_replace(regexp_replace(s.query, '--[^\n]*', '', 'g'), '\s+', ' ', 'g')) as statement
        ) t
        where s.dbid = (select d.oid from pg_database d where d.datname = current_database())
          and t.statement ~* '^\(?(select|with|insert|update|delete|merge)\M'
        order by s.total_exec_time desc, s.queryid
        limit $1
        $sql$, extension_schema('pg_stat_statements'))
    using most;
end $$;

-- Takes the months out of the access log that lie further back than so many before this one, a year's worth at a time. Each stays as
-- a table of its own: its rows are neither lost nor shown to LPs any more, and its owner, who alone sees them, may export and drop it.
-- Whoever looks waits for this as long as this waits for the lock, which is a moment: better to fail, and try again another night.
create function detach_access_log_partitions(keep_months integer) returns text[]
language plpgsql security definer set search_path = pg_catalog, public, pg_temp as $$
declare
    oldest_kept text := 'access_log_' || to_char(date_trunc('month', now() at time zone 'UTC') - make_interval(months => keep_months), 'YYYY_MM');
    partition   text;
    detached    text[] := '{}';
begin
    if keep_months is null or keep_months < 1 then
        raise exception 'at least one month is kept' using errcode = 'invalid_parameter_value';
    end if;
    perform set_config('lock_timeout', '100ms', true);
    for partition in
        select c.relname
        from pg_inherits i
        join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'public.access_log'::regclass and c.relname ~ '^access_log_\d{4}_\d{2}$' and c.relname < oldest_kept
        order by c.relname
        limit 12
    loop
        execute format('alter table public.access_log detach partition public.%I', partition);
        execute format('comment on table public.%I is %L', partition, 'A month that was taken out of access_log.');
        detached := detached || partition;
    end loop;
    return detached;
end $$;

revoke execute on function analyze_relation, extension_schema, index_bloat_percent, slow_statements, detach_access_log_partitions
    from public;
grant execute on function analyze_relation, index_bloat_percent, slow_statements, detach_access_log_partitions to refresher;
