-- The refreshes that began after $1, and their share of the time from the first's start to the last's.
with refresh as (
    select r.started_at, r.finished_at - r.started_at as duration, lead(r.started_at) over (order by r.started_at) as next_at
    from view_refreshes r
    where r.started_at > $1 and r.finished_at is not null
)
select count(*) as refreshes,
       coalesce(extract(epoch from sum(duration) filter (where next_at is not null)) / extract(epoch from max(next_at) - min(started_at)), 0)::float8
           as share
from refresh
