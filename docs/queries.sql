-- Queries to look at the database with: its indexes and sizes, what is owed and who waits, an LP's figures by hand, and the plans
-- of the reports. None changes anything. From the project's root, while `make run` runs:
--
--     . target/local/env
--     psql "$DATABASE_URL" -v lp_id="$LP_ID" -v fund_id="$FUND_ID" -v commitment_id="$COMMITMENT_ID" -f docs/queries.sql
--
-- To ask one of them, paste it into psql after `\set lp_id 7` and the like. Up to 20 it is the owner who asks, `migrator`; in a deployment
-- the administrator sees as much. From 21 on it is `reader`, in the scope of one LP, as the functions are. Below each title stands what
-- comes back, which a test holds against what does.

-- 1. How large each table and view is
-- Returns rows: name, rows, table_size, index_size, index_bytes_per_row.
-- The ledger and the capital accounts come first. `rows` is the planner's estimate, -1 where nothing was ever analysed.
select c.relname as name, c.reltuples::bigint as rows,
       pg_size_pretty(pg_table_size(c.oid)) as table_size, pg_size_pretty(pg_indexes_size(c.oid)) as index_size,
       round(pg_indexes_size(c.oid) / nullif(greatest(c.reltuples, 0), 0)::numeric) as index_bytes_per_row
from pg_class c
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'm')
order by pg_total_relation_size(c.oid) desc, c.relname
limit 20;

-- 2. How much each index is used
-- Returns rows: table_name, index_name, is_rule, scans, entries_read, rows_fetched, size.
-- The least used first, since the statistics were reset. An index that is a rule (a key, or unique) is needed although nobody reads it; any
-- other without scans in a month that had a statement day in it is a question for docs/guide/02-indexing.md.
select i.relname as table_name, i.indexrelname as index_name, x.indisunique as is_rule,
       i.idx_scan as scans, i.idx_tup_read as entries_read, i.idx_tup_fetch as rows_fetched,
       pg_size_pretty(pg_relation_size(i.indexrelid)) as size
from pg_stat_user_indexes i
join pg_index x on x.indexrelid = i.indexrelid
order by i.idx_scan, pg_relation_size(i.indexrelid) desc, i.indexrelname;

-- 3. Which tables are read from end to end
-- Returns rows or none: table_name, full_scans, rows_read, index_scans, live_rows.
-- Refreshes read the commitments and the accounts whole, and small tables are cheaper read whole. A ledger with more full scans than there
-- were nights has a query without its index.
select s.relname as table_name, s.seq_scan as full_scans, s.seq_tup_read as rows_read, s.idx_scan as index_scans,
       s.n_live_tup as live_rows
from pg_stat_user_tables s
where s.seq_scan > 0
order by s.seq_tup_read desc, s.relname;

-- 4. How much is read from memory
-- Returns rows or none: name, blocks_from_buffers, blocks_from_outside, percent_from_buffers.
-- Below 99 % on the accounts, the views and their indexes, the buffers are too small for the LPs that look. Reads from outside may still
-- come from the system's own memory.
select t.relname as name, t.hits as blocks_from_buffers, t.reads as blocks_from_outside,
       round(100.0 * t.hits / (t.hits + t.reads), 2) as percent_from_buffers
from (
    select s.relname, coalesce(s.heap_blks_hit, 0) + coalesce(s.idx_blks_hit, 0) as hits,
           coalesce(s.heap_blks_read, 0) + coalesce(s.idx_blks_read, 0) as reads
    from pg_statio_user_tables s
) t
where t.hits + t.reads > 0
order by t.reads desc, t.relname;

-- 5. What vacuum has done
-- Returns rows: table_name, live_rows, dead_rows, percent_visible, last_vacuum, last_analyze.
-- `percent_visible` is how much of the table an index-only scan need not look up: of the accounts most of it, but for a busy hour. Dead rows
-- beyond a fifth of the live ones mean that autovacuum does not keep up, or that an old transaction holds it back.
select s.relname as table_name, s.n_live_tup as live_rows, s.n_dead_tup as dead_rows,
       round(100.0 * c.relallvisible / nullif(c.relpages, 0)) as percent_visible,
       greatest(s.last_vacuum, s.last_autovacuum) as last_vacuum, greatest(s.last_analyze, s.last_autoanalyze) as last_analyze
