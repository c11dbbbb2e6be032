-- Closes the refresh $1, which failed for the reason $2, and asks for one again, unless somebody has asked.
with
failed as (
    update view_refreshes r set finished_at = clock_timestamp(), error = $2::text
    where r.refresh_id = $1
    returning extract(epoch from r.finished_at - r.started_at)::float8 as took_seconds
),
requested as (
    insert into view_refreshes (cause) values ($3::text)
    on conflict ((true)) where started_at is null do nothing
)
select took_seconds from failed
