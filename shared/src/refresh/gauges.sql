-- What is outstanding, and how long ago the last refresh that succeeded began: its snapshot has what was committed until then.
select (select count(*) from touched_commitments) as marks_outstanding,
       (select count(*) from pending_performance) as performance_pending,
       (select extract(epoch from clock_timestamp() - max(r.started_at))::float8
        from view_refreshes r
        where r.as_of_date is not null) as view_age_seconds