from pg_stat_user_tables s
join pg_class c on c.oid = s.relid
order by s.n_dead_tup desc, s.n_live_tup desc, s.relname
limit 20;

-- 6. Who is connected
-- Returns rows: role, function, connections, oldest_connection.
-- Each function names itself. No more connections of a function than its instances times DATABASE_MAX_CONNECTIONS, and none as
-- `migrator` but your own. Of other roles' sessions only a member of `pg_read_all_stats` sees since when they are connected.
select a.usename as role, a.application_name as function, count(*) as connections, min(a.backend_start) as oldest_connection
from pg_stat_activity a
where a.datname = current_database()
group by a.usename, a.application_name
order by count(*) desc, a.usename, a.application_name;

-- 7. Who waits for a lock, and for whom
-- Returns rows or none: waiting_pid, waiting_function, table_name, lock, waiting_since, blocking_pid, blocking_function.
-- Usually nobody. Recorders wait milliseconds for each other's LPs; a refresh waits for the refresh before it (an advisory lock, which has
-- no table). Whoever blocks for minutes is a person's open transaction: `select pg_terminate_backend(…)` ends it.
select l.pid as waiting_pid, w.application_name as waiting_function, l.relation::regclass as table_name,
       concat_ws(' ', l.locktype, l.mode) as lock, l.waitstart as waiting_since,
       b.pid as blocking_pid, h.application_name as blocking_function
from pg_locks l
join pg_stat_activity w on w.pid = l.pid
cross join lateral unnest(pg_blocking_pids(l.pid)) b (pid)
left join pg_stat_activity h on h.pid = b.pid
where not l.granted and w.datname = current_database()
order by l.waitstart, l.pid, b.pid;

-- 8. What the views have not seen yet
-- Returns rows or none: lps, commitments, marks, oldest_mark, dated_ahead.
-- Some right after recording. Without any refresh their number grows, and with it the LPs that are answered live. Marks dated ahead stay
-- until their day.
select count(distinct t.lp_id) as lps, count(distinct t.commitment_id) as commitments, count(*) as marks, min(t.marked_at) as oldest_mark,
       count(*) filter (where t.latest_date > reporting_today()) as dated_ahead
from touched_commitments t;

-- 9. Whose rates of return are owed
-- Returns rows or none: lp_id, fund_id, rows, from_date, owed_since.
-- Empty within seconds of the last message. What stays for more than a night could not be computed, and the night's log says why. Without
-- an LP it is the fund's own gross figures.
select p.lp_id, p.fund_id, count(*) as rows, min(p.from_date) as from_date, min(p.created_at) as owed_since
from pending_performance p
group by p.lp_id, p.fund_id
order by min(p.created_at), p.lp_id, p.fund_id
limit 50;

-- 10. The last refreshes
-- Returns rows: refresh_id, cause, started_at, seconds, as_of_date, marks_cleared, drift_rows, error.
-- One a night at least, with drift_rows 0. A row without started_at is the one outstanding request; one without an end is under way, or
-- died.
select r.refresh_id, r.cause, r.started_at, round(extract(epoch from r.finished_at - r.started_at), 3) as seconds,
       r.as_of_date, r.marks_cleared, r.drift_rows, r.error
from view_refreshes r
order by r.refresh_id desc
limit 20;

-- 11. An LP's totals, from the ledger by hand
-- Returns rows: currency, commitments, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents.
-- What GET /api/lp/{lpId}/summary says, to the cent: plain sums of the effects up to today, in which reversals are negative. No view, no
-- account and no rate of return enters.
select f.currency, count(*) as commitments,
       sum(e.promised_cents + e.commitment_change_cents)::bigint as commitment_cents, sum(e.paid_in_cents)::bigint as paid_in_cents,
       sum(e.distributed_cents)::bigint as distributed_cents, sum(e.promised_cents + e.unfunded_change_cents)::bigint as unfunded_cents
