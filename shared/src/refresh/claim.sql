-- Takes the outstanding request, or begins a refresh that nobody asked for. Committed before the refresh takes its snapshot:
-- whoever still found the request outstanding had committed its marks before, so the snapshot has them.
with
claimed as (
    update view_refreshes r set started_at = clock_timestamp(), cause = $1::text
    where r.started_at is null
    returning r.refresh_id
),
begun as (
    insert into view_refreshes (cause, started_at)
    select $1::text, clock_timestamp() where not exists (select from claimed)
    returning refresh_id
)
select refresh_id from claimed
union all
select refresh_id from begun
