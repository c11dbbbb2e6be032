-- Closes the refresh $1 within its own transaction: the marks its views have seen go, those dated ahead stay until their day.
-- Of several dated ahead on one commitment the last is enough.
with kept as (
    select distinct on (m.commitment_id, m.lp_id, m.fund_id) m.ctid as mark
    from touched_commitments m
    where m.latest_date > reporting_today()
    order by m.commitment_id, m.lp_id, m.fund_id, m.latest_date desc, m.ctid
),
cleared as (
    delete from touched_commitments t where t.ctid not in (select k.mark from kept k) returning 1
)
update view_refreshes r
set finished_at = clock_timestamp(), as_of_date = reporting_today(), drift_rows = $2::bigint,
    marks_cleared = (select count(*) from cleared)
where r.refresh_id = $1
returning r.as_of_date, r.marks_cleared, extract(epoch from r.finished_at - r.started_at)::float8 as took_seconds