from lp_fund_commitments c
join funds f on f.fund_id = c.fund_id
cross join lateral (
    select count(*) as entries,
           case when c.commitment_date <= reporting_today() then c.commitment_amount_cents else 0 end as promised_cents,
           coalesce(sum(a.unfunded_effect_cents) filter (where a.cash_effect_cents = 0), 0) as commitment_change_cents,
           coalesce(sum(a.paid_in_effect_cents), 0) as paid_in_cents,
           coalesce(sum(a.distributed_effect_cents), 0) as distributed_cents,
           coalesce(sum(a.unfunded_effect_cents), 0) as unfunded_change_cents
    from capital_activities a
    where a.lp_id = c.lp_id and a.commitment_id = c.commitment_id and a.effective_date <= reporting_today()
) e
where c.lp_id = :lp_id and (c.commitment_date <= reporting_today() or e.entries > 0)
group by f.currency
order by f.currency;

-- 12. The same from the view, and from its definition
-- Returns rows: source, currency, commitment_count, commitment_cents, paid_in_cents, distributed_cents, unfunded_cents, nav_cents.
-- Two rows a currency, which differ only while the LP bears a mark: then the definition is right, and is what readers get.
select 'view' as source, v.currency, v.commitment_count, v.commitment_cents, v.paid_in_cents, v.distributed_cents, v.unfunded_cents,
       v.nav_cents
from lp_dashboard_summary v
where v.lp_id = :lp_id
union all
select 'definition', d.currency, d.commitment_count, d.commitment_cents, d.paid_in_cents, d.distributed_cents, d.unfunded_cents,
       d.nav_cents
from lp_dashboard_summary_at(reporting_today()) d
where d.lp_id = :lp_id
order by currency, source;

-- 13. A commitment's position as of a date
-- Returns rows or none: account_date, paid_in_cents, distributed_cents, unfunded_cents, nav_cents, reported_nav_cents, nav_as_of_date.
-- One probe of the capital account: the last row not after the date, here the end of 2024. Nothing when nothing had happened by then.
select a.account_date, a.paid_in_cents, a.distributed_cents, c.commitment_amount_cents + a.unfunded_effect_cents as unfunded_cents,
       a.nav_cents, a.reported_nav_cents, a.nav_as_of_date
from lp_fund_commitments c
join lp_capital_accounts a on a.lp_id = c.lp_id and a.commitment_id = c.commitment_id
where c.lp_id = :lp_id and c.commitment_id = :commitment_id and a.account_date <= date '2024-12-31'
order by a.account_date desc
limit 1;

-- 14. The NAV that counts for each date
-- Returns rows: as_of_date, nav_cents, reported_at, recorded_at, reports.
-- Of the reports for one date the one with the latest reported_at, and of those the one recorded last. `reports` above 1 is a restatement.
select distinct on (n.as_of_date) n.as_of_date, n.nav_cents, n.reported_at, n.recorded_at,
       count(*) over (partition by n.as_of_date) as reports
from commitment_navs n
where n.commitment_id = :commitment_id
order by n.as_of_date desc, n.reported_at desc, n.nav_id desc;

-- 15. What became of an event
-- Returns rows or none: source, event_id, received_at, activity_id, effective_date, amount_cents, reversed_by.
-- By the sender's own words; a NAV has no activity. Nothing means: never recorded, so look among the dead letters and in the queue.
select e.source, e.event_id, e.received_at, e.activity_id, a.effective_date, a.amount_cents, r.activity_id as reversed_by
from received_events e
left join capital_activities a on a.activity_id = e.activity_id
left join capital_activities r on r.reverses_activity_id = e.activity_id
order by e.received_at desc, e.source, e.event_id
limit 20;

-- 16. Who looked at an LP
-- Returns rows or none: subject, route, outcome, looks, last_look.
-- In the last thirty days. `denied` by the hundred from one subject is somebody who tries numbers.
select l.subject, l.route, l.outcome, count(*) as looks, max(l.occurred_at) as last_look
from access_log l
where l.lp_id = :lp_id and l.occurred_at > now() - interval '30 days'
group by l.subject, l.route, l.outcome
order by max(l.occurred_at) desc, l.subject, l.route, l.outcome;

