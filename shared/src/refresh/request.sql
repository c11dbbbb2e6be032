-- Asks for a refresh, when there is a mark that one could clear by $2 (today) and no request is outstanding.
with
-- The last refresh that succeeded says how long the next one will take.
last as (
    select r.finished_at, r.finished_at - r.started_at as duration
    from view_refreshes r
    where r.as_of_date is not null
    order by r.as_of_date desc, r.finished_at desc
    limit 1
),
-- One that is under way ends about as long after its start. One that died is taken for one under way: the next comes no later than
-- after one that had succeeded.
running as (
    select max(r.started_at) as started_at
    from view_refreshes r
    where r.finished_at is null
),
-- Due as soon as refreshing takes no more than $1 per cent of the time, and within the queue's longest delay.
due as (
    select least(
               greatest(clock_timestamp(),
                        (select greatest(l.finished_at, u.started_at + l.duration) + l.duration * (100.0 / $1::bigint - 1)::float8
                         from last l cross join running u)),
               clock_timestamp() + make_interval(secs => $3::float8)) as at
    where exists (select from touched_commitments t where t.latest_date <= $2::date)
)
insert into view_refreshes as request (cause, due_at)
select 'activity', d.at from due d
-- One that is long overdue has lost its message, and is sent again.
on conflict ((true)) where started_at is null do update set due_at = excluded.due_at
    where request.due_at < clock_timestamp() - interval '60 seconds'
returning request.refresh_id,
          extract(epoch from request.due_at - clock_timestamp())::float8 as delay_seconds
