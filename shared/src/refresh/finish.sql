-- Closes the refresh $1 within its own transaction: the marks its views have seen go, those dated ahead stay until their day.
with cleared as (
    delete from touched_commitments t where t.latest_date <= reporting_today() returning 1
)
update view_refreshes r
set finished_at = clock_timestamp(), as_of_date = reporting_today(), drift_rows = $2::bigint,
    marks_cleared = (select count(*) from cleared)
where r.refresh_id = $1
returning r.as_of_date, r.marks_cleared
