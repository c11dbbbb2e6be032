-- Refreshes that were begun more than $1 days ago are no history that anyone asks for.
delete from view_refreshes r where r.started_at < clock_timestamp() - make_interval(days => $1::integer)