-- 17. Who may see an LP
-- Returns rows or none: subject, role, fund_id, valid_from, valid_to, granted_by.
-- What stands now; with null for the fund, all that the LP has. Change it by docs/entitlements.md alone, which also closes what is cached.
select a.subject, a.role, a.fund_id, a.valid_from, a.valid_to, a.granted_by
from lp_access a
where a.lp_id = :lp_id and a.revoked_at is null and a.valid_from <= now() and (a.valid_to is null or a.valid_to > now())
order by a.subject, a.fund_id nulls first, a.valid_from;

-- 18. What was changed by hand
-- Returns rows or none: change_id, table_name, changed_at, changed_by, old_row.
-- The row as it was before each update or delete of a table that may be changed at all, and by whom. The ledger is not among them.
select r.change_id, r.table_name, r.changed_at, r.changed_by, r.old_row
from row_changes r
order by r.change_id desc
limit 20;

-- 19. The ledger by year
-- Returns rows: year, entries, share_percent, first_recorded, last_recorded.
-- What an archive of old years would spare (docs/maintenance.md): by the day on which entries count, not on which they were recorded.
select extract(year from a.effective_date)::integer as year, count(*) as entries,
       round(100.0 * count(*) / sum(count(*)) over (), 1) as share_percent,
       min(a.recorded_at) as first_recorded, max(a.recorded_at) as last_recorded
from capital_activities a
group by extract(year from a.effective_date)
order by year;

-- 20. The months of the access log
-- Returns rows: partition, bounds, rows, size.
-- This month, the three after it, and every earlier one that was not detached yet.
select c.relname as partition, pg_get_expr(c.relpartbound, c.oid) as bounds, c.reltuples::bigint as rows,
       pg_size_pretty(pg_total_relation_size(c.oid)) as size
from pg_inherits i
join pg_class c on c.oid = i.inhrelid
where i.inhparent = 'access_log'::regclass
order by c.relname;

\connect - reader

-- 21. The plan of a summary
-- Returns rows: QUERY PLAN.
-- From the view: `lp_dashboard_summary_key`, with "never executed" below the branch that computes. For an LP that bears a mark it is the other
-- way round, over `lp_capital_accounts_latest_idx`. Buffers in the tens; a sequential scan of anything but a tiny table is wrong.
\set report `cat shared/src/reports/summary.sql`
set lp_reporting.lp_id = :lp_id;
prepare summary (bigint, date) as :report;
explain (analyze, buffers, costs off) execute summary(:lp_id, reporting_today());

-- 22. The plan of a page of the ledger
-- Returns rows: QUERY PLAN.
-- The newest hundred, read backwards from `capital_activities_timeline_idx`; of the four branches one is executed, and it reads 101 rows at most.
\set report `cat shared/src/reports/capital_activity.sql`
set lp_reporting.lp_id = :lp_id;
prepare page (bigint, date, bigint, date, bigint, bigint[], text[], jsonb) as :report;
explain (analyze, buffers, costs off)
    execute page(:lp_id, '9999-12-31', 9223372036854775807, '1900-01-01', 101, '{}', '{}', null);

-- 23. The plan of the performance in one fund
-- Returns rows: QUERY PLAN.
-- A row of the view by its key, the pool or the commitment's own rate, and `fund_performance_date_idx` for the gross figures.
\set report `cat shared/src/reports/fund_performance.sql`
set lp_reporting.lp_id = :lp_id;
prepare performance (bigint, date, bigint) as :report;
explain (analyze, buffers, costs off) execute performance(:lp_id, reporting_today(), :fund_id);

-- 24. What a reader sees of other LPs
-- Returns one row: limited_partners, commitments, entries_of_others.
-- One LP, its commitments, and nobody else's entries: the second wall, of a statement that names no LP.
set lp_reporting.lp_id = :lp_id;
select (select count(*) from limited_partners) as limited_partners, (select count(*) from lp_fund_commitments) as commitments,
       (select count(*) from capital_activities a where a.lp_id <> :lp_id) as entries_of_others;
